import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContentStore } from "../../src/assets/store/content-store.ts";
import { assetHash } from "../../src/assets/verify/integrity.ts";
import {
  type AssetIntegrityPolicy,
  type FederationAssetReference,
  resolveIntegrityPolicy,
} from "../../src/assets/verify/reference.ts";
import type { AssetMismatch } from "../../src/assets/transfer/flight.ts";
import { AssetTransfer, type AssetTransferOptions } from "../../src/assets/transfer/transfer.ts";
import { createAssetSource } from "../../src/http/outbound/asset-source.ts";
import { type Clock, type Logger, systemClock } from "../../src/ports.ts";
import { type AssetHandler, AssetPeer } from "./asset-peer.ts";
import { quickClock } from "./quick-clock.ts";
import { seededRandom } from "./seeded-random.ts";

/** A logger that keeps what it is told. */
export function listeningLogger(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const add =
    (level: string) =>
    (message: string): void => {
      lines.push(`${level}: ${message}`);
    };
  return { lines, debug: add("debug"), info: add("info"), warn: add("warn"), error: add("error") };
}

/** Bytes that look like nothing. */
export function blob(size: number): Buffer {
  const bytes = randomBytes(size);
  if (size > 0) bytes[0] = 0;
  return bytes;
}

/** SRI. */
export function sriOf(bytes: Uint8Array): string {
  return assetHash("sha256", createHash("sha256").update(bytes).digest()).sri;
}

/** A store on disk, a transfer into it, and peers to transfer from; closed together. */
export class TransferBench {
  readonly store: ContentStore;
  readonly transfer: AssetTransfer;
  readonly mismatches: AssetMismatch[];
  readonly logger: ReturnType<typeof listeningLogger>;
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
    const logger = listeningLogger();
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
    changes: Partial<FederationAssetReference> = {},
  ): FederationAssetReference {
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
    const opened = await this.store.open(hash);
    if (opened === undefined) return undefined;
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of opened.stream()) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    } finally {
      await opened.close();
    }
  }

  async close(): Promise<void> {
    for (const close of this.#closers) await close();
    for (const peer of this.#peers) await peer.close();
  }
}
