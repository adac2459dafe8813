import assert from "node:assert/strict";
import type { TrustCandidate, TrustPolicy } from "../../src/handshake/trust-policy.ts";
import {
  MAX_MET_AT_ONCE,
  type TrustIntroduced,
  meetIntroduced,
  withIntroductions,
} from "../../src/runtime/introductions.ts";
import { quietLogger } from "../support/loggers.ts";

const HUB = "https://hub.example";
const CANDIDATE: TrustCandidate = {
  ...{ origin: "https://a.example", name: "A", kids: ["k"], worlds: ["plaza"] },
};

describe("runtime/introductions: the policy", () => {
  async function decide(
    policy: TrustPolicy,
    trust: TrustIntroduced,
    { by = [HUB], named = [] }: { by?: string[]; named?: string[] } = {},
  ): Promise<string> {
    const whole = withIntroductions(policy, { trust, named, introducersOf: () => by });
    assert.ok(typeof whole === "function");
    return whole(CANDIDATE);
  }

  it("decides about whom a trusted peer introduces, and is told who", async () => {
    let told: unknown;
    const trust: TrustIntroduced = (candidate) => {
      told = candidate;
      return "trusted";
    };
    assert.equal(await decide("approve", trust), "trusted");
    assert.deepEqual(told, { ...CANDIDATE, introducedBy: [HUB] });
  });
  it("is not asked about whom nobody introduces", async () => {
    assert.equal(await decide("approve", () => "trusted", { by: [] }), "pending");
  });
  it("trusts nobody whom the policy for strangers refuses", async () => {
    assert.equal(await decide("allowlist", () => "trusted"), "refused");
  });
  it("refuses nobody whom the operator named", async () => {
    const named = [CANDIDATE.origin];
    assert.equal(await decide("allowlist", () => "refused", { named }), "trusted");
  });
  it("goes behind a policy of the host's own", async () => {
    assert.equal(
      await decide(
        () => "pending",
        () => "trusted",
      ),
      "trusted",
    );
    assert.equal(
      await decide(
        () => "refused",
        () => "trusted",
      ),
      "refused",
    );
  });
  it("lets wait where it throws, or does not answer clearly", async () => {
    const fails = (): never => {
      throw new Error("no");
    };
    assert.equal(await decide("approve", fails), "pending");
    assert.equal(await decide("approve", () => true as never), "pending");
  });
});

describe("runtime/introductions: meeting them", () => {
  it("meets those whom the policy trusts and nobody knows, few at once", async () => {
    const met: string[] = [];
    const origins = Array.from({ length: 10 }, (_, at) => `https://s${at}.example`);
    await meetIntroduced(
      origins.map((origin) => ({ origin })),
      {
        isKnown: (origin) => origin === origins[0],
        wouldTrust: (origin) => Promise.resolve(origin !== origins[1]),
        connect: (origin) => {
          met.push(origin);
          return origin === origins[2] ? Promise.reject(new Error("down")) : Promise.resolve();
        },
        logger: quietLogger(),
      },
    );
    assert.deepEqual(met, origins.slice(2, 2 + MAX_MET_AT_ONCE));
  });
});
