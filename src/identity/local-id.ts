/** Players as their home names them: local ids (PROTOCOL 1), and the host's accounts, which all get one. */
import { createHmac } from "node:crypto";

/** How a host's accounts are told apart: any text, or an integer. `7`, `7n` and `"7"` are one account. */
export type AccountId = string | number | bigint;

/** A player as the host's own accounts know it. */
export interface IdentifiedPlayer {
  /**
   * The account's own id, stable for it: a number, a mail address, `auth0|…`. One that is a local id
   * (1–64 of `A-Za-z0-9_-`, not beginning with `key-` or `guest-`) is the player's local id; any other
   * becomes `account-` and 43 characters, from which nobody else learns it. A number has to be an integer that
   * JavaScript holds exactly.
   */
  readonly id: AccountId;
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

/** Local ids of accounts whose own id can be none start with this. */
const ACCOUNT_PREFIX = "account-";

/** What {@link disguisedAccount} makes: no account's own id that looks so is taken as it is. */
const DISGUISED = /^account-[A-Za-z0-9_-]{43}$/u;

/** Nor one that begins so: keys, guests and accounts are kept apart by it. */
const RESERVED_PREFIXES = [KEY_PREFIX, GUEST_PREFIX] as const;

/** The local id of the player whom a key is, by the key's thumbprint. */
export function localIdOfKey(thumbprint: string): string {
  return `${KEY_PREFIX}${thumbprint}`;
}

/** The thumbprint of the key that a player began as; undefined for an account, a guest and everybody else. */
export function keyOfLocalId(localId: string): string | undefined {
  const jkt = localId.startsWith(KEY_PREFIX) ? localId.slice(KEY_PREFIX.length) : "";
  return jkt.length === 43 ? jkt : undefined;
}

/** Whether a value can be the id of an account of the host's own. */
export function isAccountId(value: unknown): value is AccountId {
  return typeof value === "number"
    ? Number.isSafeInteger(value)
    : typeof value === "bigint" || (typeof value === "string" && value !== "");
}

/** The local id that an account's id is by itself; undefined for one that needs {@link disguisedAccount}. */
export function plainAccount(id: AccountId): string | undefined {
  const text = String(id);
  const isReserved =
    DISGUISED.test(text) || RESERVED_PREFIXES.some((prefix) => text.startsWith(prefix));
  return isLocalId(text) && !isReserved ? text : undefined;
}

/**
 * The local id of an account whose own id can be none: the same for as long as the home's secret is, and
 * no two accounts have one. Local ids go around the world, so nobody without the secret can find out, by
 * trying, whose mail address one stands for.
 */
export function disguisedAccount(id: AccountId, secret: Uint8Array): string {
  // Every text has its own UTF-16; in UTF-8, lone surrogates would be one and the same.
  const digest = createHmac("sha256", secret).update(Buffer.from(String(id), "utf16le"));
  return `${ACCOUNT_PREFIX}${digest.digest("base64url")}`;
}

/**
 * Who a host's auth names where the host does not say: `auth.id`; undefined where there is none.
 *
 * @throws TypeError for an `id` that is there and can be no account's.
 */
export const identifyByAuthId: Identify = (auth) => {
  const id = (auth as { id?: unknown } | null | undefined)?.id;
  if (id === undefined || id === null) return undefined;
  if (isAccountId(id)) return { id };
  throw new TypeError(`the id in client.auth ${WHAT_ACCOUNTS_HAVE}`);
};

/** What to tell a host whose accounts have other ids. */
export const WHAT_ACCOUNTS_HAVE =
  "must be a text, a BigInt, or an integer up to 2 ** 53 - 1 (greater ones as text or BigInt): pass identify to say who a player is";

/** Whether a value can be a local id. */
export function isLocalId(value: unknown): value is string {
  return typeof value === "string" && LOCAL_ID.test(value);
}
