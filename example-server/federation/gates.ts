/** A gate to every server that this one knows: the peers, and what they say of themselves. */
import type { Destination, Federation, PeerSummary } from "aether-federation";
import { portalPlace } from "../layout.ts";
import { PortalState } from "../state.ts";

/** The portals of a room's state, by origin. */
interface Portals {
  get(origin: string): PortalState | undefined;
  set(origin: string, portal: PortalState): unknown;
  delete(origin: string): unknown;
}

export class Gates {
  readonly #federation: Federation;
  readonly #portals: Portals;
  /** Which place each has: it stays there as long as the peer does. */
  readonly #places = new Map<string, number>();

  constructor(federation: Federation, portals: Portals) {
    this.#federation = federation;
    this.#portals = portals;
  }

  /** Places that are wanted, up to the last one in use. */
  get count(): number {
    return Math.max(0, ...[...this.#places.values()].map((place) => place + 1));
  }

  /** @param destinations What `federation.destinations()` of the room's plugin says. */
  update(destinations: readonly Destination[]): void {
    const peers = this.#federation.peers.list();
    const known = new Set(peers.map(({ origin }) => origin));
    for (const origin of [...this.#places.keys()].filter((each) => !known.has(each))) {
      this.#places.delete(origin);
      this.#portals.delete(origin);
    }
    const kinds = new Map(destinations.map(({ uri, kind }) => [uri, kind]));
    for (const peer of peers) {
      const portal = this.#portals.get(peer.origin) ?? this.#open(peer.origin);
      const [world] = peer.worlds;
      const host = new URL(peer.origin).host;
      const target = world === undefined ? "" : `aether://${host}/${world}`;
      Object.assign(portal, { label: world ?? peer.name, host, target });
      Object.assign(portal, { status: statusOf(peer), kind: kinds.get(target) ?? "" });
    }
  }

  #open(origin: string): PortalState {
    const taken = new Set(this.#places.values());
    let place = 0;
    while (taken.has(place)) place += 1;
    this.#places.set(origin, place);
    const portal = new PortalState();
    Object.assign(portal, portalPlace(place));
    this.#portals.set(origin, portal);
    return portal;
  }
}

/** Whether one can walk through a portal of that status. */
export function isOpen(status: string): boolean {
  return status === "up" || status === "slow";
}

function statusOf({ trust, status }: PeerSummary): string {
  if (trust !== "trusted") return "not approved";
  if (status === "online") return "up";
  return status === "degraded" ? "slow" : "down";
}
