/** An authority, `host[:port]`, as a regular expression: what player ids and origins are made of. */
export const AUTHORITY = "[a-z0-9.[\\]:-]{1,261}";

const NAMEABLE = new RegExp(`^${AUTHORITY}$`, "u");

/**
 * Normalizes a server's public URL origin (PROTOCOL 1).
 *
 * @throws TypeError when it is not `https://host[:port]`, or `http:` where that is allowed.
 */
export function normalizeOrigin(value: string, options: { allowInsecure?: boolean } = {}): string {
  if (value.length > 300 || !URL.canParse(value)) {
    throw new TypeError(
      `"${value.slice(0, 80)}" is not a URL origin such as https://worlds.example.com`,
    );
  }
  const url = new URL(value);
  const bare = url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (!bare || url.pathname !== "/" || value.endsWith("?") || value.endsWith("#")) {
    throw new TypeError(`"${value}" must be an origin only: no path, query or user`);
  }
  assertNameable(url, value);
  if (url.protocol === "https:") return url.origin;
  if (url.protocol === "http:" && options.allowInsecure === true) return url.origin;
  throw new TypeError(
    `"${value}" must use https: (http: is for development, with allowInsecure: true)`,
  );
}

/**
 * Normalizes the URL of a server's endpoints, which has a path and no slash at its end.
 *
 * @throws TypeError when it is none, or names a user, a query, or an empty part of a path.
 */
export function normalizeEndpoint(
  value: string,
  options: { allowInsecure?: boolean } = {},
): string {
  if (value.length > 1024 || !URL.canParse(value)) {
    throw new TypeError(`"${value.slice(0, 80)}" is not a URL`);
  }
  const { origin, pathname, username, password, search, hash } = new URL(value);
  const path = pathname.replace(/\/$/u, "");
  const bare = username === "" && password === "" && search === "" && hash === "";
  if (!bare || path === "" || pathname.includes("//") || /[?#]$/u.test(value)) {
    throw new TypeError(
      `"${value}" must have a path and no user, query or "//", e.g. "https://worlds.example.com/federation"`,
    );
  }
  return `${normalizeOrigin(origin, options)}${path}`;
}

/**
 * Normalizes a host, with or without a port; an explicit 443 stays.
 *
 * @throws TypeError when it is none, or a name without a dot that is not `localhost`, unless it may be.
 */
export function normalizeHost(
  value: string,
  { dotless = false }: { readonly dotless?: boolean } = {},
): string {
  if (value.length > 300 || !/^[^\s/\\@?#%]+$/u.test(value) || !URL.canParse(`https://${value}`)) {
    throw new TypeError(`"${value.slice(0, 80)}" is no host`);
  }
  const url = new URL(`https://${value}`);
  assertNameable(url, value);
  const { hostname, host } = url;
  if (!dotless && !/^\[|\.|^localhost$/u.test(hostname)) {
    throw new TypeError(`"${value}" is no host: a name needs a dot`);
  }
  return /(?<!:):0*443$/u.test(value) && url.port === "" ? `${hostname}:443` : host;
}

/**
 * A host that players' ids can carry and that has one name only.
 *
 * @throws TypeError that says what is wrong.
 */
function assertNameable(url: URL, value: string): void {
  // "host." resolves as "host" does, and would be a second name past blocks and pins.
  if (url.hostname.endsWith(".") || url.hostname.includes("..") || url.hostname.startsWith(".")) {
    throw new TypeError(
      `"${value}" must not have an empty part in its host name, nor end it with a dot`,
    );
  }
  // Player ids carry the authority, and nobody reads one with anything else in it.
  if (!NAMEABLE.test(url.host)) {
    throw new TypeError(
      `"${value}" must name a host of letters, digits, dots and hyphens only (no "_"), at most 261 characters with its port`,
    );
  }
}

/** Whether `value` is an origin in its normal form. */
export function isOrigin(
  value: unknown,
  options: { allowInsecure?: boolean } = {},
): value is string {
  if (typeof value !== "string") return false;
  try {
    return normalizeOrigin(value, options) === value;
  } catch {
    return false;
  }
}

/** The origin's `host[:port]`: what portal URIs and player ids carry. */
export function authorityOf(origin: string): string {
  return new URL(origin).host;
}
