/**
 * Tells each peer what this server trusts it for, and hears the same of it (PROTOCOL 4): when a session begins,
 * when what is to be said changes, and once an hour.
 */
import { TRUST_CAPABILITY, takeTrustWord, trustWordFor } from "../handshake/trust-words.ts";
import type { Clock, Logger, PeerCalls, TimerHandle } from "../ports.ts";
import { TrustState } from "../registry/federated-server.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import type { Part } from "./part.ts";

/** Options of {@link TrustExchange}. */
export interface TrustExchangeOptions {
  readonly registry: ServerRegistry;
  readonly peers: PeerCalls;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "debug">;
  /** Whether this process is the one that calls, of several that are this server. Default: it does. */
  readonly leads?: () => boolean;
}

/** Calls under way at once. */
const AT_ONCE = 8;
const ROUND_MILLISECONDS = 60_000;
/** Who answers a handshake knows of its session before the other side does, which has to hear the answer first. */
const NEW_SESSION_MILLISECONDS = 5_000;
/** All peers are asked again in so many rounds. */
const ROUNDS = 60;

/** Listens from the moment it is made; calls from its start to its stop. */
export class TrustExchange implements Part {
  readonly #options: TrustExchangeOptions;
  /** By origin: what was said last, and in which session. */
  readonly #said = new Map<string, string>();
  /** To be told, in this order, and from when on, on the monotonic clock. */
  readonly #due = new Map<string, number>();
  #soon: TimerHandle | undefined;
  /** Who has not heard it: told again in the next round. */
  readonly #unheard = new Set<string>();
  #underWay = 0;
  #running = false;
  #timer: TimerHandle | undefined;
  /** Of the turn through all peers. */
  #turn: readonly string[] = [];
  #rest = 0;

  constructor(options: TrustExchangeOptions) {
    this.#options = options;
    options.registry.on(({ origin, type }) => {
      if (type === "status-changed" || type === "their-trust") return;
      const wait = type === "session" ? NEW_SESSION_MILLISECONDS : 0;
      if (options.registry.has(origin)) this.#look(origin, wait);
      else this.#forget(origin);
    });
  }

  #forget(origin: string): void {
    this.#said.delete(origin);
    this.#unheard.delete(origin);
  }

  start(): void {
    this.#running = true;
    this.lookAtAll();
    this.#wait();
  }

  /** Calls whoever has not been told what this server trusts it for. */
  lookAtAll(): void {
    for (const { origin } of this.#options.registry.list({ trust: TrustState.Trusted })) {
      this.#look(origin, NEW_SESSION_MILLISECONDS);
    }
  }

  /** A call under way ends by itself. */
  stop(): void {
    this.#running = false;
    this.#due.clear();
    for (const timer of [this.#timer, this.#soon]) {
      if (timer !== undefined) this.#options.clock.clearTimeout(timer);
    }
  }

  #wait(): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#round();
      this.#wait();
    }, ROUND_MILLISECONDS);
  }

  /** Some of all peers, so that all have had their turn in an hour. */
  #round(): void {
    for (const origin of this.#unheard) this.#look(origin);
    this.#unheard.clear();
    if (this.#turn.length === 0) {
      const trusted = this.#options.registry.list({ trust: TrustState.Trusted });
      this.#turn = trusted.map(({ origin }) => origin);
      this.#rest = ROUNDS;
    }
    const count = Math.ceil(this.#turn.length / Math.max(1, this.#rest));
    this.#rest -= 1;
    for (const origin of this.#turn.slice(0, count)) {
      this.#said.delete(origin);
      this.#look(origin);
    }
    this.#turn = this.#turn.slice(count);
  }

  /** Calls a peer, in so many milliseconds at the earliest, where there is something it has not been told. */
  #look(origin: string, wait = 0): void {
    if (!this.#running || this.#options.leads?.() === false) return;
    const saying = this.#saying(origin);
    if (saying === undefined || saying === this.#said.get(origin)) return;
    const from = this.#options.clock.monotonic() + wait;
    const former = this.#due.get(origin) ?? 0;
    this.#due.delete(origin);
    this.#due.set(origin, Math.max(former, from));
    this.#next();
  }

  /** What would be said now; undefined: nothing. */
  #saying(origin: string): string | undefined {
    const { registry } = this.#options;
    const session = registry.liveSession(origin)?.sessionId;
    const word = trustWordFor(registry, origin);
    const hears = registry.get(origin)?.protocols.includes(TRUST_CAPABILITY) === true;
    if (session === undefined || word === undefined || !hears) return undefined;
    return `${session} ${JSON.stringify(word)}`;
  }

  #next(): void {
    const { clock } = this.#options;
    const now = clock.monotonic();
    let soonest = Infinity;
    for (const [origin, from] of this.#due) {
      if (this.#underWay >= AT_ONCE) return;
      if (from > now) {
        soonest = Math.min(soonest, from);
        continue;
      }
      this.#due.delete(origin);
      this.#underWay += 1;
      void this.#tell(origin).finally(() => {
        this.#underWay -= 1;
        if (this.#running) this.#next();
      });
    }
    if (soonest === Infinity || this.#soon !== undefined) return;
    this.#soon = clock.setTimeout(() => {
      this.#soon = undefined;
      if (this.#running) this.#next();
    }, soonest - now);
  }

  async #tell(origin: string): Promise<void> {
    const { registry, peers, logger } = this.#options;
    const saying = this.#saying(origin);
    if (saying === undefined) return;
    this.#said.set(origin, saying);
    try {
      const answer = await peers.call(origin, "/trust", trustWordFor(registry, origin));
      // A refusal of its trust is noted by the call itself.
      if (!registry.has(origin)) return;
      if (answer.ok) await takeTrustWord(registry, origin, answer.body);
      else this.#again(origin);
    } catch (cause) {
      this.#again(origin);
      logger.debug(`${origin} could not be told what it is trusted for`, { peer: origin, cause });
    }
  }

  #again(origin: string): void {
    this.#said.delete(origin);
    this.#unheard.add(origin);
  }
}
