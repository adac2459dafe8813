/**
 * Steps of a key's life as pure functions on the ring (PROTOCOL 2): announce, switch, revoke, recover.
 *
 * Announce first, and switch only after every peer has read the descriptor again (a session's
 * renewal does it, so a day is enough): a peer that never saw the next key quarantines this server.
 */
import type { Random } from "../ports.ts";
import type { DatedKey } from "./dated-key.ts";
import { MAX_RECOVERIES, signRecovery } from "./recovery.ts";
import {
  type KeyRing,
  type RetiredKey,
  type SigningKey,
  generateSigningKey,
} from "./server-keys.ts";

/** What a key signed is looked at for so long after it has retired: receipts are kept for 90 days. */
const KEPT_SECONDS = 91 * 24 * 3600;
/** Retired keys kept at least, however old. */
const MIN_RETIRED_KEYS = 100;
/** And at most, however new. */
const MAX_RETIRED_KEYS = 1000;

/** Publishes a new key beside the current one; one that is published already stays. */
export function announceNextKey(ring: KeyRing, random: Random): KeyRing {
  return ring.next === undefined ? { ...ring, next: generateSigningKey(random) } : ring;
}

/**
 * Signs with the announced key from `now` (Unix seconds) on; the one before is kept, so that what it
 * signed can be verified.
 *
 * @throws TypeError when no key was announced: peers could not vouch for it.
 */
export function switchToNextKey(ring: KeyRing, now: number): KeyRing {
  if (ring.next === undefined) {
    throw new TypeError("no next key: announce one and let peers read the descriptor first");
  }
  const former: RetiredKey = {
    ...ring.current.jwk,
    ...(ring.since === undefined ? {} : { since: ring.since }),
    retiredAt: now,
  };
  return {
    ...ring,
    current: ring.next,
    since: now,
    next: undefined,
    retired: kept([former, ...ring.retired], now),
  };
}

/**
 * Stops using a key that may be in other hands, from `now` (Unix seconds) on. Revoking the current key
 * switches to the announced one, which peers vouch for already, or to a fresh one, for which every
 * peer's operator will have to approve this server again. A retired key is marked.
 *
 * @throws TypeError when the ring has no such key.
 */
export function revokeKey(ring: KeyRing, kid: string, random: Random, now: number): KeyRing {
  if (kid === ring.next?.kid) {
    const revoked: RetiredKey = { ...ring.next.jwk, revokedAt: now };
    return { ...ring, next: undefined, retired: kept([revoked, ...ring.retired], now) };
  }
  if (kid === ring.current.kid) {
    return marked(switchToNextKey(announceNextKey(ring, random), now), kid, now);
  }
  if (!ring.retired.some((key) => key.kid === kid)) throw new TypeError(`no key ${kid} is here`);
  return marked(ring, kid, now);
}

/** A ring with a recovery key, and that key: for the operator's eyes only. */
export interface WithRecovery {
  readonly ring: KeyRing;
  readonly recoveryKey: SigningKey;
}

/**
 * Gives the ring a recovery key. In place of one that is lost, peers that know the former have to
 * approve.
 */
export function addRecoveryKey(ring: KeyRing, random: Random): WithRecovery {
  const recoveryKey = generateSigningKey(random);
  return { ring: { ...ring, recovery: { kid: recoveryKey.kid, statements: [] } }, recoveryKey };
}

/**
 * Replaces every key by word of the recovery key, which gives way to a new one: the former keys are
 * revoked from `now` (Unix seconds) on. With `keepKeys` only the recovery key is replaced.
 *
 * @throws TypeError when the recovery key is not the ring's, or the ring has none.
 */
export async function recoverKeys(
  ring: KeyRing | undefined,
  by: SigningKey,
  options: {
    readonly origin: string;
    readonly random: Random;
    readonly now: number;
    readonly keepKeys: boolean;
  },
): Promise<WithRecovery> {
  const { origin, random, now, keepKeys } = options;
  const known = ring?.recovery?.kid;
  if (ring !== undefined && known === undefined) {
    throw new TypeError("this server has no recovery key: no peer would believe one");
  }
  if (known !== undefined && known !== by.kid) {
    throw new TypeError(`the recovery key of this server is ${known}, not ${by.kid}`);
  }
  const recoveryKey = generateSigningKey(random);
  const renewed = keepKeys && ring !== undefined ? ring : replaced(ring, random, now);
  const keys = [renewed.current.kid, ...(renewed.next === undefined ? [] : [renewed.next.kid])];
  const statement = await signRecovery(
    { iss: origin, keys, recovery: recoveryKey.kid, iat: now },
    by,
  );
  const statements = [...(ring?.recovery?.statements ?? []), statement].slice(-MAX_RECOVERIES);
  return { ring: { ...renewed, recovery: { kid: recoveryKey.kid, statements } }, recoveryKey };
}

function replaced(ring: KeyRing | undefined, random: Random, now: number): KeyRing {
  const current = generateSigningKey(random);
  if (ring === undefined) return { current, next: undefined, retired: [], since: now };
  const past: RetiredKey[] = [
    ...(ring.next === undefined ? [] : [{ ...ring.next.jwk, revokedAt: now }]),
    {
      ...ring.current.jwk,
      ...(ring.since === undefined ? {} : { since: ring.since }),
      ...{ retiredAt: now, revokedAt: now },
    },
  ];
  return {
    ...ring,
    ...{ current, next: undefined, since: now },
    retired: kept([...past, ...ring.retired], now),
  };
}

/** What is said of one of the ring's keys; undefined when it is none. */
export function datedKey(
  { current, next, retired, since }: KeyRing,
  kid: string,
): DatedKey | undefined {
  if (kid === current.kid) return { jwk: current.jwk, since };
  if (kid === next?.kid) return { jwk: next.jwk };
  const found = retired.find((key) => key.kid === kid);
  if (found === undefined) return undefined;
  const { since: from, retiredAt, revokedAt, ...jwk } = found;
  return { jwk, since: from, retiredAt, revokedAt };
}

function marked(ring: KeyRing, kid: string, now: number): KeyRing {
  const retired = ring.retired.map((key) =>
    key.kid === kid ? { ...key, revokedAt: Math.min(key.revokedAt ?? now, now) } : key,
  );
  return { ...ring, retired };
}

function kept(retired: readonly RetiredKey[], now: number): RetiredKey[] {
  return retired
    .filter(
      ({ retiredAt = 0, revokedAt = 0 }, index) =>
        index < MIN_RETIRED_KEYS || Math.max(retiredAt, revokedAt) > now - KEPT_SECONDS,
    )
    .slice(0, MAX_RETIRED_KEYS);
}
