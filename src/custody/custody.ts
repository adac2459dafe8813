/**
 * Custody as one thing: the ledger at home, the crossing at the source, the arrival at the
 * destination, wired to each other and to the calls of PROTOCOL 6 that come in from peers.
 */
import type { VerifyKey } from "../identity/ed25519.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import type { JsonValue } from "../json.ts";
import type { Clock, Logger, Random, Store } from "../ports.ts";
import { type AdmissionPolicy, type Arrival, Arrivals, type SeatHost } from "./arrival.ts";
import { Crossings, type CrossingOutcome, type CrossingProgress } from "./crossing.ts";
import { type CustodyAnswer, answerCall } from "./inbound.ts";
import { type Home, type PeerCalls, localHome, remoteHome } from "./home.ts";
import { type ImportPolicy, CustodyLedger, type LedgerDecision } from "./ledger.ts";
import { type LedgerRow, mayStartAtHome } from "./ledger-row.ts";
import { Leases } from "./leases.ts";
import { type PlayerBody, PlayerSession, PlayerSessions } from "./player-session.ts";
import { Settlement } from "./settlement.ts";
import { VisitorBook } from "./visitors.ts";

/** What happens to players, for logs and operators. */
export type CustodyEvent =
  | { readonly type: "progress"; readonly progress: CrossingProgress }
  | { readonly type: "outcome"; readonly player: string; readonly outcome: CrossingOutcome }
  | { readonly type: "arrival"; readonly arrival: Arrival }
  | { readonly type: "decision"; readonly decision: LedgerDecision };

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
  | Exclude<CustodyAnswer, { ok: true }>;

/** Options of {@link Custody}. */
export interface CustodyOptions {
  readonly origin: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly peers: PeerCalls;
  readonly seats: SeatHost;
  readonly signingKey: () => SigningKey;
  readonly issuerKey: (issuer: string, kid: string) => VerifyKey | undefined;
  /** Whether home lets its players go to a server. Default: to every server. */
  readonly mayGoTo?: (origin: string) => boolean;
  readonly leaseSeconds?: number;
  readonly accept?: ImportPolicy;
  readonly admit?: AdmissionPolicy;
  readonly onAway?: OnAway;
  readonly onEvent?: (event: CustodyEvent) => void;
}

const DEPARTED_TRIES = 4;
const RECALL_MILLISECONDS = 4_000;
const RECALL_POLL_MILLISECONDS = 100;

/** Everything PROTOCOL 6 and 7 ask of one server, without knowing HTTP or Colyseus. */
export class Custody {
  readonly ledger: CustodyLedger;
  readonly sessions = new PlayerSessions();
  readonly visitors: VisitorBook;
  readonly leases: Leases;
  readonly settlement: Settlement;
  readonly crossings: Crossings;
  readonly arrivals: Arrivals;
  readonly #options: CustodyOptions;
  readonly #local: Home;
  /** Logins under way, by local id. */
  readonly #logins = new Map<string, Promise<void>>();

  constructor(options: CustodyOptions) {
    this.#options = options;
    const { origin, store, clock, random, logger, peers } = options;
    this.ledger = new CustodyLedger({
      origin,
      store,
      clock,
      random,
      signingKey: options.signingKey,
      ...(options.mayGoTo === undefined ? {} : { mayGoTo: options.mayGoTo }),
      ...(options.leaseSeconds === undefined ? {} : { leaseSeconds: options.leaseSeconds }),
      ...(options.accept === undefined ? {} : { accept: options.accept }),
    });
    this.#local = localHome(this.ledger, origin);
    this.visitors = new VisitorBook(store);
    const homeAt = (home: string): Home => this.#homeAt(home);
    const { sessions, visitors } = this;
    this.leases = new Leases({ sessions, visitors, homeAt, clock, logger });
    const { leases } = this;
    this.settlement = new Settlement({
      visitors,
      sessions,
      leases,
      homeAt,
      clock,
      random,
      logger,
    });
    const { settlement } = this;
    this.crossings = new Crossings({
      sessions,
      visitors,
      settlement,
      leases,
      homeAt,
      peers,
      clock,
      random,
      logger,
      onProgress: (progress) => options.onEvent?.({ type: "progress", progress }),
      onOutcome: (outcome, player) => {
        options.onEvent?.({ type: "outcome", player, outcome });
        if (outcome.kind === "stayed") void this.#forgetGuestThatLeft(player);
      },
    });
    this.arrivals = new Arrivals({
      origin,
      store,
      visitors,
      settlement,
      homeAt,
      issuerKey: options.issuerKey,
      seats: options.seats,
      ...(options.admit === undefined ? {} : { admit: options.admit }),
      clock,
      random,
      logger,
    });
    this.ledger.onDecision((decision) => {
      options.onEvent?.({ type: "decision", decision });
      if (decision.kind === "claimed") this.#tellSource(decision);
      if (decision.kind === "returned") this.#forgetGuest(decision.after);
    });
  }

  /** Settles what a former run of this server left open. Nothing it held is resumed. */
  async start(): Promise<void> {
    await this.ledger.settleAfterRestart();
    await this.settlement.settleAfterRestart();
  }

  /** Stops heartbeats and retries; what is open is settled by the next start. */
  stop(): void {
    this.leases.stop();
    this.settlement.stop();
  }

  /**
   * Answers a call of PROTOCOL 6 from `caller`, whose signature has been verified; `sentAt` is its
   * `created`.
   */
  answer(caller: string, call: string, body: unknown, sentAt: number): Promise<CustodyAnswer> {
    return answerCall(this, caller, call, body, sentAt);
  }

  /**
   * Starts a session at home (rule 9). A player that is away is recalled or refused (`onAway`); a
   * session it has here already is ended: the newest wins.
   */
  login(localId: string, known: LoginName, body: PlayerBody): Promise<LoginResult> {
    // One after the other: of two devices that log in at once, the second ends the first's session.
    const former = this.#logins.get(localId) ?? Promise.resolve();
    const login = former.then(() => this.#login(localId, known, body));
    const settled = login.then(
      () => undefined,
      () => undefined,
    );
    this.#logins.set(localId, settled);
    void settled.then(() => {
      if (this.#logins.get(localId) === settled) this.#logins.delete(localId);
    });
    return login;
  }

  async #login(localId: string, known: LoginName, body: PlayerBody): Promise<LoginResult> {
    const { origin, onAway } = this.#options;
    const player = `${localId}@${new URL(origin).host}`;
    await this.crossings.giveUp(player);
    const former = this.sessions.get(player);
    if (former !== undefined) {
      await this.leave(former);
      former.body.end("ERR_FED_SUPERSEDED", "You joined from somewhere else.");
    }
    let row = await this.ledger.admit(localId, known);
    if (row.holder === origin && row.transfer !== undefined) {
      await this.ledger.cancelFromRow(localId);
    } else if (row.holder !== origin && !(await this.ledger.expire(localId))) {
      if (onAway !== "refuse") await this.#recall(localId, player);
    }
    row = (await this.ledger.row(localId)) ?? row;
    if (!mayStartAtHome(row, origin)) {
      const seconds = Math.ceil(this.ledger.leases.secondsLeft(localId, row.epoch));
      return {
        ok: false,
        code: "ERR_FED_AWAY",
        reason: `the player is at ${row.holder}; it can be taken back in ${seconds} s at the latest`,
        retryAfterSeconds: Math.max(1, seconds),
      };
    }
    return { ok: true, ...this.#begin(row, player, known.guest, body) };
  }

  /** Starts the session of a player that arrived, at home or as a visitor. */
  arrive(arrival: Arrival, body: PlayerBody): PlayerSession {
    const atHome = arrival.home === this.#options.origin;
    const former = this.sessions.get(arrival.player);
    if (former !== undefined) {
      this.sessions.remove(former);
      this.leases.lost(former);
      former.body.end("ERR_FED_SUPERSEDED", "You came back through another door.");
    }
    const session = new PlayerSession({
      player: arrival.player,
      home: arrival.home,
      atHome,
      name: arrival.name,
      guest: atHome && isGuest(arrival.player),
      epoch: arrival.epoch,
      body,
    });
    this.sessions.add(session);
    if (!atHome) this.leases.won(session, arrival.sentAt, arrival.leaseSeconds);
    this.#options.onEvent?.({ type: "arrival", arrival });
    return session;
  }

  /** The player changes rooms on this very server: custody stays, only the body is another. */
  move(
    player: string,
    body: PlayerBody,
  ): { session: PlayerSession; state: JsonValue | undefined } | undefined {
    const former = this.sessions.get(player);
    if (former === undefined || former.frozen) return undefined;
    const state = former.body.carry();
    const lease = this.leases.handOver(former);
    this.sessions.remove(former);
    const session = new PlayerSession({
      player,
      home: former.home,
      atHome: former.atHome,
      name: former.name,
      guest: former.guest,
      epoch: former.epoch,
      body,
    });
    this.sessions.add(session);
    if (lease !== undefined) this.leases.won(session, lease.sentAt, lease.seconds);
    former.body.end(undefined, "You are in the other room now.");
    return { session, state };
  }

  /**
   * The player leaves this server for good: a visitor goes home with what it carries, a player at
   * home has it stored. One that is crossing is left to its crossing.
   */
  async leave(session: PlayerSession, state = session.body.carry()): Promise<void> {
    if (session.ended) return;
    const crossing = this.crossings.transferOf(session.player) !== undefined;
    this.sessions.remove(session);
    this.leases.lost(session);
    if (crossing) return;
    if (session.atHome) {
      const localId = this.ledger.localId(session.player);
      if (localId === undefined) return;
      if (session.guest) await this.ledger.forgetGuest(localId, session.epoch);
      else await this.ledger.save(localId, session.epoch, state);
      return;
    }
    await this.visitors.changeHeld(
      session.player,
      (held) => held.phase === "held" && held.epoch === session.epoch,
      (held) => ({
        epoch: held.epoch,
        phase: "returning",
        ...(state === undefined ? {} : { state }),
      }),
    );
    this.settleInBackground(session.player);
  }

  /** A claim was won but no session came of it: the player goes home unchanged. */
  async abortArrival(arrival: Arrival): Promise<void> {
    if (arrival.home === this.#options.origin) return;
    await this.visitors.changeHeld(
      arrival.player,
      (held) => held.phase === "held" && held.epoch === arrival.epoch,
      (held) => ({ epoch: held.epoch, phase: "returning" }),
    );
    this.settleInBackground(arrival.player);
  }

  /** Stores what players at home carry, so that a crash loses little. */
  async saveAll(): Promise<void> {
    for (const session of this.sessions.all()) {
      if (!session.atHome || session.frozen || session.guest) continue;
      const localId = this.ledger.localId(session.player);
      if (localId !== undefined) {
        await this.ledger.save(localId, session.epoch, session.body.carry());
      }
    }
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
    this.sessions.add(session);
    return { session, state: row.state };
  }

  /** A guest whose session is over is gone for ever: nobody can log in as it again. */
  #forgetGuest({ localId, epoch }: LedgerRow): void {
    if (!isGuest(localId)) return;
    this.ledger.forgetGuest(localId, epoch).catch((cause: unknown) => {
      this.#options.logger.error(`the row of ${localId} could not be removed`, cause);
    });
  }

  /** Its crossing was taken back when its client had gone already. */
  async #forgetGuestThatLeft(player: string): Promise<void> {
    const localId = this.ledger.localId(player);
    if (localId === undefined || !isGuest(localId)) return;
    const row = await this.ledger.row(localId).catch(() => undefined);
    if (row !== undefined && this.sessions.get(player) === undefined) this.#forgetGuest(row);
  }

  #homeAt(home: string): Home {
    return home === this.#options.origin ? this.#local : remoteHome(this.#options.peers, home);
  }

  /** After a claim: the source lets go. One that is not told learns it from `cancel` or `lost`. */
  #tellSource({ before, after, localId }: LedgerDecision): void {
    const { origin, peers, logger } = this.#options;
    const transfer = before.transfer;
    if (transfer === undefined || transfer.from === after.holder) return;
    const player = `${localId}@${new URL(origin).host}`;
    if (transfer.from === origin) {
      void this.crossings.departed(player, transfer.id);
      return;
    }
    const tell = async (tries: number): Promise<void> => {
      try {
        await peers.call(transfer.from, "/custody/departed", {
          transferId: transfer.id,
          player,
          epoch: before.epoch,
        });
      } catch (cause) {
        if (tries < DEPARTED_TRIES) return tell(tries + 1);
        logger.debug(
          `${transfer.from} was not told that ${player} departed: ${cause instanceof Error ? cause.message : "unknown"}`,
        );
      }
    };
    void tell(1);
  }

  /** Asks the holder to give a player back, and waits a little for it. */
  async #recall(localId: string, player: string): Promise<void> {
    const { origin, peers, clock, logger } = this.#options;
    const row = await this.ledger.row(localId);
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
      const now = await this.ledger.row(localId);
      if (now === undefined || mayStartAtHome(now, origin)) return;
      await new Promise<void>((resolve) => {
        clock.setTimeout(resolve, RECALL_POLL_MILLISECONDS);
      });
    }
  }

  /** @internal Settles without anybody waiting for it. */
  settleInBackground(player: string): void {
    this.settlement.settle(player).catch((cause: unknown) => {
      this.#options.logger.error(`settling ${player} failed; the next start repeats it`, cause);
    });
  }
}

/** Local ids of players without account or key start with this. */
export const GUEST_PREFIX = "guest-";

function isGuest(player: string): boolean {
  return player.startsWith(GUEST_PREFIX);
}
