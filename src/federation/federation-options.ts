import type { AdminAccess } from "../admin/access.ts";
import type { AssetIntegrityPolicy } from "../assets/verify/reference.ts";
import type { AdmissionPolicy } from "../custody/destination/admission.ts";
import type { VisitorLimit } from "../custody/destination/crowd.ts";
import type { OnAway } from "../custody/home/home-sessions.ts";
import type { ImportPolicy } from "../custody/home/import-policy.ts";
import type { GiftPolicy } from "../custody/home/trades.ts";
import type { ImportRules } from "../custody/home/import-rules.ts";
import type { TrustPolicy } from "../handshake/trust-policy.ts";
import type { Identify } from "../identity/local-id.ts";
import type { TrustIntroduced } from "../runtime/introductions.ts";
import type { PortalRoute } from "../routing/routing-table.ts";
import type { Adopt } from "../runtime/store-identity.ts";
import type { GameOptions } from "./game-options.ts";
import type { ListedOptions, WorldOptions } from "./listing-options.ts";
import type { HostLogger } from "./logging.ts";

/** Options of `createFederation`. Only `origin` and `worlds` are needed. */
export interface FederationOptions {
  /** Public URL origin of this server, e.g. `https://worlds.example.com`. */
  readonly origin: string;
  /** World name → Colyseus room name, or more of the world. World names: 1–64 of `A-Za-z0-9_-`. */
  readonly worlds: Readonly<Record<string, string | WorldOptions>>;
  /**
   * Whether this server agrees to be listed, by itself and by peers, and as what. Default false: nobody is to
   * name it.
   */
  readonly listed?: boolean | ListedOptions;
  /**
   * What game this is, and the page of its own web client: players who come from another server's page are handed
   * over to it. Default: not said, and whatever client a player has plays here.
   */
  readonly game?: GameOptions;
  /** Whether and how introductions of others are followed. Default: they are not. */
  readonly discovery?: FederationDiscoveryOptions;
  /** Name shown to peers and operators. Default: the origin's authority. */
  readonly name?: string;
  /** Public URL of the federation endpoints. Default: `<origin>/federation`. */
  readonly endpoint?: string;
  /** Where portal URIs lead that name no peer directly. */
  readonly routes?: readonly PortalRoute[];
  /** Origins of servers the operator trusts; they, and the servers of `routes`, are sought out. */
  readonly peers?: readonly string[];
  /** Who else is trusted. Default `approve`: strangers wait for the operator. */
  readonly trust?: TrustPolicy;
  /** Folder for the key and the SQLite file. Default `.federation`. */
  readonly dataDirectory?: string;
  /** A Keyv, or an engine, with compare-and-set. Default: SQLite in `dataDirectory`. */
  readonly store?: unknown;
  /**
   * For one start: that a key begins with an empty store (`fresh-store`), or a store with another key
   * (`fresh-key`) or origin (`fresh-origin`, where it has not moved), is on purpose. Default: none is, and the
   * start is refused.
   */
  readonly adopt?: Adopt;
  /**
   * Takes the private recovery key, once, when a server is started for the first time: keep it offline.
   * Default: it is shown on the terminal that the server was started from; where there is none, as its
   * output may be kept in a log, no recovery key is made, and the log says how to make one.
   */
  readonly onRecoveryKey?: (recoveryKey: string) => void;
  /** Allows `http:` and loopback: development only. Default false. */
  readonly allowInsecure?: boolean;
  /** Allows peers on private addresses. Default false. */
  readonly allowPrivateNetwork?: boolean;
  /**
   * Whether peers that have them, too, are called over links, one standing connection each. Default true;
   * calls go by HTTP wherever there is none.
   */
  readonly links?: boolean;
  /** Most peers this server knows. Default 128. */
  readonly maxPeers?: number;
  /** Time a handshake has to complete. Default 10. */
  readonly handshakeTimeoutSeconds?: number;
  /**
   * How long a peer's old origin has to be silent before a move is followed that it does not confirm, and of which
   * no recovery key is known. Default 86400, 60–2592000.
   */
  readonly moveGraceSeconds?: number;
  /** Time between two probes of one peer. Default 15. */
  readonly healthCheckIntervalSeconds?: number;
  /** Life of a visiting player's lease without renewal. Default 30, 5–3600. */
  readonly leaseSeconds?: number;
  /** How long a server that is stopped may take to send its players home. Default 20, 0–600. */
  readonly stopTimeoutSeconds?: number;
  /** Requests one address may send in a minute before any signature is checked. Default 3000. */
  readonly maxRequestsPerMinutePerAddress?: number;
  /**
   * Signed requests one peer may send in a minute: so many that keep or end custody (renewals,
   * returns, claims, cancellations, recalls), as many that begin a crossing (departures, seats), and
   * as many others. Default 6000.
   */
  readonly maxRequestsPerMinutePerPeer?: number;
  /** How often one player may begin to cross in a minute. Default 60. */
  readonly maxCrossingsPerMinutePerPlayer?: number;
  /** Crossings without a room (`Traveler.travel`) that one address may ask for in a minute. Default 60. */
  readonly maxTravelsPerMinutePerAddress?: number;
  /** Seats here in a minute for players of one peer's portals, home's own left out. Default 600. */
  readonly maxSeatsPerMinutePerPeer?: number;
  /** Rooms that may be made for those seats in a minute. Default 60. */
  readonly maxRoomsPerMinutePerPeer?: number;
  /** Seats here that wait for players of one peer's portals at once, home's own left out. Default 200. */
  readonly maxSeatsWaitingPerPeer?: number;
  /**
   * Visitors here at once who came from one peer, and as many whose home it is: a whole number from 0, or a
   * function that says it for each origin. 0: nobody of it comes in; a function that throws, or says no number
   * of at least 0, lets nobody in. Each process counts its own. Default: any number.
   */
  readonly maxVisitorsPerPeer?: VisitorLimit;
  /** Default: `auth.id`, where the host's auth has a string or number of that name. */
  readonly identify?: Identify;
  /** Who may come in. Default: everybody whose home is trusted. */
  readonly admit?: AdmissionPolicy;
  /**
   * What a visited server may change in carried state. Default, by member of the carried object:
   * what a server leaves out is kept, and what another server brought is altered by that one alone. With
   * `policy({ coins: "may-spend" })` so, and by its rules; a function decides about everything by itself.
   */
  readonly accept?: ImportPolicy | ImportRules;
  /**
   * Whether a player of this home is given something by a player of another: asked about each thing. What is refused
   * goes back. Default: it is, up to 32 things that wait for it.
   */
  readonly gifts?: GiftPolicy;
  /** The files that players wear and rooms show. */
  readonly assets?: FederationAssetsOptions;
  /**
   * How long a room's `onJoin` may take for a player of the federation, who is sent home after it.
   * Default 30, at most 30: clients wait a little longer.
   */
  readonly joinTimeoutSeconds?: number;
  /** A player logs in at home while away: `recall` (default) or `refuse`. */
  readonly onAway?: OnAway;
  /**
   * The operator's page at `<endpoint>/admin`: needs a `token` of at least 32 characters, which is asked for there,
   * or a `guard`, your own middleware in front of it. Default: there is no such page.
   */
  readonly admin?: AdminAccess;
  /**
   * A page at `<endpoint>/status` that says to everybody whether this server and its listed peers are up. Default
   * false.
   */
  readonly status?: boolean;
  /**
   * Where diagnostics go: whatever has `debug`, `info`, `warn` and `error`, as pino, winston and
   * `console` have. Default: Colyseus' own logger (`defineServer({ logger })`).
   */
  readonly logger?: HostLogger;
}

/** How introductions are followed: who is introduced is known by name, and trusted no more than before. */
export interface FederationDiscoveryOptions {
  /**
   * 0: they are not followed. 1: whom trusted peers introduce is known. 2: whom these introduce, too. 3: one
   * step more. Default 0.
   */
  readonly depth?: 0 | 1 | 2 | 3;
  /** Where to begin instead: origins, and URLs of published lists, at most 128. Default: with the trusted peers. */
  readonly from?: readonly string[];
  /**
   * What becomes of a server that a trusted peer introduces, where `trust` lets it wait: asked about each, when
   * it is introduced and when it calls. One that is `trusted` is met, and portals lead to it. Default: it waits
   * for the operator, and nobody meets it.
   */
  readonly trust?: TrustIntroduced;
}

/** Options of a server's assets. */
export interface FederationAssetsOptions {
  /** Folder; processes of one machine may share it. Default `assets` in `dataDirectory`. */
  readonly directory?: string;
  /** What all of them together may take; the least recently used give way. Default 1 GiB. */
  readonly maxBytes?: number;
  /** What is taken from others, and what is done about wrong bytes. */
  readonly policy?: AssetIntegrityPolicy;
  /** How long a crossing waits for the other server to have them. Default 30. */
  readonly timeoutSeconds?: number;
}
