/** Proofs of possession (PROTOCOL 5): a client shows that it holds the player's key. */
import { z } from "zod";
import { type Refusal, refuse } from "../errors.ts";
import { DELEGATION_TYPE } from "./delegation.ts";
import { importShownKey, isOnCurve } from "./ed25519.ts";
import { peekHeader, verifyJws } from "./jws.ts";
import { CLOCK_SKEW_SECONDS } from "./pass.ts";

/** Life of a proof, at most. */
export const MAX_PROOF_SECONDS = 60;

const PROOF_TYPE = "aether-pop+jwt";

/** A key that a token shows in its header. */
export const shownJwkSchema = z.strictObject({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string().max(43),
  kid: z.string().max(64).optional(),
  use: z.string().max(8).optional(),
});
/** What a proof can be for. */
const USES = ["login", "travel", "keys", "hand-over", "seat", "trade", "host"] as const;

const PURPOSE = /^[A-Za-z0-9_-]{1,64}$/u;

const claimsSchema = z.strictObject({
  aud: z.string().max(300),
  use: z.enum(USES),
  sid: z.string().max(128).optional(),
  purpose: z.string().regex(PURPOSE).optional(),
  jti: z.string().min(1).max(128),
  iat: z.int().nonnegative(),
  exp: z.int().nonnegative(),
});

/**
 * What a proof is for: a login at home, travel without a room, the player's keys, a page that hands the player over, the
 * seat of that session id, the trade of that digest (`tradePurpose`), or a purpose of a server's own.
 */
export type ProofUse =
  | "login"
  | "travel"
  | "keys"
  | "hand-over"
  | { readonly seat: string }
  | { readonly trade: string }
  | { readonly purpose: string };

/** Whether a text can be a purpose of a server's own. */
export function isPurpose(value: unknown): value is string {
  return typeof value === "string" && PURPOSE.test(value);
}

/** What a verified proof says. */
export interface ProofClaims {
  readonly aud: string;
  readonly use: (typeof USES)[number];
  /** The seat it is for; absent in any other. */
  readonly sid?: string | undefined;
  /** The server's own purpose that it is for; absent in any other. */
  readonly purpose?: string | undefined;
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
  /** Thumbprint of the key that was proven. */
  readonly jkt: string;
}

/** What stands between a proof and the host's own token where a connection brings both (PROTOCOL 5). */
const BESIDE = "~";

/**
 * A connection's Colyseus auth token, taken apart: a proof, the delegation by which its key acts for the player's,
 * and what the host's own auth is to be asked.
 */
export function splitToken(token: string | undefined): {
  readonly proof: string | undefined;
  readonly delegation: string | undefined;
  readonly hostToken: string | undefined;
} {
  const at = token?.indexOf(BESIDE) ?? -1;
  const head = token === undefined || at < 0 ? token : token.slice(0, at);
  // A host's own token may have a tilde in it.
  if (tokenType(head) !== PROOF_TYPE) {
    return { proof: undefined, delegation: undefined, hostToken: token };
  }
  const rest = at < 0 ? undefined : token?.slice(at + 1);
  return rest !== undefined && peekHeader(rest)?.["typ"] === DELEGATION_TYPE
    ? { proof: head, delegation: rest, hostToken: undefined }
    : { proof: head, delegation: undefined, hostToken: rest };
}

/** The federation's token types, told apart by their header; undefined for anything else. */
export function tokenType(token: unknown): "aether-pop+jwt" | "aether-pass+jwt" | undefined {
  if (typeof token !== "string" || !token.startsWith("ey")) return undefined;
  const typ = peekHeader(token)?.["typ"];
  return typ === "aether-pop+jwt" || typ === "aether-pass+jwt" ? typ : undefined;
}

/**
 * Verifies a proof for this server, and for that one use.
 *
 * Refuses with `ERR_FED_PROOF_INVALID` or `ERR_FED_WEAK_KEY`. Whether it has been used is the
 * caller's to know.
 */
export async function verifyProof(
  token: unknown,
  options: {
    /** Unix milliseconds. */
    readonly now: number;
    /** This server's origin. */
    readonly audience: string;
    readonly use: ProofUse;
  },
): Promise<{ verified: true; proof: ProofClaims } | Refusal> {
  const weak = refuse("ERR_FED_WEAK_KEY", "the key is malformed or weak");
  let shown: { readonly x: string } | undefined;
  const result = verifyJws(token, {
    typ: PROOF_TYPE,
    invalid: "ERR_FED_PROOF_INVALID",
    keyFor: (header) => {
      const jwk = shownJwkSchema.safeParse(header["jwk"]);
      if (!jwk.success) return refuse("ERR_FED_PROOF_INVALID", "the header needs an Ed25519 jwk");
      try {
        const key = importShownKey(jwk.data);
        shown = jwk.data;
        return key;
      } catch {
        return weak;
      }
    },
  });
  if (!result.verified) return shown === undefined || isOnCurve(shown) ? result : weak;
  const shape = claimsSchema.safeParse(result.payload);
  if (!shape.success) return refuse("ERR_FED_PROOF_INVALID", "the claims are malformed");
  const claims = shape.data;
  const now = Math.floor(options.now / 1000);
  if (claims.aud !== options.audience) {
    return refuse("ERR_FED_PROOF_INVALID", "the proof is for another server");
  }
  const { use, sid, purpose } = expectedOf(options.use);
  if (claims.use !== use) {
    return refuse("ERR_FED_PROOF_INVALID", `the proof is for a ${claims.use}, not for a ${use}`);
  }
  if (claims.sid !== sid) {
    return refuse("ERR_FED_PROOF_INVALID", "the proof is for another seat");
  }
  if (claims.purpose !== purpose) {
    return refuse("ERR_FED_PROOF_INVALID", "the proof is for another purpose");
  }
  if (claims.exp - claims.iat > MAX_PROOF_SECONDS) {
    return refuse("ERR_FED_PROOF_INVALID", "the proof lives too long");
  }
  // Clients read the time here (PROTOCOL 5).
  const clock = `this server's clock says ${now}`;
  if (claims.exp <= now - CLOCK_SKEW_SECONDS) {
    return refuse("ERR_FED_PROOF_INVALID", `the proof has expired: ${clock}`);
  }
  if (claims.iat > now + CLOCK_SKEW_SECONDS) {
    return refuse("ERR_FED_PROOF_INVALID", `the proof is from the future: ${clock}`);
  }
  return { verified: true, proof: { ...claims, jkt: result.key.kid } };
}

function expectedOf(use: ProofUse): Pick<ProofClaims, "use" | "sid" | "purpose"> {
  if (typeof use === "string") return { use };
  if ("trade" in use) return { use: "trade", purpose: use.trade };
  return "seat" in use ? { use: "seat", sid: use.seat } : { use: "host", purpose: use.purpose };
}
