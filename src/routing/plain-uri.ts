/**
 * Reads texts that are in the normal form of a portal URI already, as almost all are: in one pass, which
 * stops where it is known what comes of the text, and takes its hash along.
 */
import { DEFAULT_SEED, hashOf, hashed } from "./text-table.ts";
import {
  MAX_URI_LENGTH,
  MAX_WORLD_LENGTH,
  NOT_A_URI,
  NO_FRAGMENT,
  NO_OPTIONS,
  NO_USER,
  NO_WORLD,
  SCHEME,
  refusedOption,
} from "./uri-rules.ts";

/** Where an authority begins. */
export const AUTHORITY_START = SCHEME.length;

/**
 * What came of reading: true: it is in its normal form so far; false: only `URL` can tell; a text: why it
 * is refused.
 */
export type Reading = boolean | string;

/** Where the parts of a text lie. One is used for one text after the other. */
export class Places {
  readonly seed: number;
  authorityEnd = 0;
  authorityHash = 0;
  worldEnd = 0;
  pathEnd = 0;
  /** Of authority and path. */
  pathHash = 0;
  options = NO_OPTIONS;
  /** How many slashes of the path were noted. */
  slashes = 0;
  readonly #slashAt = new Int32Array(MAX_URI_LENGTH);
  readonly #slashHash = new Int32Array(MAX_URI_LENGTH);

  constructor(seed = DEFAULT_SEED) {
    this.seed = seed;
  }

  /** @param hash of all from the authority to what comes before the slash */
  noteSlash(at: number, hash: number): void {
    if (this.slashes >= MAX_URI_LENGTH) return;
    this.#slashAt[this.slashes] = at;
    this.#slashHash[this.slashes] = hash;
    this.slashes += 1;
  }

  slashAt(index: number): number {
    return this.#slashAt[index] ?? 0;
  }

  slashHash(index: number): number {
    return this.#slashHash[index] ?? 0;
  }

  /** Of a URI that was taken apart, whatever it is made of: the text whose places these are. */
  locate(authority: string, path: string): string {
    const text = `${SCHEME}${authority}${path}`;
    this.authorityEnd = AUTHORITY_START + authority.length;
    this.authorityHash = hashOf(this.seed, authority);
    this.pathEnd = text.length;
    this.slashes = 0;
    let hash = this.authorityHash;
    // The end of an authority with a slash in it is not where a prefix could end.
    const prefixes = path.startsWith("/") && !authority.includes("/");
    for (let at = this.authorityEnd; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (code === SLASH && prefixes) this.noteSlash(at, hash);
      hash = hashed(hash, code);
    }
    this.pathHash = hash;
    return text;
  }
}

// What a character may be part of.
const HOST = 1;
const WORLD_NAME = 2;
const PATH = 4;
const QUERY = 8;

/** Only what `URL` leaves as it is. */
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

/** Reads as far as the path's first slash: where the authority ends, and its hash. */
export function readAuthority(text: string, places: Places): Reading {
  // Cheaper than startsWith.
  if (text.slice(0, AUTHORITY_START) !== SCHEME) return false;
  const { length } = text;
  let label = AUTHORITY_START;
  let at = AUTHORITY_START;
  let code = NaN;
  let hash = places.seed;
  for (; at < length; at += 1) {
    code = text.charCodeAt(at);
    if (isA(HOST, code)) {
      // It may be an `xn--` label.
      if (code === HYPHEN && text.charCodeAt(at - 1) === HYPHEN) return false;
    } else if (code === DOT && at > label) label = at + 1;
    else break;
    hash = hashed(hash, code);
  }
  if (at === label) return false;
  // However it goes on, no path or a user comes of it.
  if (at === length || code === QUESTION || code === HASH) return NO_WORLD;
  if (code === AT) return NO_USER;
  // A last label that begins with a digit may be an IPv4 address in one of its many forms.
  const first = text.charCodeAt(label);
  if (first >= ZERO && first <= NINE) return false;
  if (code === COLON) {
    const end = endOfPort(text, at + 1);
    if (end < 0) return isPortTooHigh(text, at + 1) ? NOT_A_URI : false;
    for (; at < end; at += 1) hash = hashed(hash, text.charCodeAt(at));
    code = text.charCodeAt(at);
  }
  if (code !== SLASH) return false;
  places.authorityEnd = at;
  places.authorityHash = hash;
  return true;
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

/** However it goes on, no port or a user comes of it. */
function isPortTooHigh(text: string, start: number): boolean {
  const digits = text.slice(start, start + 5);
  return /^\d{5}$/u.test(digits) && Number(digits) > 65_535;
}

/** Goes on where {@link readAuthority} came to its end: all the other places. */
export function readOn(text: string, authorityEnd: number, hash: number, places: Places): Reading {
  const { length } = text;
  let code = SLASH;
  let at = authorityEnd + 1;
  places.slashes = 0;
  places.noteSlash(authorityEnd, hash);
  hash = hashed(hash, SLASH);
  for (; at < length && isA(WORLD_NAME, (code = text.charCodeAt(at))); at += 1) {
    hash = hashed(hash, code);
  }
  const worldEnd = at;
  const worldLength = worldEnd - authorityEnd - 1;
  const ends = at === length || code === SLASH || code === QUESTION || code === HASH;
  if (!ends || worldLength === 0 || worldLength > MAX_WORLD_LENGTH) {
    // Only dots can still take a first segment away, and blanks at the end count for nothing.
    return /[.\\\p{Cc}]|%2e| $/iu.test(text.slice(authorityEnd)) ? false : NO_WORLD;
  }
  for (; at < length; at += 1) {
    code = text.charCodeAt(at);
    if (!isA(PATH, code)) break;
    if (code === SLASH) places.noteSlash(at, hash);
    else if (code === DOT && text.charCodeAt(at - 1) === SLASH) return false;
    hash = hashed(hash, code);
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
    if (at === pathEnd + 1) return false;
    code = text.charCodeAt(at);
  }
  if (at < length) {
    // Blanks at the end are none of the fragment's.
    return code === HASH && text.charCodeAt(at + 1) > 32 ? NO_FRAGMENT : false;
  }
  places.worldEnd = worldEnd;
  places.pathEnd = pathEnd;
  places.pathHash = hash;
  places.options = options;
  return true;
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
