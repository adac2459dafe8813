/**
 * Steps of a key's life as pure functions on the ring (PROTOCOL 2): announce, switch, revoke.
 *
 * Announce first, and switch only after every peer has read the descriptor again (a session's
 * renewal does it, so a day is enough): a peer that never saw the next key quarantines this server.
 */
import type { Random } from "../ports.ts";
import { type KeyRing, generateSigningKey } from "./server-keys.ts";

/** Retired keys kept for audit, newest first; older ones are forgotten. */
const MAX_RETIRED_KEYS = 100;

/** Publishes a new key beside the current one; one that is published already stays. */
export function announceNextKey(ring: KeyRing, random: Random): KeyRing {
  return ring.next === undefined ? { ...ring, next: generateSigningKey(random) } : ring;
}

/**
 * Signs with the announced key from now on; the one before is kept for audit.
 *
 * @throws TypeError when no key was announced: peers could not vouch for it.
 */
export function switchToNextKey(ring: KeyRing): KeyRing {
  if (ring.next === undefined) {
    throw new TypeError("no next key: announce one and let peers read the descriptor first");
  }
  return {
    current: ring.next,
    next: undefined,
    retired: [ring.current.jwk, ...ring.retired].slice(0, MAX_RETIRED_KEYS),
  };
}

/**
 * Stops using a key that may be in other hands. Revoking the current key switches to the announced
 * one, which peers vouch for already, or to a fresh one, for which every peer's operator will have
 * to approve this server again.
 *
 * @throws TypeError when the ring has no such key in use.
 */
export function revokeKey(ring: KeyRing, kid: string, random: Random): KeyRing {
  if (kid === ring.next?.kid) {
    const retired = [ring.next.jwk, ...ring.retired].slice(0, MAX_RETIRED_KEYS);
    return { ...ring, next: undefined, retired };
  }
  if (kid !== ring.current.kid) throw new TypeError(`no key ${kid} is in use here`);
  return switchToNextKey(announceNextKey(ring, random));
}
