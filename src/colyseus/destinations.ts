/**
 * Where a room's players could go: the worlds of trusted peers that agree to be listed, and of servers that are
 * known by introduction. Who listens hears what has changed, at most every two seconds.
 *
 * What it costs: nothing while nobody listens.
 */
import type { ListedPicture } from "../identity/listed-as.ts";
import { authorityOf } from "../identity/origin.ts";
import type { TimerHandle } from "../ports.ts";
import { ServerStatus, TrustState } from "../registry/federated-server.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";

/** A world on another server. */
export interface Destination {
  /** Of the portal that leads there; no two destinations have the same. */
  readonly uri: string;
  readonly origin: string;
  /** The server's. */
  readonly name: string;
  readonly world: string;
  readonly kind?: string | undefined;
  readonly picture?: ListedPicture | undefined;
  /** Players in it, as its server says itself, 0–1,000,000. Absent: it has not been heard to say. */
  readonly population?: number | undefined;
  /** Room for so many, as its server says. */
  readonly capacity?: number | undefined;
  /** `unknown`: this server does not deal with it. */
  readonly status: "up" | "down" | "unknown";
  /**
   * Whether players may be sent there, as far as this server knows: it is trusted, up and not full. The other
   * server is asked when one goes.
   */
  readonly mayEnter: boolean;
}

/** What has changed since the last one. */
export interface DestinationsChange {
  /** New ones, and those that are not as they were. */
  readonly destinations: readonly Destination[];
  /** URIs of those that are gone. */
  readonly removed: readonly string[];
}

/** Destinations that are told of; trusted servers' first, by origin. */
export const MAX_DESTINATIONS = 128;
const EVERY_MILLISECONDS = 2_000;

/** All destinations of one server. */
export class Destinations {
  readonly #runtime: FederationRuntime;
  readonly #listeners = new Set<(change: DestinationsChange) => void>();
  /** As they were told last, as JSON by URI. */
  #told = new Map<string, string>();
  #timer: TimerHandle | undefined;
  #stopListening: (() => void)[] = [];

  constructor(runtime: FederationRuntime) {
    this.#runtime = runtime;
  }

  /** As they are now. Empty before the server listens. */
  list(): Destination[] {
    if (!this.#runtime.started) return [];
    const { registry, discovery } = this.#runtime;
    const now = this.#runtime.clock.now() / 1000;
    const found: Destination[] = [];
    const peers = registry
      .list({ trust: TrustState.Trusted })
      .filter(({ listed, descriptorValidUntil }) => listed && descriptorValidUntil > now)
      .sort(byOrigin);
    for (const { origin, name, listing, status } of peers) {
      if (listing === undefined) continue;
      const isUp = status === ServerStatus.Online || status === ServerStatus.Degraded;
      const mayGo = isUp && this.#runtime.mayGoTo(origin);
      const populations = discovery.claimed(origin) ?? {};
      for (const world of listing.worlds) {
        const population = Object.hasOwn(populations, world.name)
          ? populations[world.name]
          : undefined;
        const isFull = (population ?? 0) >= (world.capacity ?? Infinity);
        found.push({
          ...destinationOf({ origin, name, ...pictured(listing) }, { ...world, population }),
          ...{ status: isUp ? "up" : "down", mayEnter: mayGo && !isFull },
        });
      }
    }
    for (const server of discovery.list().sort(byOrigin)) {
      for (const world of server.worlds) {
        found.push({ ...destinationOf(server, world), status: "unknown", mayEnter: false });
      }
    }
    return found.slice(0, MAX_DESTINATIONS);
  }

  /** Hears what changes from now on. Returns how to stop. */
  onChange(listener: (change: DestinationsChange) => void): () => void {
    if (this.#listeners.size === 0) this.#begin();
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#end();
    };
  }

  #begin(): void {
    const later = (): void => {
      this.#lookLater();
    };
    this.#told = asTold(this.list());
    this.#stopListening = [
      this.#runtime.on("peer", later),
      this.#runtime.on("health", later),
      this.#runtime.on("discovery", later),
    ];
  }

  #end(): void {
    for (const stop of this.#stopListening) stop();
    this.#stopListening = [];
    if (this.#timer !== undefined) this.#runtime.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #lookLater(): void {
    this.#timer ??= this.#runtime.clock.setTimeout(() => {
      this.#timer = undefined;
      this.#look();
    }, EVERY_MILLISECONDS);
  }

  #look(): void {
    const list = this.list();
    const now = asTold(list);
    const destinations = list.filter(({ uri }) => now.get(uri) !== this.#told.get(uri));
    const removed = [...this.#told.keys()].filter((uri) => !now.has(uri));
    this.#told = now;
    if (destinations.length + removed.length === 0) return;
    for (const listener of this.#listeners) {
      try {
        listener({ destinations, removed });
      } catch (cause) {
        this.#runtime.options.logger.error("a room was not told of destinations", cause);
      }
    }
  }
}

function asTold(list: readonly Destination[]): Map<string, string> {
  return new Map(list.map((destination) => [destination.uri, JSON.stringify(destination)]));
}

function byOrigin(one: { readonly origin: string }, other: { readonly origin: string }): number {
  return one.origin < other.origin ? -1 : 1;
}

interface Pictured {
  readonly kind?: string | undefined;
  readonly picture?: ListedPicture | undefined;
}

function pictured({ kind, picture }: Pictured): Pictured {
  return { kind, picture };
}

function destinationOf(
  { origin, name, kind, picture }: { readonly origin: string; readonly name: string } & Pictured,
  world: {
    readonly name: string;
    readonly population?: number | undefined;
    readonly capacity?: number | undefined;
  } & Pictured,
): Omit<Destination, "status" | "mayEnter"> {
  return {
    uri: `aether://${authorityOf(origin)}/${world.name}`,
    ...{ origin, name, world: world.name },
    ...{ kind: world.kind ?? kind, picture: world.picture ?? picture },
    ...{ population: world.population, capacity: world.capacity },
  };
}
