import type { FederationErrorCode } from "../../errors.ts";
import type { JsonValue } from "../../json.ts";
import type { PartyMessage } from "./party.ts";

/** Message of PROTOCOL 8: how a client gets into the next world. */
export interface TransitMessage {
  readonly transferId: string;
  readonly to: string;
  readonly origin: string;
  readonly reservation: JsonValue;
  /** Name of the world behind it, which is not its room's. */
  readonly world: string;
  readonly expiresAt: number;
  /** The destination's signed word on where else than at its origin the seat is taken. */
  readonly seat?: string;
}

/** Message of PROTOCOL 8: the player stays where it is, and why. */
export interface FailedMessage {
  readonly transferId: string;
  readonly to: string;
  readonly code: FederationErrorCode;
  readonly message: string;
}

/**
 * Message of PROTOCOL 8: nobody knows yet whether the crossing happened. The player stays frozen
 * until it is settled: then it is thawed (`federation:failed`), or the session ends.
 */
export type UndecidedMessage = FailedMessage;

/** The playing body of a session: what custody asks of the place the player plays in. */
export interface PlayerBody {
  /** Whether the client's connection is up. */
  readonly connected: boolean;
  /** What the player carries now; undefined when the place does not say. */
  carry(): JsonValue | undefined;
  /** While frozen nobody simulates the player, and nothing it sends has an effect. */
  setFrozen(frozen: boolean, reason: FreezeReason | undefined): void;
  transit(message: TransitMessage): void;
  failed(message: FailedMessage): void;
  undecided(message: UndecidedMessage): void;
  /** How far the party is that the player leaves with. Default: nobody is told. */
  party?(message: PartyMessage): void;
  /** Ends the session and closes the client's connection. */
  end(code: FederationErrorCode | undefined, reason: string): void;
}

/**
 * Why nobody may simulate a player at the moment: it is crossing, home has not renewed its lease, this
 * process is out of touch with its store, this server is stopping.
 */
export type FreezeReason = "crossing" | "lease" | "process" | "stopping";

/** One player playing here, at home or as a visitor. */
export class PlayerSession {
  /** `<local id>@<home authority>`. */
  readonly player: string;
  /** Origin of the player's home. */
  readonly home: string;
  /** Whether home is this very server. */
  readonly atHome: boolean;
  readonly name: string;
  /** Origin of the server that a visitor came from; undefined for a player at home. */
  readonly from: string | undefined;
  readonly body: PlayerBody;
  /** Of this server's own player: the ids that homes which are gone knew it by. Undefined: none did. */
  readonly orphanOf: readonly string[] | undefined;
  /** Home's signed receipt of the crossing it came by: undefined, in time, where home gives none. Never rejects. */
  receipt: Promise<string | undefined> = Promise.resolve(undefined);
  /** The epoch under which the player is held. */
  epoch: number;
  #guest: boolean;
  #ended = false;
  #leaseIsOver: () => boolean = () => false;
  readonly #frozenFor = new Set<FreezeReason>();
  #frozenWith: { readonly state: JsonValue | undefined } | undefined;

  constructor(options: {
    player: string;
    home: string;
    atHome: boolean;
    name: string;
    guest: boolean;
    epoch: number;
    from?: string | undefined;
    body: PlayerBody;
    orphanOf?: readonly string[] | undefined;
  }) {
    this.player = options.player;
    this.home = options.home;
    this.atHome = options.atHome;
    this.name = options.name;
    this.from = options.atHome ? undefined : options.from;
    this.#guest = options.guest;
    this.epoch = options.epoch;
    this.body = options.body;
    this.orphanOf = options.orphanOf;
  }

  /** Whether the player has no account and no key: gone for ever once it leaves. */
  get guest(): boolean {
    return this.#guest;
  }

  /** The player has a key from now on, and can come back. */
  keep(): void {
    this.#guest = false;
  }

  /** Whether the session is over; nothing revives it. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Whether nobody may simulate the player now. Looks at the lease too: after this process stood still,
   * messages and the room's own timers come before the timer that would freeze.
   */
  get frozen(): boolean {
    if (!this.#held && this.#leaseIsOver()) this.freeze("lease");
    return this.#held;
  }

  /** Says how to tell that the lease under which the player is simulated has run out. */
  leaseEnds(isOver: () => boolean): void {
    this.#leaseIsOver = isOver;
  }

  /**
   * What the player carries: as long as it is frozen, what it carried when that began. Nothing that
   * happens to it meanwhile counts.
   */
  carry(): JsonValue | undefined {
    return this.frozen && this.#frozenWith !== undefined
      ? this.#frozenWith.state
      : this.body.carry();
  }

  /** Ends the session: from now on nobody simulates the player here, connected or not. */
  stop(): void {
    this.#hold(undefined);
    this.#ended = true;
  }

  /** Freezes for one reason; reasons add up. */
  freeze(reason: FreezeReason): void {
    this.#hold(reason);
    this.#frozenFor.add(reason);
  }

  /** Takes one reason away; the player is simulated again once none is left. */
  thaw(reason: FreezeReason): void {
    if (this.#leaseIsOver()) this.freeze("lease");
    if (!this.#frozenFor.delete(reason) || this.#held) return;
    this.#frozenWith = undefined;
    this.body.setFrozen(false, reason);
  }

  get #held(): boolean {
    return this.#ended || this.#frozenFor.size > 0;
  }

  #hold(reason: FreezeReason | undefined): void {
    if (this.#held) return;
    this.#frozenWith = { state: this.body.carry() };
    this.body.setFrozen(true, reason);
  }
}

/** The sessions of one process, by player: at most one each. */
export class PlayerSessions {
  readonly #byPlayer = new Map<string, PlayerSession>();
  readonly #visitorsFrom = new Map<string, number>();
  readonly #visitorsOf = new Map<string, number>();
  readonly #added = new Set<(session: PlayerSession) => void>();
  readonly #removed = new Set<(session: PlayerSession) => void>();

  /** Hears of every session that is added. Returns how to stop hearing. */
  onAdded(listener: (session: PlayerSession) => void): () => void {
    this.#added.add(listener);
    return () => this.#added.delete(listener);
  }

  /** Hears of every session that is removed, once it has ended. Returns how to stop hearing. */
  onRemoved(listener: (session: PlayerSession) => void): () => void {
    this.#removed.add(listener);
    return () => this.#removed.delete(listener);
  }

  get(player: string): PlayerSession | undefined {
    return this.#byPlayer.get(player);
  }

  /** How many visitors are here who came from a server, by the origin that they came with. */
  visitorsFrom(origin: string): number {
    return this.#visitorsFrom.get(origin) ?? 0;
  }

  /** How many visitors are here whose home it is, by the origin that they came with. */
  visitorsOf(home: string): number {
    return this.#visitorsOf.get(home) ?? 0;
  }

  /** Registers a session; the caller has ended any older one of the same player. */
  add(session: PlayerSession): void {
    const former = this.#byPlayer.get(session.player);
    if (former !== undefined) this.#count(former, -1);
    this.#byPlayer.set(session.player, session);
    this.#count(session, 1);
    for (const listener of this.#added) listener(session);
  }

  /** Forgets a session and marks it ended; a newer one of the same player is left alone. */
  remove(session: PlayerSession): void {
    session.stop();
    if (this.#byPlayer.get(session.player) === session) {
      this.#byPlayer.delete(session.player);
      this.#count(session, -1);
    }
    for (const listener of this.#removed) listener(session);
  }

  /** All sessions, as they are now. */
  all(): PlayerSession[] {
    return [...this.#byPlayer.values()];
  }

  #count({ atHome, from, home }: PlayerSession, by: 1 | -1): void {
    if (atHome) return;
    if (from !== undefined) countIn(this.#visitorsFrom, from, by);
    countIn(this.#visitorsOf, home, by);
  }
}

function countIn(counts: Map<string, number>, key: string, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
