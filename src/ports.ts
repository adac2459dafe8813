/**
 * What the core asks of the world: time, chance, the network, the disk and a place to log.
 *
 * Domain code takes these as arguments and reaches for nothing else, so that the code that
 * ships also runs in a deterministic simulation.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { FederationError, type FederationErrorCode } from "./errors.ts";

/** A pending timer. Opaque: hand it back to {@link Clock.clearTimeout}. */
export type TimerHandle = object | number;

/** Time. Wall time is for the wire and for people; monotonic time is for leases and deadlines. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. May jump. */
  now(): number;
  /** Monotonic clock, milliseconds since some fixed point of this process. Never goes back. */
  monotonic(): number;
  /** Calls `callback` once after `milliseconds`. Never keeps a process alive on its own. */
  setTimeout(callback: () => void, milliseconds: number): TimerHandle;
  /** Stops a timer; harmless when it has fired already. */
  clearTimeout(handle: TimerHandle): void;
}

/** Chance. */
export interface Random {
  /** `length` cryptographically strong bytes. */
  bytes(length: number): Uint8Array;
  /** A random UUID (version 4). */
  uuid(): string;
  /** A number in [0, 1), for jitter only: never for secrets. */
  fraction(): number;
}

/** What a line of the log is about, for whoever searches it. The message says the same in words. */
export interface LogFields {
  /** Origin of another server. */
  readonly peer?: string | undefined;
  /** `<local id>@<home>`. */
  readonly player?: string | undefined;
  /** Of the crossing. */
  readonly transferId?: string | undefined;
  /** `ERR_FED_…`. */
  readonly code?: string | undefined;
  readonly [more: string]: unknown;
}

/** Where diagnostics go. Never receives keys, tokens or passes. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, cause?: unknown, fields?: LogFields): void;
}

/** One HTTP exchange as the core sees it. */
export interface FetchRequest {
  readonly method: "GET" | "POST" | "HEAD";
  /** Absolute URL. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Cap on the whole exchange, connect to last byte. */
  readonly timeoutMilliseconds?: number;
  /** Cap on the answer's body; a longer one rejects. */
  readonly maxBodyBytes?: number;
  /** Ends the exchange. */
  readonly signal?: AbortSignal;
}

/** The answer to a {@link FetchRequest}; header names are lower case. */
export interface FetchResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/**
 * The network. Rejects with a `FederationError` (`ERR_FED_UNREACHABLE`, `ERR_FED_FORBIDDEN_ADDRESS`,
 * `ERR_FED_RESPONSE_TOO_LARGE`, `ERR_FED_TIMEOUT`); redirects are never followed.
 */
export type Fetch = (request: FetchRequest) => Promise<FetchResponse>;

/** A GET whose body is read as it comes. */
export interface StreamRequest {
  /** Absolute URL. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Ends the exchange at any point, reading the body included. */
  readonly signal: AbortSignal;
}

/** The answer to a {@link StreamRequest}; header names are lower case. */
export interface StreamResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Nothing is read ahead of who iterates; rejects when the body breaks off. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Reads no more; harmless at any time. */
  cancel(): void;
}

/**
 * The network, for what is too large to hold. Rejects as {@link Fetch} does; a redirect is
 * `ERR_FED_BAD_RESPONSE`. Times are for the caller to keep, through the signal.
 */
export type StreamFetch = (request: StreamRequest) => Promise<StreamResponse>;

/** The answer of a signed call to a peer: its 200 body, or its signed refusal. */
export type PeerAnswer =
  | { readonly ok: true; readonly status: number; readonly body: unknown }
  | {
      readonly ok: false;
      readonly status: number;
      readonly code: FederationErrorCode;
      readonly detail?: string;
      readonly retryAfterSeconds?: number;
    };

/** Signed calls to peers. Rejects when no verified answer came. */
export interface PeerCalls {
  call(
    origin: string,
    path: string,
    body: unknown,
    options?: { timeoutMilliseconds?: number },
  ): Promise<PeerAnswer>;
}

/**
 * Durable key–value storage with compare-and-set.
 *
 * Values are strings; what is written is on disk before the promise resolves. Every method
 * rejects with a `FederationError` (`ERR_FED_STORE_UNAVAILABLE`) when the store does not answer:
 * callers never read silence as "absent".
 */
export interface Store {
  /** The value under `key`, or undefined when there is none or it has expired. */
  get(key: string): Promise<string | undefined>;
  /**
   * Replaces `expected` by `next` in one atomic step and tells whether it did.
   * `expected` undefined: only when the key is absent. `next` undefined: delete.
   * `ttlMilliseconds` lets the new value expire by itself.
   */
  compareAndSet(
    key: string,
    expected: string | undefined,
    next: string | undefined,
    ttlMilliseconds?: number,
  ): Promise<boolean>;
  /** Unconditional write, for values with a single writer. */
  set(key: string, value: string, ttlMilliseconds?: number): Promise<void>;
  /** Unconditional delete; harmless when the key is absent. */
  delete(key: string): Promise<void>;
  /** Every live entry whose key starts with `prefix`, ordered by key. */
  entries(prefix: string): AsyncIterable<readonly [key: string, value: string]>;
  /** Rows with columns, apart from the values under keys. A name may get more columns in a later version; none goes. */
  table(spec: TableSpec): Table;
  /** Releases the file or connection. */
  close(): Promise<void>;
}

/** What a {@link Table} is made of. */
export interface TableSpec {
  /** Lower-case letters; begins no key of another table. */
  readonly name: string;
  /** Names (lower-case letters and `_`; not `key`, not `version`) and what stands in each. */
  readonly columns: Readonly<Record<string, "text" | "integer" | "real">>;
  /** The column by which {@link Table.listed} finds rows: those where it has a value. */
  readonly listed: string;
}

/** What stands in the columns of a row; one that is left out, or undefined, has no value. */
export type TableValues = Readonly<Record<string, string | number | undefined>>;

/** One row. */
export interface TableRow {
  readonly key: string;
  /** A whole number below 2^53: another one after each write. */
  readonly version: number;
  /** Columns that have a value. */
  readonly values: TableValues;
}

/**
 * Durable rows that are written under a condition, in one atomic step each: what is written is on disk
 * before the promise resolves. Every method rejects with a `FederationError`
 * (`ERR_FED_STORE_UNAVAILABLE`) when the store does not answer; a write that rejects may have been made.
 */
export interface Table {
  /** The row, or undefined when there is none. */
  get(key: string): Promise<TableRow | undefined>;
  /**
   * Puts a row in where there is none, and tells whether it did. A `version` that begins at random keeps
   * whoever still knows a former row under this key from writing over this one.
   */
  insert(key: string, version: number, values: TableValues): Promise<boolean>;
  /**
   * Changes these columns where the row has this version, and tells whether it did: the version is the
   * next whole number then. A column that is undefined loses its value; one left out keeps it.
   */
  update(key: string, version: number, changes: TableValues): Promise<boolean>;
  /** Removes the row where it has this version, and tells whether it did. */
  remove(key: string, version: number): Promise<boolean>;
  /** Every row whose key starts with `prefix`, ordered by key; others get their turn in between. */
  rows(prefix: string): AsyncIterable<TableRow>;
  /** As {@link rows}, only those whose `listed` column has a value, without looking at any other. */
  listed(prefix: string): AsyncIterable<TableRow>;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (callback, milliseconds) => {
    const handle = setTimeout(callback, Math.min(milliseconds, 2_147_483_647));
    handle.unref();
    return handle;
  },
  clearTimeout: (handle) => {
    clearTimeout(handle as NodeJS.Timeout);
  },
};

/** The machine's own randomness. */
export const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  uuid: () => randomUUID(),
  fraction: () => Math.random(),
};

/**
 * The machine's own network, for parts that stand alone: it goes wherever it is told, private addresses
 * included. A federated server calls peers through a guard of its own instead.
 */
export const systemFetch: Fetch = async (request) => {
  const { method, url, headers, body, timeoutMilliseconds = 10_000 } = request;
  const deadline = AbortSignal.timeout(timeoutMilliseconds);
  const signal =
    request.signal === undefined ? deadline : AbortSignal.any([deadline, request.signal]);
  const unreachable = (cause: unknown): FederationError =>
    new FederationError(
      deadline.aborted ? "ERR_FED_TIMEOUT" : "ERR_FED_UNREACHABLE",
      `${url} does not answer.`,
      { cause },
    );
  const response = await fetch(url, {
    ...{ method, headers: { ...headers }, signal, redirect: "manual" },
    ...(body === undefined ? {} : { body: Uint8Array.from(body) }),
  }).catch((cause: unknown) => {
    throw unreachable(cause);
  });
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > (request.maxBodyBytes ?? Infinity)) {
        throw new FederationError("ERR_FED_RESPONSE_TOO_LARGE", `${url} answers too much.`);
      }
      chunks.push(chunk);
    }
  } catch (cause) {
    throw cause instanceof FederationError ? cause : unreachable(cause);
  }
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: Buffer.concat(chunks),
  };
};
