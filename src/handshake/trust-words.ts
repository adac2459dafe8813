/** What two servers that deal with each other say of their trust (PROTOCOL 4). */
import { type Refusal, refuse } from "../errors.ts";
import { ALL_ROLES, TrustState, activeKids } from "../registry/federated-server.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import { type TrustWord, trustWordSchema } from "./messages.ts";

/** In a descriptor's `protocols`: `POST /trust` is answered. */
export const TRUST_CAPABILITY = "aether-trust/1";

/** What is said to a peer that is trusted; undefined: it is not, and hears nothing. */
export function trustWordFor(
  registry: Pick<ServerRegistry, "get">,
  origin: string,
): TrustWord | undefined {
  const server = registry.get(origin);
  if (server?.trust !== TrustState.Trusted) return undefined;
  const { inbound, outbound } = server.roles ?? ALL_ROLES;
  // A peer that has published more keys than this says nothing by the others.
  return { inbound, outbound, keys: activeKids(server).slice(0, 16) };
}

/**
 * Takes a peer's word. Refuses one that says nothing (`ERR_FED_MALFORMED`), and more changes of it than six a
 * minute (`ERR_FED_RATE_LIMITED`).
 */
export async function takeTrustWord(
  registry: Pick<ServerRegistry, "noteTheirTrust">,
  origin: string,
  word: unknown,
): Promise<{ readonly verified: true } | (Refusal & { readonly retryAfterSeconds?: number })> {
  const shape = trustWordSchema.safeParse(word);
  if (!shape.success) {
    const [issue] = shape.error.issues;
    return refuse("ERR_FED_MALFORMED", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
  }
  const { inbound, outbound, keys } = shape.data;
  const wait = await registry.noteTheirTrust(origin, { inbound, outbound }, keys);
  return wait === 0
    ? { verified: true }
    : {
        ...refuse("ERR_FED_RATE_LIMITED", "six changes a minute are heard"),
        retryAfterSeconds: wait,
      };
}
