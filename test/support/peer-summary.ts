import type { PeerSummary } from "../../src/operator/peers.ts";

const NOTHING = { share: undefined, observedMilliseconds: 0 };

/** A peer that is up and trusted both ways, but for `changes`. */
export function peerSummary(changes: Partial<PeerSummary>): PeerSummary {
  return {
    origin: "https://a.example",
    met: true,
    name: "A",
    worlds: ["plaza"],
    trust: "trusted",
    blockedBy: [],
    roles: { inbound: true, outbound: true },
    keys: ["a-key"],
    recovery: undefined,
    status: "online",
    hasSession: true,
    refusal: undefined,
    refusalAt: undefined,
    theirTrust: { inbound: true, outbound: true, at: 1 },
    roundTripMilliseconds: 12,
    uptime: { hour: NOTHING, day: NOTHING, ninetyDays: NOTHING },
    firstSeenAt: 1,
    lastHandshakeAt: 1,
    lastCheckedAt: 1,
    lastSeenAt: 1,
    since: 5,
    cause: undefined,
    nextCheckAt: undefined,
    wrongAssets: 0,
    ...changes,
  };
}
