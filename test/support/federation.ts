import { ERROR_CODES, FederationError } from "../../src/errors.ts";
import { BegunSessions } from "../../src/handshake/begun-sessions.ts";
import { HandshakeManager } from "../../src/handshake/handshake-manager.ts";
import { HandshakeService } from "../../src/handshake/handshake-service.ts";
import type { TrustPolicy } from "../../src/handshake/trust-policy.ts";
import { type CallerParts, headOf, peerOf } from "../../src/http/inbound/caller.ts";
import { Nonces } from "../../src/http/inbound/nonces.ts";
import { PeerClient } from "../../src/http/outbound/peer-client.ts";
import { type SignedMessageParts, signResponse } from "../../src/identity/http-signatures.ts";
import type { ServerDescriptor } from "../../src/identity/descriptor.ts";
import type { KeyRing } from "../../src/identity/server-keys.ts";
import type { Fetch, FetchRequest, FetchResponse } from "../../src/ports.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { quietLogger } from "./loggers.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { type MemoryDisk, MemoryStore } from "../../src/storage/memory-store.ts";
import { descriptorOf, ringOf } from "./parties.ts";
import { seededRandom } from "./seeded-random.ts";

/** An origin of {@link twoServers}. */
export const A = "https://a.example";
/** The other of the two. */
export const B = "https://b.example";

/** Options of {@link TestServer}. */
export interface TestServerOptions {
  readonly policy?: TrustPolicy;
  readonly named?: readonly string[];
  readonly maxPeers?: number;
  /** Where its calls come from. Default: nobody knows. */
  readonly address?: string;
  readonly disk?: MemoryDisk;
  /** Whether it is one of several processes that share the disk. Default: it is the whole server. */
  readonly shared?: boolean;
  /** Handshakes open at once. Default 1024. */
  readonly maxOpenHandshakes?: number;
  /** How long an old origin has to be silent before a move is followed. Default: a day. */
  readonly moveGraceSeconds?: number;
}

/** Servers that reach each other through nothing but a map; what passes is kept for replays. */
export class TestNetwork {
  readonly clock: ManualClock;
  readonly servers = new Map<string, TestServer>();
  readonly sent: FetchRequest[] = [];
  /** Servers that were started. */
  runs = 0;
  /** What a test does to traffic: answer instead of the server, or throw. */
  intercept: ((request: FetchRequest) => FetchResponse | undefined) | undefined;
  /** What a test does to an answer on its way back. */
  tamper:
    | ((request: FetchRequest, response: FetchResponse) => FetchResponse | Promise<FetchResponse>)
    | undefined;

  constructor(clock: ManualClock) {
    this.clock = clock;
  }

  add(origin: string, options: TestServerOptions = {}): TestServer {
    const server = new TestServer(this, origin, options);
    this.servers.set(origin, server);
    return server;
  }

  readonly fetch: Fetch = (request) => this.fetchFrom(undefined, request);

  async fetchFrom(address: string | undefined, request: FetchRequest): Promise<FetchResponse> {
    this.sent.push(request);
    await Promise.resolve();
    const answered = this.intercept?.(request);
    if (answered !== undefined) return answered;
    const { origin } = new URL(request.url);
    const server = this.servers.get(origin);
    if (server === undefined) {
      throw new FederationError("ERR_FED_UNREACHABLE", `${origin} cannot be reached.`);
    }
    const response = await server.answer(request, address);
    return this.tamper === undefined ? response : this.tamper(request, response);
  }

  /** How often a descriptor was fetched from `origin`. */
  descriptorFetches(origin: string): number {
    return this.sent.filter(({ url }) => url === `${origin}/.well-known/aether-federation`).length;
  }
}

/** Two servers on a network of their own, which have not met. */
export function twoServers(): {
  clock: ManualClock;
  network: TestNetwork;
  a: TestServer;
  b: TestServer;
} {
  const clock = new ManualClock();
  const network = new TestNetwork(clock);
  return { clock, network, a: network.add(A), b: network.add(B) };
}

/** One server: the trust layer whole, behind the least of a router. */
export class TestServer {
  readonly origin: string;
  readonly registry: ServerRegistry;
  readonly handshake: HandshakeService;
  readonly peers: PeerClient;
  readonly store: MemoryStore;
  readonly #network: TestNetwork;
  readonly #nonces: Nonces;
  readonly #refreshPeers: (() => Promise<void>) | undefined;
  ring: KeyRing;
  /** What its descriptor says beside the truth, from now on. */
  says: Partial<ServerDescriptor> = {};
  /** What it answers to calls beside the handshake. */
  onCall: (path: string, body: unknown) => { status: number; body: unknown } = () => ({
    status: 200,
    body: {},
  });

  constructor(network: TestNetwork, origin: string, options: TestServerOptions) {
    const { clock } = network;
    const fetch: Fetch = (request) => network.fetchFrom(options.address, request);
    this.#network = network;
    this.origin = origin;
    this.ring = ringOf(origin);
    this.store = new MemoryStore(clock, options.disk);
    // No two runs of one server draw the same.
    const random = seededRandom(`${origin}, run ${(network.runs += 1)}`);
    this.registry = new ServerRegistry({
      store: this.store,
      clock,
      maxPeers: options.maxPeers ?? 100,
      named: options.named ?? [],
    });
    const signingKey = () => this.ring.current;
    const begun = new BegunSessions(clock);
    this.peers = new PeerClient({
      begun,
      origin,
      signingKey,
      registry: this.registry,
      fetch,
      clock,
      random,
    });
    const { shared = false, maxOpenHandshakes = 1024 } = options;
    this.#nonces = new Nonces({ store: this.store, clock, sessions: shared ? undefined : begun });
    this.#refreshPeers = shared ? () => this.registry.refresh() : undefined;
    this.handshake = new HandshakeService({
      ...{ origin, begun, shared },
      manager: new HandshakeManager({
        origin,
        signingKey,
        ownDescriptor: async () => (await this.descriptor()).jws,
        clock,
        random,
        maxOpenHandshakes,
      }),
      registry: this.registry,
      policy: options.policy ?? "open",
      named: options.named ?? [],
      transport: this.peers,
      store: this.store,
      clock,
      logger: quietLogger(),
      moveGraceSeconds: options.moveGraceSeconds,
    });
    this.peers.reconnectBy((peer, over) => this.handshake.connect(peer, over));
    this.peers.relocateBy((peer) => this.handshake.relocate(peer));
  }

  descriptor() {
    return descriptorOf(this.origin, this.ring, this.#network.clock.now(), this.says);
  }

  /** What the HTTP router would make of a request. */
  async answer(request: FetchRequest, address?: string): Promise<FetchResponse> {
    const path = new URL(request.url).pathname;
    if (path === "/.well-known/aether-federation") return plain(200, await this.descriptor());
    const parts: SignedMessageParts = {
      method: request.method,
      targetUri: request.url,
      headers: request.headers,
      body: request.body,
    };
    if (path.startsWith("/federation/handshake")) {
      const answer = await (path.endsWith("/complete")
        ? this.handshake.handleCompletion(parts, address)
        : this.handshake.handleChallenge(parts, address));
      const body = answer.code === undefined ? answer.body : problemOf(answer.code, answer.reason);
      return answer.verified ? this.sign(answer.status, body, parts) : plain(answer.status, body);
    }
    const caller: CallerParts = {
      ...{ origin: this.origin, registry: this.registry, handshake: this.handshake },
      ...{ nonces: this.#nonces, clock: this.#network.clock },
      ...(this.#refreshPeers === undefined ? {} : { refreshPeers: this.#refreshPeers }),
    };
    const head = await headOf(caller, parts, { hasBody: true });
    const peer = "refused" in head ? head : await peerOf(caller, parts, head);
    if ("refused" in peer) {
      const [status] = ERROR_CODES[peer.refused];
      const problem = problemOf(peer.refused, peer.reason);
      return peer.verified ? this.sign(status, problem, parts) : plain(status, problem);
    }
    const json: unknown = JSON.parse(Buffer.from(request.body ?? []).toString());
    const { status, body } = this.onCall(path, json);
    return this.sign(status, body, parts);
  }

  async sign(status: number, json: unknown, to: SignedMessageParts): Promise<FetchResponse> {
    const body = Buffer.from(JSON.stringify(json));
    const { headers } = await signResponse(
      { status, body },
      to,
      { origin: this.origin, key: this.ring.current },
      { clock: this.#network.clock, random: seededRandom(this.#network.sent.length) },
    );
    return { status, headers, body };
  }
}

/** An unsigned answer. */
export function plain(status: number, body: unknown): FetchResponse {
  return { status, headers: {}, body: Buffer.from(JSON.stringify(body) ?? "") };
}

/** A problem document as far as anybody reads it. */
export function problemOf(code: string, detail?: string): object {
  return { code, ...(detail === undefined ? {} : { detail }) };
}
