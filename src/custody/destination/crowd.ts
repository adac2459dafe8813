/**
 * How many of one source are here at once, and come (PROTOCOL 7): seats that wait for its players, and visitors.
 * Counted in this process. Players of this very server are no visitors, whoever sends them home.
 */
import type { Clock, Logger } from "../../ports.ts";
import type { CallAnswer } from "../../errors.ts";
import { refusal } from "../shared/calls.ts";
import { type Moves, NOBODY_MOVED } from "../shared/moves.ts";
import type { PlayerSessions } from "../shared/player-session.ts";
import { type Comer, Coming } from "./coming.ts";

type Refused = Exclude<CallAnswer, { ok: true }>;

/**
 * Visitors that one server may have here at once: so many who came from it, and as many whose home it is. A function
 * says it for each origin; 0: nobody of it. Infinity: any number.
 */
export type VisitorLimit = number | ((origin: string) => number);

/** A place is asked for; until the matchmaker has answered it is counted for as long as this. */
const ASKING_MILLISECONDS = 60_000;

/** Options of {@link Crowd}. */
export interface CrowdOptions {
  /** Of this server. */
  readonly origin: string;
  readonly sessions: PlayerSessions;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: nobody has moved. */
  readonly moves?: Moves | undefined;
  /** Seats promised to one source's players and not taken yet. Default: any number. */
  readonly seatsWaiting?: number | undefined;
  /** Default: any number. */
  readonly visitors?: VisitorLimit | undefined;
}

/** Bounds on those who are here at once. */
export class Crowd {
  readonly #options: CrowdOptions;
  readonly #coming: Coming;

  constructor(options: CrowdOptions) {
    this.#options = options;
    this.#coming = new Coming(() => options.clock.now());
  }

  /**
   * Counts whoever asks for a seat, or says why there is none: `ERR_FED_TOO_MANY_VISITORS`, `ERR_FED_RATE_LIMITED`.
   *
   * @param home origin of the player's home
   */
  asks(comer: Comer, home: string): Refused | undefined {
    const { player, caller } = comer;
    if (!this.#counts(comer, home)) return undefined;
    if (this.isFull({ player, home, caller }))
      return refusal("ERR_FED_TOO_MANY_VISITORS", "as many are here as may be");
    const { clock, seatsWaiting = Infinity } = this.#options;
    const now = clock.now();
    const { count, soonest } = this.#coming.waiting(caller, seatsWaiting);
    if (count >= seatsWaiting) {
      return {
        ...refusal("ERR_FED_RATE_LIMITED", "as many seats wait for your players as may be"),
        retryAfterSeconds: Math.max(1, Math.ceil((soonest - now) / 1000)),
      };
    }
    this.#coming.asked(comer, home, now + ASKING_MILLISECONDS);
    return undefined;
  }

  /** Whether nobody more may come from there, or of that home: nothing is counted for the question. */
  isFull({
    player,
    home,
    caller,
  }: {
    readonly player: string;
    readonly home: string;
    readonly caller: string;
  }): boolean {
    const { sessions, moves = NOBODY_MOVED } = this.#options;
    const here = sessions.get(player);
    const present = here?.atHome === false ? here : undefined;
    // One that is here already takes its own place.
    const ownFrom = moves.currentOrigin(present?.from ?? "") === caller ? 1 : 0;
    const ownHome = present === undefined ? 0 : 1;
    const mostFrom = this.#mostOf(caller);
    const mostOf = this.#mostOf(home);
    const [sources, homes] = [this.#names(caller), this.#names(home)];
    return (
      sum(sources, (each) => sessions.visitorsFrom(each)) -
        ownFrom +
        this.#coming.from(caller, mostFrom) >=
        mostFrom ||
      sum(homes, (each) => sessions.visitorsOf(each)) - ownHome + this.#coming.of(home, mostOf) >=
        mostOf
    );
  }

  /** No seat came of the asking. */
  refused(comer: Comer): void {
    this.#coming.refused(comer);
  }

  /** A seat waits for it, until Unix seconds. */
  waits(comer: Comer, home: string, expiresAt: number): void {
    if (this.#counts(comer, home)) this.#coming.waits(comer, home, expiresAt * 1000);
  }

  /** Its client has come and takes the seat; it is counted until it plays here, or its seat would have lapsed. */
  comes(comer: Comer): void {
    this.#coming.comes(comer);
  }

  /** It does not come, or plays here and is counted as who does. */
  left(comer: Comer): void {
    this.#coming.left(comer);
  }

  #counts({ caller }: Comer, home: string): boolean {
    const { origin } = this.#options;
    return caller !== origin && home !== origin;
  }

  #names(origin: string): readonly string[] {
    const { moves = NOBODY_MOVED } = this.#options;
    return [origin, ...moves.formerOrigins(origin)];
  }

  /** A function of the host that throws, or says no number, lets nobody in. */
  #mostOf(origin: string): number {
    const { visitors = Infinity, logger } = this.#options;
    try {
      const most: unknown = typeof visitors === "function" ? visitors(origin) : visitors;
      if (typeof most === "number" && most >= 0) return most;
      throw new TypeError(`it said ${String(most)}, which is no number of at least 0`);
    } catch (cause) {
      logger.error("maxVisitorsPerPeer failed; nobody is let in", cause, { peer: origin });
      return 0;
    }
  }
}

function sum(names: readonly string[], count: (name: string) => number): number {
  return names.reduce((all, name) => all + count(name), 0);
}
