/** Whom a block reaches: those it names, and whoever is known by the same keys. */
import type { BlockEntry } from "./block-entry.ts";
import { matchesOrigin } from "./block-list.ts";
import { type FederatedServer, TrustState } from "./federated-server.ts";
import { vouches } from "./pinned-keys.ts";
import { inSlices } from "./slices.ts";

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

/**
 * Looks for everybody that an entry means, by the origins that each had before, too, in several turns of the
 * event loop. `isExcepted`: whom a domain does not mean.
 */
export async function reachOf(
  entry: BlockEntry,
  servers: readonly FederatedServer[],
  {
    isExcepted,
    formerOrigins,
  }: {
    readonly isExcepted: (origin: string) => boolean;
    readonly formerOrigins: (origin: string) => readonly string[];
  },
): Promise<Reach> {
  const matched = new Set<FederatedServer>();
  const publishers = new Map<string, FederatedServer[]>();
  for await (const server of inSlices(servers)) {
    const { origin, keys } = server;
    const isNamed = [origin, ...formerOrigins(origin)].some(
      (name) => matchesOrigin(entry, name) && !(entry.kind === "domain" && isExcepted(name)),
    );
    if (isNamed || (entry.kind === "key" && vouches(keys, entry.text))) {
      matched.add(server);
    }
    for (const kid of publishedBy(server)) {
      const same = publishers.get(kid);
      if (same === undefined) publishers.set(kid, [server]);
      else same.push(server);
    }
  }
  const kids = new Set(entry.kind === "key" ? [entry.text] : []);
  const spared = new Set<FederatedServer>();
  const looked = new Set<string>();
  // Grows while it is gone through.
  for await (const server of inSlices(matched)) {
    for (const kid of keysOf(server)) {
      if (looked.has(kid)) continue;
      looked.add(kid);
      const others = (publishers.get(kid) ?? []).filter((other) => !matched.has(other));
      const trusted = others.filter(({ trust }) => trust === TrustState.Trusted);
      for (const other of trusted) spared.add(other);
      if (trusted.length > 0) continue;
      kids.add(kid);
      for (const other of others) matched.add(other);
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
