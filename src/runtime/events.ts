/** What a federation tells those who listen. */
import type { AssetMismatch } from "../assets/transfer/flight.ts";
import type { DiscoveredServer } from "../discovery/discovery.ts";
import type { Arrival } from "../custody/destination/arrivals.ts";
import type { LateReturn } from "../custody/home/late-returns.ts";
import type { TradeRecord } from "../custody/home/trades.ts";
import type { ImportNotice } from "../custody/home/import-notices.ts";
import type { CrossingOutcome, CrossingProgress } from "../custody/source/crossings.ts";
import type { HealthRecord } from "../health/peer-record.ts";
import type { Logger } from "../ports.ts";
import type { RegistryEvent } from "../registry/server-registry.ts";

/** By name, what a listener is given. */
export interface FederationEvents {
  /** A peer was added, changed trust, keys or status, or was removed. */
  peer: RegistryEvent;
  /** A peer's health changed. */
  health: { readonly origin: string; readonly health: HealthRecord };
  /** A crossing that leaves this server got further. */
  progress: CrossingProgress;
  /** A crossing that left this server ended. */
  crossing: { readonly player: string; readonly outcome: CrossingOutcome };
  /** A player arrived here. */
  arrival: Arrival;
  /** A holder brought back a player after somebody else had played it: its state is kept aside. */
  late: LateReturn;
  /** An item has gone from one player to another, or has not: one of them, or both, are of this home. */
  trade: TradeRecord;
  /** Home did not keep all of what one of its players carried at another server. */
  import: { readonly player: string; readonly notice: ImportNotice };
  /** A server sent other bytes than an asset's hash names; nobody has seen them. */
  asset: AssetMismatch & { readonly type: "mismatch" };
  /** Whom others introduce, or what servers say of their players, has changed (option `discovery`). */
  discovery: { readonly servers: readonly DiscoveredServer[] };
}

/** Tells every listener; one that throws is logged and keeps nobody else from hearing. */
export class EventBus {
  readonly #logger: Logger;
  readonly #listeners = new Map<keyof FederationEvents, Set<(event: never) => void>>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Listens to one kind of event. Returns how to stop. */
  on<Name extends keyof FederationEvents>(
    name: Name,
    listener: (event: FederationEvents[Name]) => void,
  ): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Tells an event. Never throws. */
  emit<Name extends keyof FederationEvents>(name: Name, event: FederationEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        (listener as (event: FederationEvents[Name]) => void)(event);
      } catch (cause) {
        this.#logger.error(`a listener to "${name}" failed`, cause);
      }
    }
  }
}
