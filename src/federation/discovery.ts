/** What a host does with lists of servers: reads others', and publishes its own. */
import { FederationError } from "../errors.ts";
import type { DiscoveredServer } from "../discovery/discovery.ts";
import type { Discovered } from "../discovery/listing-reader.ts";
import { MAX_LIST_SECONDS, signServerList } from "../discovery/server-list.ts";
import { normalizeOrigin } from "../identity/origin.ts";
import { wrongOption } from "../options.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";

const LIST_SECONDS = 24 * 3600;

/** @throws TypeError for a source that is none. @throws FederationError as the reader does. */
export function discover(runtime: FederationRuntime, source: string): Promise<Discovered> {
  const { allowInsecure } = runtime.options;
  const url = typeof source === "string" && URL.canParse(source) ? new URL(source) : undefined;
  const isFile = url !== undefined && url.pathname !== "/";
  const place = isFile ? url.href : normalizeOrigin(source, { allowInsecure });
  return runtime.listings.discover(place);
}

/** Who is known by introduction, by origin. */
export function discovered(runtime: FederationRuntime): DiscoveredServer[] {
  const servers = runtime.started ? runtime.discovery.list() : [];
  return servers.sort((one, other) => (one.origin < other.origin ? -1 : 1));
}

/** @throws TypeError for a life that is none. @throws FederationError `ERR_FED_NOT_FOUND` where it is not listed. */
export function serverList(
  runtime: FederationRuntime,
  lifeSeconds = LIST_SECONDS,
): Promise<string> {
  if (!Number.isInteger(lifeSeconds) || lifeSeconds < 60 || lifeSeconds > MAX_LIST_SECONDS) {
    throw wrongOption("lifeSeconds", `a whole number from 60 to ${MAX_LIST_SECONDS}`, lifeSeconds);
  }
  const { options, clock } = runtime;
  if (options.listing === undefined) {
    const reason = "This server does not agree to be listed (option listed): it makes no list.";
    throw new FederationError("ERR_FED_NOT_FOUND", reason);
  }
  const iat = Math.floor(clock.now() / 1000);
  const list = {
    iss: options.origin,
    iat,
    exp: iat + lifeSeconds,
    servers: runtime.serverPages.standing(),
  };
  return signServerList(list, runtime.signingKey());
}
