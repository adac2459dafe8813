/**
 * Patterns of portal routes, most specific first: `aether://host/path`, `aether://host/prefix/*`,
 * `aether://host/*`, `aether://*.suffix/*`, `*`.
 */
export type RoutePattern =
  | { readonly kind: "path"; readonly uri: string }
  /** The authority and the path without its last slash: `host/prefix`. */
  | { readonly kind: "prefix"; readonly prefix: string }
  | { readonly kind: "suffix"; readonly suffix: string }
  | { readonly kind: "any" };

const AUTHORITY = /^(?:\[[0-9a-f:.]+\]|[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::\d{1,5})?$/u;

/** Parses a pattern. @throws TypeError naming what is wrong with it. */
export function parsePattern(pattern: string): RoutePattern {
  const wrong = (why: string): TypeError =>
    new TypeError(
      `pattern "${pattern.slice(0, 120)}": ${why}; use aether://host/path, aether://host/prefix/*, aether://*.suffix/* or *`,
    );
  if (typeof pattern !== "string" || pattern.length > 2048) throw wrong("not a pattern");
  if (pattern === "*") return { kind: "any" };
  const match = /^aether:\/\/([^/?#]+)(\/[^?#]*)?$/iu.exec(pattern);
  const [, rawAuthority = "", path = "/*"] = match ?? [];
  if (match === null) throw wrong("it must begin with aether://");
  // Portal URIs leave out https' own port, too.
  const authority = rawAuthority.toLowerCase().replace(/:443$/u, "");
  if (authority.startsWith("*.")) {
    const suffix = authority.slice(2);
    if (!AUTHORITY.test(suffix) || suffix.includes(":")) throw wrong("the suffix is no host name");
    if (path !== "/*" && path !== "/") throw wrong("a suffix pattern covers all paths");
    return { kind: "suffix", suffix };
  }
  if (!AUTHORITY.test(authority)) throw wrong("the authority is no host[:port]");
  const segments = path.slice(1).split("/");
  const last = segments.at(-1);
  if (segments.slice(0, -1).some((segment) => segment.includes("*") || segment === "")) {
    throw wrong("* stands for the end of a path only");
  }
  if (last === "*")
    return { kind: "prefix", prefix: pieceOf(pattern, `${authority}${path.slice(0, -2)}`) };
  if (last === undefined || last.includes("*")) throw wrong("* stands for a whole segment only");
  if (path === "/") return { kind: "prefix", prefix: pieceOf(pattern, authority) };
  const uri = `aether://${authority}${path}`;
  // One string for both, wherever they are kept.
  return { kind: "path", uri: uri === pattern ? pattern : uri };
}

/** A piece that begins where the authority does: cut out of the pattern, which is kept anyway. */
function pieceOf(pattern: string, piece: string): string {
  const same = pattern.slice("aether://".length, "aether://".length + piece.length);
  return same === piece ? same : piece;
}
