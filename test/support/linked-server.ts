/** The trust layer, the endpoints and the links of a server, on an HTTP server of its own, without Colyseus. */
import { type Server, createServer } from "node:http";
import { type AddressInfo, type Socket, connect, createServer as createTcpServer } from "node:net";
import { HandshakeManager } from "../../src/handshake/handshake-manager.ts";
import { HandshakeService } from "../../src/handshake/handshake-service.ts";
import { Nonces } from "../../src/http/inbound/nonces.ts";
import { type Endpoints, createEndpoints } from "../../src/http/inbound/router.ts";
import { LINK_CAPABILITY, LINK_SUBPROTOCOL } from "../../src/http/link/opening.ts";
import { createLinkDialer } from "../../src/http/outbound/link-dialer.ts";
import { createGuardedFetch } from "../../src/http/outbound/outbound-guard.ts";
import { PeerClient } from "../../src/http/outbound/peer-client.ts";
import { type KeyRing, generateSigningKey } from "../../src/identity/server-keys.ts";
import { Links } from "../../src/link/links.ts";
import { systemClock, systemRandom } from "../../src/ports.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { termsOfLinks } from "../../src/runtime/peer-links.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import type { Telemetry } from "../../src/telemetry/telemetry.ts";
import { eventually } from "./eventually.ts";
import { quietLogger } from "./loggers.ts";
import { descriptorOf } from "./parties.ts";

/** What a server says to a custody call. */
export type OnCall = (from: string, call: string, body: unknown) => Promise<unknown>;

/** Options of {@link LinkedServer.start}. */
export interface LinkedServerOptions {
  /** Whether it has links. Default true. */
  readonly links?: boolean;
  /** Whether it says so. Default: as it is. */
  readonly saysLinks?: boolean;
  /** Where peers call it, if not at its own port. */
  readonly endpointPort?: number;
  /** Default: as many as anybody likes. */
  readonly requestsPerMinute?: number;
  /** Default: none. */
  readonly telemetry?: Telemetry;
  /** Whether it knows traced calls on links. Default true. */
  readonly tracedLinks?: boolean;
}

/** One server; its `origin` is its own port. */
export class LinkedServer {
  readonly origin: string;
  readonly endpoint: string;
  readonly registry: ServerRegistry;
  readonly handshake: HandshakeService;
  readonly links: Links | undefined;
  readonly peers: PeerClient;
  readonly ring: KeyRing = {
    current: generateSigningKey(systemRandom),
    next: undefined,
    retired: [],
  };
  /** Calls that came by HTTP, as `METHOD path`. */
  readonly requests: string[] = [];
  onCall: OnCall = async (_from, _call, body) => body;
  readonly #http: Server;
  readonly #fetch = createGuardedFetch({ allowInsecure: true, allowPrivateNetwork: false });

  private constructor(
    http: Server,
    {
      links = true,
      saysLinks = links,
      endpointPort,
      requestsPerMinute = 10_000_000,
      telemetry,
      tracedLinks = true,
    }: LinkedServerOptions,
  ) {
    const { port } = http.address() as AddressInfo;
    const origin = `http://127.0.0.1:${port}`;
    this.#http = http;
    this.origin = origin;
    this.endpoint = `http://127.0.0.1:${endpointPort ?? port}/federation`;
    const [clock, random, logger] = [systemClock, systemRandom, quietLogger()];
    const store = new MemoryStore(clock);
    const registry = new ServerRegistry({ store, clock });
    const signingKey = () => this.ring.current;
    const keyFor = registry.keyFor.bind(registry);
    this.registry = registry;
    this.links = links
      ? new Links({
          ...{ origin, clock, random },
          ...termsOfLinks(registry),
          dial: createLinkDialer({
            ...{ origin, signingKey, keyFor, clock, random },
            ...{ allowInsecure: true, allowPrivateNetwork: false, timeoutMilliseconds: 3_000 },
          }),
        })
      : undefined;
    this.peers = new PeerClient({
      ...{ origin, signingKey, registry, fetch: this.#fetch, clock, random, links: this.links },
      telemetry,
    });
    const protocols = ["aether/1", ...(saysLinks ? [LINK_CAPABILITY] : [])];
    const descriptor = () =>
      descriptorOf(origin, this.ring, clock.now(), { endpoint: this.endpoint, protocols });
    const ownDescriptor = async () => (await descriptor()).jws;
    this.handshake = new HandshakeService({
      manager: new HandshakeManager({
        ...{ origin, signingKey, ownDescriptor, clock, random, allowInsecure: true },
      }),
      ...{ origin, registry, named: [], policy: "open", transport: this.peers, store, clock },
      ...{ logger, allowInsecure: true, telemetry },
    });
    this.peers.reconnectBy((peer, over) => this.handshake.connect(peer, over));
    registry.on((event) => this.links?.review(event.origin));
    const endpoints: Endpoints = createEndpoints({
      ...{ origin, endpoint: this.endpoint, registry, clock, random, logger, signingKey },
      nonces: new Nonces({ store, clock }),
      telemetry,
      ...{ handshake: this.handshake, links: this.links, descriptor },
      health: () => ({ status: "pass", version: "1" }),
      keyWord: () => Promise.resolve(undefined),
      servers: () => Promise.resolve({ ok: true, text: '{"servers":[]}' }),
      travel: () => Promise.reject(new Error("nobody travels")),
      playerKeys: () => Promise.reject(new Error("nobody has keys")),
      handOver: () => Promise.reject(new Error("nobody is handed over")),
      maxRequestsPerMinutePerPeer: 10_000_000,
      maxRequestsPerMinutePerAddress: requestsPerMinute,
      custody: {
        answer: async (from: string, call: string, body: unknown) => ({
          ok: true,
          body: await this.onCall(from, call, body),
        }),
      } as never,
      assets: { answer: () => Promise.reject(new Error("no assets")) } as never,
    });
    http.on("request", (request, response) => {
      this.requests.push(`${request.method ?? ""} ${request.url ?? ""}`);
      endpoints(request, response, () => response.writeHead(404).end());
    });
    http.on("upgrade", (request, socket, head) => {
      this.requests.push(`UPGRADE ${request.url ?? ""}`);
      if (!tracedLinks) request.headers["sec-websocket-protocol"] = LINK_SUBPROTOCOL;
      if (!endpoints.upgrade(request, socket, head)) socket.destroy();
    });
  }

  static async start(options: LinkedServerOptions = {}): Promise<LinkedServer> {
    const http = createServer();
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    return new LinkedServer(http, options);
  }

  get port(): number {
    return Number(new URL(this.origin).port);
  }

  /** POSTs of custody calls that came so far. */
  get posts(): number {
    return this.requests.filter((each) => each.startsWith("POST /federation/custody/")).length;
  }

  /** Calls `/custody/<call>` of another server. */
  call(to: LinkedServer, body: unknown = {}, call = "claim") {
    return this.peers.call(to.origin, `/custody/${call}`, body, { timeoutMilliseconds: 2_000 });
  }

  /** Shakes hands, calls, and waits until calls go over a link. */
  async link(to: LinkedServer): Promise<void> {
    await this.handshake.connect(to.origin);
    await eventually(
      async () => {
        await this.call(to);
        if (this.links?.has(to.origin) !== true) throw new Error("no link yet");
      },
      { what: "there is a link" },
    );
  }

  async stop(): Promise<void> {
    await this.links?.close();
    this.#http.close();
    this.#http.closeAllConnections();
    await this.#fetch.close();
  }
}

/** What stands between: it forwards, swallows, cuts, or refuses upgrades. */
export class Between {
  readonly port: number;
  /** `swallow`: nothing goes through any more, and nobody is told. */
  mode: "forward" | "swallow" = "forward";
  /** What upgrades are answered instead. */
  refusesUpgrades: string | undefined;
  readonly #server: ReturnType<typeof createTcpServer>;
  readonly #sockets = new Set<Socket>();
  target = 0;

  private constructor(server: ReturnType<typeof createTcpServer>) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (socket: Socket) => {
      this.#forward(socket);
    });
  }

  static async open(): Promise<Between> {
    const server = createTcpServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Between(server);
  }

  /** Breaks every connection there is. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #forward(socket: Socket): void {
    const onward = connect(this.target, "127.0.0.1");
    const pass = (from: Socket, to: Socket, upstream: boolean): void => {
      this.#sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on("data", (chunk: Buffer) => {
        if (this.mode === "swallow") return;
        const answer = this.refusesUpgrades;
        if (upstream && answer !== undefined && /^upgrade: websocket/imu.test(chunk.toString())) {
          from.end(`HTTP/1.1 ${answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
          return;
        }
        to.write(chunk);
      });
    };
    pass(socket, onward, true);
    pass(onward, socket, false);
  }
}
