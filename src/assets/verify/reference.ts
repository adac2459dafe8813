/** A reference to an asset as a peer sends it, and what the operator says is done about wrong ones. */
import { z } from "zod";
import { type Refusal, refuse } from "../../errors.ts";
import { isOrigin } from "../../identity/origin.ts";
import { parseAssetHash } from "./integrity.ts";
import { DEFAULT_MEDIA_TYPES, isMediaType } from "./media-type.ts";

/**
 * What is done with bytes that are not those their hash names. Whichever it is, they are never served.
 *
 * `reject`: dropped. `report`: dropped, and the operator is told. `quarantine`: kept aside for the
 * operator, who releases or purges them.
 */
export const HashMismatchAction = {
  Reject: "reject",
  Report: "report",
  Quarantine: "quarantine",
} as const;
export type HashMismatchAction = (typeof HashMismatchAction)[keyof typeof HashMismatchAction];

/** What is done about wrong bytes of one asset. */
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions -- an interface is no JSON to the compiler
export type AssetMismatchPolicy = { readonly onMismatch: HashMismatchAction };

/**
 * One asset, by who has it and what its bytes are. Without `size` and `mediaType` it names what is here, or
 * in the caller's hands; other servers take it with both only, as `federation.assets.add` gives it.
 */
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions -- an interface is no JSON to the compiler
export type FederationAssetReference = {
  /** Origin of the server that has it first. */
  readonly originServer: string;
  /** SRI, sha256. */
  readonly assetHash: string;
  /** Bytes. */
  readonly size?: number;
  /** Lower case, without parameters. */
  readonly mediaType?: string;
  /** What its sender wishes in case of a mismatch, where that is more than the operator wants. */
  readonly policy?: HashMismatchAction | AssetMismatchPolicy | undefined;
};

/** A reference that other servers take. */
export type CompleteAssetReference = Omit<FederationAssetReference, "policy"> & {
  readonly size: number;
  readonly mediaType: string;
  readonly policy?: HashMismatchAction | undefined;
};

/** A reference as other servers take it; undefined for one that lacks `size` or `mediaType`. */
export function completed({
  originServer,
  assetHash,
  size,
  mediaType,
  policy,
}: FederationAssetReference): CompleteAssetReference | undefined {
  if (size === undefined || mediaType === undefined) return undefined;
  const wish = wishOf(policy);
  const bytes = { originServer, assetHash, size, mediaType };
  return wish === undefined ? bytes : { ...bytes, policy: wish };
}

/** What a reference's sender wishes, in one word. */
export function wishOf(policy: FederationAssetReference["policy"]): HashMismatchAction | undefined {
  return typeof policy === "object" ? policy.onMismatch : policy;
}

/** What the operator takes from peers, and what is done about bytes that are wrong. */
export interface AssetIntegrityPolicy {
  /** Default `reject`. */
  readonly action?: HashMismatchAction | undefined;
  /** By origin: goes before the default. */
  readonly peers?: Readonly<Record<string, HashMismatchAction>> | undefined;
  /** The largest asset taken. Default 64 MiB. */
  readonly maxAssetBytes?: number | undefined;
  /** The types taken. Default: images, sounds, videos, models, fonts, JSON and text, none that a browser would run. */
  readonly mediaTypes?: readonly string[] | undefined;
}

/** An {@link AssetIntegrityPolicy} with its defaults, checked. */
export interface ResolvedIntegrityPolicy {
  readonly action: HashMismatchAction;
  readonly peers: ReadonlyMap<string, HashMismatchAction>;
  readonly maxAssetBytes: number;
  readonly mediaTypes: ReadonlySet<string>;
}

const DEFAULT_MAX_ASSET_BYTES = 64 * 1024 * 1024;
const actionSchema = z.enum(HashMismatchAction);

/**
 * Fills in a policy's defaults.
 *
 * @throws TypeError naming the option that is wrong.
 */
export function resolveIntegrityPolicy(policy: AssetIntegrityPolicy = {}): ResolvedIntegrityPolicy {
  const action = policy.action ?? HashMismatchAction.Reject;
  assertAction("action", action);
  const peers = new Map(Object.entries(policy.peers ?? {}));
  for (const [origin, theirs] of peers) {
    const isKey: boolean = isOrigin(origin, { allowInsecure: true });
    if (!isKey) {
      throw new TypeError(`peers: "${origin}" is not an origin such as https://worlds.example.com`);
    }
    assertAction(`peers["${origin}"]`, theirs);
  }
  const maxAssetBytes = policy.maxAssetBytes ?? DEFAULT_MAX_ASSET_BYTES;
  if (!Number.isSafeInteger(maxAssetBytes) || maxAssetBytes < 1) {
    throw new TypeError("maxAssetBytes must be a whole number of bytes, 1 or more");
  }
  const mediaTypes = new Set(policy.mediaTypes ?? DEFAULT_MEDIA_TYPES);
  for (const mediaType of mediaTypes) {
    if (!isMediaType(mediaType)) {
      throw new TypeError(
        `mediaTypes: "${mediaType}" is not a media type in lower case without parameters`,
      );
    }
  }
  return { action, peers, maxAssetBytes, mediaTypes };
}

function assertAction(option: string, value: unknown): void {
  if (!actionSchema.safeParse(value).success) {
    throw new TypeError(`${option} must be "reject", "report" or "quarantine"`);
  }
}

/**
 * What is done about wrong bytes that came from `origin`: the operator's word about that peer, else the
 * default. The reference's own wish comes from whoever sent the bytes: it may only tighten.
 */
export function mismatchAction(
  policy: ResolvedIntegrityPolicy,
  origin: string,
  wish?: HashMismatchAction,
): HashMismatchAction {
  const word = policy.peers.get(origin) ?? policy.action;
  return wish === undefined ? word : strongest([word, wish]);
}

/** The strictest of several actions. */
export function strongest(actions: readonly HashMismatchAction[]): HashMismatchAction {
  const { Quarantine, Report, Reject } = HashMismatchAction;
  return [Quarantine, Report].find((action) => actions.includes(action)) ?? Reject;
}

const referenceSchema = z.strictObject({
  originServer: z.string().max(300),
  assetHash: z.string().max(128),
  size: z.int().nonnegative(),
  mediaType: z.string().max(127),
  policy: z
    .union([actionSchema, z.strictObject({ onMismatch: actionSchema }).transform(wishOf)])
    .optional(),
});

/** What references are taken. */
export interface ReferenceLimits {
  readonly maxAssetBytes: number;
  readonly mediaTypes: Pick<ReadonlySet<string>, "has">;
  /** Takes `http:` origins too, for development. Default false. */
  readonly allowInsecure?: boolean;
}

/** A reference that this server takes, or why it does not. */
export type ParsedAssetReference =
  { readonly verified: true; readonly reference: CompleteAssetReference } | Refusal;

/**
 * Reads a reference from a peer. A hash in hex comes out as SRI.
 *
 * Refuses with `ERR_FED_MALFORMED`, `ERR_FED_ASSET_HASH_INVALID` (also for sha384 and sha512: assets
 * are kept by their sha256), `ERR_FED_ASSET_TOO_LARGE` or `ERR_FED_ASSET_TYPE`.
 */
export function parseAssetReference(value: unknown, limits: ReferenceLimits): ParsedAssetReference {
  const parsed = referenceSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refuse(
      "ERR_FED_MALFORMED",
      `asset reference: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.slice(0, 200),
    );
  }
  const { originServer, assetHash, size, mediaType, policy } = parsed.data;
  if (!isOrigin(originServer, { allowInsecure: limits.allowInsecure ?? false })) {
    return refuse("ERR_FED_MALFORMED", "asset reference: originServer is not an origin");
  }
  const hash = readHash(assetHash);
  if (hash?.algorithm !== "sha256") {
    return refuse("ERR_FED_ASSET_HASH_INVALID", "asset reference: assetHash must be sha256");
  }
  if (size > limits.maxAssetBytes) {
    return refuse("ERR_FED_ASSET_TOO_LARGE", `at most ${limits.maxAssetBytes} bytes are taken`);
  }
  if (!limits.mediaTypes.has(mediaType)) {
    return refuse("ERR_FED_ASSET_TYPE", `assets of type ${mediaType.slice(0, 80)} are not taken`);
  }
  return {
    verified: true,
    reference: {
      originServer,
      assetHash: hash.sri,
      size,
      mediaType,
      ...(policy === undefined ? {} : { policy }),
    },
  };
}

function readHash(text: string): ReturnType<typeof parseAssetHash> | undefined {
  try {
    return parseAssetHash(text);
  } catch {
    return undefined;
  }
}
