/** What the room and its page say to each other, and how much of everything there is. */

/** Places on the pier. */
export const SEATS = 32;
/** How long a fish holds on to the hook. */
export const BITE_MILLISECONDS = 1_200;

/** `ashore`: nothing is in the water. `out`: the float lies there. `bite`: reel in, now. */
export type LineState = "ashore" | "out" | "bite";

/** What hung on a hook. */
export interface Caught {
  readonly kind: "fish" | "boot";
  /** "Perch, 31 cm" */
  readonly name: string;
  /** 0 for what is no fish. */
  readonly centimetres: number;
}

/** Page to room; none of them has a payload. */
export type Request = "cast" | "reel" | "basket";

/** Room to page: what the angler carries, as far as this game understands it. */
export interface Basket {
  readonly fish: readonly string[];
  readonly stamps: readonly string[];
  /** Other things with a name, of other games. */
  readonly things: readonly string[];
  readonly coins: number;
  /** Members that only other games understand, by name. They travel along untouched. */
  readonly unknown: readonly string[];
}

/** Room to page: how a cast ended. */
export type Landed =
  | { readonly kind: "missed"; readonly why: "early" | "late" }
  | {
      readonly kind: "caught";
      readonly name: string;
      /** Whether it lies in the basket; otherwise it swims again. */
      readonly isKept: boolean;
      /** The first catch here earns a stamp. */
      readonly isStamped: boolean;
    };
