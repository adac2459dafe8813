/** Signed lists of assets (PROTOCOL 9): the owner's word on all that, say, an avatar is made of. */
import { z } from "zod";
import { type Refusal, refuse } from "../../errors.ts";
import type { VerifyKey } from "../../identity/ed25519.ts";
import { signJws, verifyJws } from "../../identity/jws.ts";
import { isOrigin } from "../../identity/origin.ts";
import type { SigningKey } from "../../identity/server-keys.ts";
import { type AssetChunks, chunksFit } from "./chunks.ts";
import { parseAssetHash } from "./integrity.ts";
import { isMediaType } from "./media-type.ts";
import type { CompleteAssetReference } from "./reference.ts";

/** Of a manifest that is an asset itself. */
export const MANIFEST_MEDIA_TYPE = "application/aether-assets+jwt";
const MANIFEST_TYPE = "aether-assets+jwt";
/** Assets of one manifest. */
export const MAX_MANIFEST_ASSETS = 64;
/** Characters of a manifest as it is sent: some 4000 chunks. */
export const MAX_MANIFEST_LENGTH = 256 * 1024;
/** How far the owner's clock may be ahead. */
const CLOCK_SKEW_SECONDS = 30;
/** base64 of 32 bytes. */
const SHA256_BASE64 = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/u;

const entrySchema = z
  .strictObject({
    assetHash: z.string().max(128).refine(isSha256, "must be the SRI of a sha256"),
    size: z.int().nonnegative(),
    mediaType: z.string().max(127).refine(isMediaType, "must be a media type"),
    chunkSize: z.int().optional(),
    chunks: z
      .array(z.string().regex(SHA256_BASE64))
      .max(MAX_MANIFEST_LENGTH / 44)
      .optional(),
  })
  .refine(
    ({ size, chunkSize, chunks }) =>
      (chunkSize === undefined && chunks === undefined) ||
      (chunkSize !== undefined && chunks !== undefined && chunksFit({ chunkSize, chunks }, size)),
    "chunkSize and chunks must be those of the size",
  );

const manifestSchema = z.strictObject({
  iss: z.string().max(300),
  sub: z.string().min(1).max(400).optional(),
  iat: z.int().nonnegative(),
  assets: z
    .array(entrySchema)
    .max(MAX_MANIFEST_ASSETS)
    .refine(
      (assets) => new Set(assets.map(({ assetHash }) => assetHash)).size === assets.length,
      "each asset must be there once",
    ),
});

/** One asset of a manifest. */
export interface ManifestEntry {
  /** SRI, sha256. */
  readonly assetHash: string;
  /** Bytes. */
  readonly size: number;
  /** Lower case, without parameters. */
  readonly mediaType: string;
  /** With `chunks`: bytes of each chunk but the last. */
  readonly chunkSize?: number | undefined;
  /** sha256 of each chunk, base64. */
  readonly chunks?: readonly string[] | undefined;
}

/** What a manifest says. */
export interface AssetManifest {
  /** Origin of the server that signed it and has the assets. */
  readonly iss: string;
  /** The player they are of. */
  readonly sub?: string | undefined;
  /** Unix seconds. */
  readonly iat: number;
  /** At most {@link MAX_MANIFEST_ASSETS}, none twice. */
  readonly assets: readonly ManifestEntry[];
}

/**
 * Signs a manifest with the key of the server that it is from.
 *
 * @throws TypeError when it would not verify: too long, too many assets, or a wrong entry.
 */
export async function buildManifest(manifest: AssetManifest, key: SigningKey): Promise<string> {
  const shape = manifestSchema.safeParse(manifest);
  if (!shape.success) throw new TypeError(`manifest: ${issueOf(shape.error)}`);
  const token = await signJws(shape.data, MANIFEST_TYPE, key);
  if (token.length > MAX_MANIFEST_LENGTH) {
    throw new TypeError(
      `manifest: ${token.length} characters are more than ${MAX_MANIFEST_LENGTH}; take larger chunks or fewer assets`,
    );
  }
  return token;
}

/** Options of {@link verifyManifest}. */
export interface VerifyManifestOptions {
  /** Unix milliseconds. */
  readonly now: number;
  /** The pinned key of a trusted server, or undefined. */
  readonly keyFor: (issuer: string, kid: string) => VerifyKey | undefined;
  /** Who must have signed it, where that is known. */
  readonly issuer?: string | undefined;
  /** Takes `http:` origins too, for development. Default false. */
  readonly allowInsecure?: boolean | undefined;
}

/**
 * Verifies a manifest: size, type, the pinned key of its issuer, and every entry's form.
 *
 * Says nothing about the assets themselves; refuses with `ERR_FED_ASSET_MANIFEST`. A manifest has no
 * end: which one is the player's present one is for whoever hands it over to say.
 */
export async function verifyManifest(
  token: unknown,
  options: VerifyManifestOptions,
): Promise<{ readonly verified: true; readonly manifest: AssetManifest } | Refusal> {
  const invalid = (reason: string): Refusal => refuse("ERR_FED_ASSET_MANIFEST", reason);
  if (typeof token === "string" && token.length > MAX_MANIFEST_LENGTH) {
    return invalid(`a manifest has at most ${MAX_MANIFEST_LENGTH} characters`);
  }
  const result = verifyJws(token, {
    typ: MANIFEST_TYPE,
    invalid: "ERR_FED_ASSET_MANIFEST",
    maxLength: MAX_MANIFEST_LENGTH,
    keyFor: (header, payload) => {
      const { iss } = payload;
      const { kid } = header;
      if (options.issuer !== undefined && iss !== options.issuer) {
        return invalid("the manifest is from another server");
      }
      const key =
        typeof kid === "string" && isOrigin(iss, { allowInsecure: options.allowInsecure ?? false })
          ? options.keyFor(iss, kid)
          : undefined;
      return key ?? invalid("the issuer or its key is not trusted here");
    },
  });
  if (!result.verified) return result;
  const shape = manifestSchema.safeParse(result.payload);
  if (!shape.success) return invalid(issueOf(shape.error));
  const manifest = shape.data;
  if (manifest.iat > options.now / 1000 + CLOCK_SKEW_SECONDS) {
    return invalid("the manifest was signed in the future: check the clocks");
  }
  return { verified: true, manifest };
}

/** What {@link verifyManifest}'s entry says, as `AssetTransfer.fetch` takes it. */
export function manifestReference(
  manifest: AssetManifest,
  entry: ManifestEntry,
): { readonly reference: CompleteAssetReference; readonly chunks: AssetChunks | undefined } {
  const { assetHash, size, mediaType, chunkSize, chunks } = entry;
  return {
    reference: { originServer: manifest.iss, assetHash, size, mediaType },
    chunks: chunkSize === undefined || chunks === undefined ? undefined : { chunkSize, chunks },
  };
}

function isSha256(text: string): boolean {
  try {
    const { algorithm, sri } = parseAssetHash(text);
    return algorithm === "sha256" && sri === text;
  } catch {
    return false;
  }
}

function issueOf(error: z.ZodError): string {
  const [issue] = error.issues;
  return `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "malformed"}`.slice(0, 200);
}
