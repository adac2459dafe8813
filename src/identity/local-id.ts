/** Players as their home names them: local ids (PROTOCOL 1), and the host's accounts that have one. */

/** A player as the host's own accounts know it. */
export interface IdentifiedPlayer {
  /** Local id: 1–64 of `A-Za-z0-9_-`, stable for the account; not beginning with `key-` or `guest-`. */
  readonly id: string;
  /** Name to show, at most 128 characters; the rest is cut off. Default: what the client asks for. */
  readonly name?: string;
}

/**
 * Maps the host's own auth (`client.auth` after the room's `onAuth`) to a player; undefined for one
 * that is no player of the federation.
 */
export type Identify = (
  auth: unknown,
  context: { readonly options: unknown; readonly sessionId: string },
) => IdentifiedPlayer | undefined | Promise<IdentifiedPlayer | undefined>;

const LOCAL_ID = /^[A-Za-z0-9_-]{1,64}$/u;

/** Local ids of players who are their key, at a home without accounts, start with this. */
const KEY_PREFIX = "key-";

/** Local ids of players without account or key start with this. */
export const GUEST_PREFIX = "guest-";

/** What {@link Identify} may not begin an id with: keys, guests and accounts are kept apart by it. */
export const RESERVED_PREFIXES = [KEY_PREFIX, GUEST_PREFIX] as const;

/** The local id of the player whom a key is, by the key's thumbprint. */
export function localIdOfKey(thumbprint: string): string {
  return `${KEY_PREFIX}${thumbprint}`;
}

/** Whether a value can be the local id of an account of the host's own. */
export function isAccountId(value: unknown): value is string {
  return isLocalId(value) && !RESERVED_PREFIXES.some((prefix) => value.startsWith(prefix));
}

/** Whether a value can be a local id. */
export function isLocalId(value: unknown): value is string {
  return typeof value === "string" && LOCAL_ID.test(value);
}
