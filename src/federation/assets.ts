import { z } from "zod";
import { checkOptions, optionsSchema } from "../options.ts";
import type { Quarantine } from "../assets/store/quarantine.ts";
import type { PreparationStatus } from "../assets/transfer/preparations.ts";
import {
  type CompleteAssetReference,
  type FederationAssetReference,
  completed,
  parseAssetReference,
} from "../assets/verify/reference.ts";
import type { StoredAsset } from "../assets/store/stored-asset.ts";
import { parseAssetHash } from "../assets/verify/integrity.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";

const ADD_OPTIONS = optionsSchema(
  { mediaType: z.string('a media type such as "image/png"') },
  'options such as { mediaType: "image/png" }',
);
const MANIFEST_OPTIONS = optionsSchema(
  { player: z.string("a player such as ada@worlds.example.com").optional() },
  "options such as { player }",
);

/** Files that players wear and rooms show, on this server and from others (PROTOCOL 9). */
export class FederationAssets {
  readonly #runtime: FederationRuntime;

  constructor(runtime: FederationRuntime) {
    this.#runtime = runtime;
  }

  /**
   * Puts a file of this server into its store, to be served for ever, and returns its reference. The
   * same bytes again are the same asset.
   *
   * @param options - `mediaType`: lower case, without parameters; the bytes must look like it.
   * @throws TypeError naming the option that is wrong.
   * @throws FederationError `ERR_FED_ASSET_TYPE`, `ERR_FED_ASSET_TOO_LARGE`,
   * `ERR_FED_ASSET_STORE_FULL`.
   */
  async add(
    source: Uint8Array | AsyncIterable<Uint8Array>,
    options: { readonly mediaType: string },
  ): Promise<CompleteAssetReference> {
    checkOptions(ADD_OPTIONS, options, "add");
    return this.#reference(await this.#runtime.assets.store.add(source, options));
  }

  /** {@link add} for a file on disk; it is read as a stream. */
  async addFile(
    path: string,
    options: { readonly mediaType: string },
  ): Promise<CompleteAssetReference> {
    checkOptions(ADD_OPTIONS, options, "addFile");
    return this.#reference(await this.#runtime.assets.addFile(path, options));
  }

  /**
   * Signs a list of this server's assets and stores it as an asset of its own: a player that carries
   * the manifest's reference brings all that is on it. At most 64.
   *
   * @param options - `player`: whose they are, `<local id>@<home>`.
   * @throws TypeError for an asset that is not in the store, or is named twice.
   */
  async manifest(
    references: readonly Pick<FederationAssetReference, "assetHash">[],
    options: { readonly player?: string } = {},
  ): Promise<CompleteAssetReference> {
    checkOptions(MANIFEST_OPTIONS, options, "manifest");
    return this.#reference(await this.#runtime.assets.addManifest(references, options));
  }

  /** Reads a reference that came from somewhere else; undefined when this server takes no such asset. */
  read(value: unknown): CompleteAssetReference | undefined {
    const { assets, options } = this.#runtime;
    const parsed = parseAssetReference(value, {
      ...assets.policy,
      allowInsecure: options.allowInsecure,
    });
    return parsed.verified ? parsed.reference : undefined;
  }

  /**
   * Fetches what is not here yet, from the reference's server or any other that has it. Resolves
   * once each asset is here or has failed, with `failed` naming those; never rejects for what other
   * servers do. A reference without `size` or `mediaType` has failed (`ERR_FED_MALFORMED`).
   */
  async prepare(references: readonly FederationAssetReference[]): Promise<PreparationStatus> {
    const complete = references.flatMap((reference) => completed(reference) ?? []);
    const status = await this.#runtime.assets.prepare(complete);
    const lacking = references
      .filter((reference) => completed(reference) === undefined)
      .map(({ assetHash }) => ({ assetHash, code: "ERR_FED_MALFORMED" }) as const);
    return { ...status, failed: [...status.failed, ...lacking] };
  }

  /** Where players of this server load an asset from. */
  urlOf({ assetHash }: Pick<FederationAssetReference, "assetHash">): string {
    return `${this.#runtime.options.endpoint}/assets/sha256/${parseAssetHash(assetHash).hex}`;
  }

  /** Takes an asset out of the store. False when it was not there. */
  remove({ assetHash }: Pick<FederationAssetReference, "assetHash">): Promise<boolean> {
    return this.#runtime.assets.store.remove(assetHash);
  }

  /** Wrong bytes put aside, where the policy says so: to list, release or purge. */
  get quarantine(): Quarantine {
    return this.#runtime.assets.store.quarantine;
  }

  #reference({ hash, size, mediaType }: StoredAsset): CompleteAssetReference {
    return { originServer: this.#runtime.options.origin, assetHash: hash, size, mediaType };
  }
}
