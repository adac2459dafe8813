/** A server that its peer's operator blocks goes on under another spelling, another name, or with what it has begun. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { TrustState } from "../../src/registry/federated-server.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { systemClock } from "../../src/ports.ts";
import { CLI, commandLine, runScript } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { TestNetwork, type TestServer } from "../support/federation.ts";
import { folderOfTest } from "../support/folders.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { descriptorOf, ringOf } from "../support/parties.ts";
import { ROOMS, type ServerProcess, Servers } from "../support/processes.ts";
import { portal } from "../support/sdk.ts";
import { Visitor } from "../support/visitor.ts";

const VICTIM = "https://victim.example";
const EVIL = "https://evil.example";
const ALIAS = "https://alias.example";
const HONEST = "https://honest.example";

describe("attack: a blocked server under another spelling", function () {
  this.timeout(60_000);
  const folder = folderOfTest();
  const cli = (...args: readonly string[]) => runScript(CLI, ...args, "--data", folder.path);
  const registry = async <T>(work: (registry: ServerRegistry) => Promise<T>): Promise<T> => {
    const store = new KeyvStore(new SqliteEngine({ path: join(folder.path, "federation.sqlite") }));
    const opened = new ServerRegistry({ store, clock: systemClock, maxPeers: 9 });
    try {
      await opened.load();
      return await work(opened);
    } finally {
      await store.close();
    }
  };
  const meet = async (known: ServerRegistry, origin: string): Promise<void> => {
    const {
      keys: _keys,
      jws: _jws,
      ...descriptor
    } = await descriptorOf(origin, ringOf(origin), Date.now());
    const keys = [ringOf(origin).current.jwk];
    await known.register({ ...descriptor, keys }, { trust: TrustState.Trusted });
  };

  for (const written of [
    "https://evil.example",
    "HTTPS://EVIL.Example",
    "https://evil.example/",
    "https://evil.example:443",
    "evil.example",
    "EVIL.EXAMPLE",
    "evil.example:443",
    "*.Evil.EXAMPLE",
    "*.example",
  ]) {
    it(`is blocked when its operator writes ${written}`, async () => {
      await registry((known) => meet(known, EVIL));
      const { code, out } = await cli("peers", "block", written);
      assert.equal(code, 0, out);
      assert.ok(out.includes(EVIL), `it says whom it has matched: ${out}`);
      await registry((known) => {
        assert.equal(known.get(EVIL)?.trust, TrustState.Blocked);
        assert.ok(known.isBlocked(EVIL));
        assert.ok(known.isBlocked(ALIAS, ringOf(EVIL).current.kid), "under another name, too");
        return Promise.resolve();
      });
    });
  }

  for (const written of [
    "",
    "*",
    "*.",
    "!",
    "!*.evil.example",
    "htps://evil.example",
    "https://evil.example/path",
    "https://user@evil.example",
    "https:/evil.example",
    "evil example",
    "evil..example",
    "evil.example.",
    "evil",
    "*.evil.example:8443",
    "*.192.0.2.7",
    "under_score.example",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno_",
  ]) {
    it(`is not said to be blocked by "${written}"`, async () => {
      await registry((known) => meet(known, EVIL));
      const { code, out, err } = await cli("peers", "block", written);
      assert.equal(code, 2, out);
      assert.match(err, /name (?:an|what)/u);
      await registry((known) => {
        assert.deepEqual(known.blocks(), []);
        return Promise.resolve();
      });
    });
  }

  it("means what the operator means by a development host, an address, another port", async () => {
    await registry(async (known) => {
      await known.block("*.LOCALHOST");
      await known.block("192.0.2.7");
      await known.block("[2001:DB8::7]");
      await known.block("bücher.example");
      for (const origin of [
        "http://localhost:2567",
        "http://a.localhost:1",
        "https://192.0.2.7:8443",
        "https://[2001:db8::7]",
        "https://xn--bcher-kva.example:444",
      ]) {
        assert.ok(known.isBlocked(origin), origin);
      }
      await known.block("evil.example:8443");
      assert.ok(known.isBlocked("https://evil.example:8443"));
      assert.equal(known.isBlocked(EVIL), false, "that was one port");
    });
  });
});

describe("attack: a blocked server under another name", () => {
  let network: TestNetwork;
  let victim: TestServer;
  beforeEach(() => {
    network = new TestNetwork(new ManualClock());
    victim = network.add(VICTIM, { policy: "approve" });
  });
  const meets = async (origin: string, ring = ringOf(origin)): Promise<TestServer> => {
    const server = network.servers.get(origin) ?? network.add(origin);
    server.ring = ring;
    await server.handshake.connect(VICTIM);
    return server;
  };
  const trustIn = (origin: string): TrustState | undefined => victim.registry.get(origin)?.trust;
  const trust = async (origin: string, kid: string): Promise<void> =>
    victim.registry.setTrust(origin, TrustState.Trusted, { kids: [kid] });

  it("is blocked where it is known already by the same key", async () => {
    await meets(EVIL);
    await meets(ALIAS, ringOf(EVIL));
    const { matched } = await victim.registry.block(EVIL);
    assert.deepEqual(matched, [ALIAS, EVIL]);
    assert.equal(trustIn(ALIAS), TrustState.Blocked);
  });

  it("gets nobody in by the keys of those that a domain or a host has matched", async () => {
    for (const pattern of ["*.evil.example", "evil.example"]) {
      await meets(EVIL);
      await victim.registry.block(pattern);
      assert.ok(victim.registry.isBlocked(ALIAS, ringOf(EVIL).current.kid), pattern);
      await assert.rejects(meets(ALIAS, ringOf(EVIL)), { code: "ERR_FED_BLOCKED" });
      assert.equal(victim.registry.get(ALIAS), undefined);
      await victim.registry.unblock(pattern);
    }
  });

  it("is blocked by its key: it is not trusted any more, its passes are nobody's", async () => {
    await meets(EVIL);
    await trust(EVIL, ringOf(EVIL).current.kid);
    const { matched } = await victim.registry.block(ringOf(EVIL).current.kid);
    assert.deepEqual(matched, [EVIL]);
    assert.equal(trustIn(EVIL), TrustState.Blocked);
  });

  it("is blocked with the key that it came with when it was quarantined", async () => {
    const evil = await meets(EVIL);
    await trust(EVIL, ringOf(EVIL).current.kid);
    evil.ring = ringOf("another");
    network.clock.advance(120_000);
    await evil.handshake.connect(VICTIM).catch(() => undefined);
    assert.equal(trustIn(EVIL), TrustState.Quarantined);
    await victim.registry.block(EVIL);
    await assert.rejects(meets(ALIAS, ringOf("another")), { code: "ERR_FED_BLOCKED" });
  });

  it("does not take a trusted server along whose key it lists as its own", async () => {
    await meets(HONEST);
    const kid = ringOf(HONEST).current.kid;
    await trust(HONEST, kid);
    await meets(EVIL, { ...ringOf(EVIL), next: ringOf(HONEST).current });
    const { matched, spared } = await victim.registry.block(EVIL);
    assert.deepEqual([matched, spared], [[EVIL], [HONEST]]);
    assert.equal(trustIn(HONEST), TrustState.Trusted);
    assert.equal(victim.registry.isBlocked(HONEST, kid), false);
  });

  it("stays blocked as long as one entry says so, whatever else is unblocked", async () => {
    await meets(EVIL);
    await victim.registry.block(EVIL);
    await victim.registry.block("*.example");
    assert.deepEqual((await victim.registry.unblock("HTTPS://EVIL.EXAMPLE/")).matched, []);
    assert.equal(trustIn(EVIL), TrustState.Blocked);
    assert.deepEqual(victim.registry.blockedBy(EVIL), ["*.example"]);
    await victim.registry.block(`!${EVIL}`);
    assert.equal(trustIn(EVIL), TrustState.Pending, "an exception frees it");
    const elsewhere = "https://elsewhere.test";
    assert.equal(victim.registry.isBlocked(elsewhere, ringOf(EVIL).current.kid), false);
    await victim.registry.unblock(`!${EVIL}`);
    assert.equal(trustIn(EVIL), TrustState.Blocked);
    await assert.rejects(victim.registry.unblock("https://other.example"), /is not blocked/u);
  });
});

describe("attack: a blocked server goes on with what it has begun", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let victim: ServerProcess;
  let evil: ServerProcess;
  beforeEach(async () => {
    [victim, evil] = (await servers.start([
      { name: "victim", script: ROOMS },
      { name: "evil", script: ROOMS },
    ])) as [ServerProcess, ServerProcess];
  });
  afterEach(() => servers.stop());

  it("its players here are shown out", async () => {
    const visitor = await Visitor.login(evil);
    await visitor.cross(portal(victim));
    assert.equal((await commandLine(victim, "peers", "block", new URL(evil.origin).host)).code, 0);
    await eventually(() => {
      assert.match(visitor.leaves.at(-1) ?? "", /ERR_FED_BLOCKED/u);
    });
  });

  it("whoever is on the way there stays, and plays on", async () => {
    const player = await Visitor.login(victim);
    await player.transit(portal(evil));
    assert.equal((await commandLine(victim, "peers", "block", `${evil.origin}/`)).code, 0);
    await eventually(() => {
      assert.equal(player.failures.at(-1)?.code, "ERR_FED_BLOCKED");
    });
    assert.ok((await player.whoAmI()).player !== null);
    await player.note("still here");
    await player.leave();
  });
});
