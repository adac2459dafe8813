import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContentStore } from "../../src/assets/store/content-store.ts";
import {
  type AssetIntegrityPolicy,
  type CompleteAssetReference,
  resolveIntegrityPolicy,
} from "../../src/assets/verify/reference.ts";
import type { AssetMismatch } from "../../src/assets/transfer/flight.ts";
import { AssetTransfer, type AssetTransferOptions } from "../../src/assets/transfer/transfer.ts";
import { createAssetSource } from "../../src/http/outbound/asset-source.ts";
import { type Clock, systemClock } from "../../src/ports.ts";
import { type AssetHandler, AssetPeer } from "./asset-peer.ts";
import { sriOf } from "./assets.ts";
import { recordingLogger } from "./loggers.ts";
import { quickClock } from "./quick-clock.ts";
import { seededRandom } from "./seeded-random.ts";
import { read } from "./stores.ts";

/** A store on disk, a transfer into it, and peers to transfer from; closed together. */
export class TransferBench {
  readonly store: ContentStore;
  readonly transfer: AssetTransfer;
  readonly mismatches: AssetMismatch[];
  readonly logger: ReturnType<typeof recordingLogger>;
  /** Peers that are not trusted. */
  readonly strangers = new Set<string>();
  readonly #peers: AssetPeer[] = [];
  readonly #closers: (() => Promise<unknown>)[];

  private constructor(
    parts: Pick<TransferBench, "store" | "transfer" | "mismatches" | "logger" | "strangers">,
    closers: (() => Promise<unknown>)[],
  ) {
    this.store = parts.store;
    this.transfer = parts.transfer;
    this.mismatches = parts.mismatches;
    this.logger = parts.logger;
    this.strangers = parts.strangers;
    this.#closers = closers;
  }

  static async open(
    options: Partial<Omit<AssetTransferOptions, "policy">> & {
      readonly policy?: AssetIntegrityPolicy;
      readonly maxBytes?: number;
    } = {},
  ): Promise<TransferBench> {
    const { policy, maxBytes, ...rest } = options;
    const directory = await mkdtemp(join(tmpdir(), "aether-assets-"));
    const logger = recordingLogger();
    const store = await ContentStore.open({
      directory,
      maxBytes: maxBytes ?? 256 * 1024 * 1024,
      clock: systemClock,
      logger,
    });
    const open = createAssetSource({ allowInsecure: true, allowPrivateNetwork: false });
    const mismatches: AssetMismatch[] = [];
    const strangers = new Set<string>();
    const clock: Clock = quickClock(20);
    const transfer = new AssetTransfer({
      store,
      policy: resolveIntegrityPolicy(policy),
      open,
      endpointOf: (origin) => (strangers.has(origin) ? undefined : `${origin}/federation`),
      clock,
      random: seededRandom("transfer"),
      logger,
      onMismatch: (event) => mismatches.push(event),
      // Of a clock that runs twenty times as fast, on a machine that others use too.
      stallSeconds: 100,
      ...rest,
    });
    return new TransferBench({ store, transfer, mismatches, logger, strangers }, [
      () => transfer.close(),
      () => open.close(),
      () => store.close(),
      () => rm(directory, { recursive: true, force: true }),
    ]);
  }

  async peer(handler: AssetHandler): Promise<AssetPeer> {
    const peer = await AssetPeer.listen(handler);
    this.#peers.push(peer);
    return peer;
  }

  /** A reference to bytes, as their origin would write it. */
  reference(
    peer: { readonly origin: string },
    bytes: Uint8Array,
    changes: Partial<CompleteAssetReference> = {},
  ): CompleteAssetReference {
    return {
      originServer: peer.origin,
      assetHash: sriOf(bytes),
      size: bytes.length,
      mediaType: "application/octet-stream",
      ...changes,
    };
  }

  /** The stored bytes, read back. */
  async read(hash: string): Promise<Buffer | undefined> {
    return read(this.store, hash);
  }

  async close(): Promise<void> {
    for (const close of this.#closers) await close();
    for (const peer of this.#peers) await peer.close();
  }
}
