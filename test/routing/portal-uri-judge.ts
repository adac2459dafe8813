/** Reads portal URIs by `URL` alone: the judge of the parser that is used. */
import type { PortalUri } from "../../src/routing/portal-uri.ts";

const MAX_URI_LENGTH = 2048;
const MAX_URI_OPTIONS = 16;
const MAX_OPTION_LENGTH = 256;
const WORLD = /^[A-Za-z0-9_-]{1,64}$/u;

/** The verdict on a text. */
export function judgePortalUri(
  value: unknown,
):
  { readonly ok: true; readonly uri: PortalUri } | { readonly ok: false; readonly reason: string } {
  const no = (reason: string): { ok: false; reason: string } => ({ ok: false, reason });
  if (typeof value !== "string") return no("a portal URI is a string");
  if (value.length > MAX_URI_LENGTH) return no(`longer than ${MAX_URI_LENGTH} characters`);
  if (!/^aether:\/\//iu.test(value)) return no("the scheme must be aether:");
  // URL knows hosts, ports and percent-encoding for https; the rest of the rules are ours.
  const text = `https://${value.slice("aether://".length)}`;
  if (!URL.canParse(text)) return no("not a URI");
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") return no("a portal URI names no user");
  if (url.hash !== "") return no("a portal URI has no fragment");
  const [, world = ""] = url.pathname.split("/");
  if (!WORLD.test(world)) return no("the path must begin with a world: 1–64 of A-Za-z0-9_-");
  const options: Record<string, string> = {};
  let count = 0;
  for (const [name, option] of url.searchParams) {
    count += 1;
    if (count > MAX_URI_OPTIONS) return no(`more than ${MAX_URI_OPTIONS} options`);
    if (name === "" || name === "__proto__" || name.length > 64) return no("bad option name");
    if (option.length > MAX_OPTION_LENGTH) return no(`option "${name}" is too long`);
    options[name] = option;
  }
  const { host: authority } = url;
  // RFC 3986, section 6.2.2: unreserved characters need no escape, and escapes are in upper case.
  const path = url.pathname
    .split(/(%[\dA-Fa-f]{2})/u)
    .map((piece, index) => (index % 2 === 0 ? piece : escapeOf(piece)))
    .join("");
  return {
    ok: true,
    uri: {
      authority,
      world,
      path,
      options,
      href: `aether://${authority}${path}${url.search}`,
    },
  };
}

const UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

function escapeOf(escape: string): string {
  const code = Number(`0x${escape.slice(1)}`);
  const character = String.fromCharCode(code);
  return UNRESERVED.includes(character) ? character : escape.toUpperCase();
}
