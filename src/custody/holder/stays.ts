/**
 * How a visitor's stay here ends, whoever ends it: durably, with what the player carried, and then the
 * player goes home. While the store does not answer, that is kept in memory and tried again.
 */
import { FederationError } from "../../errors.ts";
import type { JsonValue } from "../../json.ts";
import type { Clock, Logger, Random } from "../../ports.ts";
import { BackOff, untilDone } from "../shared/back-off.ts";
import type { PlayerSession, PlayerSessions } from "../shared/player-session.ts";
import type { CrossingsUnderWay } from "../shared/under-way.ts";
import type { Settlement } from "./settlement.ts";
import { type HeldCustody, type VisitorBook, inPhase } from "./visitors.ts";

/** Options of {@link Stays}. */
export interface StaysOptions {
  readonly visitors: VisitorBook;
  readonly sessions: PlayerSessions;
  readonly settlement: Settlement;
  readonly crossings: CrossingsUnderWay;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

interface Ending {
  readonly epoch: number;
  /** Whether the store did not answer: it is tried again. */
  failed: boolean;
  first: Promise<boolean>;
  /** Resolves once the store has taken it, or nobody tries any more. */
  stored: Promise<unknown>;
}

/** The stays of visitors that are over. */
export class Stays {
  readonly #options: StaysOptions;
  readonly #backOff: BackOff;
  readonly #listeners = new Set<(player: string, epoch: number) => void>();
  /** Ends that are being written, by player. */
  readonly #ending = new Map<string, Ending>();

  constructor(options: StaysOptions) {
    this.#options = options;
    this.#backOff = new BackOff(options);
  }

  /** Ends that the store has not taken yet. */
  get pending(): number {
    return this.#ending.size;
  }

  /** Resolves once the store has taken every end. */
  async whenStored(): Promise<void> {
    while (this.#ending.size > 0 && !this.#backOff.stopped) {
      await Promise.all([...this.#ending.values()].map(({ stored }) => stored));
    }
  }

  /** Hears at once of every stay that ends here, whoever ends it. Returns how to stop hearing. */
  onEnding(listener: (player: string, epoch: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether the end of a player's stay is being written: it cannot arrive again before that is done. */
  isEnding(player: string): boolean {
    return this.#ending.has(player);
  }

  /** The player leaves. One that is crossing is left to its crossing. */
  async leave(session: PlayerSession, state = session.carry()): Promise<void> {
    const { sessions, crossings } = this.#options;
    if (session.ended) {
      await this.#ending.get(session.player)?.first.catch(() => undefined);
      return;
    }
    const crossing = crossings.isCrossing(session);
    sessions.remove(session);
    if (crossing) return;
    // One that the store does not take yet is told and goes on by itself.
    await this.giveBack(session.player, session.epoch, state).catch(() => undefined);
  }

  /**
   * Writes down that a stay is over, and has the player returned. True when it was held under that
   * epoch. When the store does not answer it goes on by itself, and this rejects.
   */
  giveBack(player: string, epoch: number, state: JsonValue | undefined): Promise<boolean> {
    for (const listener of this.#listeners) listener(player, epoch);
    const under = this.#ending.get(player);
    if (under?.epoch === epoch) {
      // Whoever comes second knows less: the session is gone, and what it carried with it.
      if (!under.failed) return under.first;
      this.#backOff.wake(player);
      return Promise.reject(new FederationError("ERR_FED_STORE_UNAVAILABLE"));
    }
    const { visitors, settlement, logger } = this.#options;
    const write = async (): Promise<boolean> => {
      const held = await visitors.changeHeld(
        player,
        (now) => now.epoch === epoch,
        (now) => over(now, state),
      );
      if (this.#ending.get(player) === ending) this.#ending.delete(player);
      if (held) settlement.settleInBackground(player);
      return held;
    };
    const ending: Ending = {
      epoch,
      failed: false,
      first: Promise.resolve(false),
      stored: Promise.resolve(),
    };
    this.#ending.set(player, ending);
    const first = write();
    ending.first = first;
    ending.stored = first.catch(async () => {
      ending.failed = true;
      logger.warn(`that ${player} left cannot be stored yet: it is tried again until it can`, {
        player,
      });
      await this.#backOff.wait(player, 1);
      await untilDone(this.#backOff, player, write, () => undefined);
    });
    return first;
  }

  /** The store may answer again. */
  wake(): void {
    this.#backOff.wake();
  }

  /** Tries no more. */
  stop(): void {
    this.#backOff.stop();
  }
}

/** What is held is returned; what is frozen for a departure is cancelled first, and keeps its state. */
function over(held: HeldCustody, state: JsonValue | undefined): HeldCustody {
  if (held.phase === "frozen") return held;
  const kept = held.state ?? state;
  return inPhase(held, "returning", kept === undefined ? {} : { state: kept });
}
