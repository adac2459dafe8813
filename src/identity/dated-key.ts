/**
 * A server's word on one of its keys, retired ones included (PROTOCOL 2): what it signed while it was
 * used still verifies.
 */
import { z } from "zod";
import { type Refusal, refuse } from "../errors.ts";
import { type PublicJwk, type VerifyKey, importVerifyKey, thumbprint } from "./ed25519.ts";
import { signJws, verifyJws } from "./jws.ts";
import type { SigningKey } from "./server-keys.ts";

/** A key and when it was used. Times are Unix seconds. */
export interface DatedKey {
  readonly jwk: PublicJwk;
  /** When it was first signed with; undefined: since the server began. */
  readonly since?: number | undefined;
  /** When it was signed with last; undefined: it is in use, or announced. */
  readonly retiredAt?: number | undefined;
  /** From then on nothing that it signed counts. */
  readonly revokedAt?: number | undefined;
}

const KEY_TYPE = "aether-key+jwt";
/** Clocks' difference, and the moment until every process of a server has noticed a rotation. */
const GRACE_SECONDS = 150;

const seconds = z.int().nonnegative();
const payloadSchema = z.strictObject({
  iss: z.string().max(300),
  jwk: z.strictObject({
    kty: z.literal("OKP"),
    crv: z.literal("Ed25519"),
    x: z.string().length(43),
    kid: z.string().length(43),
    use: z.literal("sig"),
  }),
  since: seconds.optional(),
  retiredAt: seconds.optional(),
  revokedAt: seconds.optional(),
  iat: seconds,
});

/** Signs what a server says of one of its keys, with its current one. */
export function signDatedKey(
  { jwk, since, retiredAt, revokedAt }: DatedKey,
  { iss, iat }: { readonly iss: string; readonly iat: number },
  by: SigningKey,
): Promise<string> {
  return signJws({ iss, jwk, since, retiredAt, revokedAt, iat }, KEY_TYPE, by);
}

/** Verifies an issuer's word on the key `kid`, by a key of the issuer that is known already. */
export function verifyDatedKey(
  token: unknown,
  expected: {
    readonly iss: string;
    readonly kid: string;
    readonly keyFor: (kid: string) => VerifyKey | undefined;
  },
): { verified: true; key: DatedKey } | Refusal {
  const result = verifyJws(token, {
    typ: KEY_TYPE,
    invalid: "ERR_FED_SIGNATURE_INVALID",
    keyFor: ({ kid }) =>
      (typeof kid === "string" ? expected.keyFor(kid) : undefined) ??
      refuse("ERR_FED_UNKNOWN_KEY", "no known key of the issuer vouches for it"),
  });
  if (!result.verified) return result;
  const shape = payloadSchema.safeParse(result.payload);
  const malformed = (reason: string): Refusal => refuse("ERR_FED_SIGNATURE_INVALID", reason);
  if (!shape.success) return malformed("the word on the key is malformed");
  const { iss, jwk, since, retiredAt, revokedAt } = shape.data;
  if (iss !== expected.iss) return malformed("it is another server's word");
  if (jwk.kid !== expected.kid || jwk.kid !== thumbprint(jwk.x)) {
    return malformed("it is about another key");
  }
  try {
    importVerifyKey(jwk);
  } catch {
    return refuse("ERR_FED_WEAK_KEY", "the key cannot be used");
  }
  return { verified: true, key: { jwk, since, retiredAt, revokedAt } };
}

/** Whether what a key signed at `at` counts: it was in use then, and has not been revoked by then. */
export function countedAt({ retiredAt, revokedAt }: DatedKey, at: number): boolean {
  if (revokedAt !== undefined && at >= revokedAt) return false;
  return retiredAt === undefined || at <= retiredAt + GRACE_SECONDS;
}
