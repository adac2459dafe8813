import assert from "node:assert/strict";
import { createServer } from "node:http";
import { parseFailed, parseFrozen, parseRecalled } from "../../src/client/messages.ts";
import { table } from "../../src/cli/output.ts";
import { cleanName } from "../../src/colyseus/logins.ts";
import { wonClaimSchema } from "../../src/custody/shared/messages.ts";
import { Stay, reserve } from "../../src/custody/source/departing.ts";
import { signDescriptor, verifyDescriptor } from "../../src/identity/descriptor.ts";
import { generateSigningKey } from "../../src/identity/server-keys.ts";
import { systemRandom } from "../../src/ports.ts";
import { CLI, runScript } from "../support/command-line.ts";
import { quietLogger } from "../support/loggers.ts";
import { hangUp, listen } from "../support/loopback.ts";
import { callAs, goodClaims, operatorKey, passOf } from "../support/operator.ts";
import { rooms } from "../support/running.ts";

/** What nobody should be shown: NUL, escapes, line breaks, what turns text round, what is not there. */
const UNCLEAN =
  /\p{Cc}|[\u00ad\u061c\u115f\u1160\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0]|[\u{e0000}-\u{e0fff}]/u;
/** Names as a hostile home gives them, and what is shown of them. */
const NAMES: readonly (readonly [name: string, shown: string | undefined])[] = [
  ["Ada\u0000", "Ada"],
  ["Ada\nServer: you are banned", "Ada Server: you are banned"],
  ["\u202Eada\u2066", "ada"],
  ["A\u200Bd\uFEFFa\u00AD", "Ada"],
  ["\u001b[2J\u001b]0;x\u0007Ada\u009b31m", "[2J]0;xAda31m"],
  ["A\u{E0041}da", "Ada"],
  ["Ad\uD800a", "Ada"],
  ["", undefined],
  [" \u00A0\u2003", undefined],
  ["\u200B\u2060", undefined],
  ["\u3164", undefined],
  ["\u2800\u2800", undefined],
  ["\u0301\u0301", undefined],
  ["\u200D", undefined],
  ["\uFE0F", undefined],
];
/** Names that are what they look like. */
const HONEST = [
  "Ada Lovelace",
  "Łukasz Żółć",
  "नमस्ते क्‍ष",
  "می‌خواهم",
  "👩‍👩‍👧 home",
  "❤️",
  "李小龙",
  "O'Neill-Böhm",
  "🏳️‍🌈",
];

describe("attack: words that are not what they look like", function () {
  this.timeout(60_000);
  const at = rooms("home", "away");

  for (const [name, shown] of NAMES) {
    it(`a player is named ${JSON.stringify(name)}`, async () => {
      assert.equal(cleanName(name), shown, "at its own home");
      const claimed = wonClaimSchema.parse({
        ...{ player: "p@h.example", name, epoch: 1, leaseSeconds: 9, receipt: "r" },
      });
      assert.equal(claimed.name, shown ?? "Traveler", "as home says it to a claim");
      // As home says it in a pass: the admission policy refuses the name that it is shown.
      const claims = { ...goodClaims(at.home, at.away, "plain"), name };
      const answer = await callAs(at.home, at.away, "/reservations", {
        ...{ transferId: claims.xfer, world: "plain", options: { without: shown ?? "" } },
        pass: await passOf(claims, await operatorKey(at.home)),
      });
      const expected = shown === undefined ? "ERR_FED_PASS_INVALID" : "ERR_FED_ADMISSION_REFUSED";
      assert.equal(answer.body["code"], expected, JSON.stringify(answer.body));
    });
  }

  for (const name of HONEST) {
    it(`leaves ${name} as it is`, () => {
      assert.equal(cleanName(name), name);
    });
  }

  it("a peer's detail is put into the mouth of this server", async () => {
    const detail = "\u001b[31mYour password\u202E has expired:\nvisit https://evil.example";
    for (const code of [
      "ERR_FED_WORLD_FULL",
      "ERR_FED_STATE_INVALID",
      "ERR_FED_PASS_INVALID",
    ] as const) {
      const { message } = await refused(code, detail);
      assert.doesNotMatch(message, /password|evil/u, code);
    }
    const admission = await refused("ERR_FED_ADMISSION_REFUSED", detail);
    assert.match(admission.message, /^The other server/u, "whose words they are is said");
    assert.doesNotMatch(admission.message, UNCLEAN);
  });

  it("a room's sentences, as a client hears them", () => {
    const message = "\u001b[2JYou\u202E won\u0000\n";
    const failed = { transferId: "1", to: "aether://a/b", code: "ERR_FED_X", message };
    for (const heard of [
      parseFailed(failed)?.message,
      parseFrozen({ reason: "lease", message })?.message,
      parseRecalled({ code: "ERR_FED_X", message })?.message,
    ]) {
      assert.equal(heard, "[2JYou won");
    }
  });

  for (const name of ["\u200B", "\u3164\u3164", "\u202Ex", "a\u0007b", " ", "x\u2028y"]) {
    it(`a server is named ${JSON.stringify(name)}`, async () => {
      const key = generateSigningKey(systemRandom);
      const { jws } = await descriptorOf("https://evil.example", name, key);
      const verified = await verifyDescriptor(jws, { now: Date.now() });
      assert.equal(verified.verified, false);
    });
  }

  it("a table forges rows, and writes on the operator's terminal", () => {
    const text = table(["name", "trust"], [["evil\nhonest  trusted\u001b[1A", "pending\u009b2K"]]);
    assert.equal(text.split("\n").length, 3);
    assert.doesNotMatch(text.replaceAll("\n", ""), UNCLEAN);
  });

  it("doctor examines a server that answers with escape sequences", async () => {
    const escapes = "\u001b]0;owned\u0007\u009b31m\u202E\nok   all is well";
    const key = generateSigningKey(systemRandom);
    const server = createServer((request, response) => {
      const { url = "" } = request;
      const send = (status: number, body: unknown): void => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify(body));
      };
      if (url.startsWith("/.well-known")) {
        void descriptorOf(origin, "Evil", key).then((document) => {
          send(200, document);
        });
      } else if (url.endsWith("/health")) send(200, { status: escapes });
      else send(401, { code: escapes });
    });
    const { origin } = await listen(server);
    for (const flags of [[], ["--json"]]) {
      const { out, err } = await runScript(CLI, "doctor", origin, "--allow-insecure", ...flags);
      assert.doesNotMatch((out + err).replaceAll("\n", ""), UNCLEAN);
      assert.doesNotMatch(out, /^ok {3}all is well/mu, "no line of its own");
    }
    await hangUp(server);
  });

  async function refused(code: "ERR_FED_WORLD_FULL", detail: string): Promise<Stay>;
  async function refused(code: string, detail: string): Promise<Stay>;
  async function refused(code: string, detail: string): Promise<Stay> {
    const peers = { call: () => Promise.resolve({ ok: false, status: 409, code, detail }) };
    const destination = {
      origin: "https://b.example",
      world: "w",
      uri: "aether://b/w",
      options: {},
    };
    try {
      await reserve(
        { peers, logger: quietLogger() } as never,
        { destination, transferId: "1", session: undefined } as never,
        "pass",
      );
    } catch (cause) {
      if (cause instanceof Stay) return cause;
      throw cause;
    }
    throw new Error("it was not refused");
  }
});

function descriptorOf(
  origin: string,
  name: string,
  key: ReturnType<typeof generateSigningKey>,
): ReturnType<typeof signDescriptor> {
  return signDescriptor(
    {
      ...{ origin, name, endpoint: `${origin}/federation`, protocols: ["aether/1"], worlds: [] },
      validUntil: Math.floor(Date.now() / 1000) + 3600,
    },
    { current: key, next: undefined, retired: [] },
  );
}
