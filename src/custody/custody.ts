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
import type { CrossingRecord } from "./history.ts";
import { type CustodyAnswer, answerCall } from "./inbound.ts";
import { type Home, type PeerCalls, localHome, remoteHome } from "./home.ts";
import type { ImportPolicy, ImportPreview } from "./import-policy.ts";
import { previewOf } from "./import-policy.ts";
import { CustodyLedger, DEFAULT_NAME, type LedgerDecision } from "./ledger.ts";
import { type LedgerRow, mayStartAtHome } from "./ledger-row.ts";
import { Leases } from "./leases.ts";
import { type PlayerBody, PlayerSession, PlayerSessions } from "./player-session.ts";
import { Settlement } from "./settlement.ts";
import { type MovedPlayer, handOver, takeOver } from "./room-move.ts";
import { type SiblingRequest, type SiblingWord, type Siblings, askTo } from "./siblings.ts";
import { VisitorBook, inPhase } from "./visitors.ts";

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
  /** The other processes of this server. Default: there are none. */
  readonly siblings?: Siblings;
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
  /** The last of what is being stored for a player at home, by local id. */
  readonly #saves = new Map<string, Promise<void>>();

  constructor(options: CustodyOptions) {
    this.#options = options;
    const { origin, store, clock, random, logger, peers } = options;
    const life = (): string | undefined => options.siblings?.life;
    this.ledger = new CustodyLedger({
      origin,
      store,
      clock,
      random,
      life,
      signingKey: options.signingKey,
      ...(options.mayGoTo === undefined ? {} : { mayGoTo: options.mayGoTo }),
      ...(options.leaseSeconds === undefined ? {} : { leaseSeconds: options.leaseSeconds }),
      ...(options.accept === undefined ? {} : { accept: options.accept }),
      onHistoryLost: (cause) => {
        logger.error("a crossing could not be written into the history", cause);
      },
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
      onCancelled: (...settled) => {
        this.crossings.settled(...settled);
      },
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
      enrol: async ({ player, name }) => {
        const localId = this.ledger.localId(player);
        if (localId !== undefined) await this.ledger.admit(localId, { name, jkt: undefined });
      },
      onProgress: (progress) => options.onEvent?.({ type: "progress", progress }),
      onOutcome: (outcome, session) => {
        options.onEvent?.({ type: "outcome", player: session.player, outcome });
        // A home that follows PROTOCOL 6 alone has no receipt for the source.
        this.#askForReceipt(session, outcome).catch(() => undefined);
        // Taken back when its client had gone already.
        if (outcome.kind === "stayed" && session.guest && session.ended) this.#forgetGuest(session);
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
      life,
      ...(options.admit === undefined ? {} : { admit: options.admit }),
      clock,
      random,
      logger,
    });
    this.ledger.onDecision((decision) => {
      options.onEvent?.({ type: "decision", decision });
      if (decision.kind === "claimed") this.#tellSource(decision);
      const { kind, localId, after } = decision;
      if (kind === "returned" || kind === "expired") {
        const player = `${localId}@${new URL(origin).host}`;
        if (isGuest(player)) this.#forgetGuest({ player, epoch: after.epoch });
      }
    });
  }

  /** Settles what former runs of this server left open. Nothing they held is resumed. */
  async start(): Promise<void> {
    await this.settleEnded();
  }

  /** Settles what processes of this server held whose life is over. */
  async settleEnded(): Promise<void> {
    const { siblings } = this.#options;
    const known = new Map<string, Promise<boolean>>();
    const isOver = async (life: string | undefined): Promise<boolean> => {
      if (siblings === undefined || life === undefined) return true;
      if (life === siblings.life) return false;
      const over = known.get(life) ?? siblings.isAlive(life).then((alive) => !alive);
      known.set(life, over);
      return over;
    };
    await this.ledger.settleAfter(isOver);
    await this.settlement.settleAfter(isOver);
  }

  /** This process may be thought dead by others: until {@link endAll} nobody is simulated here. */
  freezeAll(): void {
    for (const session of this.sessions.all()) session.freeze("process");
  }

  /** Ends every session of a life that is over: what it held, others may have settled already. */
  endAll(): void {
    for (const session of this.sessions.all()) {
      this.sessions.remove(session);
      this.leases.lost(session);
      session.body.end("ERR_FED_UNAVAILABLE", "This server was out of touch for too long.");
    }
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
    await this.#supersede(localId, player);
    const taken = await this.#takeFromSibling(localId, player);
    if (taken !== undefined) return taken;
    let row = await this.ledger.admit(localId, known);
    if (row.holder === origin && row.transfer !== undefined) {
      await this.ledger.cancelFromRow(localId);
    } else if (row.holder !== origin && !(await this.ledger.expire(localId))) {
      if (onAway !== "refuse") await this.#recall(localId, player);
    }
    do {
      // It may have come in through another door meanwhile: the newest wins.
      await this.#supersede(localId, player);
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
      if (siblings !== undefined && !(await this.ledger.take(localId, row.life))) {
        return unsettled("the player is logging in elsewhere");
      }
    } while (this.sessions.get(player) !== undefined || this.#saves.has(localId));
    return { ok: true, ...this.#begin(row, player, false, body) };
  }

  /** Ends the session that a player of this home has in this process, and waits until it is stored. */
  async #supersede(localId: string, player: string): Promise<void> {
    await this.crossings.giveUp(player);
    const former = this.sessions.get(player);
    if (former !== undefined) {
      await this.leave(former);
      former.body.end("ERR_FED_SUPERSEDED", "You joined from somewhere else.");
    }
    // A session that has just ended may still be being stored.
    await this.#saves.get(localId);
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
    const row = await this.ledger.row(localId);
    if (row?.holder !== origin || row.life === undefined || row.life === siblings.life) {
      return undefined;
    }
    if (!(await siblings.isAlive(row.life))) return undefined;
    const answer = await siblings.ask(row.life, { kind: "end", player });
    return answer === undefined
      ? unsettled("another process of this server still has the player")
      : undefined;
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
    if (!atHome) {
      this.leases.won(session, arrival.sentAt, arrival.leaseSeconds);
      const { transferId, from, epoch, receipt } = arrival;
      const at = Math.floor(this.#options.clock.now() / 1000);
      this.#keepReceipt({ transferId, from, to: this.#options.origin, epoch, at, receipt });
    }
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
    const { home, atHome, name, guest, epoch } = former;
    const session = new PlayerSession({ player, home, atHome, name, guest, epoch, body });
    this.sessions.add(session);
    if (lease !== undefined) this.leases.won(session, lease.sentAt, lease.seconds);
    former.body.end(undefined, "You are in the other room now.");
    return { session, state };
  }

  /** As {@link move}, out of a room of another process of this server. */
  async moveFrom(life: string, player: string): Promise<MovedPlayer | undefined> {
    const { siblings, clock } = this.#options;
    if (siblings === undefined) return undefined;
    return takeOver({ siblings, clock, custody: this }, life, player);
  }

  /** Another process of this server asks. */
  async answerSibling(request: SiblingRequest): Promise<JsonValue> {
    switch (request.kind) {
      case "end": {
        const { player } = request;
        await this.#supersede(this.ledger.localId(player) ?? "", player);
        return {};
      }
      case "move":
        return handOver({ clock: this.#options.clock, custody: this }, request.player, request.to);
      case "departed":
        return this.crossings.departed(request.player, request.transferId);
      case "revoke": {
        const { player, epoch, caller } = request;
        const answer = await answerCall(this, caller, "revoke", { player, epoch }, 0);
        return JSON.parse(JSON.stringify(answer)) as JsonValue;
      }
    }
  }

  /**
   * Asks the process that plays a held player, where that is another one and its life goes on.
   * Undefined: it is this one's to do.
   */
  askHolder(life: string | undefined, request: SiblingRequest): Promise<SiblingWord | undefined> {
    return askTo(this.#options.siblings, life, request);
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
    const { atHome, guest, epoch, player } = session;
    if (atHome) {
      const localId = this.ledger.localId(player) ?? "";
      await this.#save(localId, () =>
        guest ? this.ledger.forgetGuest(localId, epoch) : this.ledger.save(localId, epoch, state),
      );
      return;
    }
    await this.visitors.changeHeld(
      session.player,
      (held) => held.phase === "held" && held.epoch === session.epoch,
      (held) => inPhase(held, "returning", state === undefined ? {} : { state }),
    );
    this.settleInBackground(session.player);
  }

  /** A claim was won but no session came of it: the player goes home unchanged. */
  async abortArrival(arrival: Arrival): Promise<void> {
    if (arrival.home === this.#options.origin) return;
    await this.visitors.changeHeld(
      arrival.player,
      (held) => held.phase === "held" && held.epoch === arrival.epoch,
      (held) => inPhase(held, "returning"),
    );
    this.settleInBackground(arrival.player);
  }

  /**
   * What would be lost if the player went home with what it carries now: home's import policy is
   * asked, nothing is decided. Undefined when home does not answer that question.
   */
  async preview(session: PlayerSession): Promise<ImportPreview | undefined> {
    const state = session.body.carry();
    if (session.atHome || state === undefined) return previewOf(state, state);
    try {
      const { player, epoch } = session;
      const answer = await this.#homeAt(session.home).preview({ player, epoch, state });
      return answer.ok ? previewOf(state, answer.body.state) : undefined;
    } catch {
      return undefined;
    }
  }

  /** Stores what players at home carry, so that a crash loses little. */
  async saveAll(): Promise<void> {
    const saves = this.sessions.all().map(async (session) => {
      const localId = this.ledger.localId(session.player);
      if (!session.atHome || session.guest || localId === undefined) return;
      await this.#save(localId, async () => {
        if (!session.frozen) await this.ledger.save(localId, session.epoch, session.body.carry());
      });
    });
    await Promise.all(saves);
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
  #forgetGuest({ player, epoch }: { readonly player: string; readonly epoch: number }): void {
    const localId = this.ledger.localId(player);
    if (localId === undefined) return;
    this.ledger.forgetGuest(localId, epoch).catch((cause: unknown) => {
      this.#options.logger.error(`the row of ${localId} could not be removed`, cause);
    });
  }

  /** The source's operator has a receipt too: home is asked for it once the player is gone. */
  async #askForReceipt(session: PlayerSession, outcome: CrossingOutcome): Promise<void> {
    if (session.atHome || outcome.kind !== "arrived") return;
    const { transferId, destination } = outcome;
    const answer = await this.#homeAt(session.home).receipt(transferId);
    if (!answer.ok) return;
    this.#keepReceipt({
      transferId,
      from: this.#options.origin,
      to: destination,
      epoch: session.epoch + 1,
      at: Math.floor(this.#options.clock.now() / 1000),
      receipt: answer.body.receipt,
    });
  }

  #keepReceipt(crossing: CrossingRecord): void {
    this.ledger.history.keepReceipt(crossing).catch((cause: unknown) => {
      this.#options.logger.error("the receipt of a crossing could not be kept", cause);
    });
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
      const departed = { kind: "departed", player, transferId: transfer.id } as const;
      const tellHere = async (): Promise<void> => {
        const word = await this.askHolder(before.life, departed);
        if (word === undefined) await this.crossings.departed(player, transfer.id);
      };
      // A process that does not hear of it learns it when it asks for the player back.
      tellHere().catch(() => undefined);
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

function unsettled(reason: string): Exclude<LoginResult, { ok: true }> {
  return { ok: false, code: "ERR_FED_UNAVAILABLE", reason, retryAfterSeconds: 2 };
}

/** Local ids of players without account or key start with this. */
export const GUEST_PREFIX = "guest-";

function isGuest(player: string): boolean {
  return player.startsWith(GUEST_PREFIX);
}
