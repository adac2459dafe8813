import assert from "node:assert/strict";
import {
  announceNextKey,
  switchToNextKey,
  addRecoveryKey,
  recoverKeys,
} from "../../src/identity/key-rotation.ts";
import { signMove } from "../../src/identity/move.ts";
import type { KeyRing, SigningKey } from "../../src/identity/server-keys.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { type MemoryDisk, MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { coded } from "../support/coded.ts";
import { TestNetwork, type TestServer } from "../support/federation.ts";
import { ringOf } from "../support/parties.ts";
import { seededRandom } from "../support/seeded-random.ts";

const OLD = "https://old.example";
const NEW = "https://new.example";
const THIRD = "https://third.example";
const PEER = "https://peer.example";
const GRACE_SECONDS = 3600;

describe("handshake/peer-moves", () => {
  let clock: ManualClock;
  let network: TestNetwork;
  let old: TestServer;
  let peer: TestServer;
  let peerDisk: MemoryDisk;

  beforeEach(async () => {
    clock = new ManualClock();
    network = new TestNetwork(clock);
    old = network.add(OLD);
    peerDisk = new Map();
    peer = network.add(PEER, {
      policy: "approve",
      named: [OLD],
      moveGraceSeconds: GRACE_SECONDS,
      disk: peerDisk,
    });
    await peer.handshake.connect(OLD);
  });

  const now = (): number => Math.floor(clock.now() / 1000);
  const moveOf = (
    from: string,
    to: string,
    by: SigningKey,
    keys: readonly string[] = [by.kid],
  ): Promise<string> => signMove({ from, to, keys, iat: now() }, by);

  /** The server that was at OLD, at another origin, with a statement of its move there. */
  async function arriveAt(
    origin: string,
    given: { ring?: KeyRing; moves?: readonly string[]; by?: SigningKey } = {},
  ): Promise<TestServer> {
    const { ring = old.ring, by = old.ring.current } = given;
    const server = network.add(origin);
    server.ring = ring;
    const moves = given.moves ?? [await moveOf(OLD, origin, by, [ring.current.kid])];
    server.says = { moves };
    return server;
  }
  const die = (): void => {
    network.servers.delete(OLD);
  };
  const refuses = (server: TestServer, code: string): Promise<void> =>
    assert.rejects(server.handshake.connect(PEER), coded(code));

  describe("with the word of the old origin", () => {
    it("follows a peer that comes from its new origin", async () => {
      const before = peer.registry.get(OLD);
      const home = await arriveAt(NEW);
      old.says = { movedTo: NEW };
      await home.handshake.connect(PEER);
      const after = peer.registry.get(NEW);
      assert.equal(after?.trust, TrustState.Trusted);
      assert.deepEqual(after.keys, before?.keys);
      assert.equal(after.firstSeenAt, before?.firstSeenAt);
      assert.equal(peer.registry.get(OLD), undefined);
    });

    it("follows a peer that it finds gone", async () => {
      await arriveAt(NEW);
      old.says = { movedTo: NEW };
      const server = await peer.handshake.connect(OLD);
      assert.equal(server.origin, NEW);
      assert.equal(server.trust, TrustState.Trusted);
    });

    it("follows a peer whose endpoint does not answer any more", async () => {
      await arriveAt(NEW);
      old.says = { movedTo: NEW };
      await peer.handshake.relocate(OLD);
      assert.equal(peer.registry.currentOrigin(OLD), NEW);
    });

    it("keeps what its operator has decided of the peer", async () => {
      await peer.registry.setTrust(OLD, TrustState.Trusted, {
        roles: { inbound: true, outbound: false },
      });
      const home = await arriveAt(NEW);
      old.says = { movedTo: NEW };
      await home.handshake.connect(PEER);
      assert.deepEqual(peer.registry.get(NEW)?.roles, { inbound: true, outbound: false });
    });

    it("leads calls to the old origin to the new one", async () => {
      const home = await arriveAt(NEW);
      old.says = { movedTo: NEW };
      await home.handshake.connect(PEER);
      die();
      assert.equal((await peer.handshake.connect(OLD)).origin, NEW);
    });

    it("follows one with another key that the old one names", async () => {
      const ring = ringOf("the new machine");
      const home = await arriveAt(NEW, { ring });
      old.says = { movedTo: NEW };
      await home.handshake.connect(PEER);
      assert.ok(peer.registry.keyFor(NEW, ring.current.kid));
      assert.equal(peer.registry.publishes(NEW, old.ring.current.kid), false);
    });

    it("follows a chain of which it knows the beginning", async () => {
      const home = await arriveAt(THIRD, {
        moves: [
          await moveOf(OLD, NEW, old.ring.current),
          await moveOf(NEW, THIRD, old.ring.current),
        ],
      });
      old.says = { movedTo: THIRD };
      await home.handshake.connect(PEER);
      assert.equal(peer.registry.currentOrigin(OLD), THIRD);
      assert.equal(peer.registry.currentOrigin(NEW), NEW);
    });

    it("follows one move after the other", async () => {
      const home = await arriveAt(NEW);
      old.says = { movedTo: NEW };
      await home.handshake.connect(PEER);
      const next = await arriveAt(THIRD, {
        moves: [...(home.says.moves ?? []), await moveOf(NEW, THIRD, old.ring.current)],
      });
      home.says = { movedTo: THIRD };
      await next.handshake.connect(PEER);
      assert.equal(peer.registry.currentOrigin(OLD), THIRD);
      assert.deepEqual([...peer.registry.formerOrigins(THIRD)].sort(), [NEW, OLD]);
    });

    it("is not confirmed by whoever has the old name without its key", async () => {
      const home = await arriveAt(NEW);
      old.ring = ringOf("a squatter");
      old.says = { movedTo: NEW };
      home.ring = ringOf(OLD);
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
    });

    it("is not confirmed by a word for another origin", async () => {
      const home = await arriveAt(NEW);
      old.says = { movedTo: THIRD };
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
    });
  });

  describe("while the old origin still answers", () => {
    it("does not follow a thief of the server key", async () => {
      const thief = await arriveAt(NEW);
      await refuses(thief, "ERR_FED_MOVE_DOUBTED");
      clock.advance(2 * GRACE_SECONDS * 1000);
      await peer.handshake.connect(OLD);
      await refuses(thief, "ERR_FED_MOVE_DOUBTED");
      assert.equal(peer.registry.get(OLD)?.trust, TrustState.Trusted);
      assert.equal(peer.registry.has(NEW), false);
    });

    it("does not follow a thief of the recovery key", async () => {
      const made = addRecoveryKey(old.ring, seededRandom(1));
      old.ring = made.ring;
      await peer.handshake.connect(OLD);
      await refuses(await arriveAt(NEW, { by: made.recoveryKey }), "ERR_FED_MOVE_DOUBTED");
    });

    it("tells the operator once, and lets it decide", async () => {
      const told: string[] = [];
      peer.registry.on(({ type }) => told.push(type));
      const home = await arriveAt(NEW);
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
      clock.advance(2_000);
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
      assert.equal(told.filter((type) => type === "move-doubted").length, 1);
      await assert.rejects(peer.registry.approveMove(NEW, []), TypeError);
      await assert.rejects(peer.registry.approveMove(NEW, ["x".repeat(43)]), TypeError);
      await peer.registry.approveMove(NEW, [home.ring.current.kid]);
      clock.advance(2_000);
      await home.handshake.connect(PEER);
      assert.equal(peer.registry.get(NEW)?.trust, TrustState.Trusted);
    });

    it("does not take an approval for another key", async () => {
      const home = await arriveAt(NEW);
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
      await peer.registry.approveMove(NEW, [home.ring.current.kid]);
      const ring = ringOf("another");
      const other = await arriveAt(NEW, { ring });
      clock.advance(2_000);
      await refuses(other, "ERR_FED_MOVE_DOUBTED");
    });
  });

  describe("when the old origin is dead", () => {
    beforeEach(die);

    it("follows the recovery key at once", async () => {
      network.servers.set(OLD, old);
      const made = addRecoveryKey(old.ring, seededRandom(1));
      old.ring = made.ring;
      await peer.handshake.connect(OLD);
      die();
      const home = await arriveAt(NEW, { by: made.recoveryKey });
      await home.handshake.connect(PEER);
      assert.equal(peer.registry.get(NEW)?.recovery, made.recoveryKey.kid);
    });

    it("follows a key that the recovery key has put in place of all others", async () => {
      network.servers.set(OLD, old);
      const made = addRecoveryKey(old.ring, seededRandom(1));
      old.ring = made.ring;
      await peer.handshake.connect(OLD);
      die();
      const recovered = await recoverKeys(undefined, made.recoveryKey, {
        ...{ origin: OLD, random: seededRandom(2), now: now(), keepKeys: false },
      });
      const home = await arriveAt(NEW, {
        ring: recovered.ring,
        by: recovered.ring.current,
      });
      await home.handshake.connect(PEER);
      assert.equal(peer.registry.get(NEW)?.recovery, recovered.recoveryKey.kid);
      assert.equal(peer.registry.publishes(NEW, ringOf(OLD).current.kid), false);
    });

    it("follows the recovery key that the pinned one has put in its place", async () => {
      network.servers.set(OLD, old);
      const made = addRecoveryKey(old.ring, seededRandom(1));
      old.ring = made.ring;
      await peer.handshake.connect(OLD);
      die();
      const { ring, recoveryKey: by } = await recoverKeys(undefined, made.recoveryKey, {
        ...{ origin: OLD, random: seededRandom(2), now: now(), keepKeys: false },
      });
      await (await arriveAt(NEW, { ring, by })).handshake.connect(PEER);
      assert.equal(peer.registry.get(NEW)?.recovery, by.kid);
    });

    it("does not follow a server key where a recovery key is known", async () => {
      network.servers.set(OLD, old);
      old.ring = addRecoveryKey(old.ring, seededRandom(1)).ring;
      await peer.handshake.connect(OLD);
      die();
      const home = await arriveAt(NEW);
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
      clock.advance(2 * GRACE_SECONDS * 1000);
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
    });

    it("does not let a move bring another recovery key", async () => {
      network.servers.set(OLD, old);
      const made = addRecoveryKey(old.ring, seededRandom(1));
      old.ring = made.ring;
      await peer.handshake.connect(OLD);
      die();
      const ring = addRecoveryKey(ringOf("thief"), seededRandom(2)).ring;
      await refuses(await arriveAt(NEW, { ring, by: made.recoveryKey }), "ERR_FED_KEY_CHANGED");
    });

    it("follows a server key once it has been silent for the time of grace", async () => {
      const home = await arriveAt(NEW);
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
      clock.advance((GRACE_SECONDS - 1) * 1000);
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
      clock.advance(2_000);
      await home.handshake.connect(PEER);
      assert.equal(peer.registry.currentOrigin(OLD), NEW);
    });

    it("counts the time of grace anew once it has answered", async () => {
      const home = await arriveAt(NEW);
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
      clock.advance((GRACE_SECONDS / 2) * 1000);
      network.servers.set(OLD, old);
      await peer.handshake.connect(OLD);
      die();
      clock.advance((GRACE_SECONDS / 2 + 10) * 1000);
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
    });

    it("counts the time of grace anew once its descriptor was read, whoever asked for it", async () => {
      const home = await arriveAt(NEW);
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
      clock.advance((GRACE_SECONDS / 2) * 1000);
      network.servers.set(OLD, old);
      await peer.handshake.refreshDescriptor(OLD);
      die();
      clock.advance((GRACE_SECONDS / 2 + 10) * 1000);
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
    });

    it("counts the time of grace anew for another origin", async () => {
      const home = await arriveAt(NEW);
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
      clock.advance((GRACE_SECONDS + 10) * 1000);
      const other = await arriveAt(THIRD);
      await refuses(other, "ERR_FED_MOVE_DOUBTED");
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
    });

    it("counts the time of grace on through a restart", async () => {
      const home = await arriveAt(NEW);
      await refuses(home, "ERR_FED_MOVE_DOUBTED");
      clock.advance((GRACE_SECONDS + 10) * 1000);
      peer = network.add(PEER, { moveGraceSeconds: GRACE_SECONDS, disk: peerDisk });
      await peer.registry.load();
      await home.handshake.connect(PEER);
      assert.equal(peer.registry.currentOrigin(OLD), NEW);
    });
  });

  describe("refuses", () => {
    beforeEach(die);

    it("somebody else's claim", async () => {
      const stranger = ringOf("a stranger");
      const home = await arriveAt(NEW, { ring: stranger, by: stranger.current });
      await refuses(home, "ERR_FED_UNKNOWN_KEY");
      assert.equal(peer.registry.has(NEW), false);
    });

    it("a statement that another server has copied", async () => {
      const copied = await moveOf(OLD, NEW, old.ring.current);
      const home = await arriveAt(NEW, { ring: ringOf("a copyist"), moves: [copied] });
      await refuses(home, "ERR_FED_UNKNOWN_KEY");
    });

    it("a key that the old origin does not publish any more", async () => {
      network.servers.set(OLD, old);
      const former = old.ring.current;
      old.ring = announceNextKey(old.ring, seededRandom(3));
      await peer.handshake.connect(OLD);
      old.ring = switchToNextKey(old.ring, now());
      await peer.handshake.connect(OLD);
      die();
      await refuses(await arriveAt(NEW, { by: former }), "ERR_FED_UNKNOWN_KEY");
    });

    it("a key that is blocked", async () => {
      const home = await arriveAt(NEW);
      await peer.registry.block(home.ring.current.kid);
      await refuses(home, "ERR_FED_BLOCKED");
    });

    it("whoever is blocked by its old origin", async () => {
      const home = await arriveAt(NEW, { ring: ringOf("fresh") });
      await peer.registry.block(OLD);
      await refuses(home, "ERR_FED_BLOCKED");
    });

    it("whoever is blocked by its new origin", async () => {
      const home = await arriveAt(NEW);
      await peer.registry.block(NEW);
      await refuses(home, "ERR_FED_BLOCKED");
    });

    it("whoever is quarantined", async () => {
      await peer.registry.setTrust(OLD, TrustState.Quarantined);
      await refuses(await arriveAt(NEW), "ERR_FED_NOT_TRUSTED");
    });

    it("a chain whose second step the first does not name", async () => {
      const between = ringOf("between");
      const home = await arriveAt(THIRD, {
        ring: between,
        moves: [
          await moveOf(OLD, NEW, old.ring.current),
          await moveOf(NEW, THIRD, between.current),
        ],
      });
      await refuses(home, "ERR_FED_UNKNOWN_KEY");
    });

    it("a move onto a server that is known by itself", async () => {
      const third = network.add(THIRD);
      await peer.handshake.connect(THIRD);
      await peer.registry.setTrust(THIRD, TrustState.Trusted);
      third.says = {
        moves: [await moveOf(OLD, THIRD, old.ring.current, [third.ring.current.kid])],
      };
      await assert.rejects(peer.handshake.connect(THIRD), coded("ERR_FED_MOVE_CONFLICT"));
      assert.ok(peer.registry.has(OLD));
    });
  });

  describe("after a move", () => {
    let home: TestServer;
    beforeEach(async () => {
      home = await arriveAt(NEW);
      old.says = { movedTo: NEW };
      await home.handshake.connect(PEER);
    });

    /** What PEER answers, to the letter: nobody acts on an answer that is not signed. */
    const answersOf = async (path: string, work: () => Promise<unknown>): Promise<string> => {
      let said = "";
      network.tamper = ({ method, url }, response) => {
        if (method === "POST" && url === `${PEER}/federation${path}`)
          said = Buffer.from(response.body).toString();
        return response;
      };
      await assert.rejects(work);
      network.tamper = undefined;
      return said;
    };

    it("shakes hands with nobody as the old origin any more, and says where to", async () => {
      old.says = {};
      const said = await answersOf("/handshake", () => old.handshake.connect(PEER));
      assert.match(said, /ERR_FED_MOVED.*https:\/\/new\.example/u);
    });

    it("answers no call of the old origin any more, and says where to", async () => {
      const said = await answersOf("/custody/renew", () =>
        old.peers.call(PEER, "/custody/renew", {}),
      );
      assert.match(said, /ERR_FED_MOVED.*https:\/\/new\.example/u);
    });

    it("refuses a second move from the same origin", async () => {
      await refuses(await arriveAt(THIRD), "ERR_FED_MOVE_CONFLICT");
    });

    it("refuses a move back", async () => {
      network.servers.delete(NEW);
      const back = network.add(OLD);
      back.ring = home.ring;
      back.says = { moves: [await moveOf(NEW, OLD, home.ring.current)] };
      assert.match(
        await answersOf("/handshake", () => back.handshake.connect(PEER)),
        /ERR_FED_MOVED/u,
      );
      assert.ok(peer.registry.has(NEW));
    });

    it("blocks by the old origin, too", async () => {
      const { matched } = await peer.registry.block(OLD);
      assert.deepEqual(matched, [NEW]);
      assert.equal(peer.registry.get(NEW)?.trust, TrustState.Blocked);
      assert.deepEqual(peer.registry.blockedBy(NEW), [OLD]);
      await refuses(home, "ERR_FED_BLOCKED");
      await peer.registry.unblock(OLD);
      assert.equal(peer.registry.get(NEW)?.trust, TrustState.Pending);
    });

    it("blocks by the old origin one that has other keys by now, too", async () => {
      const ring = announceNextKey(home.ring, seededRandom(5));
      home.ring = ring;
      await peer.handshake.connect(NEW);
      home.ring = switchToNextKey(ring, now());
      await peer.handshake.connect(NEW);
      await peer.registry.block(`!${NEW}`);
      await peer.registry.block(OLD);
      assert.equal(peer.registry.isBlocked(NEW), true);
      assert.deepEqual(peer.registry.blockedBy(NEW), [OLD]);
    });

    it("calls by the old origin whoever is at the new one", async () => {
      assert.ok((await peer.peers.call(OLD, "/custody/renew", {})).ok);
    });

    it("knows it after a restart", async () => {
      const registry = new ServerRegistry({ store: new MemoryStore(clock, peerDisk), clock });
      await registry.load();
      assert.equal(registry.currentOrigin(OLD), NEW);
      assert.equal(registry.get(NEW)?.trust, TrustState.Trusted);
      assert.equal(registry.leftBehind(OLD)?.code, "ERR_FED_MOVED");
    });

    it("goes on where a crash has left it", async () => {
      // The new row is written first; of the rest, nothing.
      const store = new MemoryStore(clock, peerDisk);
      const row = JSON.parse((await store.get(`peer/${NEW}`)) ?? "") as object;
      await store.set(`peer/${OLD}`, JSON.stringify({ ...row, origin: OLD, movedFrom: undefined }));
      await store.delete(`moved/${OLD}`);
      const registry = new ServerRegistry({ store, clock });
      await registry.load();
      assert.equal(registry.has(OLD), false);
      assert.equal(registry.currentOrigin(OLD), NEW);
    });

    it("deals with nobody as an origin whose row is damaged", async () => {
      const store = new MemoryStore(clock, peerDisk);
      await store.set(`moved/${OLD}`, "{");
      const registry = new ServerRegistry({ store, clock });
      await registry.load();
      assert.equal(registry.leftBehind(OLD)?.code, "ERR_FED_ROW_DAMAGED");
    });

    it("meets the old origin as a stranger once the operator lets go of the move", async () => {
      await peer.registry.remove(OLD);
      old.ring = ringOf("the next owner of the name");
      old.says = {};
      await old.handshake.connect(PEER);
      assert.equal(peer.registry.currentOrigin(OLD), OLD);
      const registry = new ServerRegistry({ store: new MemoryStore(clock, peerDisk), clock });
      await registry.load();
      assert.ok(registry.has(OLD));
      assert.ok(registry.has(NEW));
    });

    it("follows four moves of one server, and no fifth", async () => {
      let at = home;
      for (let step = 2; step <= 5; step += 1) {
        const origin = `https://step-${step}.example`;
        const statement = await moveOf(at.origin, origin, at.ring.current);
        const next = await arriveAt(origin, { moves: [statement] });
        at.says = { movedTo: origin };
        if (step === 5) await refuses(next, "ERR_FED_MOVE_INVALID");
        else await next.handshake.connect(PEER);
        at = next;
      }
      assert.equal(peer.registry.formerOrigins("https://step-4.example").length, 4);
    });
  });

  it("meets a server that has moved as a stranger where its old origin was not known", async () => {
    const stranger = network.add("https://elsewhere.example", { policy: "approve" });
    const home = await arriveAt(NEW);
    die();
    await home.handshake.connect("https://elsewhere.example");
    assert.equal(stranger.registry.get(NEW)?.trust, TrustState.Pending);
  });
});
