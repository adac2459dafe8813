import assert from "node:assert/strict";
import type { AdmissionRequest } from "../../../src/custody/destination/admission.ts";
import { Preflight, type PreflightOptions } from "../../../src/custody/destination/preflight.ts";
import { preflight } from "../../../src/custody/source/preflight.ts";
import { FederationError } from "../../../src/errors.ts";
import type { PeerAnswer } from "../../../src/ports.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";

const HOME = "https://home.example";
const BODY = { player: "ada@home.example", name: "Ada", home: HOME, world: "pit" };
const silent = (): void => undefined;
const SILENT = { debug: silent, info: silent, warn: silent, error: silent };

function destination(given: Partial<PreflightOptions> = {}): Preflight {
  return new Preflight({
    ...{ isOpen: () => true, clock: new ManualClock(), logger: SILENT },
    seats: {
      hasWorld: (world) => world === "pit",
      hasRoom: () => Promise.resolve(true),
      reserve: () => Promise.reject(new Error("nothing is reserved for a question")),
      isReserved: () => Promise.resolve(false),
      release: () => Promise.resolve(),
    },
    ...given,
  });
}

async function said(of: Preflight, body: object = BODY, caller = HOME): Promise<unknown> {
  const answer = await of.answer(caller, body);
  return answer.ok ? answer.body : answer.code;
}

describe("custody/destination, what others ask ahead of a player", () => {
  it("says that it would be admitted, and that there is room", async () => {
    assert.deepEqual(await said(destination()), { admitted: "yes", room: "free" });
  });

  it("says how many assets are not here", async () => {
    const hasAsset = (hash: string): Promise<boolean> =>
      hash === "odd" ? Promise.reject(new Error("no hash")) : Promise.resolve(hash === "here");
    const answer = await said(destination({ hasAsset }), {
      ...BODY,
      assets: ["here", "gone", "odd"],
    });
    assert.deepEqual(answer, { admitted: "yes", room: "free", missingAssets: 2 });
  });

  it("tells the admission policy that it is a question only", async () => {
    let asked: AdmissionRequest | undefined;
    const admit = (request: AdmissionRequest): { admit: false; reason: string } => {
      asked = request;
      return { admit: false, reason: "banned" };
    };
    const answer = await said(destination({ admit }));
    assert.equal(asked?.preflight, true);
    assert.deepEqual(answer, {
      ...{ admitted: "no", code: "ERR_FED_ADMISSION_REFUSED", reason: "banned", room: "unknown" },
    });
  });

  it("does not ask the policy about a player of another home than the caller", async () => {
    const admit = (): never => assert.fail("asked about somebody else's player");
    const answer = await said(destination({ admit }), BODY, "https://other.example");
    assert.deepEqual(answer, { admitted: "unknown", room: "free" });
  });

  it("does not tell a caller which other homes are trusted here", async () => {
    const takesPlayersOf = (): boolean => false;
    const answer = await said(destination({ takesPlayersOf }), BODY, "https://other.example");
    assert.deepEqual(answer, { admitted: "unknown", room: "free" });
  });

  for (const [what, given, body, code] of [
    [
      "a home whose players are not taken",
      { takesPlayersOf: () => false },
      BODY,
      "ERR_FED_PASS_ISSUER",
    ],
    ["a world that is not here", {}, { ...BODY, world: "nope" }, "ERR_FED_WORLD_UNKNOWN"],
    ["a server that closes", { isOpen: () => false }, BODY, "ERR_FED_UNAVAILABLE"],
  ] as const) {
    it(`says no for ${what}`, async () => {
      assert.deepEqual(await said(destination(given), body), {
        ...{ admitted: "no", code, room: "unknown" },
      });
    });
  }

  for (const [what, body] of [
    ["a player of another home than the one it names", { ...BODY, player: "ada@other.example" }],
    ["a member it does not know", { ...BODY, more: 1 }],
    ["too many assets", { ...BODY, assets: Array.from({ length: 33 }, () => "x") }],
  ] as const) {
    it(`refuses ${what}`, async () => {
      assert.equal(await said(destination(), body), "ERR_FED_MALFORMED");
    });
  }

  it("says that no more visitors are taken to their home, and to nobody else", async () => {
    const crowd = { isFull: ({ home }: { home: string }) => home === HOME };
    const no = { admitted: "no", code: "ERR_FED_TOO_MANY_VISITORS", room: "unknown" };
    assert.deepEqual(await said(destination({ crowd })), no);
    const answer = await said(destination({ crowd }), BODY, "https://other.example");
    assert.deepEqual(answer, { admitted: "unknown", room: "free" });
  });

  it("answers a caller so often in a minute, and no other one less for it", async () => {
    const of = destination({ perMinute: 2 });
    await said(of);
    await said(of);
    assert.equal(await said(of), "ERR_FED_RATE_LIMITED");
    assert.deepEqual(await said(of, BODY, "https://other.example"), {
      ...{ admitted: "unknown", room: "free" },
    });
  });
});

describe("custody/source, asking a destination ahead", () => {
  const session = { player: "ada@home.example", name: "Ada", home: HOME };
  const where = { origin: "https://arena.example", world: "pit", options: {} };
  const asks = (answer: PeerAnswer | Error) =>
    preflight(
      { call: () => (answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)) },
      session,
      where,
      [],
    );

  for (const [what, answer] of [
    ["that has no such call", { ok: false, status: 404, code: "ERR_FED_NOT_FOUND" }],
    ["that answers without a signature", new FederationError("ERR_FED_BAD_RESPONSE")],
    ["that answers in another form", { ok: true, status: 200, body: { admitted: "perhaps" } }],
    ["that has been asked too often", { ok: false, status: 429, code: "ERR_FED_RATE_LIMITED" }],
  ] as const) {
    it(`knows nothing of one ${what}`, async () => {
      assert.equal((await asks(answer as PeerAnswer)).admitted, "unknown");
    });
  }

  it("is refused by one that does not trust this server", async () => {
    const { admitted, code } = await asks({
      ok: false,
      status: 403,
      code: "ERR_FED_NOT_TRUSTED",
    });
    assert.deepEqual([admitted, code], ["no", "ERR_FED_NOT_TRUSTED"]);
  });

  it("is refused by one that cannot be reached", async () => {
    const { admitted, code } = await asks(new FederationError("ERR_FED_UNREACHABLE"));
    assert.deepEqual([admitted, code], ["no", "ERR_FED_DESTINATION_DOWN"]);
  });

  it("quotes nobody but whoever does not admit, on one line", async () => {
    const body = {
      admitted: "no",
      code: "ERR_FED_WORLD_UNKNOWN",
      reason: "secret",
      room: "unknown",
    };
    const other = await asks({ ok: true, status: 200, body });
    assert.doesNotMatch(other.message ?? "", /secret/u);
    const refused = { ...body, code: "ERR_FED_ADMISSION_REFUSED", reason: "no\nway" };
    const { message = "" } = await asks({ ok: true, status: 200, body: refused });
    assert.match(message, /^[^\n]*no ?way[^\n]*$/u);
  });
});
