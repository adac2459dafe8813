/** Portal URIs (PROTOCOL 1): `aether://worlds.example.com/plaza?spawn=north`. */
import { AUTHORITY_START, Places, readAuthority, readOn } from "./plain-uri.ts";
import {
  MAX_URI_LENGTH,
  NOT_A_URI,
  NO_FRAGMENT,
  NO_USER,
  NO_WORLD,
  SCHEME,
  refusedOption,
} from "./uri-rules.ts";

/** A portal URI, taken apart. */
export interface PortalUri {
  /** `host[:port]`, lower case. */
  readonly authority: string;
  /** First segment of the path. */
  readonly world: string;
  /** The whole path, with its leading slash. */
  readonly path: string;
  /** The query: portal options for the destination room. */
  readonly options: Readonly<Record<string, string>>;
  readonly href: string;
}

const WORLD = /^[A-Za-z0-9_-]{1,64}$/u;

/** Parses a portal URI. Never throws: a refusal says what is wrong. */
export function parsePortalUri(
  value: unknown,
):
  { readonly ok: true; readonly uri: PortalUri } | { readonly ok: false; readonly reason: string } {
  if (typeof value !== "string") return { ok: false, reason: "a portal URI is a string" };
  const read = readPortalUri(value);
  return typeof read === "string" ? { ok: false, reason: read } : { ok: true, uri: read };
}

const places = new Places();

/** The same for a text: what it says, or why it is refused. */
export function readPortalUri(text: string): PortalUri | string {
  if (text.length > MAX_URI_LENGTH) return `longer than ${MAX_URI_LENGTH} characters`;
  let reading = readAuthority(text, places);
  if (reading === true) {
    reading = readOn(text, places.authorityEnd, places.authorityHash, places);
  }
  if (reading === false) return readByUrl(text);
  if (reading !== true) return reading;
  const { authorityEnd, worldEnd, pathEnd, options } = places;
  return {
    authority: text.slice(AUTHORITY_START, authorityEnd),
    world: text.slice(authorityEnd + 1, worldEnd),
    path: text.slice(authorityEnd, pathEnd),
    options,
    href: text,
  };
}

/**
 * Reads any text, by the rules that `URL` has for https: hosts, ports, percent-encoding; in the path, escapes
 * are as RFC 3986, section 6.2.2, has them.
 */
export function readByUrl(text: string): PortalUri | string {
  if (!/^aether:\/\//iu.test(text)) return "the scheme must be aether:";
  const url = URL.parse(`https://${text.slice(SCHEME.length)}`);
  if (url === null) return NOT_A_URI;
  if (url.username !== "" || url.password !== "") return NO_USER;
  if (url.hash !== "") return NO_FRAGMENT;
  const { pathname, search } = url;
  const [, world = ""] = pathname.split("/", 2);
  if (!WORLD.test(world)) return NO_WORLD;
  const options: Record<string, string> = {};
  if (search !== "") {
    let count = 0;
    for (const [name, option] of url.searchParams) {
      count += 1;
      const why = refusedOption(count, name, option);
      if (why !== undefined) return why;
      options[name] = option;
    }
  }
  // As in an https origin: without a port of 443, and without leading zeros.
  const authority = url.host;
  const path = pathname.replace(/%[\da-f]{2}/giu, normalEscape);
  return {
    authority,
    world,
    path,
    options: Object.freeze(options),
    href: `${SCHEME}${authority}${path}${search}`,
  };
}

/** What needs no escape has none, and all others are in upper case. */
function normalEscape(escape: string): string {
  const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
  return /[\w.~-]/u.test(character) ? character : escape.toUpperCase();
}
