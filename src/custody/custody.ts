/**
 * Custody as one thing: home's side, the holder's, the source's and the destination's, put together,
 * and what the place where players play asks of them.
 */
import type { VerifyKey } from "../identity/ed25519.ts";
import { GUEST_PREFIX } from "../identity/local-id.ts";
import type { ReceiptKeys } from "../identity/receipt.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import type { JsonValue } from "../json.ts";
import type { Clock, Logger, Random, Store } from "../ports.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { AdmissionPolicy } from "./destination/admission.ts";
import { type Arrival, Arrivals } from "./destination/arrivals.ts";
import { Crowd, type VisitorLimit } from "./destination/crowd.ts";
import { Gatherings } from "./destination/gatherings.ts";
import { ownSeats } from "./destination/own-seats.ts";
import { PartySeats } from "./destination/party-seats.ts";
import { Preflight } from "./destination/preflight.ts";
import type { SeatHost } from "./destination/seat-host.ts";
import { Seats } from "./destination/seats.ts";
import { drain } from "./drain.ts";
import { holderCalls } from "./holder/calls.ts";
import { Leases } from "./holder/leases.ts";
import { Settlement } from "./holder/settlement.ts";
import { Stays } from "./holder/stays.ts";
import { VisitorBook } from "./holder/visitors.ts";
import { localHome } from "./home/answers.ts";
import { homeCalls } from "./home/calls.ts";
import { composeHome } from "./home/home-side.ts";
import {
  type CallingBack,
  HomeSessions,
  type LoginName,
  type LoginResult,
  type OnAway,
} from "./home/home-sessions.ts";
import type { ImportNotice } from "./home/import-notices.ts";
import { type ImportPolicy, type ImportPreview, previewOf } from "./home/import-policy.ts";
import type { ImportRules } from "./home/import-rules.ts";
import type { LateReturn, LateReturns } from "./home/late-returns.ts";
import type { CustodyLedger, LedgerDecision } from "./home/ledger.ts";
import { PLEDGE_SECONDS } from "./home/ledger-row.ts";
import type { ReceiptBook } from "./home/receipts.ts";
import { settleHome } from "./home/settle-home.ts";
import { tellSource } from "./home/tell-source.ts";
import { type MovedPlayer, RoomMoves } from "./room-move.ts";
import { type CallTable, refusal } from "./shared/calls.ts";
import { type CallAnswer, FederationError, type FederationErrorCode } from "../errors.ts";
import { EndReceipts } from "./shared/end-receipts.ts";
import type { CrossingHistory } from "./shared/history.ts";
import { type Home, remoteHome } from "./shared/home.ts";
import type { PeerCalls } from "../ports.ts";
import { type Moves, NOBODY_MOVED, idsOf } from "./shared/moves.ts";
import { isGuest } from "./shared/player-id.ts";
import { type PlayerBody, type PlayerSession, PlayerSessions } from "./shared/player-session.ts";
import type { SiblingRequest, Siblings } from "./shared/siblings.ts";
import { sourceCalls } from "./source/calls.ts";
import { type Gift, type GiftOutcome, give } from "./holder/giving.ts";
import type { GiftPolicy, TradeRecord, Trades } from "./home/trades.ts";
import { Parties } from "./source/parties.ts";
import { type CrossingOutcome, type CrossingProgress, Crossings } from "./source/crossings.ts";

/** What happens to players, for logs and operators. */
export type CustodyEvent =
  | { readonly type: "progress"; readonly progress: CrossingProgress }
  | { readonly type: "outcome"; readonly player: string; readonly outcome: CrossingOutcome }
  | { readonly type: "arrival"; readonly arrival: Arrival }
  | { readonly type: "late"; readonly late: LateReturn }
  | { readonly type: "trade"; readonly trade: TradeRecord }
  | { readonly type: "decision"; readonly decision: LedgerDecision }
  | { readonly type: "import"; readonly player: string; readonly notice: ImportNotice };

/** Options of {@link Custody}. */
export interface CustodyOptions {
  readonly origin: string;
  readonly store: Store;
  /**
   * For what is of no use to a later run of this process: memory, where this process is the whole server and
   * nobody else opens its store. Default: `store`.
   */
  readonly transient?: Store | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly peers: PeerCalls;
  readonly seats: SeatHost;
  readonly signingKey: () => SigningKey;
  readonly issuerKey: (issuer: string, kid: string) => VerifyKey | undefined;
  /** The key of a peer, or this server's own, that signs receipts. Default: `issuerKey`. */
  readonly peerKey?: ReceiptKeys | undefined;
  /** Whether home lets its players go to a server. Default: to every server. */
  readonly mayGoTo?: ((origin: string) => boolean) | undefined;
  /** Whether a server has `RECEIPTS_CAPABILITY`. Default: every one. */
  readonly knowsReceipts?: ((origin: string) => boolean) | undefined;
  /** Whether players of a home are taken here. Default: of every home whose passes verify. */
  readonly takesPlayersOf?: ((home: string) => boolean) | undefined;
  /** Whether a server, or a home, knows parties. Default: every one does. */
  readonly knowsParties?: ((origin: string) => boolean) | undefined;
  /** Whether a home gives a player who comes home its seat with the departure. Default: none does. */
  readonly givesSeats?: ((home: string) => boolean) | undefined;
  /** Whether an asset is here, for whoever asks ahead of a player. */
  readonly hasAsset?: ((hash: string) => Promise<boolean>) | undefined;
  /** Default 30. */
  readonly leaseSeconds?: number | undefined;
  readonly accept?: ImportPolicy | ImportRules | undefined;
  readonly admit?: AdmissionPolicy | undefined;
  /** Whether a peer knows trades. Default: every one. */
  readonly knowsTrades?: ((origin: string) => boolean) | undefined;
  /** Whether this home's players are given things by others. Default: they are. */
  readonly gifts?: GiftPolicy | undefined;
  /** How long another home may take what one of this home's players gives. Default 3600. */
  readonly tradeSeconds?: number | undefined;
  /** What one player and one other server may do in a minute. Default: as much as they like. */
  readonly perMinute?: PerMinute | undefined;
  /** What one other server may have here at once. Default: as much as it likes. */
  readonly atOnce?: AtOnce | undefined;
  readonly onAway?: OnAway | undefined;
  /** The other processes of this server. Default: there are none. */
  readonly siblings?: Siblings | undefined;
  /** Servers that have another origin than they had, this one included. Default: nobody has moved. */
  readonly moves?: Moves | undefined;
  readonly onEvent?: (event: CustodyEvent) => void;
  /** Default: none. */
  readonly telemetry?: Telemetry | undefined;
}

/** What one player, and one other server, may do in a minute. */
export interface PerMinute {
  readonly crossingsOfPlayer: number;
  readonly seatsOfPeer: number;
  /** Rooms that are made for its seats. */
  readonly roomsOfPeer: number;
}

/** What one other server may have here at once. */
export interface AtOnce {
  /** Seats that wait for its players. */
  readonly seatsOfPeer: number;
  /** Default: any number. */
  readonly visitorsOfPeer?: VisitorLimit | undefined;
}

type IsOver = (life: string | undefined) => Promise<boolean>;

/** Everything PROTOCOL 6 and 7 ask of one server, without knowing HTTP or Colyseus. */
export class Custody {
  readonly history: CrossingHistory;
  readonly ledger: CustodyLedger;
  readonly sessions = new PlayerSessions();
  readonly visitors: VisitorBook;
  readonly leases: Leases;
  readonly settlement: Settlement;
  readonly crossings: Crossings;
  readonly seats: Seats;
  readonly arrivals: Arrivals;
  /** Parties that leave this server. */
  readonly parties: Parties;
  /** Seats of parties that come. */
  readonly partySeats: PartySeats;
  /** Parties that are about to come in. */
  readonly gatherings: Gatherings;
  /** What others ask ahead of a player. */
  readonly preflight: Preflight;
  /** What holders brought back too late, of this home's players. */
  readonly late: LateReturns;
  /** What this home's players give and are given. */
  readonly trades: Trades;
  readonly #stays: Stays;
  readonly #options: Pick<CustodyOptions, "clock">;
  readonly #movedServers: Moves;
  readonly #siblings: Siblings | undefined;
  readonly #homeAt: (origin: string) => Home;
  readonly #atHome: HomeSessions;
  /** Players who change rooms on this very server. */
  readonly moves: RoomMoves;
  readonly #endReceipts: EndReceipts;
  readonly #receipts: ReceiptBook;
  readonly #calls: CallTable;
  #draining = false;
  #stopped = false;
  readonly #settleHome: (isOver: IsOver) => ReturnType<typeof settleHome>;

  constructor(options: CustodyOptions) {
    const { origin, store, clock, random, logger, peers } = options;
    const { signingKey, issuerKey, peerKey = issuerKey, siblings, onEvent, telemetry } = options;
    const { knowsReceipts = () => true } = options;
    const { sessions } = this;
    const { moves: moved = NOBODY_MOVED } = options;
    this.#movedServers = moved;
    const life = (): string | undefined => siblings?.life;
    this.#siblings = siblings;

    // Home: its own players, wherever they are.
    const { history, granted, ledger, receipts, late, answers, trades } = composeHome({
      ...{ origin, store, clock, random, logger, signingKey, life, peerKey },
      ...{ leaseSeconds: options.leaseSeconds, accept: options.accept, mayGoTo: options.mayGoTo },
      ...{ peers, gifts: options.gifts, knowsTrades: options.knowsTrades, knowsReceipts },
      tradeSeconds: options.tradeSeconds,
      onTraded: (trade) => onEvent?.({ type: "trade", trade }),
      moves: moved,
      onLate: (kept) => {
        logger.warn(
          `${kept.from} brought back ${kept.player} after somebody else had played it: what it carried there is kept aside`,
          { peer: kept.from, player: kept.player },
        );
        onEvent?.({ type: "late", late: kept });
      },
      onNotKept: (localId, notice) =>
        onEvent?.({ type: "import", player: `${localId}@${new URL(origin).host}`, notice }),
    });
    const here = localHome(answers, trades, origin);
    const homeAt = (named: string): Home => {
      const home = moved.currentOrigin(named);
      return home === origin ? here : remoteHome(peers, home, knowsReceipts(home));
    };

    // Holder: visitors who play here.
    const visitors = new VisitorBook(store, logger);
    const nameHere = async (player: string, home: string): Promise<string> => {
      const ids = idsOf(moved, player, home);
      // Most homes are where they always were: nothing is read for their players.
      if (ids.length === 1) return player;
      for (const id of ids) {
        if ((await visitors.get(id)) !== undefined) return id;
      }
      return ids[0] ?? player;
    };
    const leases = new Leases({ sessions, visitors, homeAt, clock, logger });
    const settlement = new Settlement({
      ...{ visitors, sessions, leases, homeAt, clock, random, logger, telemetry },
    });

    // Source: whoever leaves.
    const crossings = new Crossings({
      ...{ sessions, visitors, settlement, homeAt, peers, clock, random, logger, telemetry },
      givesSeats: options.givesSeats,
      enrol: async ({ player, name }) => {
        const localId = ledger.localId(player);
        if (localId !== undefined) await ledger.admit(localId, { name, jkt: undefined });
      },
      giveBack: (session) => stays.giveBack(session.player, session.epoch, session.carry()),
      store: async (session) => {
        const localId = ledger.localId(session.player);
        if (localId !== undefined && !session.guest) {
          await ledger.save(localId, session.epoch, session.carry());
        }
      },
      onProgress: (progress) => onEvent?.({ type: "progress", progress }),
      perMinutePerPlayer: options.perMinute?.crossingsOfPlayer,
    });

    this.parties = new Parties({
      ...{ origin, crossings, peers, clock, random, logger },
      knowsParties: options.knowsParties,
    });

    const stays: Stays = new Stays({
      ...{ visitors, sessions, settlement, crossings, clock, random, logger },
    });

    const endReceipts = new EndReceipts({
      ...{ origin, history, homeAt, clock, logger, signingKey, peerKey, knowsReceipts },
      moves: moved,
    });

    // Destination: whoever comes.
    const crowd = new Crowd({
      ...{ origin, sessions, clock, logger, moves: moved },
      seatsWaiting: options.atOnce?.seatsOfPeer,
      visitors: options.atOnce?.visitorsOfPeer,
    });
    const seats = new Seats({
      ...{ origin, store, transient: options.transient ?? store, issuerKey },
      ...{ moves: moved, nameHere },
      ...{ seats: options.seats, admit: options.admit, crowd },
      ...{ clock, random, logger, telemetry, isOpen: () => !this.#draining },
      perMinute: options.perMinute && {
        seats: options.perMinute.seatsOfPeer,
        rooms: options.perMinute.roomsOfPeer,
      },
      onCancelled: (caller, transferId) => {
        this.gatherings.left(caller, transferId);
      },
    });
    this.partySeats = new PartySeats({ origin, seats, host: options.seats });
    this.preflight = new Preflight({
      ...{ seats: options.seats, admit: options.admit, isOpen: () => !this.#draining },
      ...{ takesPlayersOf: options.takesPlayersOf, hasAsset: options.hasAsset, clock, logger },
      ...{ moves: moved, crowd },
      perMinute: options.perMinute?.seatsOfPeer,
    });
    const arrivals = new Arrivals({
      ...{ origin, seats, visitors, sessions, leases, settlement, stays, homeAt, life },
      ...{ receipts: endReceipts, moves: moved },
      alone: options.transient !== undefined,
      ...{ clock, logger, telemetry },
      onArrival: (arrival) => onEvent?.({ type: "arrival", arrival }),
    });

    this.gatherings = new Gatherings({
      ...{ origin, seats, arrivals, stays, sessions, homeAt, peers, clock, logger },
      moves: moved,
    });

    // Whoever plays at home, and whoever changes rooms.
    const atHome = new HomeSessions({
      ...{ origin, ledger, leases: granted, sessions, crossings, peers, siblings },
      ...{ clock, random, logger, onAway: options.onAway },
      keepLate: (localId, late) => answers.keepLate(localId, late),
      // A row that was damaged when this server started.
      onPlay: (row) => {
        trades.resume(row);
      },
    });
    this.moves = new RoomMoves({
      ...{ sessions, visitors, leases, settlement, ledger, siblings, clock },
    });

    this.#calls = {
      ...homeCalls(answers, trades, { origin, clock, seats: ownSeats(seats) }),
      ...holderCalls({ visitors, sessions, stays, crossings, siblings, moves: moved, nameHere }),
      ...sourceCalls({ visitors, crossings, siblings, moves: moved, nameHere }),
    };
    this.#settleHome = (isOver) => settleHome({ origin, ledger, receipts, trades }, isOver);

    crossings.onOutcome((outcome, session) => {
      onEvent?.({ type: "outcome", player: session.player, outcome });
      if (outcome.kind === "arrived" && !session.atHome) {
        const { transferId, destination: to } = outcome;
        const { home, player, epoch } = session;
        const end = { home, transferId, player, from: origin, to, state: session.carry() };
        // A home that follows PROTOCOL 6 alone has no receipt for the source. Nobody waits for it.
        void endReceipts.keep({ ...end, epoch: epoch + 1 }, undefined);
      }
      // Taken back when its client had gone already.
      if (outcome.kind === "stayed" && session.guest && session.ended) atHome.forgetGuest(session);
    });
    ledger.onDecision((decision) => {
      onEvent?.({ type: "decision", decision });
      if (decision.kind === "claimed") {
        const departedHere = crossings.departed.bind(crossings);
        tellSource({ origin, peers, siblings, logger, departedHere }, decision);
      }
      const { kind, localId, after } = decision;
      if (kind === "returned" || kind === "expired") {
        const player = `${localId}@${new URL(origin).host}`;
        if (isGuest(player)) atHome.forgetGuest({ player, epoch: after.epoch });
      }
    });

    this.late = late;
    this.trades = trades;
    this.#endReceipts = endReceipts;
    this.#receipts = receipts;
    this.#stays = stays;
    this.#options = options;
    this.#homeAt = homeAt;
    this.#atHome = atHome;
    this.history = history;
    this.ledger = ledger;
    this.visitors = visitors;
    this.leases = leases;
    this.settlement = settlement;
    this.crossings = crossings;
    this.seats = seats;
    this.arrivals = arrivals;
  }

  /** Settles what former runs of this server left open. Nothing they held is resumed. */
  async start(): Promise<void> {
    await this.settleEnded();
  }

  /** Settles what processes of this server held whose life is over. */
  async settleEnded(): Promise<void> {
    const siblings = this.#siblings;
    const known = new Map<string, Promise<boolean>>();
    const isOver = async (life: string | undefined): Promise<boolean> => {
      if (siblings === undefined || life === undefined) return true;
      if (life === siblings.life) return false;
      const over = known.get(life) ?? siblings.isAlive(life).then((alive) => !alive);
      known.set(life, over);
      return over;
    };
    const { pledged } = await this.#settleHome(isOver);
    if (pledged > 0) this.#settleHomeLater(isOver);
    await this.settlement.settleAfter(isOver);
  }

  /** A destination has a pledge, which it may claim by: what it does not claim is cancelled once that is over. */
  #settleHomeLater(isOver: IsOver): void {
    const again = async (): Promise<void> => {
      const { pledged } = await this.#settleHome(isOver);
      if (pledged > 0) this.#settleHomeLater(isOver);
    };
    this.#options.clock.setTimeout(() => {
      // A login settles its own player, too.
      if (!this.#stopped) again().catch(() => undefined);
    }, PLEDGE_SECONDS * 1000);
  }

  /** This process may be thought dead by others: until {@link endAll} nobody is simulated here. */
  freezeAll(): void {
    for (const session of this.sessions.all()) session.freeze("process");
  }

  /**
   * Ends every session of a life that is over, with what it carried when it was frozen. What others
   * have settled already, home keeps aside.
   */
  endAll(formerLife: string): void {
    for (const session of this.sessions.all()) {
      void this.crossings
        .giveUp(session.player)
        .then(() => this.#end(session, formerLife))
        .catch(() => undefined)
        .finally(() => {
          session.body.end("ERR_FED_UNAVAILABLE", "This server was out of touch for too long.");
        });
    }
  }

  /**
   * Ends every session, for a server that stops ({@link drain}). Resolves with how many were left after
   * `milliseconds`. From now on nobody comes in.
   */
  drain(milliseconds: number): Promise<number> {
    this.#draining = true;
    this.gatherings.callOff();
    return drain(
      {
        sessions: this.sessions,
        crossings: this.crossings,
        clock: this.#options.clock,
        end: async (session) => {
          await this.#end(session);
          // Home has to have the player before its client comes to join there.
          if (!session.atHome) await this.settlement.settle(session.player);
        },
        whenStored: () =>
          Promise.all([
            this.#stays.whenStored(),
            this.#atHome.whenStored(),
            this.#endReceipts.whenAsked().then(() => this.history.flush()),
          ]),
        hurry: () => {
          this.wake();
        },
      },
      milliseconds,
    );
  }

  /**
   * Another server is blocked: nobody goes there any more, and its players leave. What they carried waits
   * here under the epoch they were held by, for as long as their home is not to be called.
   */
  endDealings(origin: string): void {
    this.crossings.callOff(origin);
    this.gatherings.callOff(origin);
    for (const session of this.sessions.all()) {
      if (session.atHome || this.#movedServers.currentOrigin(session.home) !== origin) continue;
      const transferId = this.crossings.transferOf(session.player);
      if (transferId !== undefined) this.crossings.abandon(session.player, transferId);
      void this.#end(session);
      session.body.end("ERR_FED_BLOCKED", "This server does not deal with your home any more.");
    }
  }

  /** Players whose last state is in this process's memory only: the store has not taken it yet. */
  get unstored(): number {
    return this.#stays.pending + this.#atHome.pending + this.sessions.all().length;
  }

  /** Whether this server is stopping: nobody comes in any more. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Stops heartbeats and retries; what is open is settled by the next start. */
  stop(): void {
    this.#stopped = true;
    this.leases.stop();
    this.crossings.stop();
    this.#stays.stop();
    this.#atHome.stop();
    this.settlement.stop();
    this.#endReceipts.stop();
    this.#receipts.stop();
    this.history.stop();
    this.trades.stop();
  }

  /**
   * Somebody answered, or called: whoever waits to try again tries now. Of those that are settled with
   * another server, only who waits for `origin`; without it, all.
   */
  wake(origin?: string): void {
    const names = origin === undefined ? [] : this.#movedServers.formerOrigins(origin);
    for (const name of [origin, ...names]) this.settlement.wake(name);
    this.crossings.wake();
    this.#stays.wake();
    this.#atHome.wake();
    this.trades.wake();
  }

  /**
   * Answers a call of PROTOCOL 6 from `caller`, whose signature has been verified; `sentAt` is its
   * `created`.
   */
  async answer(caller: string, call: string, body: unknown, sentAt: number): Promise<CallAnswer> {
    const handle = Object.hasOwn(this.#calls, call) ? this.#calls[call] : undefined;
    return handle === undefined
      ? refusal("ERR_FED_NOT_FOUND", `no custody call "${call}"`)
      : handle(body, { origin: caller, sentAt });
  }

  /**
   * Starts a session at home (rule 9). A player that is away is recalled or refused (`onAway`); a
   * session it has here already is ended: the newest wins.
   */
  login(localId: string, known: LoginName, body: PlayerBody): Promise<LoginResult> {
    if (this.#draining) return Promise.resolve(closing());
    return this.#atHome.login(localId, known, body).catch((cause: unknown) => {
      if (cause instanceof FederationError) return refusal(cause.code, cause.message);
      throw cause;
    });
  }

  /**
   * Calls a player of this home back that another server holds, and waits a few seconds for it. One that does not
   * come is free once its last lease is over: nobody is given another one. Undefined for one that is not known.
   */
  recall(localId: string): Promise<CallingBack | undefined> {
    return this.#atHome.recall(localId);
  }

  /** A player who plays here gives an item away. Never rejects. */
  give(session: PlayerSession, gift: Gift): Promise<GiftOutcome> {
    const { clock } = this.#options;
    const save = (): Promise<void> => this.#atHome.saveNow(session);
    return give({ homeAt: this.#homeAt, clock, save }, session, gift);
  }

  /** Ends whatever session a player of this home has, wherever it plays: as {@link recall}, and at home, too. */
  signOut(localId: string, code: FederationErrorCode, message: string): Promise<void> {
    return this.#atHome.signOut(localId, code, message);
  }

  /** A guest who plays at home has a key from now on, and can come back. False for one that is on its way. */
  keepGuest(session: PlayerSession, jkt: string): Promise<boolean> {
    return this.#atHome.keepGuest(session, jkt);
  }

  /**
   * Takes guests back whose holders have let every lease run out, and forgets them: nobody will ever log
   * in as one of them.
   */
  async sweep(): Promise<void> {
    const siblings = this.#siblings;
    for await (const { localId, holder, grantor } of this.ledger.openRows(GUEST_PREFIX)) {
      if (isGuest(localId) && !this.ledger.isHere(holder)) {
        const others = grantor !== undefined && grantor !== siblings?.life;
        // Whoever remembers the leases sweeps them.
        if (!others || (await siblings?.isAlive(grantor)) !== true) {
          await this.ledger.expire(localId);
        }
      }
    }
  }

  /** Stores what players at home carry, so that a crash loses little. */
  saveAll(): Promise<void> {
    return this.#atHome.saveAll();
  }

  /** The player changes rooms on this very server: custody stays, only the body is another. */
  move(
    player: string,
    seat: string,
    body: PlayerBody,
  ): { session: PlayerSession; state: JsonValue | undefined } | undefined {
    return this.moves.move(player, seat, body);
  }

  /** As {@link move}, out of a room of another process of this server. */
  moveFrom(life: string, player: string, seat: string): Promise<MovedPlayer | undefined> {
    return this.moves.moveFrom(life, player, seat);
  }

  /** Another process of this server asks. */
  async answerSibling(request: SiblingRequest): Promise<JsonValue> {
    switch (request.kind) {
      case "end": {
        await this.#atHome.endFor(request.player, request.to);
        return {};
      }
      case "move":
        return this.moves.handOver(request.player, request.seat, request.to);
      case "departed":
        return this.crossings.departed(request.player, request.transferId);
      case "revoke": {
        const { player, epoch, caller } = request;
        const answer = await this.answer(caller, "revoke", { player, epoch }, 0);
        return JSON.parse(JSON.stringify(answer)) as JsonValue;
      }
    }
  }

  /**
   * The player leaves this server for good: a visitor goes home with what it carries, a player at
   * home has it stored. One that is crossing is left to its crossing.
   */
  leave(session: PlayerSession, state?: JsonValue): Promise<void> {
    return session.atHome ? this.#atHome.leave(session, state) : this.#stays.leave(session, state);
  }

  /** Never rejects: what the store does not take yet goes on by itself. */
  #end(session: PlayerSession, life?: string): Promise<void> {
    return session.atHome
      ? this.#atHome.leave(session, session.carry(), life)
      : this.#stays.leave(session);
  }

  /**
   * Tells a player at home what home did not keep of what other servers sent. Each notice is told
   * until `tell` has taken it: it answers whether the player was there to hear it.
   */
  async tellNotKept(
    { player, atHome, guest }: PlayerSession,
    tell: (notice: ImportNotice) => boolean,
  ): Promise<void> {
    const localId = atHome && !guest ? this.ledger.localId(player) : undefined;
    if (localId === undefined) return;
    const untold = (await this.ledger.row(localId))?.untold ?? [];
    const heard = untold.filter((notice) => tell(notice));
    if (heard.length > 0) await this.ledger.told(localId, heard);
  }

  /**
   * What would be lost if the player went home with what it carries now: home's import policy is
   * asked, nothing is decided. Undefined when home does not answer that question.
   */
  async preview(session: PlayerSession): Promise<ImportPreview | undefined> {
    const state = session.carry();
    if (session.atHome || state === undefined) return previewOf(state, state);
    try {
      const { player, epoch } = session;
      const answer = await this.#homeAt(session.home).preview({ player, epoch, state });
      if (!answer.ok) return undefined;
      return previewOf(state, answer.body.state, answer.body.why);
    } catch {
      return undefined;
    }
  }
}

function closing(): Exclude<CallAnswer, { ok: true }> {
  return { ...refusal("ERR_FED_UNAVAILABLE", "this server is closing"), retryAfterSeconds: 5 };
}
