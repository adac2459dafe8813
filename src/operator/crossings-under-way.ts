/** Crossings that are on their way out of this process, as an operator looks at them. */
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

const MAX_UNDER_WAY = 1_000;

/** Of bounded size; in memory. */
export class CrossingsUnderWay {
  readonly #clock: Pick<Clock, "now">;
  readonly #underWay = new Map<string, CrossingUnderWay>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** A crossing got further. */
  progressed({ transferId, player, to, stage }: Omit<CrossingUnderWay, "since">): void {
    const since = this.#underWay.get(transferId)?.since ?? this.#clock.now();
    const [oldest] = this.#underWay.keys();
    if (oldest !== undefined && this.#underWay.size >= MAX_UNDER_WAY) this.#underWay.delete(oldest);
    this.#underWay.set(transferId, { transferId, player, to, stage, since });
  }

  /** A crossing ended. */
  ended(transferId: string): void {
    this.#underWay.delete(transferId);
  }

  /** The oldest first. */
  list(): CrossingUnderWay[] {
    return [...this.#underWay.values()];
  }
}
