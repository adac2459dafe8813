/**
 * A list of servers as one signed file (PROTOCOL 10): made by a server, put anywhere, read by whoever builds
 * a directory.
 */
import { z } from "zod";
import { type Refusal, refuse } from "../errors.ts";
import type { ServerDescriptor } from "../identity/descriptor.ts";
import { importVerifyKey } from "../identity/ed25519.ts";
import { peekPayload, signJws, verifyJws } from "../identity/jws.ts";
import { isOrigin } from "../identity/origin.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import { type ServerEntry, readEntry } from "./server-entry.ts";

const LIST_TYPE = "aether-servers+jwt";
/** Servers in one list. */
export const MAX_SERVERS_IN_LIST = 128;
/** Characters of the file. */
export const MAX_LIST_LENGTH = 256 * 1024;
/** A list counts for at most this long. */
export const MAX_LIST_SECONDS = 7 * 24 * 3600;
/** Of the payload: base64url makes four characters of three bytes; header and signature are short. */
const MAX_PAYLOAD_BYTES = Math.floor((MAX_LIST_LENGTH - 512) * 0.75);
const CLOCK_SKEW_SECONDS = 30;

/** What a list says. */
export interface ServerList {
  /** Origin of the server that made it. */
  readonly iss: string;
  /** Unix seconds. */
  readonly iat: number;
  /** Unix seconds, at most 7 days after `iat`. */
  readonly exp: number;
  /** As the issuer says; each server's own descriptor is the authority on itself. */
  readonly servers: readonly ServerEntry[];
}

const listSchema = z.object({
  iss: z.string().max(300),
  iat: z.int().nonnegative(),
  exp: z.int().nonnegative(),
  servers: z.array(z.unknown()).max(MAX_SERVERS_IN_LIST),
});

/** Signs a list of the first servers, as many as a list may have. */
export function signServerList({ servers, ...head }: ServerList, key: SigningKey): Promise<string> {
  const taken: ServerEntry[] = [];
  let left = MAX_PAYLOAD_BYTES - Buffer.byteLength(JSON.stringify(head)) - 16;
  for (const server of servers.slice(0, MAX_SERVERS_IN_LIST)) {
    left -= Buffer.byteLength(JSON.stringify(server)) + 1;
    if (left < 0) break;
    taken.push(server);
  }
  return signJws({ ...head, servers: taken }, LIST_TYPE, key);
}

/** Who says that they have made a list, unverified: whose descriptor to read; undefined when nobody does. */
export function issuerOfServerList(token: string): string | undefined {
  if (token.length > MAX_LIST_LENGTH) return undefined;
  const iss = peekPayload(token)?.["iss"];
  return isOrigin(iss, { allowInsecure: true }) ? iss : undefined;
}

/**
 * Verifies a list by the descriptor of the server that made it. The descriptor is to be read from that
 * server's own origin, and verified ({@link verifyDescriptor}): a list is as good as that.
 *
 * Entries that are not of their form are left out. A list trusts nobody, and nobody is to be trusted for it.
 *
 * Refuses with `ERR_FED_SIGNATURE_INVALID`, `ERR_FED_UNKNOWN_KEY`, `ERR_FED_SIGNATURE_EXPIRED` or
 * `ERR_FED_CLOCK_SKEW`.
 */
export function verifyServerList(
  token: unknown,
  {
    issuer,
    now,
  }: {
    readonly issuer: Pick<ServerDescriptor, "origin" | "keys">;
    /** Unix milliseconds. */
    readonly now: number;
  },
): { verified: true; list: ServerList } | Refusal {
  const invalid = (reason: string): Refusal => refuse("ERR_FED_SIGNATURE_INVALID", reason);
  const result = verifyJws(token, {
    typ: LIST_TYPE,
    invalid: "ERR_FED_SIGNATURE_INVALID",
    maxLength: MAX_LIST_LENGTH,
    keyFor: ({ kid }) => {
      const key = issuer.keys.find((known) => known.kid === kid);
      return key === undefined
        ? refuse("ERR_FED_UNKNOWN_KEY", "no key of its issuer's descriptor signed it")
        : importVerifyKey(key);
    },
  });
  if (!result.verified) return result;
  const shape = listSchema.safeParse(result.payload);
  if (!shape.success) return invalid("the list is malformed");
  const { iss, iat, exp, servers } = shape.data;
  if (iss !== issuer.origin) return invalid("it is another server's list");
  if (exp <= iat || exp - iat > MAX_LIST_SECONDS) return invalid("its life is not 1 s to 7 days");
  const seconds = now / 1000;
  if (exp <= seconds) return refuse("ERR_FED_SIGNATURE_EXPIRED", "the list is out of date");
  if (iat > seconds + CLOCK_SKEW_SECONDS) {
    return refuse("ERR_FED_CLOCK_SKEW", "the list is of the future");
  }
  const entries = servers.map(readEntry).filter((entry) => entry !== undefined);
  return { verified: true, list: { iss, iat, exp, servers: entries } };
}
