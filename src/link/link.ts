/**
 * One link (PROTOCOL 12), from its opening to its end: calls both ways, pings, goodbyes.
 *
 * A message that is not exactly right ends the link, and nothing of it is acted on. What is under way when a
 * link ends has no answer: nobody knows what became of it, as with an answer that HTTP has lost.
 */
import type { KeyObject } from "node:crypto";
import { FederationError, type FederationErrorCode } from "../errors.ts";
import type { Clock, TimerHandle } from "../ports.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";
import { type Frame, FrameKind, MAX_LINK_BODY_BYTES, MessageDraft, openMessage } from "./frames.ts";
import type { LinkSocket } from "./socket.ts";

/** Who is at the other end, and under what the link was opened. */
export interface LinkPeer {
  readonly origin: string;
  /** The key by which it proved itself. */
  readonly kid: string;
  /** The handshake's session that the link was opened under. */
  readonly sessionId: string;
}

/** A call that came over a link. */
export interface LinkedCall {
  /** Below the endpoint. */
  readonly path: string;
  /** JSON in UTF-8; empty for none. */
  readonly body: Buffer;
  /** When the peer sent it: its own Unix seconds. */
  readonly sentAt: number;
  /** The trace that it says to belong to. */
  readonly trace?: TraceContext | undefined;
}

/** An answer, as HTTP would have it. */
export interface LinkedAnswer {
  readonly status: number;
  /** JSON. */
  readonly body: string;
}

/** Who answers what comes over links. */
export interface LinkHandler {
  /** Answers a call, refusals included: it never rejects. */
  answer(peer: LinkPeer, call: LinkedCall): Promise<LinkedAnswer>;
  /** The answer that refuses a call by a code. */
  refuse(code: FederationErrorCode): LinkedAnswer;
  /** What `GET /health` says: JSON. */
  health(): string;
}

/** Options of {@link Link}. */
export interface LinkOptions {
  readonly socket: LinkSocket;
  readonly peer: LinkPeer;
  /** Whether this server asked for it. */
  readonly openedHere: boolean;
  /** Whether both sides know traced calls. Default false. */
  readonly traced?: boolean | undefined;
  /** Of the MACs of what is sent, and of what comes. */
  readonly keys: { readonly sending: KeyObject; readonly receiving: KeyObject };
  readonly clock: Clock;
  readonly handler: LinkHandler;
  /** The other side has shown that it has the keys: from now on calls may go over it. */
  readonly onProven?: (link: Link) => void;
  /** It is over; `code` says why, undefined for a goodbye of both. */
  readonly onEnd?: (link: Link, code: FederationErrorCode | undefined) => void;
}

/** Calls under way on one link, in each direction. */
export const MAX_CALLS_UNDER_WAY = 256;
/** Calls that were given up and may still be answered. */
const MAX_GIVEN_UP = 1024;
/** Above this much unsent, nothing more is read and no call goes this way. */
const HIGH_WATER_BYTES = 256 * 1024;
/** A peer that leaves so much unread is not there. */
const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;
const DRAIN_CHECK_MILLISECONDS = 20;
/** Nor is one that has not read a byte for so long. */
const STUCK_MILLISECONDS = 5_000;
/** A link is looked at so often. */
const LOOK_MILLISECONDS = 5_000;
/** Silent for so long, the other side is asked whether it is there. */
const SILENCE_MILLISECONDS = 10_000;
/** And has so long to say so. */
const PONG_MILLISECONDS = 5_000;
const LEAVE_MILLISECONDS = 5_000;
/** More pings in a minute than any peer needs. */
const MAX_PINGS_PER_MINUTE = 240;
const LAST_ID = 0xffff_ffff;
/** RFC 6455, section 7.4.1. */
const NORMAL_CLOSURE = 1000;
const POLICY_VIOLATION = 1008;

interface Waiting<Value> {
  readonly resolve: (value: Value) => void;
  readonly reject: (cause: FederationError) => void;
  readonly sentAt: number;
  readonly timer: TimerHandle;
}

/** One link. */
export class Link {
  readonly peer: LinkPeer;
  readonly openedHere: boolean;
  readonly #options: LinkOptions;
  readonly #clock: Clock;
  readonly #socket: LinkSocket;
  /** Calls of ours that wait for their answers, and pings for theirs. */
  readonly #calls = new Map<number, Waiting<LinkedAnswer>>();
  readonly #pings = new Map<number, Waiting<string>>();
  readonly #givenUp = new Set<number>();
  /** Ids of the other side's calls that are being answered. */
  readonly #answering = new Set<number>();
  readonly #draft = new MessageDraft();
  #sent = 0;
  #received = 0;
  #nextId = 0;
  #heardAt: number;
  #calledAt: number;
  #pinged = { since: -Infinity, count: 0 };
  #goodbyes = { ours: false, theirs: false };
  #stuck = false;
  #over = false;
  #timers: { look?: TimerHandle; leave?: TimerHandle; drain?: TimerHandle } = {};
  #left: (() => void)[] = [];

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#socket = options.socket;
    this.peer = options.peer;
    this.openedHere = options.openedHere;
    this.#heardAt = this.#calledAt = this.#clock.monotonic();
    this.#socket.listen({
      message: (bytes) => {
        this.#receive(bytes);
      },
      closed: () => {
        this.#end("ERR_FED_UNREACHABLE");
      },
    });
    this.#look();
    // Its answer shows that the way is open and the keys are right: before that nothing is entrusted to it.
    if (this.openedHere) void this.ping(PONG_MILLISECONDS).catch(() => undefined);
  }

  get over(): boolean {
    return this.#over;
  }

  /** Whether the other side has shown that it has the keys. */
  get proven(): boolean {
    return this.#received > 0;
  }

  /** Whether a call can be sent over it now. */
  get usable(): boolean {
    return (
      this.proven &&
      !this.#over &&
      !this.#goodbyes.ours &&
      !this.#goodbyes.theirs &&
      !this.#stuck &&
      this.#calls.size < MAX_CALLS_UNDER_WAY
    );
  }

  /** Whether it takes no more calls, as one side has said goodbye. */
  get leaving(): boolean {
    return this.#goodbyes.ours || this.#goodbyes.theirs;
  }

  /** Milliseconds since the last call in either direction; 0 while one is under way. */
  get idleMilliseconds(): number {
    const busy = this.#calls.size + this.#answering.size > 0;
    return busy ? 0 : this.#clock.monotonic() - this.#calledAt;
  }

  /**
   * Sends a call; only while it is {@link usable}, and with a body of at most 64 KiB. `trace` goes with it
   * where the other side knows traced calls.
   *
   * @throws FederationError `ERR_FED_TIMEOUT` or `ERR_FED_UNREACHABLE`: it may have been acted on.
   */
  call(
    path: string,
    body: string,
    timeoutMilliseconds: number,
    trace?: TraceContext,
  ): Promise<LinkedAnswer> {
    return new Promise((resolve, reject) => {
      const id = this.#takeId();
      const timer = this.#clock.setTimeout(() => {
        this.#giveUp(id);
      }, timeoutMilliseconds);
      this.#calledAt = this.#clock.monotonic();
      this.#calls.set(id, { resolve, reject, sentAt: this.#calledAt, timer });
      this.#send(
        trace === undefined || this.#options.traced !== true
          ? { kind: FrameKind.Call, id, path, body }
          : { kind: FrameKind.TracedCall, id, path, body, trace },
      );
    });
  }

  /**
   * Asks the other side whether it is there, and how it is: what its `GET /health` says.
   *
   * @throws FederationError `ERR_FED_TIMEOUT`, upon which the link is over, or `ERR_FED_UNREACHABLE`.
   */
  ping(timeoutMilliseconds: number): Promise<string> {
    if (this.#over) return Promise.reject(this.#broken());
    return new Promise((resolve, reject) => {
      const id = this.#takeId();
      const timer = this.#clock.setTimeout(() => {
        this.#end("ERR_FED_TIMEOUT");
      }, timeoutMilliseconds);
      this.#pings.set(id, { resolve, reject, sentAt: this.#clock.monotonic(), timer });
      this.#send({ kind: FrameKind.Ping, id });
    });
  }

  /** Says goodbye: no more calls, what is under way is answered. Resolves once it is over, in 5 s at most. */
  leave(): Promise<void> {
    if (this.#over) return Promise.resolve();
    const left = new Promise<void>((resolve) => this.#left.push(resolve));
    if (!this.#goodbyes.ours) {
      this.#goodbyes.ours = true;
      this.#send({ kind: FrameKind.Goodbye, id: 0 });
      this.#timers.leave ??= this.#clock.setTimeout(() => {
        this.#end("ERR_FED_TIMEOUT");
      }, LEAVE_MILLISECONDS);
      this.#finish();
    }
    return left;
  }

  /** Ends it at once, and says why to the other side. */
  end(code: FederationErrorCode): void {
    this.#end(code);
  }

  #receive(bytes: Buffer): void {
    if (this.#over) return;
    const message = openMessage(this.#options.keys.receiving, this.#received, bytes);
    if (typeof message === "string") {
      this.#end(message);
      return;
    }
    this.#received += 1;
    this.#heardAt = this.#clock.monotonic();
    if (this.#received === 1) this.#options.onProven?.(this);
    for (const frame of message.frames) {
      if (this.#over) return;
      if (!this.#take(frame, message.created)) this.#end("ERR_FED_MALFORMED");
    }
  }

  /** Whether a frame has its place in what is said. */
  #take(frame: Frame, created: number): boolean {
    switch (frame.kind) {
      case FrameKind.Call:
        return this.#takeCall(frame, created);
      case FrameKind.TracedCall:
        return this.#options.traced === true && this.#takeCall(frame, created);
      case FrameKind.Answer: {
        const waiting = this.#calls.get(frame.id);
        if (waiting === undefined) return this.#givenUp.delete(frame.id);
        this.#calls.delete(frame.id);
        this.#clock.clearTimeout(waiting.timer);
        waiting.resolve({ status: frame.status, body: textOf(frame.body) });
        this.#finish();
        return true;
      }
      case FrameKind.Ping:
        return this.#takePing(frame.id);
      case FrameKind.Pong: {
        const waiting = this.#pings.get(frame.id);
        if (waiting === undefined) return false;
        this.#pings.delete(frame.id);
        this.#clock.clearTimeout(waiting.timer);
        waiting.resolve(textOf(frame.body));
        return true;
      }
      case FrameKind.Goodbye:
        if (this.#goodbyes.theirs) return false;
        this.#goodbyes.theirs = true;
        void this.leave();
        this.#finish();
        return true;
    }
  }

  #takeCall(frame: Extract<Frame, { kind: 1 | 6 }>, sentAt: number): boolean {
    const { id, path, body } = frame;
    if (this.#goodbyes.theirs || this.#answering.has(id)) return false;
    const { handler } = this.#options;
    this.#calledAt = this.#heardAt;
    if (this.#answering.size >= MAX_CALLS_UNDER_WAY) {
      this.#answer(id, handler.refuse("ERR_FED_RATE_LIMITED"));
      return true;
    }
    this.#answering.add(id);
    const trace = frame.kind === FrameKind.TracedCall ? frame.trace : undefined;
    const call = { path, body: body as Buffer, sentAt, trace };
    void handler
      .answer(this.peer, call)
      .catch(() => handler.refuse("ERR_FED_UNAVAILABLE"))
      .then((answer) => {
        this.#answering.delete(id);
        this.#answer(id, answer);
        this.#finish();
      });
    return true;
  }

  #answer(id: number, answer: LinkedAnswer): void {
    const fits = Buffer.byteLength(answer.body) <= MAX_LINK_BODY_BYTES;
    const { status, body } = fits
      ? answer
      : this.#options.handler.refuse("ERR_FED_RESPONSE_TOO_LARGE");
    this.#send({ kind: FrameKind.Answer, id, status, body });
  }

  #takePing(id: number): boolean {
    if (this.#heardAt - this.#pinged.since > 60_000) {
      this.#pinged = { since: this.#heardAt, count: 0 };
    }
    this.#pinged.count += 1;
    if (this.#pinged.count > MAX_PINGS_PER_MINUTE) return false;
    const body = this.#options.handler.health();
    this.#send({ kind: FrameKind.Pong, id, body });
    return true;
  }

  #send(frame: Frame): void {
    if (this.#over) return;
    if (this.#draft.isEmpty) {
      // Once all that is ready has run: what it says goes in one message.
      process.nextTick(() => {
        this.#flush();
      });
    }
    if (this.#draft.add(frame)) return;
    this.#flush();
    this.#send(frame);
  }

  #flush(): void {
    if (this.#over || this.#draft.isEmpty) return;
    const message = this.#draft.seal(this.#options.keys.sending, this.#sent, this.#seconds());
    this.#sent += 1;
    this.#socket.send(message);
    const unsent = this.#socket.bufferedBytes;
    if (unsent > MAX_BUFFERED_BYTES) this.#end("ERR_FED_UNAVAILABLE");
    else if (unsent > HIGH_WATER_BYTES && !this.#stuck) {
      this.#stuck = true;
      this.#socket.read(false);
      this.#waitForDrain({ unsent, at: this.#clock.monotonic() });
    }
  }

  /** Reads on once the other side has. `before`: how much was unsent when that last changed. */
  #waitForDrain(before: { readonly unsent: number; readonly at: number }): void {
    this.#timers.drain = this.#clock.setTimeout(() => {
      if (this.#over) return;
      const unsent = this.#socket.bufferedBytes;
      const now = this.#clock.monotonic();
      if (unsent > HIGH_WATER_BYTES / 2) {
        const moved = unsent < before.unsent;
        if (!moved && now - before.at >= STUCK_MILLISECONDS) this.#end("ERR_FED_UNAVAILABLE");
        else this.#waitForDrain(moved ? { unsent, at: now } : before);
        return;
      }
      this.#stuck = false;
      this.#socket.read(true);
    }, DRAIN_CHECK_MILLISECONDS);
  }

  #giveUp(id: number): void {
    const waiting = this.#calls.get(id);
    if (waiting === undefined) return;
    this.#calls.delete(id);
    this.#givenUp.add(id);
    const { origin } = this.peer;
    waiting.reject(new FederationError("ERR_FED_TIMEOUT", `${origin} did not answer in time.`));
    // Not a word since: whether it is there at all is more than doubtful.
    const silent = this.#heardAt < waiting.sentAt;
    if (silent || this.#givenUp.size > MAX_GIVEN_UP) this.#end("ERR_FED_TIMEOUT");
    else this.#finish();
  }

  #look(): void {
    this.#timers.look = this.#clock.setTimeout(() => {
      if (this.#over) return;
      const silence = this.#clock.monotonic() - this.#heardAt;
      if (silence >= SILENCE_MILLISECONDS && this.#pings.size === 0) {
        void this.ping(PONG_MILLISECONDS).catch(() => undefined);
      }
      this.#look();
    }, LOOK_MILLISECONDS);
  }

  /** Closes it once both have said goodbye and nothing is under way. */
  #finish(): void {
    const { ours, theirs } = this.#goodbyes;
    if (ours && theirs && this.#calls.size + this.#answering.size === 0) this.#end(undefined);
  }

  #end(code: FederationErrorCode | undefined): void {
    if (this.#over) return;
    if (code === undefined) this.#flush();
    this.#over = true;
    for (const timer of Object.values(this.#timers)) this.#clock.clearTimeout(timer);
    this.#socket.close(code === undefined ? NORMAL_CLOSURE : POLICY_VIOLATION, code ?? "");
    for (const waiting of [...this.#calls.values(), ...this.#pings.values()]) {
      this.#clock.clearTimeout(waiting.timer);
      waiting.reject(this.#broken());
    }
    this.#calls.clear();
    this.#pings.clear();
    for (const resolve of this.#left.splice(0)) resolve();
    this.#options.onEnd?.(this, code);
  }

  #broken(): FederationError {
    return new FederationError("ERR_FED_UNREACHABLE", `The link with ${this.peer.origin} broke.`);
  }

  /** Four bytes of ids are more than a day's calls; who needs more opens another link. */
  #takeId(): number {
    const id = this.#nextId;
    this.#nextId += 1;
    if (this.#nextId >= LAST_ID) void this.leave();
    return id;
  }

  #seconds(): number {
    return Math.floor(this.#clock.now() / 1000);
  }
}

function textOf(body: string | Buffer): string {
  return typeof body === "string" ? body : body.toString("utf8");
}
