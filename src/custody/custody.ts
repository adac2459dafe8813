/**
 * Custody as one thing: the ledger at home, the crossing at the source, the arrival at the
 * destination, wired to each other and to the calls of PROTOCOL 6 that come in from peers.
 */
import type { VerifyKey } from "../identity/ed25519.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import type { JsonValue } from "../json.ts";
import type { CallAnswer } from "../errors.ts";
import type { Clock, Logger, PeerCalls, Random, Store } from "../ports.ts";
import {
  type AdmissionPolicy,
  type Arrival,
  Arrivals,
  type SeatHost,
} from "./destination/arrival.ts";
import { Crossings, type CrossingOutcome, type CrossingProgress } from "./source/crossing.ts";
import type { CrossingRecord } from "./home/history.ts";
import { answerCall } from "./inbound.ts";
import { type Home, localHome, remoteHome } from "./shared/home.ts";
import type { ImportPolicy, ImportPreview } from "./home/import-policy.ts";
import { previewOf } from "./home/import-policy.ts";
import {
  HomeSessions,
  type LoginName,
  type LoginResult,
  type OnAway,
  isGuest,
} from "./home/home-sessions.ts";
import { CustodyLedger, type LedgerDecision } from "./home/ledger.ts";
import { Leases } from "./holder/leases.ts";
import { type PlayerBody, PlayerSession, PlayerSessions } from "./shared/player-session.ts";
import { Settlement } from "./holder/settlement.ts";
import { type MovedPlayer, handOver, takeOver } from "./room-move.ts";
import { type SiblingRequest, type SiblingWord, type Siblings, askTo } from "./shared/siblings.ts";
import { VisitorBook, inPhase } from "./holder/visitors.ts";

/** What happens to players, for logs and operators. */
export type CustodyEvent =
  | { readonly type: "progress"; readonly progress: CrossingProgress }
  | { readonly type: "outcome"; readonly player: string; readonly outcome: CrossingOutcome }
  | { readonly type: "arrival"; readonly arrival: Arrival }
  | { readonly type: "decision"; readonly decision: LedgerDecision };

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

/** Everything PROTOCOL 6 and 7 ask of one server, without knowing HTTP or Colyseus. */
export class Custody {
  readonly ledger: CustodyLedger;
  readonly sessions = new PlayerSessions();
  readonly visitors: VisitorBook;
  readonly leases: Leases;
  readonly settlement: Settlement;
  readonly crossings: Crossings;
  readonly arrivals: Arrivals;
  readonly #atHome: HomeSessions;
  readonly #options: CustodyOptions;
  readonly #local: Home;

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
        if (outcome.kind === "stayed" && session.guest && session.ended)
          this.#atHome.forgetGuest(session);
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
    this.#atHome = new HomeSessions({
      origin,
      ledger: this.ledger,
      sessions,
      crossings: this.crossings,
      peers,
      clock,
      logger,
      onAway: options.onAway,
      siblings: options.siblings,
      leave: (session) => this.leave(session),
    });
    this.ledger.onDecision((decision) => {
      options.onEvent?.({ type: "decision", decision });
      if (decision.kind === "claimed") this.#tellSource(decision);
      const { kind, localId, after } = decision;
      if (kind === "returned" || kind === "expired") {
        const player = `${localId}@${new URL(origin).host}`;
        if (isGuest(player)) this.#atHome.forgetGuest({ player, epoch: after.epoch });
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
  answer(caller: string, call: string, body: unknown, sentAt: number): Promise<CallAnswer> {
    return answerCall(this, caller, call, body, sentAt);
  }

  /**
   * Starts a session at home (rule 9). A player that is away is recalled or refused (`onAway`); a
   * session it has here already is ended: the newest wins.
   */
  login(localId: string, known: LoginName, body: PlayerBody): Promise<LoginResult> {
    return this.#atHome.login(localId, known, body);
  }

  /** Stores what players at home carry, so that a crash loses little. */
  saveAll(): Promise<void> {
    return this.#atHome.saveAll();
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
        await this.#atHome.supersede(request.player);
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
    if (session.atHome) {
      await this.#atHome.store(session, state);
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

  /** @internal Settles without anybody waiting for it. */
  settleInBackground(player: string): void {
    this.settlement.settle(player).catch((cause: unknown) => {
      this.#options.logger.error(`settling ${player} failed; the next start repeats it`, cause);
    });
  }
}
