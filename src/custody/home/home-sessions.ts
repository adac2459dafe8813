/** Sessions of players at their own home: how they begin, and what is stored of them (PROTOCOL 6, rule 9). */
import type { JsonValue } from "../../json.ts";
import type { Clock, Logger } from "../../ports.ts";
import type { PeerCalls } from "../../ports.ts";
import type { CallAnswer } from "../../errors.ts";
import { type CustodyLedger, DEFAULT_NAME } from "./ledger.ts";
import type { LeaseBook } from "./lease-book.ts";
import { type LedgerRow, mayStartAtHome } from "./ledger-row.ts";
import { type PlayerBody, PlayerSession, type PlayerSessions } from "../shared/player-session.ts";
import type { Siblings } from "../shared/siblings.ts";
import type { CrossingsUnderWay } from "../shared/under-way.ts";

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

/** Options of {@link HomeSessions}. */
export interface HomeSessionsOptions {
  readonly origin: string;
  readonly ledger: CustodyLedger;
  readonly sessions: PlayerSessions;
  readonly leases: LeaseBook;
  readonly crossings: CrossingsUnderWay;
  readonly peers: PeerCalls;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onAway: OnAway | undefined;
  readonly siblings: Siblings | undefined;
}

const RECALL_MILLISECONDS = 4_000;
const RECALL_POLL_MILLISECONDS = 100;

/** The players of this home who play here. */
export class HomeSessions {
  readonly #options: HomeSessionsOptions;
  readonly #ledger: CustodyLedger;
  readonly #sessions: PlayerSessions;
  /** The last of what is being stored for a player, by local id. */
  readonly #saves = new Map<string, Promise<void>>();

  constructor(options: HomeSessionsOptions) {
    this.#options = options;
    this.#ledger = options.ledger;
    this.#sessions = options.sessions;
  }

  /**
   * Starts a session at home (rule 9). A player that is away is recalled or refused (`onAway`); a
   * session it has here already is ended: the newest wins.
   */
  async login(localId: string, known: LoginName, body: PlayerBody): Promise<LoginResult> {
    const { origin, onAway, siblings } = this.#options;
    const player = `${localId}@${new URL(origin).host}`;
    if (known.guest) {
      // Nobody else can be this guest, and most never leave: the disk hears of it when it departs.
      const name = known.name ?? DEFAULT_NAME;
      return {
        ok: true,
        ...this.#begin({ localId, name, holder: origin, epoch: 0 }, player, true, body),
      };
    }
    await this.supersede(player);
    const taken = await this.#takeFromSibling(localId, player);
    if (taken !== undefined) return taken;
    let row = await this.#ledger.admit(localId, known);
    if (row.holder === origin && row.transfer !== undefined) {
      await this.#ledger.cancelFromRow(localId);
    } else if (row.holder !== origin && !(await this.#ledger.expire(localId))) {
      if (onAway !== "refuse") await this.#recall(localId, player);
    }
    do {
      // It may have come in through another door meanwhile: the newest wins.
      await this.supersede(player);
      row = (await this.#ledger.row(localId)) ?? row;
      if (!mayStartAtHome(row, origin)) {
        const seconds = Math.ceil(this.#options.leases.secondsLeft(localId, row.epoch));
        return {
          ok: false,
          code: "ERR_FED_AWAY",
          reason: `the player is at ${row.holder}; it can be taken back in ${seconds} s at the latest`,
          retryAfterSeconds: Math.max(1, seconds),
        };
      }
      if (siblings !== undefined && !(await this.#ledger.take(localId, row.life))) {
        return unsettled("the player is logging in elsewhere");
      }
    } while (this.#sessions.get(player) !== undefined || this.#saves.has(localId));
    return { ok: true, ...this.#begin(row, player, false, body) };
  }

  /** Ends the session that a player of this home has in this process, and waits until it is stored. */
  async supersede(player: string): Promise<void> {
    await this.#options.crossings.giveUp(player);
    const former = this.#sessions.get(player);
    if (former !== undefined) {
      await this.leave(former);
      former.body.end("ERR_FED_SUPERSEDED", "You joined from somewhere else.");
    }
    // A session that has just ended may still be being stored.
    await this.#saves.get(this.#ledger.localId(player) ?? "");
  }

  /**
   * Ends a session at home and stores what the player carries; a guest is forgotten. A player that is
   * crossing is left to its crossing.
   */
  async leave(session: PlayerSession, state = session.body.carry()): Promise<void> {
    const { sessions, crossings } = this.#options;
    if (session.ended) return;
    const crossing = crossings.transferOf(session.player) !== undefined;
    sessions.remove(session);
    if (!crossing) await this.#store(session, state);
  }

  async #store(
    { player, guest, epoch }: PlayerSession,
    state: JsonValue | undefined,
  ): Promise<void> {
    const localId = this.#ledger.localId(player) ?? "";
    await this.#save(localId, () =>
      guest ? this.#ledger.forgetGuest(localId, epoch) : this.#ledger.save(localId, epoch, state),
    );
  }

  /** Stores what players at home carry, so that a crash loses little. */
  async saveAll(): Promise<void> {
    const saves = this.#sessions.all().map(async (session) => {
      const localId = this.#ledger.localId(session.player);
      if (!session.atHome || session.guest || localId === undefined) return;
      await this.#save(localId, async () => {
        if (!session.frozen) await this.#ledger.save(localId, session.epoch, session.body.carry());
      });
    });
    await Promise.all(saves);
  }

  /** A guest whose session is over is gone for ever: nobody can log in as it again. */
  forgetGuest({ player, epoch }: { readonly player: string; readonly epoch: number }): void {
    const localId = this.#ledger.localId(player);
    if (localId === undefined) return;
    this.#ledger.forgetGuest(localId, epoch).catch((cause: unknown) => {
      this.#options.logger.error(`the row of ${localId} could not be removed`, cause);
    });
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

  /** Another process of this server may play the player: it ends its session first. */
  async #takeFromSibling(
    localId: string,
    player: string,
  ): Promise<Exclude<LoginResult, { ok: true }> | undefined> {
    const { siblings, origin } = this.#options;
    if (siblings === undefined) return undefined;
    const row = await this.#ledger.row(localId);
    if (row?.holder !== origin || row.life === undefined || row.life === siblings.life) {
      return undefined;
    }
    if (!(await siblings.isAlive(row.life))) return undefined;
    const answer = await siblings.ask(row.life, { kind: "end", player });
    return answer === undefined
      ? unsettled("another process of this server still has the player")
      : undefined;
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
    });
    this.#sessions.add(session);
    return { session, state: row.state };
  }

  /** Asks the holder to give a player back, and waits a little for it. */
  async #recall(localId: string, player: string): Promise<void> {
    const { origin, peers, clock, logger } = this.#options;
    const row = await this.#ledger.row(localId);
    if (row === undefined || row.holder === origin) return;
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

function unsettled(reason: string): Exclude<LoginResult, { ok: true }> {
  return { ok: false, code: "ERR_FED_UNAVAILABLE", reason, retryAfterSeconds: 2 };
}
