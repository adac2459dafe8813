import assert from "node:assert/strict";
import { readBlockEntry } from "../../src/registry/block-entry.ts";
import { keysOf, publishedBy, reachOf } from "../../src/registry/blocking.ts";
import {
  type FederatedServer,
  ServerStatus,
  TrustState,
} from "../../src/registry/federated-server.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { LOOKED_AT_ONCE } from "../../src/registry/slices.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** No domain has an exception, and nobody has moved. */
const NOBODY_ELSE = { isExcepted: () => false, formerOrigins: () => [] };
const originOf = (n: number): string => `https://p${n}.example`;

/** A server that is known by keys of these ids, some of which it does not publish any more. */
function known(n: number, kids: readonly string[], more: Partial<FederatedServer> = {}) {
  const server: FederatedServer = {
    ...{ origin: originOf(n), name: "", endpoint: originOf(n), protocols: [], worlds: [] },
    keys: kids.map((kid) => ({
      jwk: { kty: "OKP", crv: "Ed25519", x: "", use: "sig", kid: kid.replace("!", "") },
      pinnedAt: 0,
      ...(kid.startsWith("!") ? { retiredAt: 1 } : {}),
    })),
    ...{ status: ServerStatus.Offline, trust: TrustState.Pending, session: undefined },
    ...{ lastHandshakeAt: undefined, descriptorValidUntil: 0, firstSeenAt: 0, listed: true },
  };
  return { ...server, ...more };
}

/** What a block reaches, said as plainly as possible: again and again until nobody comes in any more. */
function plainReach(first: string, servers: readonly FederatedServer[]) {
  const matched = new Set(servers.filter(({ origin }) => origin === first));
  const [kids, spared] = [new Set<string>(), new Set<FederatedServer>()];
  for (let before = -1; before < matched.size;) {
    before = matched.size;
    for (const kid of [...matched].flatMap(keysOf)) {
      const others = servers.filter(
        (server) => !matched.has(server) && publishedBy(server).includes(kid),
      );
      const trusted = others.filter(({ trust }) => trust === TrustState.Trusted);
      for (const server of trusted) spared.add(server);
      if (trusted.length > 0) continue;
      kids.add(kid);
      for (const server of others) matched.add(server);
    }
  }
  return { matched, kids, spared };
}

describe("registry/blocking", () => {
  it("reaches whoever is known by the same keys, as a plain search does", async () => {
    const random = seededRandom("reach");
    const pick = (count: number): number => Math.floor(random.fraction() * count);
    const sizes = new Set<number>();
    for (let round = 0; round < 300; round += 1) {
      const servers = Array.from({ length: 12 }, (_, n) => {
        const kids = Array.from(
          { length: 1 + pick(3) },
          () => `${pick(5) === 0 ? "!" : ""}k${pick(14)}`,
        );
        const trust = pick(4) === 0 ? TrustState.Trusted : TrustState.Pending;
        return known(n, kids, { trust });
      });
      const plain = plainReach(originOf(0), servers);
      const reach = await reachOf(readBlockEntry(originOf(0)), servers, NOBODY_ELSE);
      for (const part of ["matched", "kids", "spared"] as const) {
        assert.deepEqual(new Set<unknown>(reach[part]), plain[part], `round ${round}: ${part}`);
      }
      sizes.add(reach.matched.length);
    }
    assert.ok(sizes.size > 4, `servers matched: ${[...sizes].join()}`);
  });

  it("looks a bounded number of times at each server, however many it matches", async () => {
    let looks = 0;
    const servers = Array.from({ length: 1_000 }, (_, n) => {
      const origin = n % 2 === 0 ? originOf(n) : `https://p${n}.other`;
      const server = known(n, [`k${n}`, `k${n + 1000}`], { origin });
      return Object.defineProperty({ ...server }, "keys", {
        get: () => {
          looks += 1;
          return server.keys;
        },
      });
    });
    const { matched } = await reachOf(readBlockEntry("*.example"), servers, NOBODY_ELSE);
    assert.equal(matched.length, 500);
    assert.ok(looks <= 10 * 1_000, `${looks} looks`);
  });

  it("lets the event loop go on while all servers are looked at", async () => {
    const registry = new ServerRegistry({ maxPeers: 4 * LOOKED_AT_ONCE });
    for (let n = 0; n < 4 * LOOKED_AT_ONCE; n += 1) {
      await registry.register({ endpoint: originOf(n) });
    }
    for (const change of ["block", "unblock"] as const) {
      let turns = 0;
      let over = false;
      const count = (): void => {
        turns += 1;
        if (!over) setImmediate(count);
      };
      setImmediate(count);
      await registry[change]("*.other.example");
      over = true;
      // For a block: who is blocked, whom it reaches, and each one's trust. Its end reaches nobody.
      assert.ok(turns >= (change === "block" ? 9 : 6), `${change}: ${turns} turns`);
    }
  });
});
