/**
 * The `federation` room: every peer, live, in the Colyseus monitor.
 *
 * Nobody can join it; it is private and locked and lives as long as the server. What it costs: one
 * small state update every two seconds. The monitor's API hangs on answers above 64 KiB, so a room
 * shows at most {@link PEERS_PER_PAGE} peers and further ones get rooms of their own, up to a number of
 * rooms: `peers list` has the rest.
 */
import type { Uptime } from "../health/uptime-history.ts";
import { Room } from "@colyseus/core";
import * as schemas from "@colyseus/schema";

/** Peers in one room's state. */
export const PEERS_PER_PAGE = 60;

const PeerState = schemas.schema(
  {
    name: schemas.t.string(),
    status: schemas.t.string(),
    trust: schemas.t.string(),
    roundTripMilliseconds: schemas.t.number(),
    uptimeHour: schemas.t.string(),
    uptimeDay: schemas.t.string(),
    uptimeNinetyDays: schemas.t.string(),
    worlds: schemas.t.string(),
    lastHandshake: schemas.t.string(),
    lastSeen: schemas.t.string(),
    wrongAssets: schemas.t.number(),
  },
  "FederationPeer",
);

const PeersState = schemas.schema(
  {
    origin: schemas.t.string(),
    page: schemas.t.number(),
    known: schemas.t.number(),
    peers: schemas.t.map(PeerState),
  },
  "FederationPeers",
);

/** One peer as far as the room shows it. */
interface ShownPeer {
  readonly origin: string;
  readonly name: string;
  readonly status: string;
  readonly trust: string;
  readonly roundTripMilliseconds: number | undefined;
  /** Share of the time it answered, 0–1. */
  readonly uptime: Uptime;
  readonly worlds: readonly string[];
  /** Unix seconds. */
  readonly lastHandshakeAt: number | undefined;
  /** Unix milliseconds. */
  readonly lastSeenAt: number | undefined;
  readonly wrongAssets: number;
}

/** What the room shows, asked anew at every update. */
export interface PeersSource {
  readonly origin: string;
  /** Peers known. */
  readonly known: number;
  /** `count` of them from the one at `first` on, by origin. */
  page(first: number, count: number): readonly ShownPeer[];
}

const UPDATE_MILLISECONDS = 2_000;

/** Builds the room class for one federation. */
export function definePeersRoom(source: PeersSource): new () => Room {
  return class FederationPeersRoom extends Room {
    static override async onAuth(): Promise<unknown> {
      return false;
    }

    override autoDispose = false;
    override maxClients = 0;
    override patchRate = UPDATE_MILLISECONDS;
    override state = new PeersState();

    override async onCreate(options: { page?: number }): Promise<void> {
      this.state.origin = source.origin;
      this.state.page = options.page ?? 0;
      await this.setPrivate(true);
      await this.lock();
      this.#update();
      this.clock.setInterval(() => {
        this.#update();
      }, UPDATE_MILLISECONDS);
    }

    #update(): void {
      const shown = source.page(this.state.page * PEERS_PER_PAGE, PEERS_PER_PAGE);
      this.state.known = source.known;
      const origins = new Set(shown.map(({ origin }) => origin));
      for (const origin of [...this.state.peers.keys()]) {
        if (!origins.has(origin)) this.state.peers.delete(origin);
      }
      for (const peer of shown) {
        const state = this.state.peers.get(peer.origin) ?? new PeerState();
        state.name = peer.name;
        state.status = peer.status;
        state.trust = peer.trust;
        state.roundTripMilliseconds = Math.round((peer.roundTripMilliseconds ?? 0) * 10) / 10;
        state.uptimeHour = percent(peer.uptime.hour.share);
        state.uptimeDay = percent(peer.uptime.day.share);
        state.uptimeNinetyDays = percent(peer.uptime.ninetyDays.share);
        state.worlds = peer.worlds.join(", ").slice(0, 200);
        state.lastHandshake = time(peer.lastHandshakeAt, 1000);
        state.lastSeen = time(peer.lastSeenAt, 1);
        state.wrongAssets = peer.wrongAssets;
        if (!this.state.peers.has(peer.origin)) this.state.peers.set(peer.origin, state);
      }
    }
  };
}

function percent(share: number | undefined): string {
  return share === undefined ? "–" : `${(share * 100).toFixed(share === 1 ? 0 : 2)} %`;
}

function time(value: number | undefined, milliseconds: number): string {
  return value === undefined
    ? "–"
    : new Date(value * milliseconds).toISOString().slice(0, 19) + "Z";
}
