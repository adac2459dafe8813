/** Sessions of players at their own home: how they begin, and what is stored of them (PROTOCOL 6, rule 9). */
import { createHash } from "node:crypto";
import type { JsonValue } from "../../json.ts";
import type { Clock, Logger, PeerCalls, Random } from "../../ports.ts";
import { BackOff, untilDone } from "../shared/back-off.ts";
import type { CallAnswer, FederationErrorCode } from "../../errors.ts";
import { type CustodyLedger, DEFAULT_NAME } from "./ledger.ts";
import type { LeaseBook } from "./lease-book.ts";
import { type LedgerRow, mayStartAtHome } from "./ledger-row.ts";
import { type PlayerBody, PlayerSession, type PlayerSessions } from "../shared/player-session.ts";
import type { Siblings } from "../shared/siblings.ts";
import type { CrossingsUnderWay } from "../shared/under-way.ts";

/** Rooms that are asked in one go what a player carries: a few milliseconds of the event loop. */
const SAVED_AT_ONCE = 100;
/** Between two goes everything else has its turn. */
const SAVE_PAUSE_MILLISECONDS = 1;

/** What to do when a player logs in at home while another server holds it. */
export type OnAway = "recall" | "refuse";

/** Who logs in at home. Without a name the row keeps the one it has. */
export interface LoginName {
  readonly name: string | undefined;
  /** Thumbprint of the key it proved, if it has one. */
  readonly jkt: string | undefined;
  readonly guest: boolean;
}

/** A session at home, with what the player carries; or why there is none. */
export type LoginResult =
  | { readonly ok: true; readonly session: PlayerSession; readonly state: JsonValue | undefined }
  | Exclude<CallAnswer, { ok: true }>;

/** What calling a player back has come to. */
export interface CallingBack {
  readonly isHome: boolean;
  /** Origin of who has it. */
  readonly holder: string;
  /** In how many seconds it can be taken back at the latest. */
  readonly secondsLeft: number;
}

/** Options of {@link HomeSessions}. */
export interface HomeSessionsOptions {
  readonly origin: string;
  readonly ledger: CustodyLedger;
  readonly sessions: PlayerSessions;
  readonly leases: LeaseBook;
  readonly crossings: CrossingsUnderWay;
  readonly peers: PeerCalls;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Keeps a state aside that came after somebody else had begun to play the player. */
  readonly keepLate: (
    localId: string,
    late: { readonly player: string; readonly epoch: number; readonly state: JsonValue },
  ) => Promise<void>;
  readonly onAway: OnAway | undefined;
  /** A player of this home begins to play at home. Default: nobody hears of it. */
  readonly onPlay?: ((row: LedgerRow) => void) | undefined;
  readonly siblings: Siblings | undefined;
}

/** A login under way. */
interface Entering {
  /** The row has been given to another process of this server, or is about to be, since the login took it. */
  handedOver: boolean;
}

/** How long a login waits for what the former session left to be stored. */
const STORE_MILLISECONDS = 4_000;
const RECALL_MILLISECONDS = 4_000;
const RECALL_POLL_MILLISECONDS = 100;

/** The players of this home who play here. */
export class HomeSessions {
  readonly #options: HomeSessionsOptions;
  readonly #ledger: CustodyLedger;
  readonly #sessions: PlayerSessions;
  /** The last of what is being stored for a player, by local id. */
  readonly #saves = new Map<string, Promise<void>>();
  /** What the store has taken of a session, as a digest: what is the same is not looked up again. */
  readonly #stored = new WeakMap<PlayerSession, string>();
  /** Players whose last state is in memory only. */
  readonly #unstored = new Set<string>();
  readonly #backOff: BackOff;
  /** Logins under way in this process. */
  readonly #entering = new Map<string, Set<Entering>>();

  constructor(options: HomeSessionsOptions) {
    this.#options = options;
    this.#backOff = new BackOff(options);
    this.#ledger = options.ledger;
    this.#sessions = options.sessions;
  }

  /**
   * Starts a session at home (rule 9). A player that is away is recalled or refused (`onAway`); a
   * session it has here already is ended: the newest wins.
   */
  async login(localId: string, known: LoginName, body: PlayerBody): Promise<LoginResult> {
    const { origin } = this.#options;
    const player = `${localId}@${new URL(origin).host}`;
    if (known.guest) {
      // Nobody else can be this guest, and most never leave: the disk hears of it when it departs.
      const name = known.name ?? DEFAULT_NAME;
      return {
        ok: true,
        ...this.#begin({ localId, name, holder: origin, epoch: 0 }, player, true, body),
      };
    }
    const entering = { handedOver: false };
    this.#enter(localId, entering);
    try {
      return await this.#loginAs(localId, player, known, body, entering);
    } finally {
      this.#entered(localId, entering);
    }
  }

  async #loginAs(
    localId: string,
    player: string,
    known: LoginName,
    body: PlayerBody,
    entering: Entering,
  ): Promise<LoginResult> {
    const { origin, onAway, siblings } = this.#options;
    await this.supersede(player);
    if (this.#unstored.has(localId)) return unstored();
    let taking =
      siblings && (await this.#takeFromSibling(siblings, await this.#ledger.row(localId), player));
    if (taking?.ok === false) return taking;
    let row = await this.#ledger.admit(localId, known);
    if (row.holder === origin && row.transfer !== undefined) {
      await this.#ledger.cancelFromRow(localId);
    } else if (row.holder !== origin && !(await this.#ledger.expire(localId))) {
      if (onAway !== "refuse") await this.#recall(localId, player);
    }
    const isFree = (): boolean =>
      this.#sessions.get(player) === undefined && !this.#saves.has(localId);
    for (;;) {
      entering.handedOver = false;
      // It may have come in through another door meanwhile: the newest wins.
      await this.supersede(player);
      if (this.#unstored.has(localId)) return unstored();
      row = (await this.#ledger.row(localId)) ?? row;
      if (siblings !== undefined && row.life !== taking?.from && row.life !== siblings.life) {
        taking = await this.#takeFromSibling(siblings, row, player);
        if (!taking.ok) return taking;
        // What that process has stored is to be read.
        continue;
      }
      // Durable before anybody plays: a lapsed holder's word comes too late from now on.
      if (mayStartAtHome(row, origin)) {
        const played = await this.#ledger.play(row, isFree);
        if (played === undefined) continue;
        row = played;
      }
      if (!mayStartAtHome(row, origin)) {
        const seconds = Math.ceil(this.#options.leases.secondsLeft(localId, row.epoch));
        return {
          ok: false,
          code: "ERR_FED_AWAY",
          reason: `the player is at ${row.holder}; it can be taken back in ${seconds} s at the latest`,
          retryAfterSeconds: Math.max(1, seconds),
        };
      }
      if (siblings !== undefined && !(await this.#ledger.take(localId, taking?.from))) {
        return unsettled("the player is logging in elsewhere");
      }
      // Another process has been given the row since it was taken: its player is the newer one.
      if (entering.handedOver) return unsettled("the player is logging in elsewhere");
      if (isFree()) break;
    }
    this.#options.onPlay?.(row);
    return { ok: true, ...this.#begin(row, player, false, body) };
  }

  /**
   * Calls a player of this home back that another server holds (rule 10); harmless for one that is here. Undefined for
   * one that is not known.
   */
  async recall(localId: string): Promise<CallingBack | undefined> {
    const { origin, leases } = this.#options;
    let row = await this.#ledger.row(localId);
    if (row === undefined) return undefined;
    if (row.holder !== origin && !(await this.#ledger.expire(localId))) {
      await this.#recall(localId, `${localId}@${new URL(origin).host}`);
    }
    row = (await this.#ledger.row(localId)) ?? row;
    const isHome = row.holder === origin;
    const secondsLeft = isHome ? 0 : Math.ceil(leases.secondsLeft(localId, row.epoch));
    return { isHome, holder: row.holder, secondsLeft };
  }

  /**
   * Ends whatever session a player of this home has, here, in another process or at another server: whoever plays it
   * may do so no more.
   */
  async signOut(localId: string, code: FederationErrorCode, message: string): Promise<void> {
    const { origin, siblings } = this.#options;
    const player = `${localId}@${new URL(origin).host}`;
    await this.#endHere(player, code, message);
    if (siblings !== undefined) {
      await this.#takeFromSibling(siblings, await this.#ledger.row(localId), player);
    }
    await this.recall(localId);
  }

  /** A guest at home has a key from now on. False for one that is crossing, or is gone. */
  async keepGuest(session: PlayerSession, jkt: string): Promise<boolean> {
    const localId = this.#ledger.localId(session.player);
    const isBusy = (): boolean => session.ended || session.frozen;
    if (localId === undefined || !session.atHome || isBusy()) return false;
    await this.#ledger.admit(localId, { name: session.name, jkt });
    // Where several processes are this server, the row of a guest names none of them yet.
    if (!(await this.#ledger.take(localId, undefined)) || isBusy()) return false;
    session.keep();
    await this.saveNow(session);
    return true;
  }

  /** Ends the session that a player of this home has in this process, and waits until it is stored. */
  supersede(player: string): Promise<void> {
    return this.#endHere(player, "ERR_FED_SUPERSEDED", "You joined from somewhere else.");
  }

  async #endHere(player: string, code: FederationErrorCode, message: string): Promise<void> {
    await this.#options.crossings.giveUp(player);
    const former = this.#sessions.get(player);
    if (former !== undefined) {
      await this.leave(former);
      former.body.end(code, message);
    }
    // A session that has just ended may still be being stored.
    const save = this.#saves.get(this.#ledger.localId(player) ?? "");
    if (save !== undefined) await within(this.#options.clock, STORE_MILLISECONDS, save);
  }

  /**
   * As {@link supersede}, for a login in another process of this server, to whose life the row is handed over: whoever
   * logs in here from then on asks that one first. What is not stored yet stays this process's.
   */
  async endFor(player: string, to: string): Promise<void> {
    const localId = this.#ledger.localId(player) ?? "";
    do {
      await this.supersede(player);
      if (this.#unstored.has(localId) || this.#saves.has(localId)) return;
      const row = await this.#ledger.row(localId);
      const entering = [...(this.#entering.get(localId) ?? [])];
      // Ahead of the write: a login that has just taken the row may go on while that is under way.
      for (const each of entering) each.handedOver = true;
      if (row === undefined || !(await this.#ledger.handOver(localId, row.epoch, to))) {
        for (const each of entering) each.handedOver = false;
        return;
      }
      // A login that was under way here may have begun before the row was handed over.
    } while (this.#sessions.get(player) !== undefined);
  }

  #enter(localId: string, entering: Entering): void {
    const all = this.#entering.get(localId) ?? new Set();
    this.#entering.set(localId, all.add(entering));
  }

  #entered(localId: string, entering: Entering): void {
    const all = this.#entering.get(localId);
    all?.delete(entering);
    if (all?.size === 0) this.#entering.delete(localId);
  }

  /** Players whose last state the store has not taken yet. */
  get pending(): number {
    return this.#saves.size;
  }

  /** Resolves once the store has taken what every ended session left. */
  async whenStored(): Promise<void> {
    while (this.#saves.size > 0 && !this.#backOff.stopped) await Promise.all(this.#saves.values());
  }

  /**
   * Ends a session at home and stores what the player carries; a guest is forgotten. A player that is
   * crossing is left to its crossing. While the store does not answer, the state is kept in memory and
   * stored once it does; nobody plays the player here until then.
   *
   * @param life The process's life that the session was played in. Default: the present one.
   */
  async leave(session: PlayerSession, state = session.carry(), life?: string): Promise<void> {
    const { sessions, crossings, logger } = this.#options;
    const { player, ended } = session;
    const localId = this.#ledger.localId(player) ?? "";
    // Somebody else has ended it; what it carried may still be being stored.
    if (ended) return this.#saves.get(localId);
    const crossing = crossings.isCrossing(session);
    sessions.remove(session);
    if (crossing) return;
    const write = (): Promise<void> => this.#store(localId, session, state, life);
    try {
      await this.#save(localId, write);
    } catch (cause) {
      logger.error(
        `what ${player} carries cannot be stored yet: it is tried again until it can`,
        cause,
        { player },
      );
      this.#unstored.add(localId);
      void this.#save(localId, () =>
        untilDone(this.#backOff, localId, write, () => undefined),
      ).finally(() => this.#unstored.delete(localId));
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

  async #store(
    localId: string,
    { player, guest, epoch }: PlayerSession,
    state: JsonValue | undefined,
    life: string | undefined,
  ): Promise<void> {
    if (guest) {
      await this.#ledger.forgetGuest(localId, epoch);
      return;
    }
    if (await this.#ledger.save(localId, epoch, state, life)) return;
    // Somebody else plays it already: the same as with a holder that lapsed.
    if (state !== undefined) await this.#options.keepLate(localId, { player, epoch, state });
  }

  /**
   * Stores what players at home carry, so that a crash loses little: what has changed since, some at a
   * time, while others come in between.
   */
  async saveAll(): Promise<void> {
    const { clock } = this.#options;
    const sessions = this.#sessions.all();
    for (let at = 0; at < sessions.length; at += SAVED_AT_ONCE) {
      if (at > 0) {
        await new Promise<void>((resolve) => {
          clock.setTimeout(resolve, SAVE_PAUSE_MILLISECONDS);
        });
      }
      const some = sessions.slice(at, at + SAVED_AT_ONCE);
      await Promise.all(some.map((session) => this.saveNow(session)));
    }
  }

  /** Stores what a player at home carries now, after what is being stored. */
  async saveNow(session: PlayerSession): Promise<void> {
    const { player, atHome, guest } = session;
    const localId = this.#ledger.localId(player);
    if (!atHome || guest || localId === undefined || session.ended || session.frozen) return;
    const now = session.carry();
    const digest = digestOf(session.epoch, now);
    // A save under way ends first: what it stores may be older.
    const waits = this.#saves.has(localId);
    if (!waits && this.#stored.get(session) === digest) return;
    await this.#save(localId, async () => {
      if (session.frozen) return;
      const { epoch } = session;
      const state = waits ? session.carry() : now;
      const saved = await this.#ledger.save(localId, epoch, state);
      if (saved) this.#stored.set(session, digestOf(epoch, state));
      else this.#stored.delete(session);
    });
  }

  /** A guest whose session is over is gone for ever: nobody can log in as it again. */
  forgetGuest({ player, epoch }: { readonly player: string; readonly epoch: number }): void {
    const localId = this.#ledger.localId(player);
    if (localId === undefined) return;
    void untilDone(
      this.#backOff,
      localId,
      () => this.#ledger.forgetGuest(localId, epoch),
      (cause, failures) => {
        if (failures > 1) return;
        this.#options.logger.error(`the row of ${localId} cannot be removed yet`, cause);
      },
    );
  }

  /** Stores one after the other, so that no state of a player at home lands over a newer one. */
  #save(localId: string, save: () => Promise<unknown>): Promise<void> {
    const mine = (this.#saves.get(localId) ?? Promise.resolve()).then(async () => {
      await save();
    });
    const settled = mine.catch(() => undefined);
    this.#saves.set(localId, settled);
    void settled.then(() => {
      if (this.#saves.get(localId) === settled) this.#saves.delete(localId);
    });
    return mine;
  }

  /**
   * Another process of this server may play the player: it ends its session first, and hands the row over. Tells
   * from whose life the row may be taken then.
   */
  async #takeFromSibling(
    siblings: Siblings,
    row: LedgerRow | undefined,
    player: string,
  ): Promise<
    { readonly ok: true; readonly from: string | undefined } | Exclude<LoginResult, { ok: true }>
  > {
    const life = row?.holder === this.#options.origin ? row.life : undefined;
    if (life === undefined || life === siblings.life || !(await siblings.isAlive(life))) {
      return { ok: true, from: life };
    }
    const answer = await siblings.ask(life, { kind: "end", player, to: siblings.life });
    return answer === undefined
      ? unsettled("another process of this server still has the player")
      : { ok: true, from: siblings.life };
  }

  #begin(
    row: LedgerRow,
    player: string,
    guest: boolean,
    body: PlayerBody,
  ): { session: PlayerSession; state: JsonValue | undefined } {
    const session = new PlayerSession({
      player,
      home: this.#options.origin,
      atHome: true,
      name: row.name,
      guest,
      epoch: row.epoch,
      body,
      orphanOf: row.orphans?.map(({ formerId }) => formerId),
    });
    this.#sessions.add(session);
    return { session, state: row.state };
  }

  /** Asks the holder to give a player back, and waits a little for it. */
  async #recall(localId: string, player: string): Promise<void> {
    const { origin, peers, clock, logger } = this.#options;
    // Durable before the holder is asked: it may refuse, or never answer.
    const row = await this.#ledger.recall(localId);
    if (row === undefined) return;
    const giveUpAt = clock.monotonic() + RECALL_MILLISECONDS;
    const asked = peers
      .call(
        row.holder,
        "/custody/revoke",
        { player, epoch: row.epoch },
        { timeoutMilliseconds: RECALL_MILLISECONDS },
      )
      .then((answer) => answer.ok)
      .catch((cause: unknown) => {
        logger.debug(
          `${row.holder} cannot be asked to give ${player} back: ${cause instanceof Error ? cause.message : "unknown"}`,
          { peer: row.holder, player },
        );
        return false;
      });
    if (!(await asked)) return;
    while (clock.monotonic() < giveUpAt) {
      const now = await this.#ledger.row(localId);
      if (now === undefined || mayStartAtHome(now, origin)) return;
      await new Promise<void>((resolve) => {
        clock.setTimeout(resolve, RECALL_POLL_MILLISECONDS);
      });
    }
  }
}

/** Of what was carried under an epoch, as it is printed. */
function digestOf(epoch: number, state: JsonValue | undefined): string {
  return createHash("sha256")
    .update(`${epoch} ${JSON.stringify(state) ?? ""}`)
    .digest("base64");
}

function unstored(): Exclude<LoginResult, { ok: true }> {
  return unsettled("what the player carried is still being stored");
}

/** Waits for `work`, but not longer. */
function within(clock: Clock, milliseconds: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimeout(resolve, milliseconds);
    void work.finally(() => {
      clock.clearTimeout(timer);
      resolve();
    });
  });
}

function unsettled(reason: string): Exclude<LoginResult, { ok: true }> {
  return { ok: false, code: "ERR_FED_UNAVAILABLE", reason, retryAfterSeconds: 2 };
}
