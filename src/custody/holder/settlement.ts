/**
 * Settling: whatever a visited server holds and no longer plays goes back to home.
 *
 * The durable row says what is left to do, so settling is the same after a failed crossing, a
 * leave, a recall and a restart: `frozen` is cancelled, `returning` is returned, each repeated until
 * home answers (PROTOCOL 6, rules 4, 5, 8 and 10).
 */
import type { FederationErrorCode } from "../../errors.ts";
import type { JsonValue } from "../../json.ts";
import type { Clock, Logger, Random } from "../../ports.ts";
import { Attribute } from "../../telemetry/names.ts";
import { NO_TELEMETRY, type Telemetry } from "../../telemetry/telemetry.ts";
import { BackOff, untilDone } from "../shared/back-off.ts";
import { type Home, isDecidedElsewhere, isStateRefused } from "../shared/home.ts";
import { CallPlaces } from "./call-places.ts";
import type { Leases } from "./leases.ts";
import type { PlayerSessions } from "../shared/player-session.ts";
import { Returns } from "./returns.ts";
import { type HeldCustody, type VisitorBook, type VisitorRow, inPhase } from "./visitors.ts";

/** Rows that are changed together after a restart. */
const SETTLED_AT_ONCE = 64;

/** What became of a held player. */
export type SettlementOutcome =
  /** Home confirmed the cancel and the player goes on playing here. */
  | "resumed"
  /** Home has the player again. */
  | "returned"
  /** Somebody else decided: the player is not ours any more. */
  | "gone"
  /** Nothing was held, or it is being played. */
  | "nothing";

/** How home's answer to a cancel left a player that was frozen for a departure. */
export type CancelOutcome = "resumed" | "returning" | "gone";

/** Options of {@link Settlement}. */
export interface SettlementOptions {
  readonly visitors: VisitorBook;
  readonly sessions: PlayerSessions;
  readonly leases: Leases;
  readonly homeAt: (origin: string) => Home;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Default: none. */
  readonly telemetry?: Telemetry | undefined;
}

/** A departure was settled: whoever still waits for it needs to know. */
export interface SettledDeparture {
  readonly player: string;
  readonly transferId: string;
  readonly outcome: CancelOutcome;
}

/** Brings every player this server holds and does not play to an end, one at a time per player. */
export class Settlement {
  readonly #options: SettlementOptions;
  readonly #running = new Map<string, Promise<SettlementOutcome>>();
  readonly #backOff: BackOff;
  readonly #places = new CallPlaces();
  readonly #returns: Returns;
  readonly #listeners = new Set<(settled: SettledDeparture) => void>();

  constructor(options: SettlementOptions) {
    this.#options = options;
    this.#backOff = new BackOff(options);
    this.#returns = new Returns((home) => this.#homeAt(home));
    options.leases.onLost((player) => {
      this.settleInBackground(player);
    });
  }

  /** Hears how each departure that had to be settled ended. Returns how to stop hearing. */
  onCancelled(listener: (settled: SettledDeparture) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Settles one player; resolves when home has answered, however long that takes. */
  settle(player: string): Promise<SettlementOutcome> {
    const running = this.#running.get(player);
    if (running !== undefined) {
      this.#backOff.wake(player);
      return running;
    }
    const work = this.#settle(player).finally(() => this.#running.delete(player));
    this.#running.set(player, work);
    return work;
  }

  /** {@link settle}, without anybody waiting for it. */
  settleInBackground(player: string): void {
    this.settle(player).catch((cause: unknown) => {
      this.#options.logger.error(`settling ${player} failed; the next start repeats it`, cause, {
        player,
      });
    });
  }

  /**
   * Settles what processes whose life is over held: no session is resumed; what was frozen is
   * cancelled, the rest returned. After a restart of the only process, that is everything.
   */
  async settleAfter(isOver: (life: string | undefined) => Promise<boolean>): Promise<number> {
    let found = 0;
    const settleOne = async (row: VisitorRow): Promise<void> => {
      const { held, player } = row;
      if (this.#options.sessions.get(player) !== undefined) return;
      if (!(await isOver(held.life))) return;
      found += 1;
      await this.#options.visitors.changeHeld(
        player,
        (now) => now.phase === "held" && now.life === held.life,
        (now) => inPhase(now, "returning"),
      );
      this.settle(player).catch((cause: unknown) => {
        this.#options.logger.error(`settling ${player} after the restart failed`, cause, {
          player,
        });
      });
    };
    // Those of one batch share a commit.
    let batch: VisitorRow[] = [];
    for await (const row of this.#options.visitors.all()) {
      batch.push(row);
      if (batch.length < SETTLED_AT_ONCE) continue;
      await Promise.all(batch.map(settleOne));
      batch = [];
    }
    await Promise.all(batch.map(settleOne));
    return found;
  }

  /** Wakes the retries that wait for a home, because it was heard of; without one, all that wait. */
  wake(home?: string): void {
    if (home === undefined) this.#backOff.wake();
    else this.#backOff.wakeGroup(home);
  }

  /** Stops retrying; what is left is settled after the next start. */
  stop(): void {
    this.#backOff.stop();
    this.#places.stop();
  }

  get #telemetry(): Telemetry {
    return this.#options.telemetry ?? NO_TELEMETRY;
  }

  #homeAt(origin: string): Home {
    return this.#places.home(origin, this.#options.homeAt(origin));
  }

  async #settle(player: string): Promise<SettlementOutcome> {
    let result: SettlementOutcome = "nothing";
    for (let failures = 0; !this.#backOff.stopped;) {
      let where = "the store";
      try {
        const row = await this.#options.visitors.get(player);
        if (row === undefined) return result;
        const { held, home } = row;
        if (held.phase === "held") return result;
        where = home;
        const step =
          held.phase === "frozen"
            ? await this.#cancel(player, home, held)
            : await this.#telemetry.run(
                {
                  ...{ kind: "return", details: { [Attribute.Peer]: home } },
                  ended: (outcome) => ({ outcome }),
                },
                () => this.#return(player, home, held),
              );
        if (step === "retry") failures += 1;
        else if (step === "returning") failures = 0;
        else {
          result = step;
          if (step !== "nothing") return step;
        }
      } catch (cause) {
        failures += 1;
        this.#options.logger.debug(
          `${where} did not answer for ${player}: ${cause instanceof Error ? cause.message : "unknown"}`,
          { player },
        );
      }
      if (failures > 0) await this.#backOff.wait(player, failures, where);
    }
    return result;
  }

  async #cancel(
    player: string,
    home: string,
    held: HeldCustody,
  ): Promise<SettlementOutcome | "retry" | "returning"> {
    const { sessions, leases, clock } = this.#options;
    const transferId = held.transferId ?? "";
    const matches = (now: HeldCustody): boolean =>
      now.phase === "frozen" && now.transferId === transferId && now.epoch === held.epoch;
    const sentAt = clock.monotonic();
    const answer = await this.#homeAt(home).cancel({ transferId, player, epoch: held.epoch });
    const tell = (outcome: CancelOutcome): CancelOutcome => {
      for (const listener of this.#listeners) listener({ player, transferId, outcome });
      return outcome;
    };
    if (answer.ok) {
      const session = sessions.get(player);
      const resume =
        session !== undefined && !session.ended && session.body.connected && !this.#backOff.stopped;
      const { epoch } = answer.body;
      let resumes = resume;
      const applied = await this.#write(player, matches, (now, { adopted }) => {
        // One that was kept as a player of this server goes home, whoever still stands here.
        resumes = resume && adopted === undefined;
        return resumes
          ? inPhase(now, "held", { epoch })
          : inPhase(now, "returning", { epoch, ...stateOf(now) });
      });
      if (!applied) return "nothing";
      if (!resumes || session === undefined) {
        if (session !== undefined) this.#end(session.player, undefined, "The player left.");
        return tell("returning");
      }
      session.epoch = answer.body.epoch;
      leases.won(session, sentAt, answer.body.leaseSeconds);
      return tell("resumed");
    }
    if (!isDecidedElsewhere(answer.code)) return "retry";
    // Perhaps nobody has the player but home, which took it back without what it carries here.
    const applied = await this.#write(player, matches, (now) =>
      now.state === undefined ? undefined : inPhase(now, "returning", stateOf(now)),
    );
    if (!applied) return "nothing";
    this.#end(player, undefined, "The player is in another world.");
    tell("gone");
    return held.state === undefined ? "gone" : "returning";
  }

  /**
   * What home has answered is written down before anything else is tried: it is not asked again. Once
   * the store has failed, a row that does not match any more is one that was written all the same.
   */
  async #write(
    player: string,
    matches: (held: HeldCustody) => boolean,
    change: (held: HeldCustody, row: VisitorRow) => HeldCustody | undefined,
  ): Promise<boolean> {
    let failed = false;
    const applied = await untilDone(
      this.#backOff,
      player,
      () => this.#options.visitors.changeHeld(player, matches, change),
      (cause) => {
        failed = true;
        this.#options.logger.debug(
          `the store did not answer for ${player}: ${cause instanceof Error ? cause.message : "unknown"}`,
          { player },
        );
      },
    );
    return applied === undefined ? false : applied || failed;
  }

  async #return(
    player: string,
    home: string,
    held: HeldCustody,
  ): Promise<SettlementOutcome | "retry" | "returning"> {
    const { epoch } = held;
    const answer = await this.#returns.give(home, { player, epoch, ...stateOf(held) });
    if (!answer.ok && held.state !== undefined && isStateRefused(answer.code)) {
      return this.#returnWithout(player, held, held.state, answer.code);
    }
    if (!answer.ok && !isDecidedElsewhere(answer.code)) return "retry";
    const dropped = await this.#options.visitors.changeHeld(
      player,
      (now) => now.phase === "returning" && now.epoch === held.epoch,
      () => undefined,
    );
    if (!dropped) return "nothing";
    return answer.ok ? "returned" : "gone";
  }

  /** Home never takes this state: it is kept aside here, and the player goes home without it. */
  async #returnWithout(
    player: string,
    { epoch }: HeldCustody,
    state: JsonValue,
    code: FederationErrorCode,
  ): Promise<"returning" | "nothing"> {
    const { visitors, clock, logger } = this.#options;
    const at = Math.floor(clock.now() / 1000);
    const kept = await visitors.keepRefused(player, { epoch, at, state });
    const dropped = await visitors.changeHeld(
      player,
      (now) => now.phase === "returning" && now.epoch === epoch && now.state !== undefined,
      (now) => inPhase(now, "returning"),
    );
    if (!dropped) return "nothing";
    const where =
      kept === undefined ? "and there is no room to keep it" : `it is kept under "${kept}"`;
    logger.error(
      `the home of ${player} does not take what it carried here (${code}): the player goes home without it; ${where}`,
    );
    return "returning";
  }

  #end(player: string, code: FederationErrorCode | undefined, reason: string): void {
    const session = this.#options.sessions.get(player);
    if (session === undefined) return;
    this.#options.sessions.remove(session);
    session.body.end(code, reason);
  }
}

function stateOf({ state }: HeldCustody): { readonly state?: JsonValue } {
  return state === undefined ? {} : { state };
}
