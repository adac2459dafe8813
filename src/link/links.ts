/**
 * The links with all peers: which one a call takes, when one is opened, and who gets none (PROTOCOL 12).
 *
 * Nobody waits for a link: while there is none, a call goes by HTTP, and one is opened beside it. A peer
 * that has several processes has a link with each of them that asks.
 */
import type { KeyObject } from "node:crypto";
import { FederationError, type FederationErrorCode } from "../errors.ts";
import type { Clock, Random, TimerHandle } from "../ports.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";
import { MAX_LINK_BODY_BYTES, isLinkPath } from "./frames.ts";
import { Link, type LinkHandler, type LinkPeer, type LinkedAnswer } from "./link.ts";
import type { LinkSocket } from "./socket.ts";

/** What a link with a peer may be opened under. */
export interface LinkTerms {
  /** The live session. */
  readonly sessionId: string;
  /** URL of its endpoints. */
  readonly endpoint: string;
}

/** A connection on which both sides have proven themselves. */
export interface OpenedSocket {
  readonly socket: LinkSocket;
  /** The key by which the peer did. */
  readonly kid: string;
  /** Of what this server sends, and of what comes. */
  readonly keys: { readonly sending: KeyObject; readonly receiving: KeyObject };
  /** Whether both sides know traced calls. Default false. */
  readonly traced?: boolean | undefined;
}

/** What a peer is to its links now. */
export type LinkStanding =
  | { readonly stands: true }
  /** Another session has taken the place of the link's: it ends once what is under way is answered. */
  | { readonly stands: false; readonly renewed: true }
  /** It is not heard any more, for this reason. */
  | { readonly stands: false; readonly renewed: false; readonly code: FederationErrorCode };

/** Options of {@link Links}. */
export interface LinksOptions {
  /** This server's. */
  readonly origin: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Under what a link with a peer may be; undefined: it has no live session, is not trusted, or knows none. */
  readonly termsOf: (origin: string) => LinkTerms | undefined;
  /** What a peer is to a link that was opened under a session and by a key. */
  readonly standing: (peer: LinkPeer) => LinkStanding;
  /**
   * Opens a connection. Rejects with a FederationError: `ERR_FED_NOT_FOUND` where the way does not let a
   * link through, `ERR_FED_BAD_RESPONSE` where somebody else answers, which no hurry mends.
   */
  readonly dial: (origin: string, terms: LinkTerms) => Promise<OpenedSocket>;
}

/** Links with one peer, over its processes. */
const MAX_LINKS_PER_PEER = 4;
/** Links in all. */
const MAX_LINKS = 4_096;
const FIRST_RETRY_MILLISECONDS = 1_000;
const LONGEST_RETRY_MILLISECONDS = 60_000;
/** Where the way lets no link through: a proxy is not mended within seconds. */
const FIRST_REFUSED_MILLISECONDS = 60_000;
const LONGEST_REFUSED_MILLISECONDS = 30 * 60_000;
const ROUND_MILLISECONDS = 10_000;
/** Nothing was asked over it for so long: it is given up. */
const IDLE_MILLISECONDS = 10 * 60_000;
/** The same where another link is preferred to it. */
const SPARE_MILLISECONDS = 30_000;

/** What is known of opening links to a peer. */
interface Attempts {
  failures: number;
  refusals: number;
  nextAt: number;
  busy: boolean;
}

/** The links of one server. */
export class Links {
  readonly #options: LinksOptions;
  /** By the peer's origin, the preferred one first. */
  readonly #links = new Map<string, Link[]>();
  readonly #attempts = new Map<string, Attempts>();
  #handler: LinkHandler | undefined;
  #count = 0;
  #timer: TimerHandle | undefined;
  #closed = false;

  constructor(options: LinksOptions) {
    this.#options = options;
  }

  /** Links there are, with whomever. */
  get size(): number {
    return this.#count;
  }

  /** Begins; `handler` answers what comes. Before this no link is opened or accepted. */
  serve(handler: LinkHandler): void {
    if (this.#closed) return;
    this.#handler = handler;
    if (this.#timer === undefined) this.#round();
  }

  /** Whether a call to a peer would go over a link now. */
  has(origin: string): boolean {
    return this.#usable(origin) !== undefined;
  }

  /**
   * Sends a call over a link. Undefined at once when there is none that takes it: nothing was sent then, and
   * one is opened for the calls to come.
   *
   * @param body JSON.
   * @param trace The trace that it belongs to; who does not know traced calls is not told.
   * @throws FederationError `ERR_FED_TIMEOUT`, `ERR_FED_UNREACHABLE`: there is no answer, and nobody knows.
   */
  call(
    origin: string,
    path: string,
    body: string,
    timeoutMilliseconds: number,
    trace?: TraceContext,
  ): Promise<LinkedAnswer> | undefined {
    const link = this.#usable(origin);
    if (link === undefined) {
      this.#open(origin);
      return undefined;
    }
    if (!isLinkPath(path) || Buffer.byteLength(body) > MAX_LINK_BODY_BYTES) return undefined;
    return link.call(path, body, timeoutMilliseconds, trace);
  }

  /** Asks a peer how it is over a link; undefined at once where there is none. As {@link Link.ping}. */
  ping(origin: string, timeoutMilliseconds: number): Promise<string> | undefined {
    return this.#usable(origin)?.ping(timeoutMilliseconds);
  }

  /** Why no link of a peer is accepted now; undefined: one is. */
  refusal(origin: string): FederationErrorCode | undefined {
    if (this.#handler === undefined || this.#closed) return "ERR_FED_UNAVAILABLE";
    const known = this.#links.has(origin);
    return this.#count >= MAX_LINKS && !known ? "ERR_FED_UNAVAILABLE" : undefined;
  }

  /** Takes a connection that a peer has opened; closes it where it comes too late. */
  accept(origin: string, sessionId: string, opened: OpenedSocket): void {
    const { kid } = opened;
    const peer = { origin, kid, sessionId };
    if (this.refusal(origin) === undefined && this.#options.standing(peer).stands) {
      this.#add(peer, opened, false);
    } else opened.socket.close(1008, "ERR_FED_UNAVAILABLE");
  }

  /** Ends the links with a peer, or with all, that do not stand any more. */
  review(origin?: string): void {
    for (const peer of origin === undefined ? [...this.#links.keys()] : [origin]) {
      for (const link of [...(this.#links.get(peer) ?? [])]) {
        const standing = this.#options.standing(link.peer);
        if (standing.stands) continue;
        if (standing.renewed) void link.leave();
        else link.end(standing.code);
      }
    }
  }

  /** Says goodbye on every link; resolves once all are over, in 5 s at most. None is opened any more. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    const links = [...this.#links.values()].flat();
    await Promise.all(links.map((link) => link.leave()));
  }

  #usable(origin: string): Link | undefined {
    const links = this.#links.get(origin);
    if (links === undefined) return undefined;
    for (const link of links) {
      if (link.usable && this.#options.standing(link.peer).stands) return link;
    }
    return undefined;
  }

  /** Opens one beside whatever goes on, where that may succeed. */
  #open(origin: string): void {
    const { clock, termsOf, dial } = this.#options;
    if (this.refusal(origin) !== undefined) return;
    const known = this.#attempts.get(origin);
    if (known?.busy === true || (known?.nextAt ?? 0) > clock.monotonic()) return;
    const links = this.#links.get(origin) ?? [];
    // One that has no room for a call just now, or is not proven yet, is enough.
    if (links.some((link) => !link.leaving)) return;
    const terms = termsOf(origin);
    if (terms === undefined) return;
    const attempts = known ?? freshAttempts();
    this.#attempts.set(origin, attempts);
    attempts.busy = true;
    const { sessionId } = terms;
    dial(origin, terms).then(
      (opened) => {
        attempts.busy = false;
        const peer = { origin, kid: opened.kid, sessionId };
        const wanted = this.refusal(origin) === undefined && this.#options.standing(peer).stands;
        if (wanted) this.#add(peer, opened, true);
        else opened.socket.close(1000, "");
      },
      (cause: unknown) => {
        attempts.busy = false;
        const code = cause instanceof FederationError ? cause.code : undefined;
        this.#backOff(attempts, code === "ERR_FED_NOT_FOUND" || code === "ERR_FED_BAD_RESPONSE");
      },
    );
  }

  #backOff(attempts: Attempts, refused: boolean): void {
    const { clock, random } = this.#options;
    const before = refused ? attempts.refusals : attempts.failures;
    const [first, longest] = refused
      ? [FIRST_REFUSED_MILLISECONDS, LONGEST_REFUSED_MILLISECONDS]
      : [FIRST_RETRY_MILLISECONDS, LONGEST_RETRY_MILLISECONDS];
    if (refused) attempts.refusals += 1;
    else attempts.failures += 1;
    const wait = Math.min(longest, first * 2 ** Math.min(before, 10));
    attempts.nextAt = clock.monotonic() + wait * (0.5 + random.fraction() / 2);
  }

  #add(peer: LinkPeer, opened: OpenedSocket, openedHere: boolean): void {
    const handler = this.#handler;
    if (handler === undefined) return;
    const { origin } = peer;
    this.#count += 1;
    const link = new Link({
      ...{ socket: opened.socket, keys: opened.keys, traced: opened.traced },
      ...{ peer, openedHere, handler },
      clock: this.#options.clock,
      onProven: () => {
        this.#attempts.delete(origin);
      },
      onEnd: (ended, code) => {
        this.#ended(ended, code);
      },
    });
    const links = this.#links.get(origin) ?? [];
    this.#links.set(origin, links);
    // The newest first: of two by the same side, the former may be one that only we believe in.
    links.unshift(link);
    links.sort((a, b) => Number(this.#isSpare(a)) - Number(this.#isSpare(b)));
    for (const spare of links.slice(MAX_LINKS_PER_PEER)) spare.end("ERR_FED_RATE_LIMITED");
  }

  /**
   * Where both have dialled at once, both call over the one that the server whose origin sorts first has
   * opened; the other one ends by itself, once nothing is asked over it.
   */
  #isSpare({ openedHere, peer }: Link): boolean {
    return openedHere !== this.#options.origin < peer.origin;
  }

  #ended(link: Link, code: FederationErrorCode | undefined): void {
    const { origin } = link.peer;
    this.#count -= 1;
    const links = (this.#links.get(origin) ?? []).filter((other) => other !== link);
    if (links.length === 0) this.#links.delete(origin);
    else this.#links.set(origin, links);
    if (code === undefined || !link.openedHere) return;
    // Opened, and never a word: as good as refused.
    const attempts = this.#attempts.get(origin) ?? freshAttempts();
    this.#attempts.set(origin, attempts);
    this.#backOff(attempts, !link.proven);
  }

  /** What nobody uses is given up; what has lapsed ends; nothing is remembered of who is gone. */
  #round(): void {
    const { clock, termsOf } = this.#options;
    this.#timer = clock.setTimeout(() => {
      if (this.#closed) return;
      this.review();
      for (const links of [...this.#links.values()]) {
        for (const [index, link] of [...links].entries()) {
          const limit = index === 0 ? IDLE_MILLISECONDS : SPARE_MILLISECONDS;
          if (link.openedHere && link.idleMilliseconds > limit) void link.leave();
        }
      }
      for (const [origin, { busy }] of this.#attempts) {
        if (!busy && termsOf(origin) === undefined) this.#attempts.delete(origin);
      }
      this.#round();
    }, ROUND_MILLISECONDS);
  }
}

function freshAttempts(): Attempts {
  return { failures: 0, refusals: 0, nextAt: 0, busy: false };
}
