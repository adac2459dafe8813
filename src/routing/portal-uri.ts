/** Portal URIs (PROTOCOL 1): `aether://worlds.example.com/plaza?spawn=north`. */

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

/** Longest URI that is read. */
export const MAX_URI_LENGTH = 2048;
/** Portal options in one URI, at most. */
export const MAX_URI_OPTIONS = 16;
const MAX_OPTION_NAME_LENGTH = 64;
const MAX_OPTION_LENGTH = 256;
const MAX_WORLD_LENGTH = 64;
const WORLD = /^[A-Za-z0-9_-]{1,64}$/u;
const SCHEME = "aether://";

/** The options of a URI without any. */
export const NO_OPTIONS: Readonly<Record<string, string>> = Object.freeze({});

const NO_USER = "a portal URI names no user";
const NO_FRAGMENT = "a portal URI has no fragment";
const NO_WORLD = "the path must begin with a world: 1–64 of A-Za-z0-9_-";

/** Parses a portal URI. Never throws: a refusal says what is wrong. */
export function parsePortalUri(
  value: unknown,
):
  { readonly ok: true; readonly uri: PortalUri } | { readonly ok: false; readonly reason: string } {
  if (typeof value !== "string") return { ok: false, reason: "a portal URI is a string" };
  const read = readPortalUri(value);
  return typeof read === "string" ? { ok: false, reason: read } : { ok: true, uri: read };
}

/** The same for a text: what it says, or why it is refused. */
export function readPortalUri(text: string): PortalUri | string {
  if (text.length > MAX_URI_LENGTH) return `longer than ${MAX_URI_LENGTH} characters`;
  return readPlain(text) ?? readAny(text);
}

/**
 * The authority of a text that is a URI or is refused, read no further than the path's first slash.
 * Undefined when only all of it tells: when it is not in its normal form, or refused already.
 */
export function peekAuthority(text: string): string | undefined {
  if (!text.startsWith(SCHEME)) return undefined;
  let label = SCHEME.length;
  let at = label;
  let code = NaN;
  for (; at < text.length; at += 1) {
    code = text.charCodeAt(at);
    if (code === DOT && at > label) label = at + 1;
    else if (!isA(HOST, code)) break;
    // It may be an `xn--` label.
    else if (code === HYPHEN && text.charCodeAt(at - 1) === HYPHEN) return undefined;
  }
  const first = text.charCodeAt(label);
  if (at === label || (first >= ZERO && first <= NINE)) return undefined;
  if (code === COLON) {
    at = endOfPort(text, at + 1);
    if (at < 0) return undefined;
  }
  return text.charCodeAt(at) === SLASH ? text.slice(SCHEME.length, at) : undefined;
}

// What a character may be part of.
const HOST = 1;
const WORLD_NAME = 2;
const PATH = 4;
const QUERY = 8;

/** Only what `URL` leaves as it is: everything else is for {@link readAny}. */
const KINDS = new Uint8Array(128);
for (const [kind, characters] of [
  [HOST, "abcdefghijklmnopqrstuvwxyz0123456789-_"],
  [WORLD_NAME, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"],
  [PATH, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~!$&()*+,;=:@/"],
  [QUERY, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~!$()*,;:@/?&="],
] as const) {
  for (const character of characters) {
    const code = character.charCodeAt(0);
    KINDS[code] = (KINDS[code] ?? 0) | kind;
  }
}

const HASH = 35;
const AMPERSAND = 38;
const HYPHEN = 45;
const DOT = 46;
const SLASH = 47;
const ZERO = 48;
const NINE = 57;
const COLON = 58;
const EQUALS = 61;
const QUESTION = 63;
const AT = 64;

function isA(kind: number, code: number): boolean {
  return code < 128 && ((KINDS[code] ?? 0) & kind) !== 0;
}

/**
 * Reads, in one pass, a URI that is in its normal form already, as almost all are. Undefined when
 * that cannot be said: then nothing is decided.
 */
function readPlain(text: string): PortalUri | string | undefined {
  if (!text.startsWith(SCHEME)) return undefined;
  const { length } = text;
  const hostStart = SCHEME.length;
  let label = hostStart;
  let at = hostStart;
  let code = NaN;
  for (; at < length; at += 1) {
    code = text.charCodeAt(at);
    if (isA(HOST, code)) {
      // It may be an `xn--` label.
      if (code === HYPHEN && text.charCodeAt(at - 1) === HYPHEN) return undefined;
    } else if (code === DOT && at > label) label = at + 1;
    else break;
  }
  if (at === label) return undefined;
  // However it goes on, no path or a user comes of it.
  if (at === length || code === QUESTION || code === HASH) return NO_WORLD;
  if (code === AT) return NO_USER;
  // A last label that begins with a digit may be an IPv4 address in one of its many forms.
  const first = text.charCodeAt(label);
  if (first >= ZERO && first <= NINE) return undefined;
  if (code === COLON) {
    at = endOfPort(text, at + 1);
    if (at < 0) return undefined;
    code = text.charCodeAt(at);
  }
  if (code !== SLASH) return undefined;
  const hostEnd = at;

  at += 1;
  while (at < length && isA(WORLD_NAME, (code = text.charCodeAt(at)))) at += 1;
  const worldEnd = at;
  const worldLength = worldEnd - hostEnd - 1;
  const ends = at === length || code === SLASH || code === QUESTION || code === HASH;
  if (!ends || worldLength === 0 || worldLength > MAX_WORLD_LENGTH) {
    // Only dots can still take a first segment away, and blanks at the end count for nothing.
    return /[.%\\\p{Cc}]| $/u.test(text.slice(hostEnd)) ? undefined : NO_WORLD;
  }
  for (; at < length; at += 1) {
    code = text.charCodeAt(at);
    if (!isA(PATH, code)) break;
    if (code === DOT && text.charCodeAt(at - 1) === SLASH) return undefined;
  }
  const pathEnd = at;
  let options = NO_OPTIONS;
  if (at < length && code === QUESTION) {
    const given: Record<string, string> = {};
    const end = readQuery(text, at + 1, given);
    if (typeof end === "string") return end;
    at = end;
    options = Object.freeze(given);
    // `URL` drops a question mark with nothing behind it.
    if (at === pathEnd + 1) return undefined;
    code = text.charCodeAt(at);
  }
  if (at < length) {
    // Blanks at the end are none of the fragment's.
    return code === HASH && text.charCodeAt(at + 1) > 32 ? NO_FRAGMENT : undefined;
  }
  return {
    authority: text.slice(hostStart, hostEnd),
    world: text.slice(hostEnd + 1, worldEnd),
    path: text.slice(hostEnd, pathEnd),
    options,
    href: text,
  };
}

/** Where a port in its normal form ends, other than https' own; -1 for any other. */
function endOfPort(text: string, start: number): number {
  let at = start;
  let port = 0;
  for (; at < start + 5; at += 1) {
    const code = text.charCodeAt(at);
    if (!(code >= ZERO && code <= NINE)) break;
    port = port * 10 + code - ZERO;
  }
  const normal = text.charCodeAt(start) !== ZERO && port > 0 && port < 65_536 && port !== 443;
  return normal ? at : -1;
}

/** Reads options up to the first character that is not plain: its place, or why they are refused. */
function readQuery(text: string, from: number, options: Record<string, string>): number | string {
  let start = from;
  let equals = -1;
  let count = 0;
  for (let at = from; ; at += 1) {
    const code = at < text.length ? text.charCodeAt(at) : AMPERSAND;
    if (!isA(QUERY, code)) return at;
    if (code === EQUALS && equals < 0) equals = at;
    if (code !== AMPERSAND) continue;
    if (at > start) {
      const nameEnd = equals < 0 ? at : equals;
      const name = text.slice(start, nameEnd);
      const option = equals < 0 ? "" : text.slice(equals + 1, at);
      count += 1;
      const why = refusedOption(count, name, option);
      if (why !== undefined) return why;
      options[name] = option;
    }
    if (at === text.length) return at;
    start = at + 1;
    equals = -1;
  }
}

function refusedOption(count: number, name: string, option: string): string | undefined {
  if (count > MAX_URI_OPTIONS) return `more than ${MAX_URI_OPTIONS} options`;
  if (name === "" || name === "__proto__" || name.length > MAX_OPTION_NAME_LENGTH) {
    return "bad option name";
  }
  return option.length > MAX_OPTION_LENGTH ? `option "${name}" is too long` : undefined;
}

/** Reads any text, by the rules that `URL` has for https: hosts, ports, percent-encoding. */
function readAny(text: string): PortalUri | string {
  if (!/^aether:\/\//iu.test(text)) return "the scheme must be aether:";
  const url = URL.parse(`https://${text.slice(SCHEME.length)}`);
  if (url === null) return "not a URI";
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
  const port = explicitPort(text);
  const authority = stripDefaultPort(
    url.port === "" && port !== undefined ? `${url.hostname}:${port}` : url.host,
  );
  return {
    authority,
    world,
    path: pathname,
    options: Object.freeze(options),
    href: `${SCHEME}${authority}${pathname}${search}`,
  };
}

function explicitPort(text: string): string | undefined {
  return /^aether:\/\/(?:\[[^\]]*\]|[^/?#:]*):(\d+)/iu.exec(text)?.[1];
}

/** An https origin's authority never spells out 443. */
function stripDefaultPort(authority: string): string {
  return authority.endsWith(":443") ? authority.slice(0, -4) : authority;
}
