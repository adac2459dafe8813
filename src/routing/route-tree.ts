/** Finds the most specific pattern for a URI. */
import type { RoutePattern } from "./pattern.ts";
import { AUTHORITY_START, type Places } from "./plain-uri.ts";
import { TextTable, hashBackwards, hashOf, hashed } from "./text-table.ts";

const COLON = 58;
const DOT = 46;
/** Words of 32 bits, for one pattern each at least; powers of two. */
const FEWEST_WORDS = 64;

/** Values by pattern. Texts are matched by their places: nothing is cut out of them. */
export class RouteTree<T> {
  readonly #seed: number;
  /** By the URI without its query. */
  readonly #paths: TextTable<T>;
  /** By authority and path. */
  readonly #prefixes: TextTable<T>;
  /** By host, hashed from the right. */
  readonly #suffixes: TextTable<T>;
  #any: T | undefined;
  /** Slashes in a prefix, and dots in a suffix, at most: further no text needs to be looked at. */
  #deepestPrefix = 0;
  #deepestSuffix = 0;
  /**
   * Three bits of one word for what an authority comes to: set where a path or prefix of such a one is there,
   * or was. They tell all but one in hundreds of those without any.
   */
  #authorities = new Int32Array(FEWEST_WORDS);
  /** Patterns taken out since the bits were set anew. */
  #gone = 0;

  /** @param seed of the hashes that {@link Places} bring */
  constructor(seed: number) {
    this.#seed = seed;
    this.#paths = new TextTable((uri) => hashOf(seed, uri, AUTHORITY_START));
    this.#prefixes = new TextTable((prefix) => hashOf(seed, prefix));
    this.#suffixes = new TextTable((suffix) => hashBackwards(seed, suffix));
  }

  /** The value of this very pattern. */
  get(pattern: RoutePattern): T | undefined {
    switch (pattern.kind) {
      case "any":
        return this.#any;
      case "path":
        return this.#paths.get(pattern.uri);
      case "prefix":
        return this.#prefixes.get(pattern.prefix);
      case "suffix":
        return this.#suffixes.get(pattern.suffix);
    }
  }

  set(pattern: RoutePattern, value: T): void {
    switch (pattern.kind) {
      case "any":
        this.#any = value;
        break;
      case "path":
        this.#paths.set(pattern.uri, value);
        this.#mark(pattern.uri, AUTHORITY_START);
        break;
      case "prefix":
        this.#prefixes.set(pattern.prefix, value);
        this.#deepestPrefix = Math.max(this.#deepestPrefix, count("/", pattern.prefix));
        this.#mark(pattern.prefix, 0);
        break;
      case "suffix":
        this.#suffixes.set(pattern.suffix, value);
        this.#deepestSuffix = Math.max(this.#deepestSuffix, count(".", pattern.suffix));
    }
  }

  delete(pattern: RoutePattern): void {
    switch (pattern.kind) {
      case "any":
        this.#any = undefined;
        break;
      case "path":
        if (this.#paths.delete(pattern.uri)) this.#unmark();
        break;
      case "prefix":
        if (this.#prefixes.delete(pattern.prefix)) this.#unmark();
        break;
      case "suffix":
        this.#suffixes.delete(pattern.suffix);
    }
  }

  *values(): Iterable<T> {
    yield* this.#paths.values();
    yield* this.#prefixes.values();
    yield* this.#suffixes.values();
    if (this.#any !== undefined) yield this.#any;
  }

  /** False: no path and no prefix is of the authority with this hash. */
  mayMatchPath(authorityHash: number): boolean {
    const bits = bitsOf(authorityHash);
    return ((this.#authorities[this.#wordAt(authorityHash)] ?? 0) & bits) === bits;
  }

  #wordAt(hash: number): number {
    return (Math.imul(hash, 0x9e3779b1) >>> 8) & (this.#authorities.length - 1);
  }

  #mark(text: string, authorityStart: number): void {
    const patterns = this.#paths.size + this.#prefixes.size;
    if (patterns > this.#authorities.length) {
      this.#markAll(this.#authorities.length * 2);
    } else this.#markOne(text, authorityStart);
  }

  #unmark(): void {
    this.#gone += 1;
    if (this.#gone > FEWEST_WORDS && this.#gone > this.#paths.size + this.#prefixes.size) {
      this.#markAll(this.#authorities.length);
    }
  }

  #markAll(words: number): void {
    this.#gone = 0;
    this.#authorities = new Int32Array(words);
    for (const uri of this.#paths.keys()) this.#markOne(uri, AUTHORITY_START);
    for (const prefix of this.#prefixes.keys()) this.#markOne(prefix, 0);
  }

  #markOne(text: string, start: number): void {
    const slash = text.indexOf("/", start);
    const hash = hashOf(this.#seed, text, start, slash < 0 ? text.length : slash);
    const word = this.#wordAt(hash);
    this.#authorities[word] = (this.#authorities[word] ?? 0) | bitsOf(hash);
  }

  /** The values of all patterns that match, the most specific first. */
  matchAll(text: string, places: Places): T[] {
    const { slashes, authorityEnd } = places;
    const exact = this.#paths.find(text, 0, places.pathEnd, places.pathHash);
    const all: T[] = exact === undefined ? [] : [exact];
    for (let slash = Math.min(slashes - 1, this.#deepestPrefix); slash >= 0; slash -= 1) {
      const end = places.slashAt(slash);
      const found = this.#prefixes.find(text, AUTHORITY_START, end, places.slashHash(slash));
      if (found !== undefined) all.push(found);
    }
    all.push(...this.#matchSuffixes(text, authorityEnd).reverse());
    if (this.#any !== undefined) all.push(this.#any);
    return all;
  }

  /** The value of the most specific path or prefix. */
  matchPath(text: string, places: Places): T | undefined {
    if (this.#paths.size > 0) {
      const exact = this.#paths.find(text, 0, places.pathEnd, places.pathHash);
      if (exact !== undefined) return exact;
    }
    if (this.#prefixes.size === 0) return undefined;
    // `prefix/*` needs a slash behind the prefix.
    for (let slash = Math.min(places.slashes - 1, this.#deepestPrefix); slash >= 0; slash -= 1) {
      const end = places.slashAt(slash);
      const found = this.#prefixes.find(text, AUTHORITY_START, end, places.slashHash(slash));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The value of the longest suffix, or of `*`. */
  matchHost(text: string, authorityEnd: number): T | undefined {
    if (this.#suffixes.size === 0) return this.#any;
    let best = this.#any;
    const hostEnd = endOfHost(text, authorityEnd);
    let hash = this.#seed;
    let dots = 0;
    // `*.suffix` needs a label before the suffix.
    for (let at = hostEnd - 1; at > AUTHORITY_START; at -= 1) {
      const code = text.charCodeAt(at);
      if (code === DOT) {
        best = this.#suffixes.find(text, at + 1, hostEnd, hash) ?? best;
        dots += 1;
        if (dots > this.#deepestSuffix) break;
      }
      hash = hashed(hash, code);
    }
    return best;
  }

  /** The values of all suffixes that match, the shortest first. */
  #matchSuffixes(text: string, authorityEnd: number): T[] {
    const all: T[] = [];
    const hostEnd = endOfHost(text, authorityEnd);
    for (let at = text.lastIndexOf(".", hostEnd - 1); at > AUTHORITY_START;) {
      const found = this.#suffixes.get(text.slice(at + 1, hostEnd));
      if (found !== undefined) all.push(found);
      at = text.lastIndexOf(".", at - 1);
    }
    return all;
  }
}

function bitsOf(hash: number): number {
  return (1 << hash) | (1 << (hash >>> 5)) | (1 << (hash >>> 10));
}

/** Without the port, if there is one: a host in brackets has colons itself, but its labels match nothing. */
function endOfHost(text: string, authorityEnd: number): number {
  let at = authorityEnd - 1;
  while (at > AUTHORITY_START && isDigit(text.charCodeAt(at))) at -= 1;
  return text.charCodeAt(at) === COLON ? at : authorityEnd;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function count(letter: string, text: string): number {
  return text.split(letter).length - 1;
}
