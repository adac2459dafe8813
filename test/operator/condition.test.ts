import assert from "node:assert/strict";
import {
  conditionOf,
  countConditions,
  mendOf,
  sinceOf,
  TROUBLES,
  whyOf,
  worstFirst,
} from "../../src/operator/condition.ts";
import { peerSummary } from "../support/peer-summary.ts";

const OWN = { origin: "https://own.example", keyId: "own-key" };

describe("operator/condition", () => {
  it("names how a peer is: trust first, then whether it answers, then whether it deals with us", () => {
    assert.deepEqual(
      [
        peerSummary({}),
        peerSummary({ trust: "blocked", status: "offline" }),
        peerSummary({ trust: "quarantined" }),
        peerSummary({ trust: "pending" }),
        peerSummary({ met: false, status: "offline" }),
        peerSummary({ status: "degraded" }),
        peerSummary({ status: "offline", refusal: "ERR_FED_BLOCKED" }),
        peerSummary({ status: "offline", since: undefined }),
        peerSummary({ refusal: "ERR_FED_BLOCKED" }),
        peerSummary({ status: "offline", since: undefined, refusal: "ERR_FED_BLOCKED" }),
      ].map(conditionOf),
      [
        "up",
        "blocked",
        "quarantined",
        "pending",
        "unmet",
        "degraded",
        "down",
        "unknown",
        "refused",
        "refused",
      ],
    );
  });

  it("says why in a few words", () => {
    const down = peerSummary({ status: "offline", cause: { code: "connection-refused" } });
    assert.equal(whyOf(down), "connection refused");
    const unwell = peerSummary({ status: "degraded", cause: { code: "slow" } });
    assert.equal(whyOf(unwell), "answers slowly");
    const blocked = { trust: "blocked", blockedBy: ["*.example", "a-key"] } as const;
    assert.equal(whyOf(peerSummary(blocked)), "blocked by *.example, a-key");
    const oneWay = { inbound: false, outbound: true, at: 1 };
    assert.match(whyOf(peerSummary({ theirTrust: oneWay })) ?? "", /none of our players/u);
    assert.equal(whyOf(peerSummary({})), undefined);
  });

  for (const [refusal, why] of [
    ["ERR_FED_NOT_TRUSTED", /^pending there: its operator has to approve this server$/u],
    ["ERR_FED_BLOCKED", /^blocked there$/u],
    ["ERR_FED_UNKNOWN_KEY", /^it does not know this server's key$/u],
    ["ERR_FED_KEY_CHANGED", /^it does not know this server's key$/u],
    ["ERR_FED_CLOCK_SKEW", /clocks of the two servers differ/u],
    ["ERR_FED_DIGEST_MISMATCH", /refuses this server: ERR_FED_DIGEST_MISMATCH$/u],
  ] as const) {
    it(`says why a peer refuses by ${refusal}, whether it was met before or not`, () => {
      assert.match(whyOf(peerSummary({ refusal })) ?? "", why);
      const unmet = peerSummary({ refusal, met: false, status: "offline", since: undefined });
      assert.match(whyOf(unmet) ?? "", why);
    });
  }

  it("says since when it is so", () => {
    const times = { since: 5, firstSeenAt: 2, refusalAt: 3, lastCheckedAt: 4 };
    assert.deepEqual(
      [
        peerSummary(times),
        peerSummary({ ...times, status: "offline" }),
        peerSummary({ ...times, refusal: "ERR_FED_BLOCKED" }),
        peerSummary({ ...times, trust: "pending" }),
        peerSummary({ ...times, trust: "quarantined" }),
        peerSummary({ ...times, status: "offline", since: undefined }),
      ].map(sinceOf),
      [5, 5, 3_000, 2_000, undefined, 4],
    );
  });

  it("counts as trouble what an operator has to mend, and no stranger", () => {
    assert.deepEqual([...TROUBLES].sort(), ["degraded", "down", "quarantined", "refused", "unmet"]);
  });

  it("names the command that mends it, and on whose machine", () => {
    assert.deepEqual(mendOf(peerSummary({ trust: "pending" }), OWN), {
      where: "here",
      command: "npx aether-federation peers approve https://a.example",
    });
    assert.deepEqual(mendOf(peerSummary({ refusal: "ERR_FED_NOT_TRUSTED" }), OWN), {
      where: "there",
      command: "npx aether-federation peers approve https://own.example --key own-key",
    });
    assert.deepEqual(mendOf(peerSummary({ refusal: "ERR_FED_BLOCKED" }), OWN), {
      where: "there",
      command: "npx aether-federation peers unblock https://own.example",
    });
    assert.match(
      mendOf(peerSummary({ status: "offline" }), OWN)?.command ?? "",
      /doctor https:\/\/a\.example$/u,
    );
    assert.equal(mendOf(peerSummary({}), OWN), undefined);
    assert.equal(
      mendOf(peerSummary({ refusal: "ERR_FED_NOT_TRUSTED" }), { ...OWN, keyId: undefined })
        ?.command,
      "npx aether-federation peers approve https://own.example",
    );
  });

  it("puts the worst first, and of those who has been so for longest", () => {
    const peers = [
      peerSummary({ origin: "https://up.example" }),
      peerSummary({ origin: "https://new.example", status: "offline", since: 9 }),
      peerSummary({ origin: "https://old.example", status: "offline", since: 3 }),
      peerSummary({ origin: "https://key.example", trust: "quarantined" }),
    ];
    assert.deepEqual(
      peers.toSorted(worstFirst).map(({ origin }) => origin.slice(8, 11)),
      ["key", "old", "new", "up."],
    );
    assert.deepEqual(countConditions(peers), { up: 1, down: 2, quarantined: 1 });
  });
});
