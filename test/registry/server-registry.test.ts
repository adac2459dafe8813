import assert from "node:assert/strict";
import {
  addRecoveryKey,
  announceNextKey,
  recoverKeys,
  switchToNextKey,
} from "../../src/identity/key-rotation.ts";
import type { KeyRing, SigningKey } from "../../src/identity/server-keys.ts";
import { ServerStatus, TrustState } from "../../src/registry/federated-server.ts";
import { type RegistryEvent, ServerRegistry } from "../../src/registry/server-registry.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { type MemoryDisk, MemoryStore } from "../../src/storage/memory-store.ts";
import { ringOf, verifiedDescriptorOf } from "../support/parties.ts";
import { seededRandom } from "../support/seeded-random.ts";

const A = "https://a.example";
const SESSION = { sessionId: "session-1", protocol: "aether/1" };

describe("registry/server-registry", () => {
  let clock: ManualClock;
  let disk: MemoryDisk;
  let registry: ServerRegistry;
  const open = async (maxPeers = 4): Promise<ServerRegistry> => {
    const opened = new ServerRegistry({ store: new MemoryStore(clock, disk), clock, maxPeers });
    await opened.load();
    return opened;
  };
  const describeNow = (origin: string, ring = ringOf(origin), changes = {}) =>
    verifiedDescriptorOf(origin, ring, clock.now(), changes);
  const meet = async (origin: string, trust: TrustState = TrustState.Trusted) =>
    registry.register((await describeNow(origin)).descriptor, { trust });
  const seconds = (): number => Math.floor(clock.now() / 1000);

  beforeEach(async () => {
    clock = new ManualClock();
    disk = new Map();
    registry = await open();
  });

  it("registers, gets, lists and removes", async () => {
    await meet(A);
    await meet("https://b.example", TrustState.Pending);
    assert.equal(registry.get(A)?.endpoint, `${A}/federation`);
    assert.deepEqual(
      registry.list({ trust: TrustState.Pending }).map(({ origin }) => origin),
      ["https://b.example"],
    );
    assert.equal(await registry.remove(A), true);
    assert.equal(await registry.remove(A), false);
    assert.equal(registry.has(A), false);
    assert.equal((await open()).size, 1);
  });

  describe("a server that is registered by its address", () => {
    const listing = { endpoint: A, status: ServerStatus.Online, worlds: ["plaza", "arena"] };

    it("stands alone: a registry of its own keeps it in memory", async () => {
      const server = await new ServerRegistry().register(listing);
      assert.deepEqual(
        [server.origin, server.endpoint, server.name, server.worlds, server.status, server.trust],
        [A, `${A}/federation`, "a.example", ["plaza", "arena"], "online", "pending"],
      );
    });

    it("is there after a restart, and has no key until its origin has said one", async () => {
      await registry.register(listing);
      const again = await open();
      assert.deepEqual(again.get(A)?.keys, []);
      assert.equal(again.hasPinnedKey(A), false);
      const applied = await again.applyDescriptor(await describeNow(A));
      assert.deepEqual(applied, { accepted: true });
      assert.ok(again.hasPinnedKey(A));
      assert.equal(again.get(A)?.trust, TrustState.Pending);
    });

    it("knows how a peer agrees to be listed, and forgets it once it does not", async () => {
      const listing = { worlds: [{ name: "plaza" }] };
      const describe = (changes: object) => describeNow(A, ringOf(A), changes);
      await registry.register((await describe({ listing })).descriptor);
      assert.deepEqual(registry.get(A)?.listing, listing);
      await registry.applyDescriptor(await describe({}));
      assert.equal(registry.get(A)?.listing, undefined);
      await registry.applyDescriptor(await describe({ listing }));
      assert.deepEqual(registry.get(A)?.listing, listing);
    });

    it("stays trusted when its operator has trusted it before it was met, and then is held to its key", async () => {
      await registry.register(listing);
      await registry.setTrust(A, TrustState.Trusted);
      await registry.applyDescriptor(await describeNow(A));
      assert.equal(registry.get(A)?.trust, TrustState.Trusted);
      const other = await describeNow(A, ringOf("another key"));
      const applied = await registry.applyDescriptor(other);
      assert.ok("code" in applied && applied.code === "ERR_FED_KEY_CHANGED");
      assert.equal(registry.get(A)?.trust, TrustState.Quarantined);
    });

    it("may have its endpoint elsewhere on its origin", async () => {
      const server = await registry.register({ endpoint: `${A}/games/federation/` });
      assert.deepEqual([server.origin, server.endpoint], [A, `${A}/games/federation`]);
    });

    it("leaves one that is known as it is", async () => {
      await meet(A);
      assert.equal((await registry.register(listing)).trust, TrustState.Trusted);
      assert.equal(registry.get(A)?.keys.length, 1);
    });

    it("is not registered while it is blocked", async () => {
      await registry.block(A);
      await assert.rejects(registry.register(listing), { code: "ERR_FED_BLOCKED" });
    });

    for (const [wrong, changes] of Object.entries({
      "an endpoint that is no URL": { endpoint: "worlds" },
      "an endpoint of another scheme": { endpoint: "ftp://a.example" },
      "an endpoint with a query": { endpoint: `${A}/federation?x=1` },
      "a world that is no name": { worlds: ["a b"] },
    })) {
      it(`refuses ${wrong}`, () => {
        assert.throws(() => registry.register({ ...listing, ...changes }), TypeError);
      });
    }
  });

  it("keeps everything but the status over a restart", async () => {
    await meet(A);
    await registry.recordSession(A, { ...SESSION, expiresAt: seconds() + 600 });
    registry.setStatus(A, ServerStatus.Online);
    const before = registry.get(A);
    const after = (await open()).get(A);
    assert.deepEqual({ ...after, status: before?.status }, before);
    assert.equal(after?.status, ServerStatus.Offline);
  });

  it("sets a damaged row aside, and meets nobody anew whose keys were in it", async () => {
    await meet(A);
    await meet("https://other.example");
    disk.set(`peer/${A}`, { value: "{", expiresAt: undefined });
    const again = await open();
    assert.equal(again.has(A), false);
    assert.ok(again.has("https://other.example"));
    assert.equal(disk.get(`damaged/peer/${A}`)?.value, "{");
    const { descriptor } = await describeNow(A);
    for (const registry of [again, await open()]) {
      await assert.rejects(registry.register(descriptor, { trust: TrustState.Trusted }), {
        code: "ERR_FED_ROW_DAMAGED",
      });
    }
    assert.equal(await again.remove(A), true);
    await again.register(descriptor, { trust: TrustState.Pending });
    assert.ok((await open()).has(A));
  });

  it("changes nothing when the store does not answer", async () => {
    const store = new MemoryStore(clock);
    const shaky = new ServerRegistry({ store, clock, maxPeers: 4 });
    const { descriptor } = await describeNow(A);
    store.failing = true;
    await assert.rejects(shaky.register(descriptor, { trust: TrustState.Trusted }), {
      code: "ERR_FED_STORE_UNAVAILABLE",
    });
    assert.equal(shaky.has(A), false);
    store.failing = false;
    await shaky.register(descriptor, { trust: TrustState.Trusted });
    assert.ok(shaky.has(A));
  });

  describe("keys", () => {
    it("pins at first sight, and only for that origin", async () => {
      await meet(A);
      const { kid } = ringOf(A).current;
      assert.equal(registry.keyFor(A, kid)?.kid, kid);
      assert.equal(registry.keyFor("https://b.example", kid), undefined);
      assert.equal(registry.keyFor(A, ringOf("other").current.kid), undefined);
    });

    it("leaves a known server as it is when it is registered again", async () => {
      await meet(A);
      const stranger = await describeNow(A, ringOf("thief"));
      await registry.register(stranger.descriptor, { trust: TrustState.Trusted });
      assert.equal(registry.keyFor(A, ringOf("thief").current.kid), undefined);
    });

    it("follows a rotation", async () => {
      await meet(A);
      const first = ringOf(A);
      const announced = announceNextKey(first, seededRandom("next"));
      const switched = switchToNextKey(announced, 1);
      await registry.applyDescriptor(await describeNow(A, announced));
      assert.ok(registry.keyFor(A, switched.current.kid), "the next key is pinned before use");
      assert.ok(registry.keyFor(A, first.current.kid), "the current one still is");
      const applied = await registry.applyDescriptor(await describeNow(A, switched));
      assert.deepEqual(applied, { accepted: true });
      assert.equal(registry.get(A)?.trust, TrustState.Trusted);
      assert.ok(registry.keyFor(A, first.current.kid), "what was under way still verifies");
      clock.advance(150_000);
      assert.equal(registry.keyFor(A, first.current.kid), undefined);
      assert.equal(registry.get(A)?.keys.length, 2, "kept for audit");
      assert.ok(registry.hasPinnedKey(A));
    });

    it("lets a key that is not published any more vouch for nothing, grace or not", async () => {
      await meet(A);
      const first = ringOf(A);
      const announced = announceNextKey(first, seededRandom("next"));
      await registry.applyDescriptor(await describeNow(A, announced));
      const switched = await describeNow(A, switchToNextKey(announced, 1));
      await registry.applyDescriptor(switched);
      const thief = { ...first, next: ringOf("thief").current };
      const applied = await registry.applyDescriptor(await describeNow(A, thief));
      assert.equal("code" in applied ? applied.code : "", "ERR_FED_KEY_CHANGED");
      assert.equal(registry.keyFor(A, ringOf("thief").current.kid), undefined);
    });

    it("quarantines for a key that nothing vouches for, from the peer's own origin", async () => {
      await meet(A);
      await registry.recordSession(A, { ...SESSION, expiresAt: seconds() + 600 });
      const thief = ringOf("thief");
      const applied = await registry.applyDescriptor(await describeNow(A, thief));
      assert.equal("code" in applied ? applied.code : "", "ERR_FED_KEY_CHANGED");
      assert.equal(registry.get(A)?.trust, TrustState.Quarantined);
      assert.equal(registry.keyFor(A, thief.current.kid), undefined);
      assert.equal(registry.liveSession(A), undefined);
      assert.equal((await open()).get(A)?.trust, TrustState.Quarantined);
    });

    it("meets anew whom nobody has trusted yet, with whatever key: only the trusted are quarantined", async () => {
      await meet(A, TrustState.Pending);
      await registry.recordSession(A, { ...SESSION, expiresAt: seconds() + 600 });
      const other = ringOf("other");
      const applied = await registry.applyDescriptor(await describeNow(A, other));
      assert.deepEqual(applied, { accepted: true });
      assert.equal(registry.get(A)?.trust, TrustState.Pending);
      assert.equal(registry.liveSession(A), undefined);
      assert.deepEqual(
        registry.get(A)?.keys.map(({ jwk }) => jwk.kid),
        [other.current.kid],
      );
    });

    it("takes no key from a known peer that is blocked here", async () => {
      await meet(A);
      await registry.block(ringOf("bad").current.kid);
      const next = { ...ringOf(A), next: ringOf("bad").current };
      const applied = await registry.applyDescriptor(await describeNow(A, next));
      assert.equal("code" in applied ? applied.code : "", "ERR_FED_BLOCKED");
      assert.equal(registry.keyFor(A, ringOf("bad").current.kid), undefined);
    });

    it("writes and tells of a quarantine once", async () => {
      await meet(A);
      const events: RegistryEvent["type"][] = [];
      registry.on(({ type }) => events.push(type));
      for (let round = 0; round < 3; round += 1) {
        const descriptor = await describeNow(A, ringOf("thief"));
        await registry.applyDescriptor(descriptor);
      }
      assert.deepEqual(events, ["quarantined"]);
    });

    it("pins the new keys, and forgets the old, when the operator approves", async () => {
      await meet(A);
      const changed = ringOf("reinstalled");
      await registry.applyDescriptor(await describeNow(A, changed));
      await registry.setTrust(A, TrustState.Trusted);
      assert.ok(registry.keyFor(A, changed.current.kid));
      assert.equal(registry.keyFor(A, ringOf(A).current.kid), undefined);
      const again = await registry.applyDescriptor(await describeNow(A, changed));
      assert.deepEqual(again, { accepted: true });
      assert.equal(registry.get(A)?.trust, TrustState.Trusted);
      assert.equal(registry.get(A)?.proposedKeys, undefined);
    });

    it("keeps the old keys when the peer took its change back before the operator approved", async () => {
      await meet(A);
      const thief = ringOf("thief");
      await registry.applyDescriptor(await describeNow(A, thief));
      await registry.applyDescriptor(await describeNow(A));
      assert.equal(registry.get(A)?.trust, TrustState.Quarantined, "only the operator ends it");
      await registry.setTrust(A, TrustState.Trusted);
      assert.equal(registry.keyFor(A, thief.current.kid), undefined);
      assert.ok(registry.keyFor(A, ringOf(A).current.kid));
    });

    it("pins only the keys that the operator has named, and the recovery key by their word", async () => {
      await meet(A);
      const right = ringOf("reinstalled");
      const offered = { ...ringOf("thief"), next: right.current };
      const { ring } = addRecoveryKey(offered, seededRandom("thief's"));
      await registry.applyDescriptor(await describeNow(A, ring));
      assert.equal(registry.get(A)?.trust, TrustState.Quarantined);
      const { kid } = right.current;
      const approve = (kids: string[]) => registry.setTrust(A, TrustState.Trusted, { kids });
      await assert.rejects(approve([ringOf("third").current.kid]), TypeError);
      await assert.rejects(approve([]), TypeError);
      await approve([kid]);
      assert.ok(registry.keyFor(A, kid));
      assert.equal(registry.keyFor(A, offered.current.kid), undefined);
      assert.equal(registry.keyFor(A, ringOf(A).current.kid), undefined);
      assert.equal(registry.get(A)?.recovery, undefined);
      // Served again by the thief: the operator is asked again.
      await registry.applyDescriptor(await describeNow(A, ring));
      assert.equal(registry.get(A)?.trust, TrustState.Quarantined);
    });

    it("keeps a bounded number of retired keys", async () => {
      await meet(A);
      let ring = ringOf(A);
      for (let round = 0; round < 40; round += 1) {
        ring = announceNextKey(ring, seededRandom(`round ${round}`));
        await registry.applyDescriptor(await describeNow(A, ring));
        ring = switchToNextKey(ring, 1);
        await registry.applyDescriptor(await describeNow(A, ring));
      }
      assert.equal(registry.get(A)?.keys.length, 33);
      assert.ok(registry.keyFor(A, ring.current.kid));
    });
  });

  describe("recovery keys", () => {
    const NOW = 1_767_225_600;
    const withRecovery = (seed: string) => addRecoveryKey(ringOf(seed), seededRandom(`${seed}'s`));
    const recovered = (ring: KeyRing | undefined, by: SigningKey, changes: object = {}) =>
      recoverKeys(ring, by, {
        ...{ origin: A, random: seededRandom("new"), now: NOW, keepKeys: false, ...changes },
      });
    const meetWith = async (ring: KeyRing, trust: TrustState = TrustState.Trusted) =>
      registry.register((await describeNow(A, ring)).descriptor, { trust });
    const apply = async (ring: KeyRing, changes = {}): Promise<string> => {
      const applied = await registry.applyDescriptor(await describeNow(A, ring, changes));
      return "code" in applied ? applied.code : "accepted";
    };
    const pinned = () => registry.get(A)?.recovery;

    it("are pinned with the first descriptor that names one, by a key that is pinned", async () => {
      await meet(A);
      assert.equal(pinned(), undefined);
      const { ring, recoveryKey } = withRecovery(A);
      assert.equal(await apply(ring), "accepted");
      assert.equal(pinned(), recoveryKey.kid);
      assert.equal((await open()).get(A)?.recovery, recoveryKey.kid);
      assert.equal(await apply(ringOf(A)), "accepted");
      assert.equal(pinned(), recoveryKey.kid, "leaving it out says nothing");
    });

    it("replace every key, the former ones without grace, and the recovery key too", async () => {
      const { ring, recoveryKey } = withRecovery(A);
      const spare = announceNextKey(ring, seededRandom("spare"));
      await meetWith(spare);
      await registry.recordSession(A, { ...SESSION, expiresAt: seconds() + 600 });
      const { ring: fresh, recoveryKey: next } = await recovered(spare, recoveryKey);
      const events: RegistryEvent["type"][] = [];
      registry.on(({ type }) => events.push(type));
      assert.equal(await apply(fresh, { endpoint: `${A}/moved` }), "accepted");
      assert.deepEqual(events, ["recovered"]);
      for (const { kid } of [spare.current, spare.next!]) {
        assert.equal(registry.keyFor(A, kid), undefined);
      }
      assert.ok(registry.keyFor(A, fresh.current.kid));
      assert.equal(pinned(), next.kid);
      assert.equal(registry.get(A)?.endpoint, `${A}/moved`);
      assert.equal(registry.liveSession(A), undefined, "the thief's session is over");
      assert.equal(registry.get(A)?.trust, TrustState.Trusted);
    });

    it("let their owner out of quarantine, with the roles it had", async () => {
      const { ring, recoveryKey } = withRecovery(A);
      await meetWith(ring);
      await registry.setTrust(A, TrustState.Trusted, { roles: { inbound: true, outbound: false } });
      assert.equal(await apply(ringOf("thief")), "ERR_FED_KEY_CHANGED");
      assert.equal(registry.get(A)?.trust, TrustState.Quarantined);
      const { ring: fresh } = await recovered(ring, recoveryKey);
      assert.equal(await apply(fresh), "accepted");
      const server = registry.get(A);
      assert.equal(server?.trust, TrustState.Trusted);
      assert.deepEqual(server.roles, { inbound: true, outbound: false });
      assert.equal(server.proposedKeys, undefined);
    });

    it("take the server back from a thief who had its origin for a while", async () => {
      const { ring, recoveryKey } = withRecovery(A);
      await meetWith(ring);
      // The thief serves its own keys, signed by the stolen one, at the origin.
      const thief = { ...ring, next: ringOf("thief").current };
      assert.equal(await apply(thief, { endpoint: "https://thief.example/f" }), "accepted");
      const { ring: fresh } = await recovered(ring, recoveryKey);
      assert.equal(await apply(fresh), "accepted");
      assert.equal(registry.get(A)?.endpoint, `${A}/federation`);
      assert.equal(await apply(thief), "ERR_FED_KEY_CHANGED");
      assert.equal(registry.keyFor(A, ringOf("thief").current.kid), undefined);
    });

    it("cannot be replaced by a key that was only pinned", async () => {
      const { ring, recoveryKey } = withRecovery(A);
      await meetWith(ring);
      const { ring: thiefs } = addRecoveryKey(ringOf(A), seededRandom("thief"));
      assert.equal(await apply(thiefs), "ERR_FED_KEY_CHANGED");
      assert.equal(pinned(), recoveryKey.kid);
      assert.equal(registry.get(A)?.trust, TrustState.Quarantined);
    });

    it("make a statement that counts once: an old one served again says nothing", async () => {
      const { ring, recoveryKey } = withRecovery(A);
      await meetWith(ring);
      const first = await recovered(ring, recoveryKey);
      assert.equal(await apply(first.ring), "accepted");
      const changes = { random: seededRandom("second") };
      const second = await recovered(first.ring, first.recoveryKey, changes);
      assert.equal(await apply(second.ring), "accepted");
      // Whoever has stolen the keys of the first recovery, at the origin.
      assert.equal(await apply(first.ring), "ERR_FED_KEY_CHANGED");
      assert.equal(pinned(), second.recoveryKey.kid);
      assert.equal(registry.keyFor(A, first.ring.current.kid), undefined);
    });

    it("are followed by a peer that was away for several recoveries, up to four", async () => {
      for (const [rounds, expected] of [
        [4, "accepted"],
        [5, "ERR_FED_KEY_CHANGED"],
      ] as const) {
        await registry.remove(A);
        let { ring, recoveryKey } = withRecovery(A);
        await meetWith(ring);
        for (let round = 0; round < rounds; round += 1) {
          const random = seededRandom(`round ${round}`);
          ({ ring, recoveryKey } = await recovered(ring, recoveryKey, { random }));
        }
        assert.equal(await apply(ring), expected);
        if (expected === "accepted") assert.equal(pinned(), recoveryKey.kid);
      }
    });

    it("name the keys that they vouch for: no other descriptor counts by them", async () => {
      const { ring, recoveryKey } = withRecovery(A);
      await meetWith(ring);
      const { ring: fresh } = await recovered(ring, recoveryKey);
      const thief = { ...ringOf("thief"), recovery: fresh.recovery };
      assert.equal(await apply(thief), "ERR_FED_KEY_CHANGED");
      assert.equal(registry.keyFor(A, ringOf("thief").current.kid), undefined);
      const other = await recovered(ring, recoveryKey, { origin: "https://b.example" });
      assert.equal(await apply(other.ring), "ERR_FED_KEY_CHANGED", "another server's statement");
      const forged = await recovered(undefined, ringOf("thief").current);
      assert.equal(await apply(forged.ring), "ERR_FED_KEY_CHANGED", "another key's statement");
      assert.equal(pinned(), recoveryKey.kid);
    });

    it("unblock nobody, and trust nobody who waits", async () => {
      const { ring, recoveryKey } = withRecovery(A);
      await meetWith(ring, TrustState.Pending);
      const { ring: fresh } = await recovered(ring, recoveryKey);
      assert.equal(await apply(fresh), "accepted");
      assert.equal(registry.get(A)?.trust, TrustState.Pending);
      await registry.block(A);
      assert.equal(await apply(fresh), "ERR_FED_BLOCKED");
      assert.equal(registry.get(A)?.trust, TrustState.Blocked);
    });
  });

  describe("sessions", () => {
    it("lapse by themselves", async () => {
      await meet(A);
      await registry.recordSession(A, { ...SESSION, expiresAt: seconds() + 60 });
      assert.equal(registry.liveSession(A)?.sessionId, "session-1");
      clock.advance(60_000);
      assert.equal(registry.liveSession(A), undefined);
    });

    it("end with the descriptor they stand on", async () => {
      await meet(A);
      await registry.recordSession(A, { ...SESSION, expiresAt: seconds() + 86_400 });
      clock.advance(3600_000);
      assert.equal(registry.liveSession(A), undefined);
    });
  });

  describe("maxPeers", () => {
    it("holds, and lets the oldest pending give way, never a trusted one", async () => {
      await meet("https://t1.example");
      await meet("https://t2.example");
      for (let index = 0; index < 50; index += 1) {
        clock.advance(1000);
        await meet(`https://p${index}.example`, TrustState.Pending);
      }
      assert.equal(registry.size, 4);
      assert.deepEqual(
        registry.list().map(({ origin }) => origin),
        ["https://t1.example", "https://t2.example", "https://p48.example", "https://p49.example"],
      );
    });

    it("refuses one more when the operator has decided about everybody, quarantined or not", async () => {
      for (const origin of [
        "https://a.example",
        "https://b.example",
        "https://c.example",
        "https://d.example",
      ]) {
        await meet(origin, TrustState.Pending);
        await registry.setTrust(origin, TrustState.Trusted);
      }
      await registry.applyDescriptor(await describeNow(A, ringOf("thief")));
      assert.equal(registry.get(A)?.trust, TrustState.Quarantined);
      await assert.rejects(meet("https://late.example"), { code: "ERR_FED_TOO_MANY_PEERS" });
      assert.equal(registry.size, 4);
    });
  });

  describe("blocks", () => {
    it("hold for the origin and for its keys under an alias", async () => {
      await meet(A);
      await registry.recordSession(A, { ...SESSION, expiresAt: seconds() + 60 });
      await registry.block(A);
      assert.equal(registry.get(A)?.trust, TrustState.Blocked);
      assert.equal(registry.liveSession(A), undefined);
      assert.ok(registry.isBlocked(A));
      assert.ok(registry.isBlocked("https://alias.example", ringOf(A).current.kid));
      const alias = await describeNow("https://alias.example", ringOf(A));
      await assert.rejects(registry.register(alias.descriptor, { trust: TrustState.Trusted }), {
        code: "ERR_FED_BLOCKED",
      });
      assert.ok((await open()).isBlocked(A), "after a restart too");
    });

    it("survive a changed key: quarantine does not replace them", async () => {
      await meet(A);
      await registry.block(A);
      await registry.applyDescriptor(await describeNow(A, ringOf("new")));
      assert.equal(registry.get(A)?.trust, TrustState.Blocked);
    });

    it("are taken away again, leaving the peer pending", async () => {
      await meet(A);
      await registry.block(A);
      await registry.unblock(A);
      assert.equal(registry.isBlocked(A, ringOf(A).current.kid), false);
      assert.equal(registry.get(A)?.trust, TrustState.Pending);
    });

    it("cover a domain but for its exceptions", async () => {
      await registry.block("*.bad.example");
      await registry.block("!https://good.bad.example");
      assert.ok(registry.isBlocked("https://x.bad.example"));
      assert.ok(registry.isBlocked("https://y.x.bad.example:8443"));
      assert.equal(registry.isBlocked("https://good.bad.example"), false);
      assert.equal(registry.isBlocked("https://notbad.example"), false);
      assert.equal(registry.isBlocked("https://bad.example.org"), false);
    });

    it("of a key hold within an excepted origin", async () => {
      await meet(A);
      await registry.block(A);
      await registry.block("!https://good.example");
      assert.ok(registry.isBlocked("https://good.example", ringOf(A).current.kid));
    });
  });
});
