/** Strangers want every place that a server has for peers, for ever. */
import assert from "node:assert/strict";
import type { TrustPolicy } from "../../src/handshake/trust-policy.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { TestNetwork, type TestServer } from "../support/federation.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { ringOf } from "../support/parties.ts";

const VICTIM = "https://victim.example";
const NAMED = "https://named.example";
const HONEST = "https://honest.example";
const PLACES = 8;

describe("attack: strangers that fill the registry", () => {
  let clock: ManualClock;
  let network: TestNetwork;
  let victim: TestServer;
  const start = (policy: TrustPolicy = "approve"): void => {
    clock = new ManualClock();
    network = new TestNetwork(clock);
    victim = network.add(VICTIM, { policy, maxPeers: PLACES, named: [NAMED] });
  };
  beforeEach(() => {
    start();
  });
  const meet = async (origin: string, address: string): Promise<TestServer> => {
    clock.advance(1_000);
    const server = network.servers.get(origin) ?? network.add(origin, { address });
    await server.handshake.connect(VICTIM).catch(() => undefined);
    return server;
  };
  /** As many as there are places, and each changes its key. */
  const flood = async (addresses: number, rounds = 1): Promise<void> => {
    const strangers: TestServer[] = [];
    for (let index = 0; index < PLACES * addresses * rounds; index += 1) {
      const address = `192.0.2.${index % addresses}`;
      strangers.push(await meet(`https://s${index}.evil.example`, address));
    }
    clock.advance(120_000);
    for (const stranger of strangers) {
      stranger.ring = ringOf(`${stranger.origin}, another`);
      await stranger.handshake.connect(VICTIM).catch(() => undefined);
    }
  };
  const knows = (origin: string): boolean => victim.registry.has(origin);

  for (const policy of ["approve", "open"] as const) {
    it(`do not keep an honest newcomer out, nor push it out again (${policy})`, async () => {
      start(policy);
      await flood(1);
      await meet(HONEST, "198.51.100.7");
      assert.ok(knows(HONEST), "it has got a place");
      await flood(1, 3);
      assert.ok(knows(HONEST), "it has kept it");
      assert.equal(victim.registry.size, PLACES);
    });

    it(`do not push out whom the operator has decided about (${policy})`, async () => {
      start(policy);
      await meet(HONEST, "192.0.2.0");
      await victim.registry.setTrust(HONEST, TrustState.Trusted, {
        kids: [ringOf(HONEST).current.kid],
      });
      await flood(1, 3);
      assert.equal(victim.registry.get(HONEST)?.trust, TrustState.Trusted);
    });
  }

  it("do not keep out a peer that the configuration names", async () => {
    await flood(3);
    await meet(NAMED, "198.51.100.9");
    assert.equal(victim.registry.get(NAMED)?.trust, TrustState.Trusted);
    await flood(3);
    assert.ok(knows(NAMED));
  });

  it("do not keep out a named peer though every place is the operator's", async () => {
    for (let index = 0; index < PLACES; index += 1) {
      const origin = `https://friend${index}.example`;
      await meet(origin, "192.0.2.1");
      const kids = [ringOf(origin).current.kid];
      await victim.registry.setTrust(origin, TrustState.Trusted, { kids });
    }
    await meet(HONEST, "198.51.100.7");
    assert.equal(knows(HONEST), false, "there is nobody that could give way");
    await meet(NAMED, "198.51.100.9");
    assert.ok(knows(NAMED));
    assert.equal(victim.registry.size, PLACES + 1);
  });

  it("are not quarantined: a stranger whose key changes is a stranger", async () => {
    await flood(1);
    const { registry } = victim;
    assert.deepEqual(registry.list({ trust: TrustState.Quarantined }), []);
    assert.ok(registry.list().every(({ session }) => session !== undefined));
  });

  it("compete with those of their own address, however many addresses they have", async () => {
    await meet(HONEST, "198.51.100.7");
    await flood(3, 2);
    assert.ok(knows(HONEST));
    const evil = victim.registry.list().filter(({ origin }) => origin.endsWith(".evil.example"));
    assert.equal(evil.length, PLACES - 1);
  });
});
