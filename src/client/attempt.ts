/** One way into a room, from its beginning to its end: a `Traveler` has one at a time. */
import type { Transit } from "./messages.ts";

/** An attempt under way. */
export class Attempt {
  readonly kind: "join" | "travel" | "crossing" | "homecoming";
  /** The crossing it follows, once that is known. */
  transit: Transit | undefined;
  /** Whether another page goes on with it. */
  handedOver = false;
  readonly #controller = new AbortController();

  constructor(kind: Attempt["kind"], transit?: Transit) {
    this.kind = kind;
    this.transit = transit;
  }

  /** Calls everything off that is done for it. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends it: another one takes its place, or the player stays where it is. */
  callOff(): void {
    this.#controller.abort(new Error("called off: another attempt, or a leave, took its place"));
  }
}
