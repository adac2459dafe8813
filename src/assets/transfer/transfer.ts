/**
 * Assets from other servers into the store: verified, resumed after a break, fetched once however
 * many ask, and from any peer that has them.
 *
 * Costs at most `maxConcurrentFetches` connections, and for each of them a piece of a body, or a
 * chunk where chunks are checked (at most 4 MiB). Nothing comes from a peer that `endpointOf` does
 * not know, and what comes is kept only if it is what its hash says.
 */
import { FederationError } from "../../errors.ts";
import type { Clock, Logger, Random, StreamFetch } from "../../ports.ts";
import { Attribute } from "../../telemetry/names.ts";
import { NO_TELEMETRY, type Telemetry } from "../../telemetry/telemetry.ts";
import { type AssetChunks, chunksFit } from "../verify/chunks.ts";
import type { ContentStore } from "../store/content-store.ts";
import type { StoredAsset } from "../store/stored-asset.ts";
import {
  type AssetMismatch,
  Flight,
  type FlightHost,
  type TransferProgress,
  type Wanted,
} from "./flight.ts";
import { parseAssetHash } from "../verify/integrity.ts";
import type { CompleteAssetReference, ResolvedIntegrityPolicy } from "../verify/reference.ts";
import { Slots } from "./slots.ts";

/** Options of {@link AssetTransfer}. */
export interface AssetTransferOptions {
  readonly store: Pick<ContentStore, "stat" | "receive">;
  readonly policy: ResolvedIntegrityPolicy;
  /** The network: `createAssetSource`. */
  readonly open: StreamFetch;
  /**
   * Where a server's endpoints are, e.g. `https://worlds.example.com/federation`; undefined for one
   * that is unknown or not trusted, which is not asked then.
   */
  readonly endpointOf: (origin: string) => string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Wrong bytes came in. */
  readonly onMismatch?: ((event: AssetMismatch) => void) | undefined;
  /** Without a byte for this long an exchange is broken off. Default 10. */
  readonly stallSeconds?: number | undefined;
  /** What a peer must send on average, so that a slow one does not take a place for ever. Default 32 KiB. */
  readonly minBytesPerSecond?: number | undefined;
  /** Exchanges with one peer at once. Default 4. */
  readonly maxConcurrentFetchesPerPeer?: number | undefined;
  /** Exchanges in all at once. Default 16. */
  readonly maxConcurrentFetches?: number | undefined;
  /** Assets that wait for a place; beyond, `ERR_FED_UNAVAILABLE`. Default 256. */
  readonly maxQueuedFetches?: number | undefined;
  /** Failures in a row without getting on, or timeouts in all, after which a peer is not asked again. Default 5. */
  readonly maxFailuresPerSource?: number | undefined;
  /** Default: none. */
  readonly telemetry?: Telemetry | undefined;
}

/** Options of {@link AssetTransfer.fetch}. */
export interface FetchAssetOptions {
  /** Ends this caller's wait. The fetch goes on while others wait for it. */
  readonly signal?: AbortSignal | undefined;
  /** Origins of further servers that are known to have it; at most 16 are asked. */
  readonly sources?: readonly string[] | undefined;
  /** From a verified manifest: finds a bad chunk as soon as it is whole. */
  readonly chunks?: AssetChunks | undefined;
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
}

/** sha256 of no bytes. */
const EMPTY_HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** Fetches assets. */
export class AssetTransfer {
  readonly #options: AssetTransferOptions;
  readonly #host: FlightHost;
  readonly #flights = new Map<string, Flight>();
  readonly #maxFlights: number;
  #closed = false;

  /** @throws TypeError naming the option that is wrong. */
  constructor(options: AssetTransferOptions) {
    this.#options = options;
    const stallSeconds = positive(options, "stallSeconds", 10);
    const overall = whole(options, "maxConcurrentFetches", 16, 1);
    this.#maxFlights = overall + whole(options, "maxQueuedFetches", 256, 0);
    const { store, open, endpointOf, policy, clock, random, logger } = options;
    this.#host = {
      ...{ store, open, endpointOf, policy, clock, random, logger },
      slots: new Slots({
        perPeer: whole(options, "maxConcurrentFetchesPerPeer", 4, 1),
        overall,
      }),
      pace: {
        stallMilliseconds: stallSeconds * 1000,
        minBytesPerSecond: positive(options, "minBytesPerSecond", 32 * 1024),
      },
      maxFailuresPerSource: whole(options, "maxFailuresPerSource", 5, 1),
      onMismatch: (event) => options.onMismatch?.(event),
    };
  }

  /**
   * Gets an asset into the store, from its origin or another server that has it; at once when it is
   * here already. Callers that want the same share one fetch.
   *
   * Rejects with the signal's reason when the caller gives up.
   *
   * @throws FederationError `ERR_FED_ASSET_HASH_INVALID`, `ERR_FED_ASSET_TOO_LARGE` and
   * `ERR_FED_ASSET_TYPE` for what this server does not take, the last also when the bytes are not of
   * the claimed type; `ERR_FED_ASSET_MISMATCH` when a server sent wrong bytes and none the right
   * ones, and when the reference's size is not that of the asset; `ERR_FED_TIMEOUT` when all were
   * too slow; `ERR_FED_ASSET_UNAVAILABLE` when it could not be had, with what was tried;
   * `ERR_FED_ASSET_STORE_FULL`, `ERR_FED_STORE_UNAVAILABLE`; `ERR_FED_UNAVAILABLE` when too many wait.
   * @throws TypeError when `chunks` do not fit the reference's size.
   */
  async fetch(
    reference: CompleteAssetReference,
    options: FetchAssetOptions = {},
  ): Promise<StoredAsset> {
    const { signal } = options;
    const wanted = this.#check(reference, options.chunks);
    const { hex, sri } = wanted.hash;
    const sources = [reference.originServer, ...(options.sources ?? [])];
    for (;;) {
      signal?.throwIfAborted();
      const stored = await this.#host.store.stat(sri);
      if (stored !== undefined) return this.#take(stored, reference);
      signal?.throwIfAborted();
      const flight = this.#flights.get(hex) ?? this.#begin(wanted, sources, reference.originServer);
      if (!flight.serves(wanted)) {
        // What another reference says of the same bytes is none of this caller's business.
        await unlessAborted(flight.settled(), signal);
        continue;
      }
      flight.addSources(sources);
      return this.#take(await flight.join(options), reference);
    }
  }

  /** Whether an asset is on its way here: undefined, or resolves to whether it came. */
  pending(hex: string): Promise<boolean> | undefined {
    return this.#flights.get(hex)?.settled();
  }

  /** Ends all fetches; what came in is kept for later. */
  async close(): Promise<void> {
    this.#closed = true;
    const flights = [...this.#flights.values()];
    for (const flight of flights) {
      flight.stop(new FederationError("ERR_FED_UNAVAILABLE", "This server is stopping."));
    }
    await Promise.all(flights.map((flight) => flight.settled()));
  }

  #begin(wanted: Wanted, sources: readonly string[], owner: string): Flight {
    if (this.#closed) throw new FederationError("ERR_FED_UNAVAILABLE", "This server is stopping.");
    if (this.#flights.size >= this.#maxFlights) {
      throw new FederationError("ERR_FED_UNAVAILABLE", "Too many assets are being fetched.", {
        retryAfterSeconds: 5,
      });
    }
    const { hex } = wanted.hash;
    const flight = new Flight(this.#host, wanted, sources, () => {
      this.#flights.delete(hex);
    });
    this.#flights.set(hex, flight);
    const { telemetry = NO_TELEMETRY } = this.#options;
    const details = { [Attribute.Peer]: owner };
    // Who waits for it hears of it.
    telemetry.run({ kind: "assetTransfer", details }, () => flight.done).catch(() => undefined);
    return flight;
  }

  #check(reference: CompleteAssetReference, chunks: AssetChunks | undefined): Wanted {
    const { policy } = this.#options;
    const { size, mediaType } = reference;
    const hash = parseAssetHash(reference.assetHash);
    if (hash.algorithm !== "sha256") {
      throw new FederationError("ERR_FED_ASSET_HASH_INVALID", "Assets are named by their sha256.");
    }
    if (!Number.isSafeInteger(size) || size < 0) throw new TypeError("size must be a whole number");
    if (size > policy.maxAssetBytes) {
      throw new FederationError(
        "ERR_FED_ASSET_TOO_LARGE",
        `The asset has ${size} bytes; at most ${policy.maxAssetBytes} are taken (maxAssetBytes).`,
      );
    }
    if (!policy.mediaTypes.has(mediaType)) {
      throw new FederationError(
        "ERR_FED_ASSET_TYPE",
        `Assets of type ${mediaType.slice(0, 80)} are not taken (mediaTypes).`,
      );
    }
    if ((size === 0) !== (hash.hex === EMPTY_HEX)) throw wrongSize(reference);
    if (chunks !== undefined && !chunksFit(chunks, size)) {
      throw new TypeError("chunks must be those of an asset of the reference's size");
    }
    return { hash, reference, chunks };
  }

  #take(stored: StoredAsset, reference: CompleteAssetReference): StoredAsset {
    if (stored.size !== reference.size) throw wrongSize(reference);
    return stored;
  }
}

function wrongSize({ assetHash, size }: CompleteAssetReference): FederationError {
  return new FederationError(
    "ERR_FED_ASSET_MISMATCH",
    `The asset ${assetHash} has not the ${size} bytes that the reference says.`,
  );
}

async function unlessAborted(work: Promise<unknown>, signal?: AbortSignal): Promise<void> {
  if (signal === undefined) {
    await work;
    return;
  }
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", stop, { once: true });
    void work.then(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    });
  });
}

type NumericOption = {
  [Name in keyof AssetTransferOptions]: AssetTransferOptions[Name] extends number | undefined
    ? Name
    : never;
}[keyof AssetTransferOptions];

function whole(
  options: AssetTransferOptions,
  name: NonNullable<NumericOption>,
  fallback: number,
  least: number,
): number {
  const value = options[name] ?? fallback;
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new TypeError(`${name} must be a whole number, ${least} or more`);
}

function positive(
  options: AssetTransferOptions,
  name: NonNullable<NumericOption>,
  fallback: number,
): number {
  const value = options[name] ?? fallback;
  if (Number.isFinite(value) && value > 0) return value;
  throw new TypeError(`${name} must be a number above 0`);
}
