/** Crossings that left this process, as an operator looks at them: those under way, and the last that ended. */
import type { FederationErrorCode } from "../errors.ts";
import type { Clock } from "../ports.ts";

/** One that is under way. */
export interface CrossingUnderWay {
  readonly transferId: string;
  readonly player: string;
  /** The portal URI. */
  readonly to: string;
  readonly stage: string;
  /** Unix milliseconds. */
  readonly since: number;
}

/** One that has ended. */
export interface EndedCrossing {
  readonly transferId: string;
  readonly player: string;
  readonly to: string;
  readonly outcome: "arrived" | "stayed" | "undecided";
  /** Why it stayed. */
  readonly code: FederationErrorCode | undefined;
  readonly message: string | undefined;
  /** Unix milliseconds. */
  readonly at: number;
}

/** What a crossing that ended came to. */
interface Outcome {
  readonly kind: EndedCrossing["outcome"];
  readonly transferId: string;
  readonly to: string;
  readonly code?: FederationErrorCode;
  readonly message?: string;
}

const MAX_UNDER_WAY = 1_000;
const MAX_KEPT = 200;
const MAX_FAILED = 100;

/** Of bounded size; in memory. */
export class RecentCrossings {
  readonly #clock: Pick<Clock, "now">;
  readonly #underWay = new Map<string, CrossingUnderWay>();
  #ended: EndedCrossing[] = [];
  #failed: EndedCrossing[] = [];
  readonly #counts = new Map<string, number>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** A crossing got further. */
  progressed(given: Omit<CrossingUnderWay, "since">): void {
    const { transferId, player, to, stage } = given;
    const since = this.#underWay.get(transferId)?.since ?? this.#clock.now();
    const [oldest] = this.#underWay.keys();
    if (oldest !== undefined && this.#underWay.size >= MAX_UNDER_WAY) this.#underWay.delete(oldest);
    this.#underWay.set(transferId, { transferId, player, to, stage, since });
  }

  /** A crossing ended. */
  finished(player: string, { kind, transferId, to, code, message }: Outcome): void {
    this.#underWay.delete(transferId);
    const at = this.#clock.now();
    const ended: EndedCrossing = {
      ...{ transferId, player, to, at },
      ...{ outcome: kind, code, message },
    };
    this.#ended = [ended, ...this.#ended.slice(0, MAX_KEPT - 1)];
    if (kind !== "arrived") this.#failed = [ended, ...this.#failed.slice(0, MAX_FAILED - 1)];
    const counted = code ?? kind;
    this.#counts.set(counted, (this.#counts.get(counted) ?? 0) + 1);
  }

  /** Those under way, the oldest first. */
  underWay(): CrossingUnderWay[] {
    return [...this.#underWay.values()];
  }

  /** The last 200 that ended, the newest first. */
  ended(): readonly EndedCrossing[] {
    return this.#ended;
  }

  /** The last 100 that did not arrive, the newest first. */
  failed(): readonly EndedCrossing[] {
    return this.#failed;
  }

  /** How many ended in which way since the process began: `arrived`, or by the code of what kept them. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
