/** The player pass (PROTOCOL 5): home's word, for one transfer to one server. */
import { z } from "zod";
import { shownText } from "../words.ts";
import { type Refusal, refuse } from "../errors.ts";
import type { VerifyKey } from "./ed25519.ts";
import { signJws, verifyJws } from "./jws.ts";
import type { SigningKey } from "./server-keys.ts";

/** Life of a pass, at most. */
export const MAX_PASS_SECONDS = 120;
/** What a pass was used for is remembered for longer than any can be good. */
export const PASS_MEMORY_MILLISECONDS = (MAX_PASS_SECONDS + 60) * 1000;
/** How far two servers' clocks may be apart. */
export const CLOCK_SKEW_SECONDS = 30;

const PASS_TYPE = "aether-pass+jwt";

const passSchema = z.strictObject({
  iss: z.string().max(300),
  sub: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/u),
  aud: z.string().max(300),
  iat: z.int().nonnegative(),
  exp: z.int().nonnegative(),
  jti: z.string().min(1).max(128),
  xfer: z.string().max(64),
  src: z.string().max(300),
  world: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/u),
  name: z
    .string()
    .max(128)
    .transform((name, context) => {
      const shown = shownText(name, 128);
      if (shown === undefined) context.addIssue("nothing of it can be seen");
      return shown ?? "";
    }),
  cnf: z.strictObject({ jkt: z.string().regex(/^[A-Za-z0-9_-]{43}$/u) }).optional(),
});

/** The claims of a pass. */
export interface PassClaims {
  /** Home's origin. */
  readonly iss: string;
  /** Local id at home. */
  readonly sub: string;
  /** The destination's origin. */
  readonly aud: string;
  /** Unix seconds. */
  readonly iat: number;
  /** Unix seconds, at most {@link MAX_PASS_SECONDS} after `iat`. */
  readonly exp: number;
  readonly jti: string;
  /** Transfer id. */
  readonly xfer: string;
  /** The source's origin. */
  readonly src: string;
  readonly world: string;
  readonly name: string;
  /** Key the client must prove possession of. */
  readonly cnf?: { readonly jkt: string } | undefined;
}

/** Signs a pass. */
export function issuePass(claims: PassClaims, key: SigningKey): Promise<string> {
  return signJws(claims, PASS_TYPE, key);
}

/**
 * Verifies a pass for this server: type, issuer's key, signature, audience, life.
 *
 * Refuses with `ERR_FED_PASS_INVALID`, `ERR_FED_PASS_ISSUER`, `ERR_FED_PASS_AUDIENCE` or
 * `ERR_FED_PASS_EXPIRED`. Whether it has been used is the caller's to know.
 */
export async function verifyPass(
  token: unknown,
  options: {
    /** Unix milliseconds. */
    readonly now: number;
    /** This server's origin. */
    readonly audience: string;
    /** The pinned key of a trusted issuer, or undefined. */
    readonly keyFor: (issuer: string, kid: string) => VerifyKey | undefined;
    /** Who called with it, authenticated: an issuer's own word needs no signature beside that. */
    readonly caller?: string;
  },
): Promise<{ verified: true; claims: PassClaims } | Refusal> {
  const result = verifyJws(token, {
    typ: PASS_TYPE,
    invalid: "ERR_FED_PASS_INVALID",
    sender: options.caller,
    keyFor: (header, payload) => {
      const { iss } = payload;
      const { kid } = header;
      const key =
        typeof iss === "string" && typeof kid === "string" && iss.length <= 300
          ? options.keyFor(iss, kid)
          : undefined;
      return key ?? refuse("ERR_FED_PASS_ISSUER", "the issuer or its key is not trusted here");
    },
  });
  if (!result.verified) return result;
  const { aud } = result.payload;
  if (typeof aud !== "string" || aud !== options.audience) {
    return refuse("ERR_FED_PASS_AUDIENCE", "aud must be this server's origin, as one string");
  }
  const shape = passSchema.safeParse(result.payload);
  if (!shape.success) {
    const issue = shape.error.issues[0];
    return refuse(
      "ERR_FED_PASS_INVALID",
      `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "malformed"}`,
    );
  }
  const claims = shape.data;
  const now = Math.floor(options.now / 1000);
  if (claims.exp <= now) return refuse("ERR_FED_PASS_EXPIRED", "the pass has expired");
  if (claims.exp - claims.iat > MAX_PASS_SECONDS) {
    return refuse("ERR_FED_PASS_EXPIRED", `a pass lives at most ${MAX_PASS_SECONDS} s`);
  }
  if (claims.iat > now + CLOCK_SKEW_SECONDS) {
    return refuse("ERR_FED_PASS_INVALID", "the pass was issued in the future: check the clocks");
  }
  return { verified: true, claims };
}
