/** The server descriptor (PROTOCOL 2): who a server is, where it is reached and what it hosts. */
import { z } from "zod";
import { shownText } from "../words.ts";
import { FederationError, type Refusal, refuse } from "../errors.ts";
import { type PublicJwk, importVerifyKey, thumbprint } from "./ed25519.ts";
import { MAX_TOKEN_LENGTH, signJws, verifyJws } from "./jws.ts";
import { type Game, gameSchema, unfittingGame } from "./game-pages.ts";
import { type ListedAs, listedAsSchema, unfitting } from "./listed-as.ts";
import { MAX_MOVES, MAX_MOVE_LENGTH } from "./move.ts";
import { isOrigin } from "./origin.ts";
import { MAX_RECOVERIES, MAX_RECOVERY_LENGTH } from "./recovery.ts";
import type { KeyRing } from "./server-keys.ts";

/** What a server says of itself. */
export interface ServerDescriptor {
  readonly origin: string;
  readonly name: string;
  /** URL of the federation endpoints; may be on another host (delegation). */
  readonly endpoint: string;
  readonly protocols: readonly string[];
  readonly worlds: readonly string[];
  readonly keys: readonly PublicJwk[];
  /** Unix seconds. */
  readonly validUntil: number;
  /** Thumbprint of the recovery key. */
  readonly recovery?: string | undefined;
  /** Statements by recovery keys, the oldest first. */
  readonly recoveries?: readonly string[] | undefined;
  /** That it agrees to be listed, and as what. Absent: it does not. */
  readonly listing?: ListedAs | undefined;
  /** Statements of the moves that led here, the oldest first. */
  readonly moves?: readonly string[] | undefined;
  /** The origin that it has moved to: nothing else is served here any more. */
  readonly movedTo?: string | undefined;
  /** What game it is, and where its own web client is. Absent: it does not say. */
  readonly game?: Game | undefined;
}

/** The document served at `/.well-known/aether-federation`. */
export interface DescriptorDocument extends ServerDescriptor {
  readonly jws: string;
}

const DESCRIPTOR_TYPE = "aether-descriptor+jwt";
/** A descriptor is trusted for at most this long, whatever it says. */
export const MAX_DESCRIPTOR_TRUST_SECONDS = 7 * 24 * 3600;
/** And for this long, so that nobody can have it read all the time. */
const MIN_DESCRIPTOR_TRUST_SECONDS = 60;

// Strict: nobody is to publish the private half by mistake.
const keySchema = z.strictObject({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string().max(43),
  kid: z.string().max(64),
  use: z.literal("sig"),
});

/** What a world can be called. */
export const WORLD_NAME = /^[A-Za-z0-9_-]{1,64}$/u;

/** Whether a server's name can be shown as it is. */
export function isShownName(name: string): boolean {
  return shownText(name, 64) === name;
}

// Members that nobody here knows are read over, so that an addition breaks no older reader: they are neither kept
// nor acted on, and MAX_TOKEN_LENGTH bounds them.
const descriptorSchema = z.object({
  origin: z.string().max(300),
  // Shown to operators and players: as it can be shown, or not at all.
  name: z.string().min(1).max(64).refine(isShownName, "not as it can be shown"),
  endpoint: z.string().max(1024),
  protocols: z.array(z.string().min(1).max(32)).min(1).max(16),
  worlds: z.array(z.string().regex(WORLD_NAME)).max(128),
  keys: z.array(keySchema).min(1).max(4),
  validUntil: z.int().nonnegative(),
  recovery: z.string().length(43).optional(),
  recoveries: z.array(z.string().max(MAX_RECOVERY_LENGTH)).max(MAX_RECOVERIES).optional(),
  listing: listedAsSchema.optional(),
  moves: z.array(z.string().max(MAX_MOVE_LENGTH)).min(1).max(MAX_MOVES).optional(),
  movedTo: z.string().max(300).optional(),
  game: gameSchema.optional(),
});

/**
 * Signs our own descriptor with the current key; a next key is published beside it. What would make it longer
 * than anybody reads is left out, the game after the listing: to be met matters more than either.
 */
export async function signDescriptor(
  descriptor: Omit<ServerDescriptor, "keys" | "recovery" | "recoveries">,
  ring: KeyRing,
): Promise<DescriptorDocument> {
  const payload: ServerDescriptor = {
    origin: descriptor.origin,
    name: descriptor.name,
    endpoint: descriptor.endpoint,
    protocols: descriptor.protocols,
    worlds: descriptor.worlds,
    keys: [ring.current.jwk, ...(ring.next === undefined ? [] : [ring.next.jwk])],
    validUntil: descriptor.validUntil,
    ...(ring.recovery === undefined ? {} : { recovery: ring.recovery.kid }),
    ...((ring.recovery?.statements.length ?? 0) === 0
      ? {}
      : { recoveries: ring.recovery?.statements.slice(-MAX_RECOVERIES) }),
    ...((descriptor.moves?.length ?? 0) === 0
      ? {}
      : { moves: descriptor.moves?.slice(-MAX_MOVES) }),
    ...(descriptor.movedTo === undefined ? {} : { movedTo: descriptor.movedTo }),
  };
  const { listing, game } = descriptor;
  const both = { ...(listing && { listing }), ...(game && { game }) };
  for (const said of [both, game && { game }, listing && { listing }]) {
    if (said === undefined) continue;
    const whole = { ...payload, ...said };
    const jws = await signJws(whole, DESCRIPTOR_TYPE, ring.current);
    if (jws.length <= MAX_TOKEN_LENGTH) return { ...whole, jws };
  }
  return { ...payload, jws: await signJws(payload, DESCRIPTOR_TYPE, ring.current) };
}

/**
 * Verifies a descriptor, given as the document or as its JWS; only the signed payload is used.
 *
 * Refuses with `ERR_FED_DESCRIPTOR_INVALID`, `ERR_FED_DESCRIPTOR_EXPIRED` or `ERR_FED_WEAK_KEY`.
 * That one of its own keys signed it proves possession, not identity: pinning does (PROTOCOL 2).
 */
export async function verifyDescriptor(
  input: unknown,
  options: {
    /** Unix milliseconds. */
    readonly now: number;
    /** The origin it must be of. */
    readonly origin?: string;
    readonly allowInsecure?: boolean;
  },
): Promise<
  { verified: true; descriptor: ServerDescriptor; signedBy: string; jws: string } | Refusal
> {
  const jws =
    typeof input === "string" ? input : (input as { jws?: unknown } | null | undefined)?.jws;
  let parsed: z.infer<typeof descriptorSchema> | undefined;
  const result = verifyJws(jws, {
    typ: DESCRIPTOR_TYPE,
    invalid: "ERR_FED_DESCRIPTOR_INVALID",
    keyFor: (header, payload) => {
      const shape = descriptorSchema.safeParse(payload);
      if (!shape.success) {
        const issue = shape.error.issues[0];
        return refuse(
          "ERR_FED_DESCRIPTOR_INVALID",
          `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "malformed"}`,
        );
      }
      parsed = shape.data;
      for (const key of parsed.keys) {
        try {
          importVerifyKey(key);
        } catch (cause) {
          return refuse(
            "ERR_FED_WEAK_KEY",
            cause instanceof FederationError ? cause.message : "the key cannot be used",
          );
        }
        if (key.kid !== thumbprint(key.x)) {
          return refuse("ERR_FED_DESCRIPTOR_INVALID", "a kid is not its key's thumbprint");
        }
      }
      const signer = parsed.keys.find((key) => key.kid === header["kid"]);
      return signer === undefined
        ? refuse("ERR_FED_DESCRIPTOR_INVALID", "not signed by one of its own keys")
        : importVerifyKey(signer);
    },
  });
  if (!result.verified) return result;
  if (parsed === undefined) return refuse("ERR_FED_DESCRIPTOR_INVALID", "malformed");
  const insecure = { allowInsecure: options.allowInsecure ?? false };
  if (!isOrigin(parsed.origin, insecure)) {
    return refuse("ERR_FED_DESCRIPTOR_INVALID", "origin is not an https origin");
  }
  if (options.origin !== undefined && parsed.origin !== options.origin) {
    return refuse("ERR_FED_DESCRIPTOR_INVALID", `the descriptor is of ${parsed.origin}`);
  }
  const { movedTo } = parsed;
  if (movedTo !== undefined && (movedTo === parsed.origin || !isOrigin(movedTo, insecure))) {
    return refuse("ERR_FED_DESCRIPTOR_INVALID", "movedTo is not another https origin");
  }
  if (!isEndpoint(parsed.endpoint, insecure.allowInsecure)) {
    return refuse("ERR_FED_DESCRIPTOR_INVALID", "endpoint is not an https URL without query");
  }
  const { listing, game, worlds } = parsed;
  const within = { worlds, ...insecure };
  const wrong = listing === undefined ? undefined : unfitting(listing, within);
  if (wrong !== undefined) return refuse("ERR_FED_DESCRIPTOR_INVALID", `listing: ${wrong}`);
  const unplayable = game === undefined ? undefined : unfittingGame(game, within);
  if (unplayable !== undefined) return refuse("ERR_FED_DESCRIPTOR_INVALID", `game: ${unplayable}`);
  const nowSeconds = Math.floor(options.now / 1000);
  if (parsed.validUntil <= nowSeconds) {
    return refuse("ERR_FED_DESCRIPTOR_EXPIRED", "validUntil has passed");
  }
  const validUntil = Math.min(
    Math.max(parsed.validUntil, nowSeconds + MIN_DESCRIPTOR_TRUST_SECONDS),
    nowSeconds + MAX_DESCRIPTOR_TRUST_SECONDS,
  );
  return {
    verified: true,
    descriptor: { ...parsed, validUntil },
    signedBy: result.key.kid,
    jws: jws as string,
  };
}

function isEndpoint(value: string, allowInsecure: boolean): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  return (
    (url.protocol === "https:" || (allowInsecure && url.protocol === "http:")) &&
    url.username === "" &&
    url.password === "" &&
    url.search === "" &&
    url.hash === ""
  );
}
