/** Finds the most specific pattern for a URI. */
import type { RoutePattern } from "./pattern.ts";
import type { PortalUri } from "./portal-uri.ts";

interface Node<T> {
  value: T | undefined;
  children: Map<string, Node<T>> | undefined;
}

const AUTHORITY_START = "aether://".length;
/** Powers of two. */
const FEWEST_BITS = 1024;
const BITS_A_PATH = 8;

/** Values by pattern. */
export class RouteTree<T> {
  /** By the URI without its query. */
  readonly #paths = new Map<string, T>();
  /**
   * One bit for what an authority comes to: set where a path of such a one is there, or was. It tells
   * most of those without any, and costs nothing by the route.
   */
  #authorities = new Uint32Array(FEWEST_BITS / 32);
  /** Authority → trie of path segments. */
  readonly #prefixes = new Map<string, Node<T>>();
  /** Trie of host labels, from the right. */
  readonly #suffixes: Node<T> = { value: undefined, children: undefined };
  #any: T | undefined;

  /** The value of this very pattern. */
  get(pattern: RoutePattern): T | undefined {
    switch (pattern.kind) {
      case "any":
        return this.#any;
      case "path":
        return this.#paths.get(pattern.uri);
      case "prefix":
        return nodeAt(this.#prefixes.get(pattern.authority), pattern.segments)?.value;
      case "suffix":
        return nodeAt(this.#suffixes, pattern.labels)?.value;
    }
  }

  set(pattern: RoutePattern, value: T): void {
    switch (pattern.kind) {
      case "any":
        this.#any = value;
        break;
      case "path":
        this.#paths.set(pattern.uri, value);
        if (this.#paths.size * BITS_A_PATH > this.#authorities.length * 32) this.#mark();
        else this.#markOne(pattern.uri);
        break;
      case "prefix": {
        let root = this.#prefixes.get(pattern.authority);
        if (root === undefined) {
          root = { value: undefined, children: undefined };
          this.#prefixes.set(pattern.authority, root);
        }
        grow(root, pattern.segments).value = value;
        break;
      }
      case "suffix":
        grow(this.#suffixes, pattern.labels).value = value;
    }
  }

  /** Takes a value out, and the branches that led only to it. */
  delete(pattern: RoutePattern): void {
    switch (pattern.kind) {
      case "any":
        this.#any = undefined;
        break;
      case "path":
        this.#paths.delete(pattern.uri);
        break;
      case "prefix": {
        const root = this.#prefixes.get(pattern.authority);
        if (root !== undefined && prune(root, pattern.segments, 0)) {
          this.#prefixes.delete(pattern.authority);
        }
        break;
      }
      case "suffix":
        prune(this.#suffixes, pattern.labels, 0);
    }
  }

  *values(): Iterable<T> {
    yield* this.#paths.values();
    for (const root of this.#prefixes.values()) yield* valuesIn(root);
    yield* valuesIn(this.#suffixes);
    if (this.#any !== undefined) yield this.#any;
  }

  /** False: no pattern matches any URI of this authority. */
  mayMatch(authority: string): boolean {
    if (this.#any !== undefined || this.#prefixes.has(authority)) return true;
    if (this.#paths.size > 0 && this.#isMarked(authority)) return true;
    return this.#matchSuffix(authority) !== undefined;
  }

  /** Anew, with room for twice as many. */
  #mark(): void {
    this.#authorities = new Uint32Array(this.#authorities.length * 2);
    for (const uri of this.#paths.keys()) this.#markOne(uri);
  }

  #markOne(uri: string): void {
    const bit = this.#bitOf(uri, AUTHORITY_START, uri.indexOf("/", AUTHORITY_START));
    this.#authorities[bit >>> 5] = (this.#authorities[bit >>> 5] ?? 0) | (1 << (bit & 31));
  }

  #isMarked(authority: string): boolean {
    const bit = this.#bitOf(authority, 0, authority.length);
    return ((this.#authorities[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0;
  }

  #bitOf(text: string, from: number, to: number): number {
    let hash = 0;
    for (let at = from; at < to; at += 1) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
    // The last characters alone would decide about the lowest bits.
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    return (hash ^ (hash >>> 13)) & (this.#authorities.length * 32 - 1);
  }

  /** The value of the most specific pattern. @param plain the URI without its query */
  match({ authority, path }: PortalUri, plain: string): T | undefined {
    const exact = this.#paths.size === 0 ? undefined : this.#paths.get(plain);
    return exact ?? this.#matchPrefix(authority, path) ?? this.#matchSuffix(authority) ?? this.#any;
  }

  #matchPrefix(authority: string, path: string): T | undefined {
    if (this.#prefixes.size === 0) return undefined;
    let node = this.#prefixes.get(authority);
    let best = node?.value;
    for (let start = 1; node?.children !== undefined && start <= path.length;) {
      const slash: number = path.indexOf("/", start);
      const end = slash < 0 ? path.length : slash;
      node = node.children.get(path.slice(start, end));
      // `prefix/*` needs something below the prefix.
      if (node?.value !== undefined && slash >= 0) best = node.value;
      start = end + 1;
    }
    return best;
  }

  #matchSuffix(authority: string): T | undefined {
    if (this.#suffixes.children === undefined) return undefined;
    const colon = authority.lastIndexOf(":");
    const host = colon > 0 && !authority.endsWith("]") ? authority.slice(0, colon) : authority;
    let node: Node<T> | undefined = this.#suffixes;
    let best: T | undefined;
    for (let end = host.length; end > 0;) {
      const dot: number = host.lastIndexOf(".", end - 1);
      node = node.children?.get(host.slice(dot + 1, end));
      if (node === undefined) break;
      // `*.suffix` needs a label before the suffix.
      if (dot > 0 && node.value !== undefined) best = node.value;
      end = dot;
    }
    return best;
  }
}

function nodeAt<T>(root: Node<T> | undefined, parts: readonly string[]): Node<T> | undefined {
  let node = root;
  for (const part of parts) node = node?.children?.get(part);
  return node;
}

function grow<T>(root: Node<T>, parts: readonly string[]): Node<T> {
  let node = root;
  for (const part of parts) {
    let child: Node<T> | undefined = node.children?.get(part);
    if (child === undefined) {
      child = { value: undefined, children: undefined };
      node.children ??= new Map();
      node.children.set(part, child);
    }
    node = child;
  }
  return node;
}

/** Clears the value at the end of `parts`; true when the node itself has become useless. */
function prune<T>(node: Node<T>, parts: readonly string[], depth: number): boolean {
  const part = parts[depth];
  if (part === undefined) node.value = undefined;
  else {
    const child = node.children?.get(part);
    if (child !== undefined && prune(child, parts, depth + 1)) node.children?.delete(part);
    if (node.children?.size === 0) node.children = undefined;
  }
  return node.value === undefined && node.children === undefined;
}

function* valuesIn<T>(node: Node<T>): Iterable<T> {
  if (node.value !== undefined) yield node.value;
  for (const child of node.children?.values() ?? []) yield* valuesIn(child);
}
