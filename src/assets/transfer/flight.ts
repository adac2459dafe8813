/**
 * One asset on its way here: the peers that may have it, tried until one sends the right bytes.
 *
 * What one peer began another may finish. If the whole is wrong then, nobody can be blamed, so from
 * there on each peer has to send all of it by itself.
 */
import { FederationError } from "../../errors.ts";
import type { Clock, Logger, StreamFetch } from "../../ports.ts";
import type { AssetChunks } from "../verify/chunks.ts";
import type { ContentStore } from "../store/content-store.ts";
import type { IncomingAsset, IncomingResult } from "../store/incoming-asset.ts";
import type { StoredAsset } from "../store/stored-asset.ts";
import { type ExchangeEnd, exchange } from "./exchange.ts";
import type { AssetHash } from "../verify/integrity.ts";
import { type Source, type SourceFailure, type SourceLimits, Sources } from "./flight-sources.ts";
import {
  type CompleteAssetReference,
  HashMismatchAction,
  type ResolvedIntegrityPolicy,
  mismatchAction,
  strongest,
} from "../verify/reference.ts";
import type { Slots } from "./slots.ts";
import type { VerificationResult } from "../verify/verification.ts";

/** How far a transfer is. */
export interface TransferProgress {
  /** SRI, sha256. */
  readonly hash: string;
  /** Bytes on this server's disk, an earlier attempt's included. Falls when it begins again. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
  /** Origin of the server that sends. */
  readonly source: string;
}

/** Wrong bytes came in; they were not and will not be served. */
export interface AssetMismatch {
  /** Origin of the server that sent the last of them. */
  readonly source: string;
  /** All that had a part in them; `""` for what an earlier attempt had left. */
  readonly sources: readonly string[];
  readonly reference: CompleteAssetReference;
  /** What differs; of one chunk, when `chunk` is given. */
  readonly result: IncomingResult | VerificationResult;
  /** What was done. A wrong chunk is dropped where the action is quarantine. */
  readonly action: HashMismatchAction;
  /** Index of the chunk that was found wrong by itself. */
  readonly chunk?: number | undefined;
  /** In the store's quarantine. */
  readonly quarantineId?: string | undefined;
}

/** What a flight needs of the transfer. */
export interface FlightHost extends SourceLimits {
  readonly store: Pick<ContentStore, "stat" | "receive">;
  readonly open: StreamFetch;
  readonly endpointOf: (origin: string) => string | undefined;
  readonly policy: ResolvedIntegrityPolicy;
  readonly slots: Slots;
  readonly logger: Logger;
  readonly onMismatch: (event: AssetMismatch) => void;
}

/** What is wanted; two askers share a flight when they want the same. */
export interface Wanted {
  readonly hash: AssetHash;
  readonly reference: CompleteAssetReference;
  readonly chunks: AssetChunks | undefined;
}

/** One who asked. */
export interface Asker {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
}

/** A break after this many bytes, or a 32nd of the asset, is not held against a peer. */
const HEADWAY_BYTES = 64 * 1024;

/** A fetch under way. */
export class Flight {
  readonly wanted: Wanted;
  readonly #host: FlightHost;
  readonly #sources: Sources;
  readonly #askers = new Set<Asker>();
  readonly #abort = new AbortController();
  readonly #done: Promise<StoredAsset>;
  /** Who sent what is there; `""`: it was there before. */
  readonly #contributors = new Set<string>();
  #incoming: IncomingAsset | undefined;
  #highest = 0;
  #sawWrongBytes = false;

  /** @param onEnd - Called before anybody hears how it ended. */
  constructor(host: FlightHost, wanted: Wanted, sources: Iterable<string>, onEnd: () => void) {
    this.#host = host;
    this.wanted = wanted;
    this.#sources = new Sources(host);
    this.#sources.add(sources);
    this.#done = this.#run().finally(onEnd);
    // Askers hear of it; when the last one has left nobody does.
    this.#done.catch(() => undefined);
  }

  /** Whether whoever wants this can be served by this flight. */
  serves({ reference, chunks }: Wanted): boolean {
    const mine = this.wanted;
    return (
      !this.#abort.signal.aborted &&
      reference.size === mine.reference.size &&
      reference.mediaType === mine.reference.mediaType &&
      chunks?.chunkSize === mine.chunks?.chunkSize &&
      chunks?.chunks.join() === mine.chunks?.chunks.join()
    );
  }

  /** Further servers that may have it. */
  addSources(origins: Iterable<string>): void {
    this.#sources.add(origins);
  }

  /** Waits for the asset; when all who wait have given up, so does the flight. */
  join(asker: Asker): Promise<StoredAsset> {
    this.#askers.add(asker);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#askers.delete(asker);
        asker.signal?.removeEventListener("abort", giveUp);
      };
      const giveUp = (): void => {
        leave();
        reject(asker.signal?.reason as Error);
        if (this.#askers.size === 0) this.stop(asker.signal?.reason);
      };
      asker.signal?.addEventListener("abort", giveUp, { once: true });
      this.#done.finally(leave).then(resolve, reject);
    });
  }

  /** Ends it for everybody; what came in is kept for a later attempt. */
  stop(reason: unknown): void {
    this.#abort.abort(reason);
  }

  /** The asset, or why it did not come. */
  get done(): Promise<StoredAsset> {
    return this.#done;
  }

  /** Resolves when it is over, however it went: to whether the asset is here. */
  async settled(): Promise<boolean> {
    return this.#done.then(
      () => true,
      () => false,
    );
  }

  async #run(): Promise<StoredAsset> {
    const { store } = this.#host;
    const { hash, reference } = this.wanted;
    // It may have come in between the asker's look and this.
    const there = await store.stat(hash.sri);
    if (there !== undefined) return there;
    try {
      for (;;) {
        const source = this.#sources.next();
        if (source === undefined) throw this.#failure();
        if (!(await this.#try(source))) continue;
        const { sri, hex } = hash;
        const { size, mediaType } = reference;
        return (await store.stat(sri)) ?? { hash: sri, hex, size, mediaType };
      }
    } finally {
      const left = this.#incoming;
      if (left !== undefined) await (left.offset > 0 ? left.suspend() : left.discard());
    }
  }

  /** Asks one peer once; whether the asset is here now. */
  async #try(source: Source): Promise<boolean> {
    const { endpointOf, slots, clock } = this.#host;
    const { signal } = this.#abort;
    await sleep(clock, source.readyAt - clock.monotonic(), signal);
    // Asked each time: trust may end while a transfer lasts.
    const endpoint = endpointOf(source.origin);
    if (endpoint === undefined) {
      this.#sources.giveUp(source, "not known or not trusted here");
      return false;
    }
    const release = await slots.acquire(source.origin, signal);
    let end: ExchangeEnd;
    try {
      end = await this.#exchange(source, endpoint);
    } finally {
      release();
    }
    const incoming = this.#incoming;
    if (incoming === undefined) throw new Error("nothing is coming in");
    switch (end.end) {
      case "complete":
        return await this.#commit(source, incoming);
      case "changed":
        await this.#restart(incoming);
        this.#failed(source, end.why);
        return false;
      case "broken":
        this.#failed(source, end.why, end);
        return false;
      case "refused":
        this.#sources.giveUp(source, end.why);
        return false;
      case "wrong":
        this.#sources.giveUp(source, end.why);
        await this.#wrong(source, incoming, end.result, end.chunk);
        return false;
    }
  }

  async #exchange(source: Source, endpoint: string): Promise<ExchangeEnd> {
    const { hash, reference, chunks } = this.wanted;
    const { size, mediaType, originServer: owner } = reference;
    const { origin, patience } = source;
    if (this.#incoming === undefined) {
      this.#incoming = await this.#host.store.receive({ hash: hash.sri, size, mediaType, owner });
      this.#contributors.clear();
      if (this.#incoming.resumed) this.#contributors.add("");
      this.#highest = this.#incoming.offset;
      if (this.#incoming.resumed && this.#incoming.offset === size) return { end: "complete" };
    }
    const incoming = this.#incoming;
    if (this.#sources.oneByOne && [...this.#contributors].some((each) => each !== origin)) {
      await this.#restart(incoming);
      this.#highest = 0;
    }
    return exchange({
      open: this.#host.open,
      url: `${endpoint.replace(/\/$/u, "")}/assets/sha256/${hash.hex}`,
      hex: hash.hex,
      hash: hash.sri,
      size,
      chunks,
      incoming,
      patience,
      signal: this.#abort.signal,
      onBytes: () => {
        this.#contributors.add(origin);
        this.#tell({
          hash: hash.sri,
          receivedBytes: incoming.offset,
          totalBytes: size,
          source: origin,
        });
      },
      onRestart: () => {
        this.#contributors.clear();
      },
    });
  }

  async #commit(source: Source, incoming: IncomingAsset): Promise<boolean> {
    const result = await incoming.commit();
    if (result.valid) return true;
    if ("type" in result.actual) {
      await incoming.discard();
      const { type } = result.actual as { type?: string };
      throw new FederationError(
        "ERR_FED_ASSET_TYPE",
        `The asset is no ${this.wanted.reference.mediaType}: it looks like ${type ?? "something else"}.`,
      );
    }
    const others = [...this.#contributors].filter((each) => each !== source.origin);
    const why = "its bytes do not match the hash";
    if (others.length === 0) this.#sources.giveUp(source, why);
    else this.#sources.askOneByOne(source, why);
    await this.#wrong(source, incoming, result);
    return false;
  }

  /** Does with wrong bytes what the operator wants done. */
  async #wrong(
    source: Source,
    incoming: IncomingAsset,
    result: AssetMismatch["result"],
    chunk?: number,
  ): Promise<void> {
    const { policy, logger, onMismatch } = this.#host;
    const { reference } = this.wanted;
    this.#sawWrongBytes = true;
    const sources = chunk === undefined ? [...this.#contributors] : [source.origin];
    const action = strongest(
      [source.origin, ...sources]
        .filter((origin) => origin !== "")
        .map((origin) => mismatchAction(policy, origin, reference.policy)),
    );
    let quarantineId: string | undefined;
    if (chunk === undefined) {
      if (action === HashMismatchAction.Quarantine && incoming.offset > 0) {
        this.#incoming = undefined;
        quarantineId = await incoming.quarantine({
          reason: `${source.why}; sent by ${sources.map((each) => each || "an earlier attempt").join(", ")}`,
          origin: source.origin,
        });
      } else await incoming.restart();
      this.#contributors.clear();
      this.#highest = 0;
    }
    const said = `asset ${reference.assetHash} from ${source.origin}: ${source.why}`;
    if (action === HashMismatchAction.Reject) logger.info(said, { peer: source.origin });
    else logger.warn(said, { peer: source.origin });
    try {
      onMismatch({
        source: source.origin,
        sources,
        reference,
        result,
        action,
        chunk,
        quarantineId,
      });
    } catch (cause) {
      logger.error("a listener for asset mismatches failed", cause);
    }
  }

  async #restart(incoming: IncomingAsset): Promise<void> {
    if (incoming.offset > 0) await incoming.restart();
    this.#contributors.clear();
  }

  #failed(source: Source, why: string, how: Omit<SourceFailure, "gotOn"> = {}): void {
    const offset = this.#incoming?.offset ?? 0;
    const headway = Math.min(HEADWAY_BYTES, Math.ceil(this.wanted.reference.size / 32));
    const gotOn = offset - this.#highest >= headway && offset > this.#highest;
    this.#highest = Math.max(this.#highest, offset);
    this.#sources.failed(source, why, { ...how, gotOn });
  }

  #failure(): FederationError {
    const message = `Asset ${this.wanted.hash.sri} cannot be had. ${this.#sources.tried}.`;
    if (this.#sawWrongBytes) return new FederationError("ERR_FED_ASSET_MISMATCH", message);
    return new FederationError(
      this.#sources.allTimedOut ? "ERR_FED_TIMEOUT" : "ERR_FED_ASSET_UNAVAILABLE",
      message,
    );
  }

  #tell(progress: TransferProgress): void {
    for (const { onProgress } of [...this.#askers]) {
      try {
        onProgress?.(progress);
      } catch (cause) {
        this.#host.logger.error("a listener for a transfer's progress failed", cause);
      }
    }
  }
}

/** Waits; rejects with the signal's reason. */
async function sleep(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (milliseconds <= 0) return;
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      clock.clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = clock.setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", stop, { once: true });
  });
}
