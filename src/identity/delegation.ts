/**
 * Delegations (PROTOCOL 5): a player's key lets a key of one page take one seat at one server, and stay there.
 *
 * It is worth nothing by itself: whoever shows it proves the key that it names, for that very seat.
 */
import { z } from "zod";
import { type Refusal, refuse } from "../errors.ts";
import { importShownKey, isOnCurve } from "./ed25519.ts";
import { verifyJws } from "./jws.ts";
import { CLOCK_SKEW_SECONDS } from "./pass.ts";

/** Life of a delegation, at most: the seat that it is for is taken within it. */
export const MAX_DELEGATION_SECONDS = 60;
/** A delegation, in characters. */
export const MAX_DELEGATION_LENGTH = 2048;
/** What a delegation's header calls it. */
export const DELEGATION_TYPE = "aether-delegation+jwt";

const jwkSchema = z.strictObject({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string().max(43),
});

const claimsSchema = z.strictObject({
  aud: z.string().max(300),
  use: z.literal("delegate"),
  sid: z.string().min(1).max(128),
  xfer: z.string().min(1).max(64),
  cnf: z.strictObject({ jkt: z.string().regex(/^[A-Za-z0-9_-]{43}$/u) }),
  jti: z.string().min(1).max(128),
  iat: z.int().nonnegative(),
  exp: z.int().nonnegative(),
});

/** What a verified delegation says. */
export interface DelegationClaims {
  /** The server that the seat is at. */
  readonly aud: string;
  readonly use: "delegate";
  /** The seat's session id. */
  readonly sid: string;
  /** The crossing's transfer id. */
  readonly xfer: string;
  /** Thumbprint of the key that acts for the player's. */
  readonly cnf: { readonly jkt: string };
  readonly jti: string;
  /** Unix seconds. */
  readonly iat: number;
  /** Unix seconds, at most {@link MAX_DELEGATION_SECONDS} after `iat`. */
  readonly exp: number;
  /** Thumbprint of the player's key, which signed it. */
  readonly jkt: string;
}

/**
 * Verifies a delegation for one seat at this server: form and signature, server, seat, transfer, life.
 *
 * Refuses with `ERR_FED_DELEGATION_INVALID` or `ERR_FED_WEAK_KEY`. Whose key signed it, and whether the key it
 * names was proven, is the caller's to know.
 */
export function verifyDelegation(
  token: unknown,
  expected: {
    /** Unix milliseconds. */
    readonly now: number;
    /** This server's origin. */
    readonly audience: string;
    /** The seat's session id. */
    readonly seat: string;
    readonly transferId: string;
  },
): { verified: true; delegation: DelegationClaims } | Refusal {
  const invalid = "ERR_FED_DELEGATION_INVALID";
  const weak = refuse("ERR_FED_WEAK_KEY", "the key is malformed or weak");
  let shown: { readonly x: string } | undefined;
  const result = verifyJws(token, {
    typ: DELEGATION_TYPE,
    invalid,
    maxLength: MAX_DELEGATION_LENGTH,
    keyFor: (header) => {
      const jwk = jwkSchema.safeParse(header["jwk"]);
      if (!jwk.success) return refuse(invalid, "the header needs an Ed25519 jwk");
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
  if (!shape.success) return refuse(invalid, "the claims are malformed");
  const claims = shape.data;
  const now = Math.floor(expected.now / 1000);
  if (claims.aud !== expected.audience) {
    return refuse(invalid, "the delegation is for another server");
  }
  if (claims.sid !== expected.seat) return refuse(invalid, "the delegation is for another seat");
  if (claims.xfer !== expected.transferId) {
    return refuse(invalid, "the delegation is for another crossing");
  }
  if (claims.exp - claims.iat > MAX_DELEGATION_SECONDS) {
    return refuse(invalid, "the delegation lives too long");
  }
  if (claims.exp <= now - CLOCK_SKEW_SECONDS) {
    return refuse(invalid, "the delegation has expired");
  }
  if (claims.iat > now + CLOCK_SKEW_SECONDS) {
    return refuse(invalid, "the delegation is from the future: check the clocks");
  }
  if (claims.cnf.jkt === result.key.kid) {
    return refuse(invalid, "the delegation names the key that signed it");
  }
  return { verified: true, delegation: { ...claims, jkt: result.key.kid } };
}
