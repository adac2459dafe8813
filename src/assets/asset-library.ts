/**
 * The assets of one server: its own, those its visitors brought, and those it was asked to prepare.
 */
import { createReadStream } from "node:fs";
import { type CallAnswer, FederationError } from "../errors.ts";
import type { VerifyKey } from "../identity/ed25519.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import type { Clock, PeerCalls } from "../ports.ts";
import { DEFAULT_CHUNK_BYTES, hashChunks } from "./verify/chunks.ts";
import type { ContentStore } from "./store/content-store.ts";
import type { StoredAsset } from "./store/stored-asset.ts";
import {
  type AssetManifest,
  MANIFEST_MEDIA_TYPE,
  MAX_MANIFEST_LENGTH,
  buildManifest,
  manifestReference,
  verifyManifest,
} from "./verify/manifest.ts";
import { type PreparationStatus, Preparations } from "./transfer/preparations.ts";
import { type PreparedAt, prepareAt } from "./transfer/prepare-at.ts";
import type { CompleteAssetReference, ResolvedIntegrityPolicy } from "./verify/reference.ts";
import type { AssetTransfer } from "./transfer/transfer.ts";

/** Options of {@link AssetLibrary}. */
export interface AssetLibraryOptions {
  readonly origin: string;
  readonly store: ContentStore;
  readonly transfer: AssetTransfer;
  readonly policy: ResolvedIntegrityPolicy;
  readonly allowInsecure: boolean;
  readonly signingKey: () => SigningKey;
  /** The key under which a server signs its manifests. */
  readonly issuerKey: (issuer: string, kid: string) => VerifyKey | undefined;
  readonly peers: PeerCalls;
  readonly clock: Clock;
  /** How long a crossing waits for assets. */
  readonly timeoutSeconds: number;
}

/** Everything PROTOCOL 9 asks of one server, without knowing HTTP. */
export class AssetLibrary {
  readonly store: ContentStore;
  /** What this server takes. */
  readonly policy: ResolvedIntegrityPolicy;
  readonly #options: AssetLibraryOptions;
  readonly #preparations: Preparations;

  constructor(options: AssetLibraryOptions) {
    this.#options = options;
    this.store = options.store;
    this.policy = options.policy;
    this.#preparations = new Preparations({
      limits: { ...options.policy, allowInsecure: options.allowInsecure },
      clock: options.clock,
      fetch: (reference, { sources, onProgress }) => this.#obtain(reference, sources, onProgress),
    });
  }

  /** Adds a file of this server's own, read as a stream. */
  addFile(path: string, options: { readonly mediaType: string }): Promise<StoredAsset> {
    return this.store.add(createReadStream(path), options);
  }

  /**
   * Signs a list of assets and stores it as one of this server's own. Those larger than a chunk get
   * the hashes of their chunks.
   *
   * @throws TypeError for an asset that is not in the store, for more than 64, for one that is twice.
   */
  async addManifest(
    references: readonly Pick<CompleteAssetReference, "assetHash">[],
    { player }: { readonly player?: string },
  ): Promise<StoredAsset> {
    const { origin, clock, signingKey } = this.#options;
    const assets = [];
    for (const reference of references) assets.push(await this.#describe(reference));
    const iat = Math.floor(clock.now() / 1000);
    const sub = player === undefined ? {} : { sub: player };
    const token = await buildManifest({ iss: origin, iat, assets, ...sub }, signingKey());
    return this.store.add(Buffer.from(token), { mediaType: MANIFEST_MEDIA_TYPE });
  }

  /** Answers `assets/prepare`. */
  answer(caller: string, body: unknown): Promise<CallAnswer> {
    return this.#preparations.answer(caller, body);
  }

  /** Fetches what is not here. Resolves once each is here or has failed, with how it went. */
  prepare(
    references: readonly CompleteAssetReference[],
    sources: readonly string[] = [],
  ): Promise<PreparationStatus> {
    this.#preparations.begin(references, sources);
    return this.#preparations.settled(references);
  }

  /** Has another server fetch assets; resolves when it has them. */
  sendAhead(
    destination: string,
    references: readonly CompleteAssetReference[],
    options: {
      readonly signal: AbortSignal;
      readonly onProgress: (status: PreparationStatus) => void;
    },
  ): Promise<PreparedAt> {
    const { peers, clock, timeoutSeconds } = this.#options;
    return prepareAt(destination, references, { peers, clock, timeoutSeconds, ...options });
  }

  /** Tells another server what a player brings, without waiting for it. */
  announce(destination: string, references: readonly CompleteAssetReference[]): void {
    const { peers } = this.#options;
    // Best effort: it learns of them from the player's belongings, too.
    peers.call(destination, "/assets/prepare", { assets: references }).catch(() => undefined);
  }

  /** Fetches what a player wears and spares it from eviction until the returned function is called. */
  hold(references: readonly CompleteAssetReference[], sources: readonly string[]): () => void {
    this.#preparations.begin(references, sources);
    const releases = references.map(({ assetHash }) => this.store.hold(assetHash));
    return () => {
      for (const release of releases.splice(0)) release();
    };
  }

  /** Whether an asset that is on its way came, once that is known; undefined when it is not coming. */
  pending(hex: string): Promise<boolean> | undefined {
    return this.#options.transfer.pending(hex);
  }

  async #obtain(
    reference: CompleteAssetReference,
    sources: readonly string[],
    onProgress: (receivedBytes: number, totalBytes: number) => void,
  ): Promise<void> {
    const { transfer } = this.#options;
    await transfer.fetch(reference, {
      sources,
      onProgress: ({ receivedBytes }) => {
        onProgress(receivedBytes, reference.size);
      },
    });
    if (reference.mediaType === MANIFEST_MEDIA_TYPE) {
      await this.#obtainAll(await this.#readManifest(reference), reference, sources, onProgress);
    }
  }

  async #obtainAll(
    manifest: AssetManifest,
    { size: manifestBytes }: CompleteAssetReference,
    sources: readonly string[],
    onProgress: (receivedBytes: number, totalBytes: number) => void,
  ): Promise<void> {
    const received = manifest.assets.map(() => 0);
    const sum = (bytes: readonly number[]): number =>
      bytes.reduce((total, each) => total + each, manifestBytes);
    const totalBytes = sum(manifest.assets.map(({ size }) => size));
    await Promise.all(
      manifest.assets.map(async (entry, index) => {
        const { reference, chunks } = manifestReference(manifest, entry);
        await this.#options.transfer.fetch(reference, {
          ...{ sources, chunks },
          onProgress: ({ receivedBytes }) => {
            received[index] = receivedBytes;
            onProgress(sum(received), totalBytes);
          },
        });
      }),
    );
  }

  async #readManifest(reference: CompleteAssetReference): Promise<AssetManifest> {
    const { clock, issuerKey, allowInsecure } = this.#options;
    const open = await this.store.open(reference.assetHash);
    if (open === undefined) throw new FederationError("ERR_FED_ASSET_UNAVAILABLE");
    try {
      if (open.asset.size > MAX_MANIFEST_LENGTH)
        throw new FederationError("ERR_FED_ASSET_MANIFEST");
      const pieces: Uint8Array[] = [];
      for await (const piece of open.stream()) pieces.push(piece as Uint8Array);
      const verified = await verifyManifest(Buffer.concat(pieces).toString("utf8"), {
        now: clock.now(),
        keyFor: issuerKey,
        issuer: reference.originServer,
        allowInsecure,
      });
      if (!verified.verified) throw new FederationError(verified.code, verified.reason);
      return verified.manifest;
    } finally {
      await open.close();
    }
  }

  /** What a manifest says of one of this server's assets. */
  async #describe({
    assetHash,
  }: Pick<CompleteAssetReference, "assetHash">): Promise<AssetManifest["assets"][number]> {
    const stored = await this.store.stat(assetHash);
    const open = stored === undefined ? undefined : await this.store.open(assetHash);
    if (stored === undefined || open === undefined) {
      throw new TypeError(`references: ${assetHash} is not in this server's store: add it first`);
    }
    const { size, mediaType } = stored;
    try {
      const hashes = size > DEFAULT_CHUNK_BYTES ? await hashChunks(open.stream()) : {};
      return { assetHash, size, mediaType, ...hashes };
    } finally {
      await open.close();
    }
  }
}
