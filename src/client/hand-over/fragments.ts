/**
 * What pages tell each other in a URL's fragment (PROTOCOL 8, hand-over), checked: any page may send a browser here
 * with whatever it likes. Nothing in one is secret, and what is wrong in one is not acted on.
 */
import type { Transit } from "../messages.ts";
import type { PublicKeyJwk } from "../player-key.ts";
import { kit } from "../later/kit.ts";

/** A player comes from another page, and a seat waits for it. */
export interface Coming {
  readonly kind: "coming";
  /** Origin of the player's home. */
  readonly home: string;
  readonly transit: Transit;
  /** Whether the seat is in another room of the server that the player is on already. */
  readonly isMove: boolean;
}

/** A page asks the player's home page to let a key of its own take the seat. */
export interface Ask {
  readonly kind: "ask";
  /** Origin of the server that the seat is at. */
  readonly to: string;
  readonly transferId: string;
  /** The seat's session id. */
  readonly sid: string;
  readonly jwk: PublicKeyJwk;
  /** The page that asks. */
  readonly returnTo: string;
  /** Tells its answer from any other. */
  readonly state: string;
  /** Unix seconds: until when the seat waits. */
  readonly expiresAt: number;
}

/** The home page's answer. */
export interface Granted {
  readonly kind: "granted";
  readonly delegation: string;
  readonly state: string;
}

/** One of them. */
export type Fragment = Coming | Ask | Granted;

/** Characters of a fragment that is read. */
export const MAX_FRAGMENT_LENGTH = 8 * 1024;

const NAMES = { aether: "coming", "aether-ask": "ask", "aether-granted": "granted" } as const;
const STATE = /^[\w-]{16,64}$/u;
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/u;
const MAX_DELEGATION_LENGTH = 2048;

/** A URL with what another page is told. */
export function withFragment(page: string, fragment: Fragment): string {
  const { kind, ...said } = fragment;
  const name = Object.entries(NAMES).find(([, each]) => each === kind)?.[0] ?? "";
  return `${page}#${name}=${kit.encodeJson(said)}`;
}

/** Whether a URL's fragment is meant for a `Traveler`, whatever is in it. */
export function isFragment(hash: string): boolean {
  return /^#aether(?:-ask|-granted)?=/u.test(hash);
}

/** Reads a URL's fragment; undefined where it is none, or not of its form. */
export function parseFragment(hash: string): Fragment | undefined {
  const [, name = "", text = ""] = /^#([\w-]+)=([\w-]+)$/u.exec(hash) ?? [];
  if (hash.length > MAX_FRAGMENT_LENGTH || !Object.hasOwn(NAMES, name)) return undefined;
  let said: unknown;
  try {
    said = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(kit.decodeBase64Url(text)));
  } catch {
    return undefined;
  }
  const kind = NAMES[name as keyof typeof NAMES];
  if (kind === "coming") return parseComing(said);
  return kind === "ask" ? parseAsk(said) : parseGranted(said);
}

/** Reads what {@link Coming} is, but for its kind. */
export function parseComing(said: unknown): Coming | undefined {
  const { home, transit, isMove } = kit.members(said);
  const seat = kit.parseTransit(transit);
  if (!kit.isOrigin(home) || seat === undefined || typeof isMove !== "boolean") return undefined;
  return { kind: "coming", home, transit: seat, isMove };
}

function parseAsk(said: unknown): Ask | undefined {
  const { to, transferId, sid, jwk, returnTo, state, expiresAt } = kit.members(said);
  const key = parseKey(jwk);
  if (
    !kit.isOrigin(to) ||
    !kit.isText(transferId) ||
    transferId.length > 64 ||
    !kit.isText(sid) ||
    sid.length > 128 ||
    key === undefined ||
    !isPage(returnTo) ||
    !isState(state) ||
    !kit.isCount(expiresAt)
  ) {
    return undefined;
  }
  return { kind: "ask", to, transferId, sid, jwk: key, returnTo, state, expiresAt };
}

function parseGranted(said: unknown): Granted | undefined {
  const { delegation, state } = kit.members(said);
  const isToken =
    typeof delegation === "string" &&
    delegation.length <= MAX_DELEGATION_LENGTH &&
    TOKEN.test(delegation);
  return isToken && isState(state) ? { kind: "granted", delegation, state } : undefined;
}

/** A public key as a JWK, and nothing beside: a private half has no business here. */
function parseKey(value: unknown): PublicKeyJwk | undefined {
  const { kty, crv, x, ...more } = kit.members(value);
  const isKey =
    kty === "OKP" &&
    crv === "Ed25519" &&
    typeof x === "string" &&
    /^[\w-]{43}$/u.test(x) &&
    Object.keys(more).length === 0;
  return isKey ? { kty, crv, x } : undefined;
}

function isState(value: unknown): value is string {
  return typeof value === "string" && STATE.test(value);
}

/** The address of a page, without user and fragment. */
function isPage(value: unknown): value is string {
  if (!kit.isText(value) || value.length > 1024 || !URL.canParse(value)) return false;
  const { protocol, username, password, hash } = new URL(value);
  return /^https?:$/u.test(protocol) && username + password + hash === "";
}
