/** One GET of an asset, or of what is missing of it, from one peer (PROTOCOL 9). */
import { FederationError, type FederationErrorCode } from "../../errors.ts";
import type { StreamFetch, StreamResponse } from "../../ports.ts";
import { type AssetChunks, ChunkGate } from "../verify/chunks.ts";
import type { IncomingAsset } from "../store/incoming-asset.ts";
import type { Patience } from "./patience.ts";
import type { VerificationResult } from "../verify/verification.ts";

/** How an exchange ended. */
export type ExchangeEnd =
  /** All bytes are there. */
  | { readonly end: "complete" }
  /** It may be tried again. */
  | {
      readonly end: "broken";
      readonly why: string;
      readonly timedOut: boolean;
      readonly retryAfterSeconds?: number | undefined;
    }
  /** The peer has other bytes than those that are there: from the beginning. */
  | { readonly end: "changed"; readonly why: string }
  /** The peer is of no use for this asset. */
  | { readonly end: "refused"; readonly why: string }
  /** The peer sent bytes that are wrong. */
  | {
      readonly end: "wrong";
      readonly why: string;
      readonly result: VerificationResult;
      /** The chunk, where one was found wrong by itself; what is there is right then. */
      readonly chunk?: number | undefined;
    };

/** What {@link exchange} needs. */
export interface ExchangeOptions {
  readonly open: StreamFetch;
  readonly url: string;
  readonly hex: string;
  readonly hash: string;
  readonly size: number;
  readonly chunks: AssetChunks | undefined;
  readonly incoming: IncomingAsset;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  /** Bytes were written. */
  readonly onBytes: () => void;
  /** What is there was dropped: the peer sends everything. */
  readonly onRestart: () => void;
}

/** A peer may put us off for so long. */
const MAX_RETRY_AFTER_SECONDS = 30;

/**
 * Performs the exchange. What came in by its end is in `incoming`.
 *
 * Rejects with the signal's reason, or with what the store fails with.
 */
export async function exchange(options: ExchangeOptions): Promise<ExchangeEnd> {
  const { incoming, patience, signal } = options;
  const abort = new AbortController();
  const stop = (): void => {
    abort.abort();
  };
  let expired: string | undefined;
  const expire = (why: string): void => {
    expired = why;
    abort.abort();
  };
  signal.throwIfAborted();
  signal.addEventListener("abort", stop, { once: true });
  const waitFor = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await patience.wait(work, expire);
    } catch (cause) {
      throw new PeerFailure(cause);
    }
  };
  let response: StreamResponse | undefined;
  try {
    const from = incoming.offset;
    response = await waitFor(() =>
      options.open({ url: options.url, headers: headersFor(options, from), signal: abort.signal }),
    );
    const judged = judge(response, options, from);
    if ("end" in judged) return judged;
    if (judged.from !== from) {
      await incoming.restart();
      options.onRestart();
    }
    return await receive(options, response, judged.isDelimited, waitFor);
  } catch (failure) {
    signal.throwIfAborted();
    if (!(failure instanceof PeerFailure)) throw failure;
    if (expired !== undefined) return { end: "broken", why: expired, timedOut: true };
    return endOf(failure.cause);
  } finally {
    signal.removeEventListener("abort", stop);
    response?.cancel();
  }
}

/** What waiting for the peer failed with, as against the store. */
class PeerFailure extends Error {
  constructor(cause: unknown) {
    super("the peer failed", { cause });
  }
}

function headersFor({ hex }: ExchangeOptions, from: number): Record<string, string> {
  return {
    // Compressed bytes are not those of the hash, and may be many more than they seem.
    "accept-encoding": "identity",
    ...(from > 0 ? { range: `bytes=${from}-`, "if-range": `"${hex}"` } : {}),
  };
}

/** Whether an answer's head promises the bytes that were asked for, and where they begin. */
function judge(
  { status, headers }: StreamResponse,
  { size, hex }: ExchangeOptions,
  asked: number,
): ExchangeEnd | { readonly from: number; readonly isDelimited: boolean } {
  const refused = (why: string): ExchangeEnd => ({ end: "refused", why });
  if (status === 429 || status >= 500) {
    const after = Number(headers["retry-after"] ?? "");
    return {
      end: "broken",
      why: `answered ${status}`,
      timedOut: status === 504,
      retryAfterSeconds: after > 0 ? Math.min(after, MAX_RETRY_AFTER_SECONDS) : undefined,
    };
  }
  if (status !== 200 && status !== 206) return refused(`answered ${status}`);
  const encoding = headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  const transfer = headers["transfer-encoding"]?.trim().toLowerCase() ?? "chunked";
  if (encoding !== "identity") return refused("sent it compressed");
  if (transfer !== "chunked") return refused("sent it in an unknown transfer coding");
  const from = status === 206 ? asked : 0;
  if (status === 206) {
    if (asked === 0) return refused("sent a range that was not asked for");
    const range = headers["content-range"] ?? "none";
    if (range !== `bytes ${asked}-${size - 1}/${size}`) {
      return refused(`sent the range ${range.slice(0, 80)} for bytes ${asked}-${size - 1}/${size}`);
    }
    const etag = headers["etag"];
    if (etag !== undefined && etag !== `"${hex}"`) {
      return { end: "changed", why: "sent a range of something else" };
    }
  }
  const length = headers["content-length"];
  if (length !== undefined && length !== String(size - from)) {
    return refused(`would send ${length.slice(0, 20)} bytes, not ${size - from}`);
  }
  return {
    from,
    isDelimited: length !== undefined || headers["transfer-encoding"] !== undefined,
  };
}

async function receive(
  options: ExchangeOptions,
  response: StreamResponse,
  isDelimited: boolean,
  waitFor: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<ExchangeEnd> {
  const { incoming, patience, size, chunks } = options;
  let position = incoming.offset;
  const gate = chunks && new ChunkGate(chunks, size, position);
  const pieces = response.body[Symbol.asyncIterator]();
  let writing: Promise<void> = Promise.resolve();
  try {
    for (;;) {
      const next = await waitFor(() => pieces.next());
      if (next.done === true) break;
      const piece = next.value;
      patience.credit(piece.length);
      position += piece.length;
      if (position > size) return wrongSize(options, position, "sent more than it should");
      const { good, bad } = gate?.push(piece) ?? { good: [piece], bad: undefined };
      // The disk writes one piece while the next one comes, and no more than that.
      await writing;
      writing = write(options, good);
      writing.catch(() => undefined);
      if (bad !== undefined) {
        const { chunk, result } = bad;
        return { end: "wrong", why: `sent a wrong chunk ${chunk}`, result, chunk };
      }
    }
  } finally {
    // What the disk says counts more than how the peer ended.
    await writing;
  }
  if (position === size) return { end: "complete" };
  if (isDelimited) return wrongSize(options, position, "sent less than it should");
  return { end: "broken", why: "broke off", timedOut: false };
}

async function write(
  { incoming, onBytes }: ExchangeOptions,
  good: readonly Uint8Array[],
): Promise<void> {
  for (const each of good) await incoming.write(each);
  if (good.length > 0) onBytes();
}

function wrongSize({ hash, size }: ExchangeOptions, actual: number, why: string): ExchangeEnd {
  return {
    end: "wrong",
    why,
    result: {
      valid: false,
      mismatches: ["size"],
      expected: { hash, size },
      actual: { hash: undefined, size: actual },
    },
  };
}

/** Failures that the same peer will repeat. */
const FINAL: ReadonlySet<FederationErrorCode> = new Set<FederationErrorCode>([
  "ERR_FED_BAD_RESPONSE",
  "ERR_FED_FORBIDDEN_ADDRESS",
  "ERR_FED_RESPONSE_TOO_LARGE",
]);

function endOf(cause: unknown): ExchangeEnd {
  if (!(cause instanceof FederationError)) throw cause;
  const why = cause.message.slice(0, 200).replace(/\.$/u, "");
  return FINAL.has(cause.code)
    ? { end: "refused", why }
    : { end: "broken", why, timedOut: cause.code === "ERR_FED_TIMEOUT" };
}
