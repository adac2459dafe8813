/** Whom a block reaches: those it names, and whoever is known by the same keys. Pure. */
import type { BlockEntry } from "./block-entry.ts";
import { matchesOrigin } from "./block-list.ts";
import { type FederatedServer, TrustState } from "./federated-server.ts";
import { vouches } from "./pinned-keys.ts";

/** What a block has done, or its end. */
export interface BlockOutcome {
  /** The entry, in its one form. */
  readonly entry: string;
  /** Origins of the known servers that it concerns. */
  readonly matched: readonly string[];
  /**
   * Trusted servers that a block leaves alone, though they are known by a key of those it matched: whoever
   * is blocked may have listed another one's key.
   */
  readonly spared: readonly string[];
}

/** Whom a block reaches, and the keys it covers. */
export interface Reach {
  readonly matched: readonly FederatedServer[];
  readonly kids: readonly string[];
  readonly spared: readonly FederatedServer[];
}

/** Looks for everybody that an entry means. `isExcepted`: whom a domain does not mean. */
export function reachOf(
  entry: BlockEntry,
  servers: readonly FederatedServer[],
  isExcepted: (origin: string) => boolean,
): Reach {
  const matched = new Set(
    servers.filter(
      ({ origin, keys }) =>
        (entry.kind === "key" && vouches(keys, entry.text)) ||
        (matchesOrigin(entry, origin) && !(entry.kind === "domain" && isExcepted(origin))),
    ),
  );
  const kids = new Set(entry.kind === "key" ? [entry.text] : []);
  const spared = new Set<FederatedServer>();
  for (let known = -1; known < matched.size;) {
    known = matched.size;
    for (const kid of [...matched].flatMap(keysOf)) {
      const others = servers.filter((server) => !matched.has(server) && publishes(server, kid));
      const trusted = others.filter(({ trust }) => trust === TrustState.Trusted);
      for (const server of trusted) spared.add(server);
      if (trusted.length > 0) continue;
      kids.add(kid);
      for (const server of others) matched.add(server);
    }
  }
  return { matched: [...matched], kids: [...kids], spared: [...spared] };
}

/** Every key that a server is known by, those that wait for the operator included. */
export function keysOf({ keys, proposedKeys = [] }: FederatedServer): string[] {
  return [...keys.map(({ jwk }) => jwk.kid), ...proposedKeys.map(({ kid }) => kid)];
}

/** The keys that a server publishes, as far as it is known. */
export function publishedBy({ keys, proposedKeys = [] }: FederatedServer): string[] {
  const active = keys.filter(({ retiredAt }) => retiredAt === undefined);
  return [...active.map(({ jwk }) => jwk.kid), ...proposedKeys.map(({ kid }) => kid)];
}

function publishes(server: FederatedServer, kid: string): boolean {
  return publishedBy(server).includes(kid);
}
