/**
 * The keys that a peer is known by: pinned at first sight, followed through rotations that a pinned
 * key vouches for, retired when the peer publishes them no more.
 */
import type { PublicJwk } from "../identity/ed25519.ts";

/** A key that belongs to a peer. */
export interface PinnedKey {
  readonly jwk: PublicJwk;
  /** Unix seconds. */
  readonly pinnedAt: number;
  /**
   * Unix seconds at which the peer stopped publishing it. What it had signed by then still verifies
   * for a short while; after that the key is kept for audit only.
   */
  readonly retiredAt?: number;
}

/** The longest that a pass of the old key can be under way: its life and the clocks' difference. */
const RETIRED_KEY_GRACE_SECONDS = 150;
/** Retired keys kept of one peer; the oldest give way, so that rotating for ever fills no store. */
const MAX_RETIRED_KEYS = 32;

/** The pins of a peer met for the first time. Times are Unix seconds, here and below. */
export function pinAll(published: readonly PublicJwk[], now: number): PinnedKey[] {
  return published.map((jwk) => ({ jwk, pinnedAt: now }));
}

/** Whether any of the keys speaks for the peer. */
export function hasActiveKey(keys: readonly PinnedKey[]): boolean {
  return keys.some(({ retiredAt }) => retiredAt === undefined);
}

/** Whether the peer publishes this key: only then it vouches for others. */
export function vouches(keys: readonly PinnedKey[], kid: string): boolean {
  return keys.some(({ jwk, retiredAt }) => jwk.kid === kid && retiredAt === undefined);
}

/**
 * The key that signatures of this id are verified by; none for one that the peer stopped publishing
 * longer ago than a pass can live, so that a rotation refuses nothing that was under way.
 */
export function verifyingKey(
  keys: readonly PinnedKey[],
  kid: string,
  now: number,
): PublicJwk | undefined {
  const pinned = keys.find(({ jwk }) => jwk.kid === kid);
  if (pinned === undefined) return undefined;
  const { jwk, retiredAt } = pinned;
  return retiredAt !== undefined && now >= retiredAt + RETIRED_KEY_GRACE_SECONDS ? undefined : jwk;
}

/** The pins after a peer publishes `published`: the rest is retired, and kept within bounds. */
export function repin(
  keys: readonly PinnedKey[],
  published: readonly PublicJwk[],
  { now, retiredAt = now }: { readonly now: number; readonly retiredAt?: number },
): PinnedKey[] {
  const kids = new Set(published.map(({ kid }) => kid));
  const active = published.map((jwk): PinnedKey => {
    const known = keys.find((key) => key.jwk.kid === jwk.kid && key.retiredAt === undefined);
    return known ?? { jwk, pinnedAt: now };
  });
  const retired = keys
    .filter(({ jwk }) => !kids.has(jwk.kid))
    .map((key): PinnedKey => ({ ...key, retiredAt: key.retiredAt ?? retiredAt }))
    .slice(-MAX_RETIRED_KEYS);
  return [...retired, ...active];
}

/**
 * The pins after the operator approved keys that nothing vouched for. Those before are not to be
 * believed any more: no time of grace for them.
 */
export function repinApproved(
  keys: readonly PinnedKey[],
  approved: readonly PublicJwk[],
  now: number,
): PinnedKey[] {
  return repin(keys, approved, { now, retiredAt: now - RETIRED_KEY_GRACE_SECONDS });
}
