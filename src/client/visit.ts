/** A stay at a server whose page has not the player's own key, but one that acts for it (PROTOCOL 5, delegation). */
import type { ProvingKey } from "./player-key.ts";

/** What a `Traveler` has on such a page. */
export interface Visit {
  readonly key: ProvingKey;
  /** Origin of the server. */
  readonly server: string;
  /** The delegation for the seat of that session id, where there is one. */
  beside(sessionId: string): string | undefined;
  /** Leaves this page for the player's home, where its own key is: settles only where that cannot be. */
  goHome(signal: AbortSignal): Promise<never>;
}

/** Where a `Traveler` is given its {@link Visit} among its options. */
export const VISIT: unique symbol = Symbol("visit");

/** What only this package's own pages give. */
export interface Visiting {
  readonly [VISIT]?: Visit;
}
