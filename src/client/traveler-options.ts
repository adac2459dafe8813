/** What a `Traveler` is told. */
import type { CrossingAhead } from "./events.ts";
import type { HostToken } from "./identity.ts";
import type { KeyStorage } from "./storage.ts";

/** Options of `Traveler`. */
export interface TravelerOptions {
  /** Name the player wishes to be shown with; its home decides. */
  readonly name?: string;
  /**
   * The login of the home server's own accounts: what the SDK has as `client.auth.token`, or a function
   * that returns it, asked for every login. Goes to home and nowhere else. While there is none
   * (undefined, null or an empty text), the key logs in. It may reject: then so does the join.
   */
  readonly token?: HostToken;
  /**
   * Where the key is kept. Default: `localStorage` where there is one; otherwise the key lives as
   * long as this object, and so it does where storage throws: see `Traveler.onStorageTrouble`.
   * `null` travels as a guest: no key, nothing kept, nothing proven.
   */
  readonly storage?: KeyStorage | null;
  /**
   * Where the present place is kept for `Traveler.resume`. Default: `sessionStorage` where
   * there is one, so that each tab has its own; `null` keeps nothing.
   */
  readonly placeStorage?: KeyStorage | null;
  /**
   * Whether the player is brought home when its place is lost: into the room of the last `join` or
   * `resume`, or the one that is named. Tried again, ever more slowly, until home lets it in or
   * `Traveler.join`, `Traveler.travel` or `Traveler.leave` is called. Never when it
   * plays elsewhere (`ERR_FED_SUPERSEDED`), or when it or the room wished it to leave. Default true.
   */
  readonly comesHome?: boolean | string;
  /**
   * How long a server may say nothing, though the connection stands, before the player's place there is
   * taken for lost, in seconds, at least 1; it is asked for a sign of life three times meanwhile.
   * Default 30.
   */
  readonly silenceSeconds?: number;
  /**
   * Whether the player is asked before it goes into another world. `onward`: by a dialog of the page, where a
   * visited server sends it to a third and it has not asked to go there itself (`Traveler.enter`); `always`;
   * `never`; or a function, which is asked about every crossing to another server and answers whether the player
   * goes. A crossing that it does not take ends in `onFailed` with `ERR_FED_CROSSING_ABANDONED`. Default `onward`;
   * without a page to show a dialog in, nobody is asked.
   */
  readonly confirm?:
    "onward" | "always" | "never" | ((crossing: CrossingAhead) => boolean | Promise<boolean>);
  /**
   * Whether this page plays a world of another server itself, though that server has a page of its own for it. A
   * page that has not the player's own key, as it was handed over to, plays its own server's worlds alone.
   * Default: no.
   */
  readonly plays?: (world: {
    readonly origin: string;
    readonly world: string | undefined;
    readonly client: string;
  }) => boolean;
}
