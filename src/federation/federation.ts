/**
 * `createFederation`: composes everything for one Colyseus server.
 */
import { createRequire } from "node:module";
import { Server } from "@colyseus/core";
import { AttachedServer } from "../colyseus/attach.ts";
import { ForgottenAttach } from "../colyseus/forgotten-attach.ts";
import { PlayerGate } from "../colyseus/player-gate.ts";
import { countPopulations } from "../colyseus/populations.ts";
import { PresenceLink, isShared, redisOfHost } from "../colyseus/siblings.ts";
import { FederationPortals, type PortalsOptions } from "../colyseus/portals.ts";
import type { DiscoveredServer } from "../discovery/discovery.ts";
import type { Discovered } from "../discovery/listing-reader.ts";
import type { Refusal } from "../errors.ts";
import {
  type Countersigned,
  type ReceiptClaims,
  countersignedBy,
  verifyReceipt,
} from "../identity/receipt.ts";
import type { CrossingRecord } from "../custody/shared/history.ts";
import type { Middleware, Upgrade } from "../http/inbound/middleware.ts";
import type { Endpoints } from "../http/inbound/router.ts";
import type { FederationOptions } from "./federation-options.ts";
import { endpointsOf } from "./endpoints.ts";
import { discover, discovered, serverList } from "./discovery.ts";
import { resolveOptions } from "./options.ts";
import { FederationAssets } from "./assets.ts";
import { glanceSource } from "./glance.ts";
import { gaugesOf } from "./gauges.ts";
import { FederationPages } from "./pages.ts";
import { FederationPeers } from "./peers.ts";
import { type RouteSources, addRoute, removeRoute } from "../operator/routes.ts";
import type { PortalRoute, RoutingTable } from "../routing/routing-table.ts";
import type { FederationEvents } from "../runtime/events.ts";
import { FederationRuntime } from "../runtime/federation-runtime.ts";
import type { ProcessLink } from "../runtime/sibling-processes.ts";
import { RedisEngine } from "../storage/redis-engine.ts";

const { version } = createRequire(import.meta.url)("aether-federation/package.json") as {
  version: string;
};

/** One server's membership in the federation. */
export class Federation {
  /** The parts, for whoever needs them one by one. */
  readonly runtime: FederationRuntime;
  /** Peers and the operator's decisions about them. */
  readonly peers: FederationPeers;
  /** Files of this server and those its visitors bring. */
  readonly assets: FederationAssets;
  readonly #gate: PlayerGate;
  readonly #forgotten: ForgottenAttach;
  readonly #pages: FederationPages;
  #attached: AttachedServer | undefined;
  #unobserve: () => void = () => undefined;
  /** Of the running federation. */
  #endpoints: Endpoints | undefined;

  constructor(options: FederationOptions) {
    const resolved = resolveOptions(options);
    this.runtime = new FederationRuntime(resolved);
    this.peers = new FederationPeers(this.runtime);
    this.assets = new FederationAssets(this.runtime);
    this.#gate = new PlayerGate(this.runtime);
    this.#pages = new FederationPages({
      ...{ runtime: this.runtime, peers: this.peers, assets: this.assets, version },
      ...{ admin: resolved.admin, status: resolved.status },
    });
    this.#forgotten = new ForgottenAttach(this.runtime.options);
  }

  /** This server's origin. */
  get origin(): string {
    return this.runtime.options.origin;
  }

  /** Where portals lead; routes may be added and removed while the server runs. */
  get routes(): RoutingTable {
    return this.runtime.routes;
  }

  /**
   * Adds a route that is there again after a restart: on disk before it leads anywhere. The same pattern and
   * server replaces the former; at most 1,000 are kept. Those that `routes.addRoute` adds end with the process.
   *
   * @throws TypeError naming the member that is wrong, and while the federation does not run.
   */
  keepRoute(route: PortalRoute): Promise<void> {
    return addRoute(this.#routeSources(), route, { persist: true });
  }

  /**
   * Removes one server of a pattern, or all of them, for good: also what {@link keepRoute} has kept. False
   * when there was none. A route of the options is there again after a restart.
   */
  removeRoute(pattern: string, server?: string): Promise<boolean> {
    return removeRoute(this.#routeSources(), pattern, server);
  }

  #routeSources(): RouteSources {
    return { table: this.routes, kept: this.runtime.keptRoutes };
  }

  /** The room plugin: `plugins = definePlugins([federation.portals({ carry })])`. */
  portals(options: PortalsOptions = {}): FederationPortals {
    return new FederationPortals(this.#gate, options);
  }

  /** Listens to one kind of event. Returns how to stop. */
  on<Name extends keyof FederationEvents>(
    name: Name,
    listener: (event: FederationEvents[Name]) => void,
  ): () => void {
    return this.runtime.on(name, listener);
  }

  /**
   * Reads another server's list, and of everybody it names what that one says of itself, at its own origin: who
   * does not agree to be listed there is not given. Trusts nobody, and remembers nothing.
   *
   * At most 8 pages and 128 servers, within a minute: what is beyond is `truncated`, and who could not be asked
   * is `unconfirmed`.
   *
   * @param source An origin, or the `https:` URL of a list that is published as a file.
   * @throws TypeError for a source that is neither.
   * @throws FederationError why there is no list: `ERR_FED_UNREACHABLE`, `ERR_FED_TIMEOUT`,
   * `ERR_FED_FORBIDDEN_ADDRESS`, `ERR_FED_BAD_RESPONSE`, `ERR_FED_RESPONSE_TOO_LARGE`, `ERR_FED_BLOCKED`, or the
   * code by which a descriptor or a file does not verify.
   */
  async discover(source: string): Promise<Discovered> {
    return discover(this.runtime, source);
  }

  /** Servers that are known by introduction (option `discovery`), by origin: none of them is trusted for it. */
  discovered(): DiscoveredServer[] {
    return discovered(this.runtime);
  }

  /**
   * This server and its trusted peers that agree to be listed, as one signed file (PROTOCOL 10) to be put
   * anywhere; `verifyServerList` reads it. At most 128 servers and 256 KiB: the first by origin.
   *
   * @param lifeSeconds How long it counts, 60–604800. Default a day: publish it anew before.
   * @throws TypeError for a life that is none. @throws FederationError `ERR_FED_NOT_FOUND` where this server
   * does not agree to be listed itself.
   */
  async serverList(lifeSeconds?: number): Promise<string> {
    return serverList(this.runtime, lifeSeconds);
  }

  /**
   * The crossings of one of this home's players, oldest first, each with its signed receipt. Kept
   * for 90 days.
   */
  async crossings(player: string): Promise<CrossingRecord[]> {
    const { ledger, history } = this.runtime.custody;
    const localId = ledger.localId(player);
    return localId === undefined ? [] : history.of(localId);
  }

  /**
   * The crossing that a transfer id names, with home's receipt and what its ends have signed beside it:
   * at home, at its destination, and at its source once home has answered.
   *
   * @param home Origin of the player's home, as servers choose transfer ids by themselves. Default:
   * this server if it knows of one of its own, else whoever there is.
   */
  async crossing(transferId: string, home?: string): Promise<CrossingRecord | undefined> {
    const { history } = this.runtime.custody;
    if (home !== undefined) return history.find(transferId, home);
    const [any] = await history.ofTransfer(transferId);
    return any?.home === this.origin ? any : ((await history.find(transferId, this.origin)) ?? any);
  }

  /**
   * Verifies a receipt of this server, or of a peer, by the keys that were in use when it was issued;
   * a peer is asked for a key that it has retired since. Says which ends have countersigned it.
   *
   * @param countersignatures Default: those that are kept here; one that does not verify counts for
   * nothing.
   */
  async verifyReceipt(
    receipt: string,
    countersignatures?: readonly string[],
  ): Promise<
    | {
        readonly verified: true;
        readonly claims: ReceiptClaims;
        readonly countersigned: readonly Countersigned[];
      }
    | Refusal
  > {
    const { runtime } = this;
    const keyFor = (issuer: string, kid: string): ReturnType<typeof runtime.receiptKey> =>
      runtime.receiptKey(issuer, kid);
    const result = await verifyReceipt(receipt, keyFor);
    if (!result.verified) return result;
    const { claims } = result;
    const words =
      countersignatures ??
      (await runtime.custody.history.find(claims.xfer, claims.iss))?.countersignatures ??
      [];
    return { verified: true, claims, countersigned: await countersignedBy(words, claims, keyFor) };
  }

  /**
   * Attaches to a Colyseus server, before it listens: auth, endpoints, runtime and monitor room. They
   * live as long as the server does, or until {@link detach}; then this or another federation may
   * be attached to the next one. Returns the server.
   *
   *   export default federation.attach(defineServer({ … }));
   *   config({ …, initializeGameServer: federation.attach });
   *
   * @throws TypeError while another federation is attached in this process, and for a server that
   * listens already.
   * @throws FederationError `ERR_FED_INCOMPATIBLE_COLYSEUS` for a release of Colyseus without what
   * is needed.
   */
  readonly attach = <Attached extends Server>(server: Attached): Attached => {
    if (!(server instanceof Server)) {
      throw new TypeError(
        "federation.attach: expected a Server of @colyseus/core 0.18, e.g. what defineServer() returns; is @colyseus/core installed twice?",
      );
    }
    this.#forgotten.stop();
    const { runtime } = this;
    const { options } = runtime;
    this.#attached = new AttachedServer(server, {
      joinHost: this.#gate,
      peersSource: glanceSource(runtime),
      worlds: options.worlds,
      logger: options.logger,
      paths: [new URL(options.endpoint).pathname, "/.well-known/aether-federation"],
      endpoints: this.middleware(),
      upgrade: this.upgrade,
      start: async () => {
        await runtime.start(this.#gate.seats, this.#processLink(), () =>
          countPopulations(options.worlds),
        );
        this.#pages.started();
        this.#unobserve = runtime.telemetry.observe(() => gaugesOf(runtime, this.peers));
        this.#endpoints = endpointsOf(runtime, {
          version,
          players: {
            travel: (request) => this.#gate.travel(request),
            playerKeys: (request) => this.#gate.playerKeys(request),
            handOver: (request) => this.#gate.handOver(request),
          },
        });
      },
      goOnline: () => {
        runtime.goOnline();
        this.#sayHello();
      },
      drain: () => runtime.drain(),
      stop: async () => {
        this.#endpoints = undefined;
        this.#unobserve();
        await runtime.stop();
      },
    });
    return server;
  };

  /**
   * Sends everybody home, for `stopTimeoutSeconds` at most, stops, and takes all hooks back: the server
   * goes on as if there had been no federation. Harmless when none is attached. A server that shuts
   * down needs no call: it stops its federation itself.
   */
  async detach(): Promise<void> {
    const attached = this.#attached;
    this.#attached = undefined;
    await attached?.leave();
  }

  /**
   * The endpoints as a middleware, for an HTTP server that {@link attach} cannot find: for Express 4 and
   * 5, and whatever calls `(request, response, next)`. Mount it at the root, ahead of body parsers.
   * What is not for the federation, and everything while it does not run, goes to `next`.
   */
  middleware(): Middleware {
    return (request, response, next) => {
      if (this.#endpoints === undefined) next();
      else if (!this.#pages.answer(request, response, next))
        this.#endpoints(request, response, next);
    };
  }

  /**
   * Takes an `upgrade` of an HTTP server that {@link attach} cannot find, where it is for a link with a peer;
   * false for every other, which it has not touched. Without it, peers are called by HTTP alone.
   *
   *   http.on("upgrade", (request, socket, head) => {
   *     if (!federation.upgrade(request, socket, head)) socket.destroy();
   *   });
   */
  readonly upgrade: Upgrade = (request, socket, head) =>
    this.#endpoints?.upgrade(request, socket, head) ?? false;

  /** What an operator wants to know of a server that has just started, in one line. */
  #sayHello(): void {
    const { name, origin, endpoint, peers, worlds, logger } = this.runtime.options;
    const { kid } = this.runtime.signingKey();
    const list = (names: readonly string[]): string => names.join(", ") || "none";
    logger.info(
      `${name} is federated as ${origin} (${version}): worlds ${list(Object.keys(worlds))}; peers ${list(peers)}; key ${kid}`,
      { origin, endpoint, keyId: kid, worlds: Object.keys(worlds), peers, version },
    );
  }

  /** Where the host's presence is shared, several processes are this server. */
  #processLink(): ProcessLink | undefined {
    if (!isShared()) return undefined;
    const { options, random } = this.runtime;
    const { origin, logger } = options;
    const link = new PresenceLink({ origin, random, logger });
    return {
      engine: () =>
        new RedisEngine({
          client: redisOfHost(),
          closesClient: true,
          keyPrefix: `aether:${new URL(origin).host}`,
        }),
      listen: (life, handle) => link.listen(life, handle),
      ask: (from, life, request) => link.ask(from, life, request),
    };
  }
}

/**
 * Creates the federation of one Colyseus server. Nothing is opened or called before
 * `server.listen()`.
 *
 * @throws TypeError naming the option that is wrong.
 */
export function createFederation(options: FederationOptions): Federation {
  return new Federation(options);
}
