/**
 * The assets of one server: its own, those its visitors brought, and those it was asked to prepare.
 */
import { createReadStream } from "node:fs";
import type { PeerCalls } from "../custody/home.ts";
import type { CustodyAnswer } from "../custody/inbound.ts";
import type { Clock } from "../ports.ts";
import type { ContentStore, StoredAsset } from "./content-store.ts";
import {
  type PreparationStatus,
  type PreparedAt,
  Preparations,
  prepareAt,
} from "./preparations.ts";
import type { FederationAssetReference, ResolvedIntegrityPolicy } from "./reference.ts";
import type { AssetTransfer } from "./transfer.ts";

/** Options of {@link AssetLibrary}. */
export interface AssetLibraryOptions {
  readonly origin: string;
  readonly store: ContentStore;
  readonly transfer: AssetTransfer;
  readonly policy: ResolvedIntegrityPolicy;
  readonly allowInsecure: boolean;
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

  /** Answers `assets/prepare`. */
  answer(caller: string, body: unknown): Promise<CustodyAnswer> {
    return this.#preparations.answer(caller, body);
  }

  /** Fetches what is not here. Resolves once each is here or has failed, with how it went. */
  prepare(
    references: readonly FederationAssetReference[],
    sources: readonly string[] = [],
  ): Promise<PreparationStatus> {
    this.#preparations.begin(references, sources);
    return this.#preparations.settled(references);
  }

  /** Has another server fetch assets; resolves when it has them. */
  sendAhead(
    destination: string,
    references: readonly FederationAssetReference[],
    options: {
      readonly signal: AbortSignal;
      readonly onProgress: (status: PreparationStatus) => void;
    },
  ): Promise<PreparedAt> {
    const { peers, clock, timeoutSeconds } = this.#options;
    return prepareAt(destination, references, { peers, clock, timeoutSeconds, ...options });
  }

  /** Fetches what a player wears and spares it from eviction until the returned function is called. */
  hold(references: readonly FederationAssetReference[], sources: readonly string[]): () => void {
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
    reference: FederationAssetReference,
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
  }
}
