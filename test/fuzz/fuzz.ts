/**
 * Malformed traffic to every door of a live server, from everybody who may knock: strangers, a peer
 * that waits to be approved, a trusted one, a blocked one, and players over their WebSockets.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Room } from "@colyseus/sdk";
import { PlayerKey } from "aether-federation/client";
import { Agent } from "undici";
import { signRequest } from "../../src/identity/http-signatures.ts";
import { type Random, systemClock, systemRandom } from "../../src/ports.ts";
import { HostilePeer } from "../attacks/support/hostile-peer.ts";
import { commandLine } from "../support/command-line.ts";
import { goodClaims, passOf } from "../support/operator.ts";
import { type ServerProcess, Servers, WORLD } from "../support/processes.ts";
import { sdkClient } from "../support/sdk.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { anything, below, chance, latin, pick, spoilt, text } from "./chance.ts";
import { frame } from "./frames.ts";
import { type Facts, goodCall, tokenOf } from "./grammar.ts";

/** How much of it, and from which seed. It ends with whichever bound comes first. */
export interface FuzzOptions {
  readonly seed: string;
  readonly seconds: number;
  readonly requests: number;
  readonly onProgress?: (line: string) => void;
}

/** What was sent and answered, and what is wrong with that. */
export interface FuzzResult {
  readonly sent: Readonly<Record<Role | "player", number>>;
  /** How often each status was answered. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Broken off by us, or by the server before an answer. */
  readonly broken: number;
  /** What the server keeps after a collection, so that no garbage counts. */
  readonly memoryBytes: { readonly before: number; readonly after: number };
  readonly diskBytes: { readonly before: number; readonly after: number };
  readonly wrong: readonly string[];
}

type Role = "nobody" | "stranger" | "pending" | "trusted" | "blocked";

const ROLES: readonly Role[] = ["nobody", "stranger", "pending", "trusted", "blocked"];
const WORKERS = 8;
const PLAYERS = 2;
/** A player sends so many frames in one turn, and then looks whether it is still in. */
const FRAMES_A_TURN = 20;
const MEMORY_GROWTH_BYTES = 24 * 1024 * 1024;
const DISK_GROWTH_BYTES = 32 * 1024 * 1024;
const WARM_UP_SECONDS = 10;

/** Runs it. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const run = new Fuzz(options);
  try {
    return await run.run();
  } finally {
    await run.stop();
  }
}

class Fuzz {
  readonly #options: FuzzOptions;
  readonly #servers = new Servers();
  readonly #peers = new Map<Role, HostilePeer>();
  readonly #facts = new Map<Role, Facts>();
  readonly #agent = new Agent({ connections: WORKERS * 2, pipelining: 1 });
  readonly #sent = { nobody: 0, stranger: 0, pending: 0, trusted: 0, blocked: 0, player: 0 };
  readonly #statuses: Record<string, number> = {};
  readonly #wrong = new Set<string>();
  #broken = 0;
  #target!: ServerProcess;

  constructor(options: FuzzOptions) {
    this.#options = options;
  }

  async run(): Promise<FuzzResult> {
    const { seconds, requests, seed, onProgress } = this.#options;
    await this.#start();
    // Caches and compiled code fill first; growth counts from there.
    await this.#for(Math.min(WARM_UP_SECONDS, seconds / 4), requests, `${seed}/warm-up`);
    const before = { memory: await this.#target.keptBytes(), disk: await this.#disk() };
    const report = setInterval(() => {
      onProgress?.(`${this.#total} sent`);
    }, 10_000);
    await this.#for(seconds, requests, seed);
    clearInterval(report);
    const health = await fetch(`${this.#target.origin}/federation/health`).catch(() => undefined);
    if (health?.status !== 200) this.#wrong.add("the server is not well");
    const after = { memory: await this.#target.keptBytes(), disk: await this.#disk() };
    if (after.memory - before.memory > MEMORY_GROWTH_BYTES) this.#wrong.add("memory has grown");
    if (after.disk - before.disk > DISK_GROWTH_BYTES) this.#wrong.add("the disk has filled");
    return {
      sent: this.#sent,
      statuses: this.#statuses,
      broken: this.#broken,
      memoryBytes: { before: before.memory, after: after.memory },
      diskBytes: { before: before.disk, after: after.disk },
      wrong: [...this.#wrong],
    };
  }

  async stop(): Promise<void> {
    await this.#agent.close();
    await this.#servers.stop();
    for (const peer of new Set(this.#peers.values())) await peer.stop();
  }

  get #total(): number {
    return Object.values(this.#sent).reduce((sum, count) => sum + count, 0);
  }

  async #start(): Promise<void> {
    for (const role of ROLES) {
      if (role !== "nobody") this.#peers.set(role, await HostilePeer.start());
    }
    const [trusted, blocked] = [this.#peer("trusted"), this.#peer("blocked")];
    this.#target = await this.#servers.launch({
      name: "plaza",
      script: WORLD,
      flags: ["--trust", "approve", "--peer", trusted.origin, "--peer", blocked.origin],
      inspected: true,
    });
    await this.#target.ready();
    await this.#target.knows(trusted.origin, blocked.origin);
    await this.#peer("pending").shakeHands(this.#target);
    const { code, err } = await commandLine(this.#target, "peers", "block", blocked.origin);
    if (code !== 0) throw new Error(err);
    for (const role of ROLES) this.#facts.set(role, await this.#factsOf(role));
    const random = seededRandom(`${this.#options.seed}/answers`);
    for (const peer of this.#peers.values()) {
      // What it answers is as bad as what it asks.
      peer.onCall = () => ({
        status: pick(random, [200, 200, 201, 204, 302, 400, 404, 409, 429, 500, 503]),
        body: spoilt({ epoch: 1, leaseSeconds: 30, deadline: Date.now() / 1000, lost: [] }, random),
      });
    }
  }

  #peer(role: Role): HostilePeer {
    const peer = this.#peers.get(role === "nobody" ? "stranger" : role);
    if (peer === undefined) throw new Error(`no peer is ${role}`);
    return peer;
  }

  async #factsOf(role: Role): Promise<Facts> {
    const peer = this.#peer(role);
    const { origin, authority } = this.#target;
    const key = PlayerKey.generate();
    const pass = await passOf(
      { ...goodClaims(this.#target, this.#target, "plaza"), iss: peer.origin, src: peer.origin },
      peer.ring.current,
    );
    return {
      ...{ target: origin, sender: peer.origin, world: "plaza" },
      tokens: [
        pass,
        await key.prove(origin),
        await key.prove(origin, "travel"),
        await key.prove(peer.origin),
      ],
      players: [`nobody@${authority}`, `a@${peer.authority}`, `b@${peer.authority}`, "c@x.example"],
      descriptor: (await peer.descriptor()).jws,
    };
  }

  /** Everybody at once, for so long or so often. */
  async #for(seconds: number, requests: number, seed: string): Promise<void> {
    const until = performance.now() + seconds * 1000;
    const most = this.#total + requests;
    const goesOn = (): boolean => performance.now() < until && this.#total < most;
    await Promise.all([
      ...Array.from({ length: WORKERS }, async (_, index) => {
        const random = seededRandom(`${seed}/${index}`);
        while (goesOn()) await this.#call(random);
      }),
      ...Array.from({ length: PLAYERS }, async (_, index) => {
        const random = seededRandom(`${seed}/player/${index}`);
        while (goesOn()) await this.#play(random, goesOn);
      }),
    ]);
  }

  async #call(random: Random): Promise<void> {
    const role = pick(random, ROLES);
    const facts = this.#facts.get(role)!;
    const call = goodCall(facts, random);
    const method = chance(random, 0.95) ? call.method : pick(random, ["PUT", "DELETE", "HEAD"]);
    const path =
      call.path + (chance(random, 0.05) ? `?${encodeURIComponent(text(random, 20))}` : "");
    const body = method === "GET" || method === "HEAD" ? undefined : bytesOf(call.body, random);
    const headers: Record<string, string> = {
      "content-type": "application/json",
      ...(await this.#signed(role, random, {
        method,
        path,
        body,
      })),
    };
    if (chance(random, path.includes("travel") ? 0.8 : 0.1)) {
      headers["authorization"] = `Bearer ${tokenOf(facts, random)}`;
    }
    const abort = new AbortController();
    const timer = chance(random, 0.01)
      ? setTimeout(() => abort.abort(), random.fraction() * 5)
      : undefined;
    this.#sent[role] += 1;
    try {
      const response = await this.#agent.request({
        origin: this.#target.origin,
        ...{ path, method, headers, body: body ?? null, signal: abort.signal },
      });
      await response.body.dump();
      this.#count(response.statusCode, `${method} ${call.path} (${role})`);
    } catch (error) {
      this.#broken += 1;
      if ((error as { code?: string }).code === "ECONNREFUSED") {
        this.#wrong.add("the server refuses connections");
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #count(status: number, what: string): void {
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
    // Colyseus answers its matchmaking refusals with 52x, which are its own codes and no failures.
    const refusedByColyseus = what.includes("/matchmake/") && status >= 520 && status < 530;
    if (status >= 500 && status !== 503 && !refusedByColyseus) {
      this.#wrong.add(`${what} answered ${status}`);
    }
  }

  /** Headers of a signature by the role's key, sometimes with something wrong in them. */
  async #signed(
    role: Role,
    random: Random,
    request: { method: string; path: string; body: Uint8Array | undefined },
  ): Promise<Record<string, string>> {
    if (role === "nobody") {
      return chance(random, 0.7)
        ? {}
        : { "signature-input": latin(text(random, 200)), signature: latin(text(random, 200)) };
    }
    const peer = this.#peer(role);
    const { method, path, body } = request;
    const targetUri = new URL(path, this.#target.origin).href;
    const { headers } = await signRequest(
      {
        method,
        targetUri,
        recipient: chance(random, 0.97) ? this.#target.origin : peer.origin,
        ...(body === undefined ? {} : { body }),
      },
      { origin: peer.origin, key: peer.ring.current },
      { clock: systemClock, random: systemRandom },
    );
    if (chance(random, 0.8)) return headers;
    const name = pick(random, Object.keys(headers));
    const wrong = spoilt(headers[name], random);
    return { ...headers, [name]: typeof wrong === "string" ? latin(wrong) : "" };
  }

  /** Joins, sends frames as long as it is let, and joins again. */
  async #play(random: Random, goesOn: () => boolean): Promise<void> {
    const target = this.#target;
    const token = chance(random, 0.5) ? await PlayerKey.generate().prove(target.origin) : undefined;
    let room: Room;
    try {
      room = await sdkClient(target, token).joinOrCreate("plaza", { name: text(random, 20) });
    } catch {
      this.#broken += 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return;
    }
    room.reconnection.enabled = false;
    const gone = new Promise<void>((resolve) => room.onLeave(() => resolve()));
    room.onMessage("*", () => undefined);
    const destinations = [...this.#facts.get("trusted")!.players, "aether://localhost:9/x"].map(
      (id) => (id.startsWith("aether:") ? id : `aether://${id.split("@")[1] ?? ""}/plaza`),
    );
    for (
      let turns = below(random, 12);
      turns > 0 && goesOn() && room.connection.isOpen;
      turns -= 1
    ) {
      for (let count = 0; count < FRAMES_A_TURN && room.connection.isOpen; count += 1) {
        room.connection.send(frame(room, destinations, random));
        this.#sent.player += 1;
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    room.connection.close();
    await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 1_000))]);
  }

  async #disk(): Promise<number> {
    const folder = this.#target.spec.data;
    const files = await readdir(folder, { recursive: true });
    const sizes = await Promise.all(
      files.map((file) =>
        stat(join(folder, file)).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  }
}

function bytesOf(body: unknown, random: Random): Uint8Array {
  const kind = random.fraction();
  if (kind < 0.02) return random.bytes(below(random, 300));
  if (kind < 0.03) return Buffer.from("x".repeat(60_000 + below(random, 20_000)));
  if (kind < 0.04) return Buffer.from(`${"[".repeat(3_000)}${"]".repeat(3_000)}`);
  const value = kind < 0.35 ? body : kind < 0.9 ? spoilt(body, random) : anything(random, 3);
  const json = JSON.stringify(value ?? null);
  return Buffer.from(chance(random, 0.02) ? json.slice(0, below(random, json.length + 1)) : json);
}
