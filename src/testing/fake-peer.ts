/**
 * Another operator's server, in the process of a test: a real one without Colyseus, over real HTTP. It
 * has a key and a descriptor of its own, shakes hands, is home of players and is visited by others; and
 * it refuses, hangs or lies where a test wants it to.
 *
 * Clients do not connect to it: a test takes a seat there in their place ({@link FakePeer.welcome}).
 */
import type { SeatClaim, SeatHost } from "../custody/destination/seat-host.ts";
import type { FederationErrorCode } from "../errors.ts";
import { refusal } from "../http/inbound/answers.ts";
import { type PlayerCalls, endpointsOf } from "../federation/endpoints.ts";
import type { ListedAs } from "../identity/listed-as.ts";
import type { JsonValue } from "../json.ts";
import type { Clock, Logger } from "../ports.ts";
import type { FederatedServer } from "../registry/federated-server.ts";
import { FederationRuntime } from "../runtime/federation-runtime.ts";
import { FakeEndpoints, type HeardCall, type Treatment } from "./fake-endpoints.ts";
import { FakePlayer, FakeVisitor, type ProvingKey } from "./fake-players.ts";
import { type RawAnswer, signedPost } from "./signed-post.ts";
import { type Patience, until } from "./waiting.ts";

/** Options of {@link FakePeer.start}. */
export interface FakePeerOptions {
  /** Default `Fake peer`. */
  readonly name?: string;
  /** Names of its worlds. Default: `pit`. */
  readonly worlds?: readonly string[];
  /** How it agrees to be listed. Default: it does not. */
  readonly listing?: ListedAs;
  /** Of 127.0.0.1. Default: a free one. */
  readonly port?: number;
  /** Life of its players' leases, 5–3600. Default 30. */
  readonly leaseSeconds?: number;
  /** Default: nobody hears it. */
  readonly logger?: Logger;
}

/** A server that is meant, by its origin; a federation is one. */
export type ServerRef = string | { readonly origin: string };

interface PromisedSeat {
  readonly claim: SeatClaim;
  readonly sessionId: string;
}

const SEAT_SECONDS = 15;
const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

const nobody = () =>
  Promise.resolve({ ok: false, code: "ERR_FED_NOT_FOUND", reason: "nobody plays here" } as const);
const NO_PLAYERS: PlayerCalls = { travel: nobody, handOver: nobody, playerKeys: nobody };

/** A peer of the server under test. */
export class FakePeer {
  readonly origin: string;
  /** `host:port`: what players' ids and portals name it by. */
  readonly authority: string;
  /** The server that it is, for what is not said here. */
  readonly runtime: FederationRuntime;
  readonly #endpoints: FakeEndpoints;
  readonly #seats: Map<string, PromisedSeat>;
  #server: string | undefined;

  private constructor(
    runtime: FederationRuntime,
    endpoints: FakeEndpoints,
    seats: Map<string, PromisedSeat>,
  ) {
    this.runtime = runtime;
    this.origin = runtime.options.origin;
    this.authority = new URL(this.origin).host;
    this.#endpoints = endpoints;
    this.#seats = seats;
  }

  /** One that listens, with a fresh key; it trusts whoever shakes hands with it. */
  static async start(options: FakePeerOptions = {}): Promise<FakePeer> {
    const { name = "Fake peer", worlds = ["pit"], logger = SILENT } = options;
    const endpoints = new FakeEndpoints();
    const origin = await endpoints.listen(options.port ?? 0);
    const runtime = new FederationRuntime({
      ...{ origin, name, logger, allowInsecure: true, trust: "open" },
      // What a test is to hear, or to have treated otherwise, comes by HTTP.
      links: false,
      givesSeats: false,
      worlds: Object.fromEntries(worlds.map((world) => [world, world])),
      ...(options.listing === undefined ? {} : { listing: options.listing }),
      ...(options.leaseSeconds === undefined ? {} : { leaseSeconds: options.leaseSeconds }),
    });
    const seats = new Map<string, PromisedSeat>();
    try {
      await runtime.start(seatHost(runtime.clock, new Set(worlds), seats));
    } catch (cause) {
      await endpoints.close();
      throw cause;
    }
    endpoints.serve = {
      endpoints: endpointsOf(runtime, { version: "fake", players: NO_PLAYERS }),
      signer: signerOf(runtime),
    };
    return new FakePeer(runtime, endpoints, seats);
  }

  /** Cuts its connections and forgets everything. Players that are elsewhere are without a home then. */
  async stop(): Promise<void> {
    await this.#endpoints.close();
    await this.runtime.stop();
  }

  /** The URI of a portal to one of its worlds. */
  portal(world = "pit", options: Readonly<Record<string, string>> = {}): string {
    const query = new URLSearchParams(options).toString();
    return `aether://${this.authority}/${world}${query === "" ? "" : `?${query}`}`;
  }

  /**
   * Shakes hands with the server under test, which has to run, and to trust the peer (`peers:
   * [peer.origin]`). {@link arrive} sends players there.
   *
   * @throws FederationError why it was refused.
   */
  async connect(server: ServerRef): Promise<FederatedServer> {
    const origin = originOf(server);
    const connected = await this.runtime.handshake.connect(origin);
    this.#server = origin;
    return connected;
  }

  /** Origin of the server that it was connected with last. @throws TypeError when it never was. */
  get server(): string {
    if (this.#server === undefined) {
      throw new TypeError("the peer knows no server yet: await peer.connect(federation) first");
    }
    return this.#server;
  }

  /** Calls that came in, the last 1000; nobody has looked at their signatures. */
  get heard(): readonly HeardCall[] {
    return this.#endpoints.heard;
  }

  /** A signed call to a path below the server's endpoint, e.g. `/custody/claim`, with whatever body. */
  call(server: ServerRef, path: string, body: unknown): Promise<RawAnswer> {
    const signer = { origin: this.origin, key: this.runtime.signingKey() };
    return signedPost(signer, `${originOf(server)}/federation${path}`, body);
  }

  // --- as a home -----------------------------------------------------------------------------

  /**
   * A player of its own, made when there is none of that id.
   *
   * @param options - `carried`: what it carries; `id`: local id, default made of the name; `key`: a
   * `PlayerKey`, to which its passes are bound.
   * @throws Error when the player is away: what it carries is its holder's then.
   */
  async player(
    name: string,
    options: {
      readonly carried?: JsonValue | undefined;
      readonly id?: string | undefined;
      readonly key?: ProvingKey | undefined;
    } = {},
  ): Promise<FakePlayer> {
    const { ledger } = this.runtime.custody;
    const { id = localIdOf(name), key, carried } = options;
    const row = await ledger.admit(id, { name, jkt: await key?.thumbprint() });
    if (carried !== undefined && !(await ledger.save(id, row.epoch, carried))) {
      throw new Error(`${name} is at ${row.holder}: what it carries is not its home's to say`);
    }
    return new FakePlayer(
      {
        ...{ origin: this.origin, custody: this.runtime.custody, routes: this.runtime.routes },
        now: () => this.runtime.clock.now(),
      },
      id,
      key,
    );
  }

  // --- as a destination ----------------------------------------------------------------------

  /**
   * Takes the seat that a client was told of (`federation:transit`), as that client would: the player is
   * claimed at its home, and is here.
   *
   * @throws Error when it has no such seat, or home does not give the player.
   */
  async welcome(
    { reservation }: { readonly reservation: unknown },
    patience?: Patience,
  ): Promise<FakeVisitor> {
    const { sessionId = "" } = (reservation ?? {}) as { readonly sessionId?: string };
    const { custody } = this.runtime;
    const seat = await until(
      `a seat ${sessionId} was reserved at the peer`,
      async () => {
        const promised = this.#seats.get(sessionId);
        const written = promised && (await custody.seats.find(promised.claim, sessionId));
        return written === undefined ? undefined : promised;
      },
      patience,
    );
    return FakeVisitor.claim(custody, seat);
  }

  // --- faults --------------------------------------------------------------------------------

  /** Refuses calls to a path below the endpoint from now on, or, with `*`, all. */
  refuse(path: string, code: FederationErrorCode, detail?: string): void {
    const { status, body } = refusal(code, detail);
    this.#endpoints.treat(path, () => ({ status, body }));
  }

  /** Does not answer calls to a path from now on, or, with `*`, none. */
  hang(path = "*"): void {
    this.#endpoints.treat(path, () => "hang");
  }

  /** Answers calls to a path by hand; the answer is signed, whatever it says. */
  answer(path: string, treatment: Treatment): void {
    this.#endpoints.treat(path, treatment);
  }

  /** Takes all faults back. */
  behave(): void {
    this.#endpoints.behave();
  }
}

function originOf(server: ServerRef): string {
  return typeof server === "string" ? server : server.origin;
}

function localIdOf(name: string): string {
  const id = name.replace(/[^A-Za-z0-9_-]+/gu, "-").slice(0, 64);
  return id === "" ? "player" : id;
}

function signerOf(runtime: FederationRuntime): {
  readonly origin: string;
  readonly signingKey: FederationRuntime["signingKey"];
  readonly clock: FederationRuntime["clock"];
  readonly random: FederationRuntime["random"];
} {
  const { options, signingKey, clock, random } = runtime;
  return { origin: options.origin, signingKey, clock, random };
}

/** Seats for whoever asks, in worlds where nobody plays. */
function seatHost(
  clock: Clock,
  worlds: ReadonlySet<string>,
  seats: Map<string, PromisedSeat>,
): SeatHost {
  const idOf = (reservation: JsonValue): string =>
    (reservation as { readonly sessionId: string }).sessionId;
  return {
    hasWorld: (world) => worlds.has(world),
    reserve: ({ world, sessionId, claim }) => {
      seats.set(sessionId, { claim, sessionId });
      const reservation = { name: world, sessionId, roomId: `fake-${world}`, processId: "fake" };
      const expiresAt = Math.floor(clock.now() / 1000) + SEAT_SECONDS;
      return Promise.resolve({ ok: true, reservation, expiresAt });
    },
    isReserved: (reservation) => Promise.resolve(seats.has(idOf(reservation))),
    release: (reservation) => {
      seats.delete(idOf(reservation));
      return Promise.resolve();
    },
  };
}
