import assert from "node:assert/strict";
import {
  conditionOf,
  countConditions,
  mendOf,
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
      ],
    );
  });

  it("says why in a few words", () => {
    const down = peerSummary({ status: "offline", cause: { code: "connection-refused" } });
    assert.equal(whyOf(down), "connection refused");
    assert.match(whyOf(peerSummary({ refusal: "ERR_FED_BLOCKED" })) ?? "", /ERR_FED_BLOCKED/u);
    const oneWay = { inbound: false, outbound: true, at: 1 };
    assert.match(whyOf(peerSummary({ theirTrust: oneWay })) ?? "", /none of our players/u);
    assert.equal(whyOf(peerSummary({})), undefined);
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
