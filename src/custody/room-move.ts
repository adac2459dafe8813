/** A player walks from one room of this server into another, of this process or of another one. */
import { z } from "zod";
import { type JsonValue, stateSchema } from "../json.ts";
import type { Clock } from "../ports.ts";
import type { Leases } from "./holder/leases.ts";
import type { Settlement } from "./holder/settlement.ts";
import { type VisitorBook, inPhase } from "./holder/visitors.ts";
import type { CustodyLedger } from "./home/ledger.ts";
import { type PlayerBody, PlayerSession, type PlayerSessions } from "./shared/player-session.ts";
import type { Siblings } from "./shared/siblings.ts";

const handedSchema = z.strictObject({
  home: z.string(),
  atHome: z.boolean(),
  name: z.string(),
  guest: z.boolean(),
  epoch: z.int(),
  /** Of a visitor. */
  from: z.string().optional(),
  state: stateSchema.optional(),
  /** Of an own player whose home is gone. */
  orphanOf: z.array(z.string()).optional(),
  /** Of a visitor's lease. */
  leaseSecondsLeft: z.number().optional(),
});

/** A player another process has let go of for this one. */
export interface MovedPlayer {
  readonly name: string;
  readonly home: string;
  readonly state: JsonValue | undefined;
  /** Starts the session here. */
  begin(body: PlayerBody): PlayerSession;
  /** No session comes of it: a visitor goes home, as from a leave. */
  abort(): Promise<void>;
}

/** A seat in another room of this server, for one session and nobody else. */
export interface PromisedSeat {
  /** The seat's session id. */
  readonly seat: string;
  readonly transferId: string;
  /** The portal's URI. */
  readonly to: string;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** Promises one session may have open: rooms may offer several doors, and clients ask again. */
const MAX_PROMISES = 8;

/** Options of {@link RoomMoves}. */
export interface RoomMovesOptions {
  readonly sessions: PlayerSessions;
  readonly visitors: VisitorBook;
  readonly leases: Leases;
  readonly settlement: Settlement;
  readonly ledger: CustodyLedger;
  readonly siblings: Siblings | undefined;
  readonly clock: Clock;
}

/** Custody stays where it is; only the body of the session is another. */
export class RoomMoves {
  readonly #options: RoomMovesOptions;
  /** They end with their session: the next one of the same player has none of them. */
  readonly #promises = new WeakMap<PlayerSession, (PromisedSeat & { readonly epoch: number })[]>();

  constructor(options: RoomMovesOptions) {
    this.#options = options;
  }

  /** Promises a session a seat: it is worth nothing once that session is over, or its epoch another. */
  promise(session: PlayerSession, promised: PromisedSeat): void {
    const open = [...(this.#promises.get(session) ?? []), { ...promised, epoch: session.epoch }];
    this.#promises.set(session, open.slice(-MAX_PROMISES));
  }

  /** Takes a promise back; undefined when there is none. */
  takeBack(session: PlayerSession, transferId: string): PromisedSeat | undefined {
    const open = this.#promises.get(session) ?? [];
    const taken = open.find((promised) => promised.transferId === transferId);
    if (taken !== undefined) {
      const rest = open.filter((promised) => promised !== taken);
      this.#promises.set(session, rest);
    }
    return taken;
  }

  /** The transfer of the last promise whose seat is still good; undefined: there is none. */
  transferOf(session: PlayerSession): string | undefined {
    const seconds = this.#options.clock.now() / 1000;
    return this.#promises.get(session)?.findLast(({ expiresAt }) => expiresAt > seconds)
      ?.transferId;
  }

  /** Whether a seat of that transfer is promised to a session. */
  hasPromised(session: PlayerSession, transferId: string): boolean {
    const open = this.#promises.get(session) ?? [];
    return open.some((promised) => promised.transferId === transferId);
  }

  /** The session of this process that a seat is promised to; undefined when it is over, or frozen. */
  promisee(player: string, seat: string): PlayerSession | undefined {
    const session = this.#options.sessions.get(player);
    if (session === undefined || session.frozen) return undefined;
    const isPromised = this.#promises
      .get(session)
      ?.some((promised) => promised.seat === seat && promised.epoch === session.epoch);
    return isPromised === true ? session : undefined;
  }

  /** Into a room of this process. Undefined for a player to whom the seat is not promised any more. */
  move(
    player: string,
    seat: string,
    body: PlayerBody,
  ): { session: PlayerSession; state: JsonValue | undefined } | undefined {
    const { sessions, leases } = this.#options;
    const former = this.promisee(player, seat);
    if (former === undefined) return undefined;
    const state = former.body.carry();
    const lease = leases.handOver(former);
    sessions.remove(former);
    const { home, atHome, name, guest, epoch, from, orphanOf } = former;
    const session = new PlayerSession({
      ...{ player, home, atHome, name, guest, epoch, from, orphanOf, body },
    });
    sessions.add(session);
    if (lease !== undefined) leases.won(session, lease.sentAt, lease.seconds);
    former.body.end(undefined, "You are in the other room now.");
    return { session, state };
  }

  /** Another process asks: ends the session here and writes down whose the player is now. */
  async handOver(player: string, seat: string, to: string): Promise<JsonValue> {
    const { sessions, leases, ledger, visitors, clock } = this.#options;
    const session = this.promisee(player, seat);
    if (session === undefined) return null;
    const { home, atHome, name, guest, epoch, from, orphanOf } = session;
    const state = session.body.carry();
    const lease = leases.handOver(session);
    sessions.remove(session);
    const localId = ledger.localId(player) ?? "";
    // A guest that has never departed has no row.
    const handed = atHome
      ? guest || (await ledger.handOver(localId, epoch, to))
      : await visitors.changeHeld(
          player,
          (held) => held.phase === "held" && held.epoch === epoch,
          (held) => ({ ...held, life: to }),
        );
    session.body.end(undefined, "You are in the other room now.");
    if (!handed) return null;
    const until = lease === undefined ? undefined : lease.sentAt + lease.seconds * 1000;
    return {
      ...{ home, atHome, name, guest, epoch },
      ...(orphanOf === undefined ? {} : { orphanOf: [...orphanOf] }),
      ...(from === undefined ? {} : { from }),
      ...(state === undefined ? {} : { state }),
      ...(until === undefined
        ? {}
        : { leaseSecondsLeft: Math.max(0, (until - clock.monotonic()) / 1000) }),
    };
  }

  /** Out of a room of the process of `life`. Undefined when it does not hand the player over. */
  async moveFrom(life: string, player: string, seat: string): Promise<MovedPlayer | undefined> {
    const { siblings, sessions, leases, clock } = this.#options;
    if (siblings === undefined) return undefined;
    // The lease is counted from before the question: it was measured after it.
    const sentAt = clock.monotonic();
    const answer = await siblings.ask(life, { kind: "move", player, seat, to: siblings.life });
    const parsed = handedSchema.safeParse(answer);
    const giveUp = (): Promise<void> => this.#giveUp(player, siblings.life);
    if (!parsed.success) {
      // It may have let go of the player all the same, and only its answer is missing.
      if (answer === undefined) await giveUp();
      return undefined;
    }
    const { state, leaseSecondsLeft, ...who } = parsed.data;
    return {
      name: who.name,
      home: who.home,
      state,
      begin: (body) => {
        const session = new PlayerSession({ player, ...who, body });
        sessions.add(session);
        if (!who.atHome) leases.won(session, sentAt, leaseSecondsLeft ?? 0);
        return session;
      },
      abort: giveUp,
    };
  }

  async #giveUp(player: string, life: string): Promise<void> {
    const { visitors, settlement } = this.#options;
    await visitors.changeHeld(
      player,
      (held) => held.phase === "held" && held.life === life,
      (held) => inPhase(held, "returning"),
    );
    settlement.settleInBackground(player);
  }
}
