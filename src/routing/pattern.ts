import { readByUrl } from "./portal-uri.ts";
import { MAX_URI_LENGTH, SCHEME } from "./uri-rules.ts";

/**
 * Patterns of portal routes, most specific first: `aether://host/path`, `aether://host/prefix/*`,
 * `aether://host/*`, `aether://*.suffix/*`, `*`. In the form that portal URIs are read in (PROTOCOL 1).
 */
export type RoutePattern =
  | { readonly kind: "path"; readonly uri: string }
  /** The authority and the path without its last slash: `host/prefix`. */
  | { readonly kind: "prefix"; readonly prefix: string }
  | { readonly kind: "suffix"; readonly suffix: string }
  | { readonly kind: "any" };

/** Stands for whatever `*` stands for, while a pattern is read as a URI. */
const ANY_NAME = "x";

/**
 * Parses a pattern: by the rules of portal URIs, so that it meets the URIs it is meant for however either is
 * spelt (ports, IPv6 addresses, escapes, international names).
 *
 * @throws TypeError naming what is wrong with it, also where no portal URI could ever match it.
 */
export function parsePattern(pattern: string): RoutePattern {
  if (typeof pattern !== "string") throw new TypeError("pattern must be a text");
  const wrong = (why: string): TypeError =>
    new TypeError(
      `pattern "${pattern.slice(0, 120)}": ${why}; use aether://host/path, aether://host/prefix/*, aether://*.suffix/* or *`,
    );
  if (pattern.length > MAX_URI_LENGTH) throw wrong("not a pattern");
  if (pattern === "*") return { kind: "any" };
  const match = /^aether:\/\/([^/?#]+)(\/[^?#]*)?$/iu.exec(pattern);
  if (match === null) throw wrong("it must begin with aether://, and has no query and no fragment");
  const [, authority = "", path = "/*"] = match;
  if (authority.startsWith("*.")) {
    if (path !== "/*" && path !== "/") throw wrong("a suffix pattern covers all paths");
    return { kind: "suffix", suffix: suffixOf(authority.slice(2), wrong) };
  }
  if (authority.includes("*")) throw wrong("* stands for the first labels of a host only");
  const segments = path.slice(1).split("/");
  const last = segments.pop();
  if (segments.some((segment) => segment.includes("*") || segment === "")) {
    throw wrong("* stands for the end of a path only");
  }
  const isPrefix = last === "*" || path === "/";
  if (!isPrefix && last?.includes("*") !== false) throw wrong("* stands for a whole segment only");
  const example = isPrefix ? path.replace(/\*?$/u, ANY_NAME) : path;
  const read = readByUrl(`${SCHEME}${authority}${example}`);
  if (typeof read === "string") throw wrong(`no portal URI can match it: ${read}`);
  const { href } = read;
  if (href.length > MAX_URI_LENGTH) throw wrong("no portal URI is as long");
  if (!isPrefix) return { kind: "path", uri: href === pattern ? pattern : href };
  const prefix = href.slice(SCHEME.length, -`/${ANY_NAME}`.length);
  return { kind: "prefix", prefix: pieceOf(pattern, prefix) };
}

/** A pattern as it is written in its normal form. */
export function patternText(pattern: RoutePattern): string {
  switch (pattern.kind) {
    case "any":
      return "*";
    case "path":
      return pattern.uri;
    case "prefix":
      return `${SCHEME}${pattern.prefix}/*`;
    case "suffix":
      return `${SCHEME}*.${pattern.suffix}/*`;
  }
}

function suffixOf(suffix: string, wrong: (why: string) => TypeError): string {
  // With a label before it, as every host that it matches has.
  const url = URL.parse(`https://${ANY_NAME}.${suffix}`);
  if (url === null || /[:@[\]\\]/u.test(suffix)) throw wrong("the suffix is no host name");
  return url.hostname.slice(`${ANY_NAME}.`.length);
}

/** A piece that begins where the authority does: cut out of the pattern, which is kept anyway. */
function pieceOf(pattern: string, piece: string): string {
  const same = pattern.slice(SCHEME.length, SCHEME.length + piece.length);
  return same === piece ? same : piece;
}
