/** A device that asks to be let in as one more of a player's (PROTOCOL 8, "Player's keys"). */
import { z } from "zod";
import { type Refusal, refuse } from "../errors.ts";
import { shownText } from "../words.ts";
import { importShownKey } from "./ed25519.ts";
import { verifyJws } from "./jws.ts";
import { CLOCK_SKEW_SECONDS } from "./pass.ts";
import { shownJwkSchema } from "./proof.ts";

/** Life of a device's request, at most: a person carries it from one screen to another. */
export const MAX_DEVICE_SECONDS = 600;
/** What a device is called, in characters. */
export const MAX_DEVICE_NAME_LENGTH = 64;

const DEVICE_TYPE = "aether-device+jwt";

const claimsSchema = z.strictObject({
  aud: z.string().max(300),
  name: z.string().max(MAX_DEVICE_NAME_LENGTH).optional(),
  iat: z.int().nonnegative(),
  exp: z.int().nonnegative(),
});

/** A device that has shown that it holds its key. */
export interface Device {
  /** Thumbprint of its key. */
  readonly jkt: string;
  /** What its player calls it, as it can be shown. */
  readonly name: string | undefined;
}

/**
 * Verifies a device's request, by its own key. It may be read twice: to add a key that is there already changes
 * nothing.
 *
 * Refuses with `ERR_FED_PROOF_INVALID` or `ERR_FED_WEAK_KEY`.
 *
 * @param options `audience`: this server's origin; `now`: Unix milliseconds.
 */
export function verifyDevice(
  token: unknown,
  options: { readonly audience: string; readonly now: number },
): ({ readonly verified: true } & Device) | Refusal {
  const invalid = "ERR_FED_PROOF_INVALID";
  const result = verifyJws(token, {
    typ: DEVICE_TYPE,
    invalid,
    keyFor: (header) => {
      const jwk = shownJwkSchema.safeParse(header["jwk"]);
      if (!jwk.success) return refuse(invalid, "the header needs an Ed25519 jwk");
      try {
        return importShownKey(jwk.data);
      } catch {
        return refuse("ERR_FED_WEAK_KEY", "the key is malformed or weak");
      }
    },
  });
  if (!result.verified) return result;
  const shape = claimsSchema.safeParse(result.payload);
  if (!shape.success) return refuse(invalid, "the device's claims are malformed");
  const { aud, name, iat, exp } = shape.data;
  if (aud !== options.audience) return refuse(invalid, "the device asks another server");
  if (exp - iat > MAX_DEVICE_SECONDS) return refuse(invalid, "the device's request lives too long");
  const now = Math.floor(options.now / 1000);
  const clock = `this server's clock says ${now}`;
  if (exp <= now - CLOCK_SKEW_SECONDS) {
    return refuse(invalid, `the device's request has expired, let it ask again: ${clock}`);
  }
  if (iat > now + CLOCK_SKEW_SECONDS) {
    return refuse(invalid, `the device's request is from the future: ${clock}`);
  }
  return {
    verified: true,
    jkt: result.key.kid,
    name: shownText(name, MAX_DEVICE_NAME_LENGTH),
  };
}
