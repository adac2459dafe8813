/** A server that its operator, or the host, registers by its address, before it has been met. */
import { type ServerDescriptor, WORLD_NAME } from "../identity/descriptor.ts";
import { normalizeEndpoint, normalizeOrigin } from "../identity/origin.ts";
import type { ServerStatus } from "./federated-server.ts";

/** What is said of a server that has not been met. */
export interface ServerListing {
  /** Its origin, or the URL of its federation endpoints, of which its origin is taken then. */
  readonly endpoint: string;
  /** Default `offline`: it has not been probed. */
  readonly status?: ServerStatus;
  /** Names of its worlds, until it says them itself. Default: none. */
  readonly worlds?: readonly string[];
  /** Default: the origin's authority. */
  readonly name?: string;
}

/**
 * The descriptor of a server of which nobody has seen one: without keys, and expired.
 *
 * @throws TypeError naming what is wrong.
 */
export function describeListing({ endpoint, worlds = [], name }: ServerListing): ServerDescriptor {
  const insecure = { allowInsecure: true };
  if (typeof endpoint !== "string" || !URL.canParse(endpoint)) {
    throw new TypeError(
      `endpoint must be a URL such as https://worlds.example.com, got ${JSON.stringify(endpoint)}`,
    );
  }
  const { origin: bare, pathname } = new URL(endpoint);
  const origin = normalizeOrigin(bare, insecure);
  const wrong = worlds.find((world) => !WORLD_NAME.test(world));
  if (wrong !== undefined) throw new TypeError(`worlds: "${wrong}" must be 1–64 of A-Za-z0-9_-`);
  return {
    origin,
    name: name ?? new URL(origin).host.slice(0, 64),
    endpoint: pathname === "/" ? `${origin}/federation` : normalizeEndpoint(endpoint, insecure),
    protocols: [],
    worlds: [...worlds],
    keys: [],
    validUntil: 0,
  };
}
