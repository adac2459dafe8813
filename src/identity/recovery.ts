/**
 * The recovery key (PROTOCOL 2): kept offline, its thumbprint in the descriptor. A statement by it
 * replaces every key of a server, whoever has those, and names the recovery key that comes after it.
 *
 * Each recovery key makes one statement: whoever has followed it knows the next key, and an old
 * statement says nothing any more.
 */
import { z } from "zod";
import { type Refusal, refuse } from "../errors.ts";
import { type PublicJwk, importVerifyKey } from "./ed25519.ts";
import { isCanonicalBase64url, signJws, verifyJws } from "./jws.ts";
import { type SigningKey, importSigningSeed } from "./server-keys.ts";

/** Statements a server publishes at most: the newest. Who has missed more has to be asked again. */
export const MAX_RECOVERIES = 4;
/** Characters of one statement, at most. */
export const MAX_RECOVERY_LENGTH = 2048;

const RECOVERY_TYPE = "aether-recovery+jwt";
const PREFIX = "aether-recovery-";

const kidSchema = z.string().length(43);
const payloadSchema = z.strictObject({
  iss: z.string().max(300),
  jwk: z.strictObject({
    kty: z.literal("OKP"),
    crv: z.literal("Ed25519"),
    x: z.string().length(43),
    kid: kidSchema,
    use: z.literal("sig"),
  }),
  keys: z.array(kidSchema).min(1).max(4),
  recovery: kidSchema,
  iat: z.int().nonnegative(),
});

/** What a recovery key says. */
export interface Recovery {
  /** The server it is of. */
  readonly iss: string;
  /** Key ids that are the server's from then on; no other is. */
  readonly keys: readonly string[];
  /** Thumbprint of the recovery key that comes after this one. */
  readonly recovery: string;
  /** Unix seconds, for people. */
  readonly iat: number;
}

/** Signs a statement. */
export function signRecovery(statement: Recovery, by: SigningKey): Promise<string> {
  const { iss, keys, recovery, iat } = statement;
  return signJws({ iss, jwk: by.jwk satisfies PublicJwk, keys, recovery, iat }, RECOVERY_TYPE, by);
}

/** Verifies a statement about `iss` by the recovery key whose thumbprint is known. */
export function verifyRecovery(
  token: unknown,
  expected: { readonly iss: string; readonly recovery: string },
): { verified: true; statement: Recovery } | Refusal {
  const malformed = (reason: string): Refusal => refuse("ERR_FED_DESCRIPTOR_INVALID", reason);
  let statement: z.infer<typeof payloadSchema> | undefined;
  const result = verifyJws(token, {
    typ: RECOVERY_TYPE,
    invalid: "ERR_FED_DESCRIPTOR_INVALID",
    maxLength: MAX_RECOVERY_LENGTH,
    keyFor: ({ kid }, payload) => {
      const shape = payloadSchema.safeParse(payload);
      if (!shape.success) return malformed("the recovery statement is malformed");
      statement = shape.data;
      const { jwk, iss } = statement;
      if (iss !== expected.iss) return malformed("it is another server's recovery");
      if (kid !== expected.recovery || jwk.kid !== kid) {
        return refuse("ERR_FED_UNKNOWN_KEY", "it is not by the recovery key that is known");
      }
      try {
        const key = importVerifyKey(jwk);
        return key.kid === kid ? key : malformed("the kid is not the key's thumbprint");
      } catch {
        return refuse("ERR_FED_WEAK_KEY", "the recovery key cannot be used");
      }
    },
  });
  if (!result.verified) return result;
  return statement === undefined ? malformed("malformed") : { verified: true, statement };
}

/**
 * Follows the statements that a descriptor carries, from the recovery key that is pinned: `keys` are
 * those that the last of them names, undefined when there is nothing new.
 */
export function followRecoveries(
  tokens: readonly string[],
  { iss, pinned }: { readonly iss: string; readonly pinned: string | undefined },
): { readonly recovery: string | undefined; readonly keys: readonly string[] | undefined } {
  let recovery = pinned;
  let keys: readonly string[] | undefined;
  for (const token of tokens.slice(-MAX_RECOVERIES)) {
    if (recovery === undefined) break;
    const verified = verifyRecovery(token, { iss, recovery });
    if (!verified.verified) continue;
    ({ recovery, keys } = verified.statement);
  }
  return { recovery, keys };
}

/** A private recovery key as its operator writes it down. Secret. */
export function printRecoveryKey(key: SigningKey): string {
  const { d } = key.privateKey.export({ format: "jwk" }) as { d: string };
  return `${PREFIX}${d}`;
}

/** Reads what {@link printRecoveryKey} printed; undefined when it is none. */
export function readRecoveryKey(text: string): SigningKey | undefined {
  const seed = text.trim().startsWith(PREFIX) ? text.trim().slice(PREFIX.length) : "";
  if (seed.length !== 43 || !isCanonicalBase64url(seed)) return undefined;
  return importSigningSeed(Buffer.from(seed, "base64url"));
}
