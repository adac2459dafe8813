/** What an operator can block, read strictly: what cannot be understood is refused, never written down. */
import { normalizeHost, normalizeOrigin } from "../identity/origin.ts";

/** An entry of the block list, in its one form. */
export interface BlockEntry {
  /** As it is stored and listed. */
  readonly text: string;
  readonly kind: "origin" | "host" | "domain" | "key" | "exception";
}

const KEY_ID = /^[A-Za-z0-9_-]{43}$/u;
const FORMS =
  "an origin (https://arena.example.org), a host (arena.example.org, every port of it), a domain (*.example.org), an exception to one (!good.example.org) or a key id of 43 characters";

/** @throws TypeError that says what can be blocked. */
export function readBlockEntry(value: unknown): BlockEntry {
  if (typeof value !== "string" || value === "" || value.length > 300) {
    throw new TypeError(`name what to block: ${FORMS}`);
  }
  if (value.startsWith("!")) {
    const { kind, text } = readBlockEntry(value.slice(1));
    if (kind === "origin" || kind === "host") return { kind: "exception", text: `!${text}` };
    throw new TypeError(`"${value}": name an origin or a host as the exception to a domain`);
  }
  // Another host name of 43 letters without a dot is nobody's.
  if (KEY_ID.test(value)) return { kind: "key", text: value };
  try {
    if (value.startsWith("*.")) {
      const host = normalizeHost(value.slice(2), { dotless: true });
      if (/:\d+$|^\[|^[\d.]+$/u.test(host))
        throw new TypeError("a domain has neither port nor address");
      return { kind: "domain", text: `*.${host}` };
    }
    if (value.includes("/")) {
      if (!/^https?:\/\/[^/\\\s]+\/?$/iu.test(value)) throw new TypeError("it is no origin");
      return { kind: "origin", text: normalizeOrigin(value, { allowInsecure: true }) };
    }
    const host = normalizeHost(value);
    // What https leaves out is one port, and not every one.
    if (host.endsWith(":443")) return { kind: "origin", text: `https://${host.slice(0, -4)}` };
    return { kind: "host", text: host };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "it is no origin";
    throw new TypeError(`"${value.slice(0, 80)}" cannot be blocked (${why}): name ${FORMS}`, {
      cause,
    });
  }
}
