/**
 * How a visitor's stay here ends, whoever ends it: durably, with what the player carried, and then the
 * player goes home. While the store does not answer, that is kept in memory and tried again.
 */
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

/** The stays of visitors that are over. */
export class Stays {
  readonly #options: StaysOptions;
  readonly #backOff: BackOff;
  /** Ends that are being written, by player. */
  readonly #ending = new Map<
    string,
    { readonly epoch: number; readonly written: Promise<boolean> }
  >();
  /** Ends that the store has not taken yet, by player. */
  readonly #pending = new Map<string, Promise<unknown>>();

  constructor(options: StaysOptions) {
    this.#options = options;
    this.#backOff = new BackOff(options);
  }

  /** Ends that the store has not taken yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /** The player leaves. One that is crossing is left to its crossing. */
  async leave(session: PlayerSession, state = session.carry()): Promise<void> {
    const { sessions, crossings } = this.#options;
    if (session.ended) return;
    const crossing = crossings.transferOf(session.player) !== undefined;
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
    // Whoever comes second knows less: the session is gone, and what it carried with it.
    const first = this.#ending.get(player);
    if (first?.epoch === epoch) return first.written;
    const written = this.#giveBack(player, epoch, state).finally(() => {
      if (this.#ending.get(player)?.written === written) this.#ending.delete(player);
    });
    this.#ending.set(player, { epoch, written });
    return written;
  }

  async #giveBack(player: string, epoch: number, state: JsonValue | undefined): Promise<boolean> {
    const { visitors, settlement, logger } = this.#options;
    const write = (): Promise<boolean> =>
      visitors.changeHeld(
        player,
        (held) => held.epoch === epoch,
        (held) => over(held, state),
      );
    try {
      const held = await write();
      if (held) settlement.settleInBackground(player);
      return held;
    } catch (cause) {
      logger.warn(`that ${player} left cannot be stored yet: it is tried again until it can`);
      const goOn = untilDone(this.#backOff, `${player}#${epoch}`, write, () => undefined).then(
        (held) => {
          if (this.#pending.get(player) === goOn) this.#pending.delete(player);
          if (held === true) settlement.settleInBackground(player);
        },
      );
      this.#pending.set(player, goOn);
      throw cause;
    }
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
