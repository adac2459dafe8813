/** What a flood of requests that are refused costs a live server: CPU for each, against a health check. */
import { Readable } from "node:stream";
import { Pool } from "undici";
import { signRequest } from "../src/identity/http-signatures.ts";
import { type SigningKey, generateSigningKey } from "../src/identity/server-keys.ts";
import { systemClock, systemRandom } from "../src/ports.ts";
import { commandLine } from "../test/support/command-line.ts";
import { operatorKey } from "../test/support/operator.ts";
import { ROOMS, Servers, type ServerProcess } from "../test/support/processes.ts";
import { Samples, type Section, compare, cpuOf } from "./measure.ts";

const ROUNDS = 21;
const WARM_UP_ROUNDS = 4;
const REQUESTS = 320;
const CONNECTIONS = 16;
const STALE_SECONDS = 600;
const PATH = "/federation/custody/claim";
const BODY = JSON.stringify({ transferId: "00000000-0000-4000-8000-000000000000" });
/** Whoever has to verify a signature first costs an Ed25519 verify more. */
const TARGET = 1;

/** One kind of request, and what must be said to it. */
interface Shot {
  readonly to: ServerProcess;
  readonly method?: "GET" | "POST";
  readonly path?: string;
  readonly body?: string | (() => AsyncIterable<string>);
  /** Made anew for each round: a signature is good for a minute. */
  readonly headers?: () => Promise<Record<string, string>>;
  readonly code?: string;
  /** What is refused unread has its connection closed, now and then before the answer is there. */
  readonly closes?: boolean;
}

/** Floods two servers, one of which has had enough of this address. */
export async function benchRefusals(): Promise<Section[]> {
  const servers = new Servers();
  try {
    const unlimited = ["--limit", "10000000"];
    const [open, peer, blocked] = await servers.start([
      { name: "open", script: ROOMS, flags: unlimited },
      { name: "peer", script: ROOMS, flags: unlimited },
      { name: "blocked", script: ROOMS, flags: unlimited },
    ]);
    const busy = await servers.launch({ name: "busy", script: ROOMS, flags: ["--limit", "1"] });
    await busy.ready();
    if (open === undefined || peer === undefined || blocked === undefined) {
      throw new Error("no servers");
    }
    const { code, err } = await commandLine(open, "peers", "block", blocked.origin);
    if (code !== 0) throw new Error(err);
    const shots = await shotsAt({ open, peer, blocked, busy });
    // Neither calls while it is measured what their calls would cost.
    await Promise.all([peer.kill(), blocked.kill()]);
    const samples = new Samples();
    const floods = Object.entries(shots).map(([name, shot]) => new Flood(name, shot));
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      for (const flood of floods) {
        const spent = await flood.fire();
        if (round >= 0) samples.add(flood.name, spent);
      }
    }
    await Promise.all(floods.map((flood) => flood.end()));
    const cheap = Object.keys(shots)
      .filter((name) => !name.startsWith("verified: "))
      .slice(1);
    return [
      compare(samples, {
        title: "server CPU for a refused request",
        ratio: "cost",
        targets: Object.fromEntries(cheap.map((name) => [name, TARGET])),
      }),
    ];
  } finally {
    await servers.stop();
  }
}

async function shotsAt(at: {
  readonly open: ServerProcess;
  readonly peer: ServerProcess;
  readonly blocked: ServerProcess;
  readonly busy: ServerProcess;
}): Promise<Readonly<Record<string, Shot>>> {
  const to = at.open;
  const known = { origin: at.peer.origin, key: await operatorKey(at.peer) };
  const blocked = { origin: at.blocked.origin, key: await operatorKey(at.blocked) };
  const stranger = generateSigningKey(systemRandom);
  const signed =
    (by: Signer, ageSeconds = 0) =>
    () =>
      sign(to, by, ageSeconds);
  const unsigned = "ERR_FED_SIGNATURE_MISSING";
  return {
    "health (anchor)": { to, method: "GET", path: "/federation/health" },
    "no signature": { to, body: BODY, code: unsigned },
    "garbage signature": {
      to,
      body: BODY,
      headers: async () => ({
        ...{ signature: "aether=:AAAA:", "signature-input": 'aether=("@method");tag="x"' },
      }),
      code: unsigned,
    },
    "wrong parameters": {
      to,
      body: BODY,
      headers: async () => {
        const headers = await sign(to, known);
        const input = headers["signature-input"]?.replace(/;nonce="[^"]*"/u, "") ?? "";
        return { ...headers, "signature-input": input };
      },
      code: "ERR_FED_SIGNATURE_PARAMETERS",
    },
    "unknown origin": {
      to,
      body: BODY,
      headers: signed({ origin: "https://nobody.example", key: stranger }),
      code: "ERR_FED_HANDSHAKE_REQUIRED",
    },
    "unknown key of a peer": {
      to,
      body: BODY,
      headers: signed({ origin: known.origin, key: stranger }),
      code: "ERR_FED_UNKNOWN_KEY",
    },
    "handshake without a signature": {
      to,
      path: "/federation/handshake",
      body: BODY,
      code: unsigned,
    },
    "too many requests": { to: at.busy, body: BODY, code: "ERR_FED_RATE_LIMITED" },
    "unknown path": { to, path: "/federation/nothing", body: BODY, code: "ERR_FED_NOT_FOUND" },
    "wrong method": { to, method: "GET", code: "ERR_FED_METHOD_NOT_ALLOWED" },
    "65 KiB": { to, body: "x".repeat(65 * 1024), code: "ERR_FED_BODY_TOO_LARGE", closes: true },
    "no signature, length not told": {
      to,
      body: async function* () {
        yield BODY;
      },
      code: unsigned,
    },
    "verified: wrong signature of a peer": {
      to,
      body: BODY,
      headers: async () => {
        const headers = await sign(to, known);
        const other = (letter: string): string => (letter === "A" ? "B" : "A");
        const signature = headers["signature"]?.replace(
          /^(aether=:)(.)/u,
          (_all, label: string, first: string) => label + other(first),
        );
        return { ...headers, signature: signature ?? "" };
      },
      code: "ERR_FED_SIGNATURE_INVALID",
    },
    "verified: expired, of a peer": {
      to,
      body: BODY,
      headers: signed(known, STALE_SECONDS),
      code: "ERR_FED_SIGNATURE_EXPIRED",
    },
    "verified: a blocked peer, answer signed": {
      to,
      body: BODY,
      headers: signed(blocked),
      code: "ERR_FED_BLOCKED",
    },
  };
}

interface Signer {
  readonly origin: string;
  readonly key: SigningKey;
}

async function sign(
  to: ServerProcess,
  by: Signer,
  ageSeconds = 0,
): Promise<Record<string, string>> {
  const clock = { ...systemClock, now: () => systemClock.now() - ageSeconds * 1000 };
  const { headers } = await signRequest(
    {
      ...{ method: "POST", targetUri: `${to.origin}${PATH}`, recipient: to.origin },
      body: Buffer.from(BODY),
    },
    by,
    { clock, random: systemRandom },
  );
  return headers;
}

/** Requests of one kind, over connections that stay open. */
class Flood {
  readonly name: string;
  readonly #shot: Shot;
  readonly #pool: Pool;
  #closed = 0;

  constructor(name: string, shot: Shot) {
    this.name = name;
    this.#shot = shot;
    this.#pool = new Pool(shot.to.origin, { connections: CONNECTIONS, pipelining: 1 });
    this.#pool.on("disconnect", () => (this.#closed += 1));
  }

  /** Microseconds of the server's CPU for each of a volley. */
  async fire(): Promise<number> {
    const { to, code, closes = false } = this.#shot;
    const headers = { "content-type": "application/json", ...(await this.#shot.headers?.()) };
    // Opens the connections again that were idle for too long, and uses up the one request a minute that
    // the limit lets through.
    await Promise.all(
      Array.from({ length: CONNECTIONS }, () => this.#send(headers).catch(() => "")),
    );
    const said = await this.#send(headers);
    if (code !== undefined && !said.includes(`"${code}"`)) throw new Error(`${this.name}: ${said}`);
    this.#closed = 0;
    const before = await cpuOf(to.pid);
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async () => {
        for (let each = 0; each < REQUESTS / CONNECTIONS; each += 1) {
          if (closes) await this.#send(headers).catch(() => undefined);
          else await this.#send(headers);
        }
      }),
    );
    const spent = ((await cpuOf(to.pid)) - before) / REQUESTS;
    if (this.#closed > 0 && !closes) {
      throw new Error(`${this.name}: ${this.#closed} connections were closed`);
    }
    return spent;
  }

  async #send(headers: Readonly<Record<string, string>>): Promise<string> {
    const { method = "POST", path = PATH, body: given, closes = false } = this.#shot;
    const body = typeof given === "function" ? Readable.from(given()) : (given ?? null);
    const answer = await this.#pool.request({ method, path, headers, reset: closes, body });
    return answer.body.text();
  }

  end(): Promise<void> {
    return this.#pool.destroy();
  }
}
