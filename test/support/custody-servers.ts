/** Servers of custody alone: real ledgers, seats and leases, and calls that are a function's. */
import { Custody } from "../../src/custody/custody.ts";
import type { AtOnce, CustodyEvent } from "../../src/custody/custody.ts";
import type { SeatClaim } from "../../src/custody/destination/seat-host.ts";
import type { ImportPolicy } from "../../src/custody/home/import-policy.ts";
import type { GiftPolicy } from "../../src/custody/home/trades.ts";
import type { ImportRules } from "../../src/custody/home/import-rules.ts";
import type { PlayerBody, PlayerSession } from "../../src/custody/shared/player-session.ts";
import type { Moves } from "../../src/custody/shared/moves.ts";
import type { Siblings } from "../../src/custody/shared/siblings.ts";
import { type CallAnswer, ERROR_CODES, type FederationErrorCode } from "../../src/errors.ts";
import { importVerifyKey } from "../../src/identity/ed25519.ts";
import { type SigningKey, generateSigningKey } from "../../src/identity/server-keys.ts";
import type { PeerAnswer } from "../../src/ports.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { type MemoryDisk, MemoryStore } from "../../src/storage/memory-store.ts";
import { seededRandom } from "./seeded-random.ts";

/** What a test's room is: it carries what the test says, and remembers what it is told. */
export interface TestBody extends PlayerBody {
  carried: unknown;
  readonly transits: { readonly transferId: string; readonly reservation: unknown }[];
  readonly failures: { readonly code: string; readonly message: string }[];
  readonly ends: string[];
}

/** A room that carries `carried`. */
export function bodyThatCarries(carried: unknown): TestBody {
  const body: TestBody = {
    carried,
    transits: [],
    failures: [],
    ends: [],
    connected: true,
    carry: () => body.carried as never,
    setFrozen: () => undefined,
    transit: (message) => void body.transits.push(message),
    failed: (message) => void body.failures.push(message),
    undecided: () => undefined,
    end: (code) => void body.ends.push(code ?? ""),
  };
  return body;
}

/** One server. */
export interface CustodyServer {
  readonly origin: string;
  readonly custody: Custody;
  readonly store: MemoryStore;
  /** Seats that were given free again, as the matchmaker knows them. */
  readonly released: unknown[];
  readonly said: string[];
  readonly events: CustodyEvent[];
  /** The client of the last seat comes: claim, then the session. Undefined when home refuses. */
  arrive(body: TestBody, carry?: (state: unknown) => unknown): Promise<PlayerSession | undefined>;
}

/** Servers that reach each other. */
export class CustodyServers {
  readonly clock = new ManualClock();
  readonly servers = new Map<string, CustodyServer>();
  /** What went over the wire: from, path, body. */
  readonly calls: { readonly from: string; readonly path: string; readonly body: unknown }[] = [];

  /** What a test makes of an answer on its way back. */
  tamper: (path: string, body: unknown) => unknown = (_path, body) => body;
  /** What a call is refused with before the server that it is for sees it. */
  refuses: (path: string, body: unknown) => FederationErrorCode | undefined = () => undefined;
  /** Whether the servers that are added next keep in memory what ends with their process. */
  alone = false;
  /** The import policy of the servers that are added next; undefined: the default. */
  accept: ImportPolicy | ImportRules | undefined;

  /** Whether a server is known to know parties. */
  knowsParties: (origin: string) => boolean = () => true;
  knowsTrades: (origin: string) => boolean = () => true;
  /** Whether a server reads and signs many receipts at once. */
  knowsReceipts: (origin: string) => boolean = () => true;
  /** Whether a home gives seats with departures. */
  givesSeats: (origin: string) => boolean = () => false;
  /** Why a server has no room with so many places; undefined: it has one. */
  full: (places: number) => FederationErrorCode | undefined = () => undefined;
  /** Whether players of the servers that are added next are given things. Default: they are. */
  gifts: GiftPolicy | undefined;

  /** What the servers that are added next let one other server have there at once. Default: anything. */
  atOnce: AtOnce | undefined;

  /** Calls that a test leaves without an answer, until they time out. */
  hang: (path: string) => boolean = () => false;
  readonly #disks = new Map<string, MemoryDisk>();

  /** A server again, on what it had stored; the former run plays on for itself, unheard. */
  restart(origin: string): CustodyServer {
    this.servers.get(origin)?.custody.stop();
    return this.add(origin);
  }

  /** Origins that were left, and where their servers went: everybody knows, at once. */
  readonly #moved = new Map<string, string>();
  readonly #moves: Moves = {
    version: 0,
    currentOrigin: (origin) => {
      const to = this.#moved.get(origin);
      return to === undefined ? origin : this.#moves.currentOrigin(to);
    },
    formerOrigins: (origin) =>
      [...this.#moved.keys()].filter(
        (from) => from !== origin && this.#moves.currentOrigin(from) === origin,
      ),
  };

  /** A server again, at another origin, on what it had stored, with its key. The former run is cut off. */
  move(from: string, to: string): CustodyServer {
    this.servers.get(from)?.custody.stop();
    this.servers.delete(from);
    this.#moved.set(from, to);
    Object.assign(this.#moves, { version: this.#moved.size });
    this.#disks.set(to, this.#diskOf(from));
    return this.add(to);
  }

  /** What a test has answered instead of a server; undefined: it answers itself. */
  answer: (path: string, body: unknown) => CallAnswer | undefined = () => undefined;
  readonly #keys = new Map<string, SigningKey>();

  /** The key that a server signs with. */
  keyOf(origin: string): SigningKey {
    const key = this.#keys.get(origin);
    if (key === undefined) throw new Error(`${origin} is not there`);
    return key;
  }

  /** What a server has stored: its rows, by key. */
  rowsOf(origin: string): Record<string, string> {
    return Object.fromEntries([...this.#diskOf(origin)].map(([key, { value }]) => [key, value]));
  }

  #diskOf(origin: string): MemoryDisk {
    const disk: MemoryDisk = this.#disks.get(origin) ?? new Map();
    this.#disks.set(origin, disk);
    return disk;
  }

  /** `siblings`: the server is one process of several, which are added under the same origin. */
  add(origin: string, siblings?: Siblings): CustodyServer {
    const { clock, servers } = this;
    const random = seededRandom(origin);
    const [former] = this.#moves.formerOrigins(origin);
    const key =
      (former === undefined ? undefined : this.#keys.get(former)) ??
      generateSigningKey(seededRandom(`${origin} key`));
    const said: string[] = [];
    const events: CustodyEvent[] = [];
    const say = (message: string): void => void said.push(message);
    const store = new MemoryStore(clock, this.#diskOf(origin));
    const released: unknown[] = [];
    let claim: SeatClaim | undefined;
    const custody = new Custody({
      ...{ origin, clock, random, signingKey: () => key },
      store,
      transient: this.alone ? new MemoryStore(clock) : undefined,
      logger: { debug: () => undefined, info: say, warn: say, error: say },
      issuerKey: (issuer) => {
        const known = this.#keys.get(issuer);
        return known === undefined ? undefined : importVerifyKey(known.jwk);
      },
      peers: {
        call: async (to, path, body, options): Promise<PeerAnswer> => {
          this.calls.push({ from: origin, path, body });
          if (this.hang(path)) {
            await new Promise((_, reject) => {
              const late = (): void => {
                reject(new Error(`${to} did not answer in time`));
              };
              clock.setTimeout(late, options?.timeoutMilliseconds ?? 5_000);
            });
          }
          const there = servers.get(to);
          if (there === undefined) throw new Error(`${to} cannot be reached`);
          const text = JSON.parse(JSON.stringify(body)) as unknown;
          const code = this.refuses(path, text);
          if (code !== undefined) {
            return { ok: false, status: ERROR_CODES[code][0], code, detail: "not here" };
          }
          const answer =
            this.answer(path, text) ??
            (path === "/reservations"
              ? await there.custody.seats.reserve(origin, text)
              : path === "/reservations/cancel"
                ? await there.custody.seats.cancel(origin, text)
                : path === "/parties"
                  ? await there.custody.partySeats.reserve(origin, text)
                  : path === "/parties/progress"
                    ? there.custody.parties.progress(origin, text)
                    : await there.custody.answer(
                        origin,
                        path.slice("/custody/".length),
                        text,
                        Math.floor(clock.now() / 1000),
                      ));
          return answer.ok
            ? {
                ok: true,
                status: 200,
                body: this.tamper(path, JSON.parse(JSON.stringify(answer.body)) as unknown),
              }
            : {
                ok: false,
                status: ERROR_CODES[answer.code][0],
                code: answer.code,
                detail: answer.reason,
              };
        },
      },
      seats: {
        hasWorld: () => true,
        reserve: ({ claim: asked, sessionId }) => {
          claim = asked;
          return Promise.resolve({
            ok: true,
            reservation: { sessionId, roomId: "r", processId: "p", name: "world" },
            expiresAt: Math.floor(clock.now() / 1000) + 15,
          });
        },
        reserveTogether: ({ members }) => {
          const code = this.full(members.length);
          if (code !== undefined) return Promise.resolve({ ok: false, code, reason: "full" });
          return Promise.resolve({
            ok: true,
            reservations: members.map(({ sessionId }) => ({
              ...{ sessionId, roomId: "r", processId: "p", name: "world" },
            })),
            expiresAt: Math.floor(clock.now() / 1000) + 15,
          });
        },
        isReserved: () => Promise.resolve(true),
        release: (reservation) => {
          released.push(reservation);
          return Promise.resolve();
        },
      },
      knowsParties: (known) => this.knowsParties(known),
      knowsTrades: (known) => this.knowsTrades(known),
      knowsReceipts: (known) => this.knowsReceipts(known),
      givesSeats: (known) => this.givesSeats(known),
      leaseSeconds: 30,
      ...{ siblings, moves: this.#moves },
      accept: this.accept,
      ...{ gifts: this.gifts, atOnce: this.atOnce },
      onEvent: (event) => void events.push(event),
    });
    this.#keys.set(origin, key);
    const server: CustodyServer = {
      ...{ origin, custody, store, released, said, events },
      arrive: async (body, carry = (state) => state) => {
        if (claim === undefined) throw new Error("nobody has asked for a seat");
        const record = (await custody.seats.of(claim.player)).at(-1);
        if (record === undefined) throw new Error("no seat is left");
        const claimed = await custody.arrivals.claim(claim, record);
        if (!claimed.ok) return undefined;
        body.carried = carry(claimed.arrival.state);
        return custody.arrivals.begin(claimed.arrival, body);
      },
    };
    servers.set(origin, server);
    return server;
  }
}
