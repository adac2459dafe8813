import assert from "node:assert/strict";
import { verifyDescriptor } from "../../src/identity/descriptor.ts";
import { addRecoveryKey, announceNextKey } from "../../src/identity/key-rotation.ts";
import { MAX_MOVES, readMoves } from "../../src/identity/move.ts";
import type { KeyRing, SigningKey } from "../../src/identity/server-keys.ts";
import { moveStore } from "../../src/runtime/own-move.ts";
import { handStoreTo, storeIdentity } from "../../src/runtime/store-identity.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { ringOf } from "../support/parties.ts";
import { seededRandom } from "../support/seeded-random.ts";

const [OLD, NEW, THIRD] = ["https://old.example", "https://new.example", "https://third.example"];

describe("runtime/own-move", () => {
  const clock = new ManualClock();
  const nowSeconds = Math.floor(clock.now() / 1000);
  let store: MemoryStore;
  let ring: KeyRing;
  beforeEach(async () => {
    store = new MemoryStore(clock);
    ring = ringOf(OLD ?? "");
    await handStoreTo(store, { kid: ring.current.kid, origin: OLD ?? "" });
  });

  const move = (to = NEW, more: { recoveryKey?: SigningKey } = {}) =>
    moveStore(store, ring, { to: to ?? "", nowSeconds, ...more });
  const refused = (work: Promise<unknown>, why: RegExp): Promise<void> =>
    assert.rejects(work, (error: Error) => {
      assert.ok(error instanceof TypeError, String(error));
      assert.match(error.message, why);
      return true;
    });

  it("gives the store to the new origin, with a statement that its peers read", async () => {
    ring = announceNextKey(ring, seededRandom(1));
    const { from, to, again, signedBy } = await move();
    assert.deepEqual([from, to, again, signedBy], [OLD, NEW, false, "server key"]);
    const identity = await storeIdentity(store);
    assert.deepEqual([identity?.origin, identity?.former], [NEW, [OLD]]);
    const read = readMoves(identity?.moves ?? [], { to: NEW ?? "", now: nowSeconds });
    assert.ok(read.verified);
    assert.deepEqual(read.moves[0]?.keys, [ring.current.kid, ring.next?.kid]);
    assert.equal(read.moves[0]?.kid, ring.current.kid);
  });

  it("makes what the old origin serves, which counts for years", async () => {
    const { lastWord } = await move();
    const later = clock.now() + 365 * 24 * 3600 * 1000;
    const read = await verifyDescriptor(JSON.parse(JSON.stringify(lastWord)), {
      now: later,
      origin: OLD ?? "",
    });
    assert.ok(read.verified, JSON.stringify(read));
    assert.equal(read.descriptor.movedTo, NEW);
    assert.equal(read.signedBy, ring.current.kid);
  });

  it("moves on, and keeps the whole chain", async () => {
    await move();
    await move(THIRD);
    const identity = await storeIdentity(store);
    assert.deepEqual(identity?.former, [NEW, OLD]);
    const read = readMoves(identity?.moves ?? [], { to: THIRD ?? "", now: nowSeconds });
    assert.ok(read.verified);
    assert.equal(read.moves.length, 2);
  });

  it("may be said again, by the recovery key, too", async () => {
    const made = addRecoveryKey(ring, seededRandom(1));
    ring = made.ring;
    await move();
    const said = await move(NEW, { recoveryKey: made.recoveryKey });
    assert.deepEqual([said.from, said.again, said.signedBy], [OLD, true, "recovery key"]);
    const identity = await storeIdentity(store);
    assert.deepEqual(identity?.former, [OLD]);
    const read = readMoves(identity?.moves ?? [], { to: NEW ?? "", now: nowSeconds });
    assert.ok(read.verified);
    assert.deepEqual(
      read.moves.map(({ kid }) => kid),
      [made.recoveryKey.kid],
    );
  });

  it("refuses the origin that it has", async () => {
    await refused(move(OLD), /already/u);
  });

  it("refuses an origin that it had", async () => {
    await move();
    await refused(move(OLD), /was https:\/\/old\.example before/u);
  });

  it("refuses http, but in development", async () => {
    await refused(move("http://new.example"), /not https/u);
    await handStoreTo(store, { kid: ring.current.kid, origin: "http://localhost:1" });
    await move("http://localhost:2");
  });

  it("refuses what no peer would follow any more", async () => {
    for (let step = 1; step <= MAX_MOVES; step += 1) await move(`https://step-${step}.example`);
    await refused(move(NEW), /follows further/u);
  });

  it("refuses another server's recovery key", async () => {
    const { recoveryKey } = addRecoveryKey(ring, seededRandom(2));
    await refused(move(NEW, { recoveryKey }), /not the recovery key/u);
  });

  it("refuses while a process of the server runs on the store", async () => {
    await store.set("process/a-life", "1");
    await refused(move(), /runs on this store/u);
    assert.equal((await storeIdentity(store))?.origin, OLD);
  });

  it("refuses a store that is nobody's", async () => {
    await store.delete("identity");
    await refused(move(), /never been a server's/u);
  });
});
