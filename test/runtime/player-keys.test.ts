import assert from "node:assert/strict";
import { localIdOfKey } from "../../src/identity/local-id.ts";
import { MAX_ADDED, MAX_KEYS, PlayerKeys } from "../../src/runtime/player-keys.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

const key = (name: string): string => name.padEnd(43, "_");
const [FIRST, SECOND, THIRD, OTHER] = [key("first"), key("second"), key("third"), key("other")];
const ADA = localIdOfKey(FIRST);

describe("runtime/player-keys", () => {
  let store: MemoryStore;
  let keys: PlayerKeys;
  beforeEach(() => {
    store = new MemoryStore(new ManualClock());
    keys = new PlayerKeys(store);
  });

  const add = (jkt: string, by: string | null = FIRST, localId = ADA): Promise<string> =>
    keys
      .add(localId, { jkt, name: undefined, addedAt: 7 }, by ?? undefined)
      .then((refused) => refused?.code ?? "added");
  const remove = (jkt: string, by = FIRST): Promise<string> =>
    keys.remove(ADA, jkt, by).then((refused) => refused?.code ?? "removed");
  const thumbprints = async (localId = ADA): Promise<string[]> =>
    (await keys.of(localId)).map(({ jkt }) => jkt);

  it("has a key that nobody has added as a player of its own", async () => {
    assert.equal(await keys.playerOf(FIRST), ADA);
    assert.deepEqual(await keys.of(ADA), [{ jkt: FIRST, addedAt: 0 }]);
  });

  it("lets a key that was added log in as its player", async () => {
    assert.equal(await add(SECOND), "added");
    assert.equal(await keys.playerOf(SECOND), ADA);
    assert.equal(await keys.playerOf(FIRST), ADA);
    assert.deepEqual(await thumbprints(), [FIRST, SECOND]);
  });

  it("lets a key that was removed be nobody", async () => {
    await add(SECOND);
    assert.equal(await remove(SECOND), "removed");
    assert.equal(await keys.playerOf(SECOND), undefined);
    assert.deepEqual(await thumbprints(), [FIRST]);
  });

  it("lets the key that the player began with be removed, and nobody be it any more", async () => {
    await add(SECOND);
    assert.equal(await remove(FIRST, SECOND), "removed");
    assert.equal(await keys.playerOf(FIRST), undefined);
    assert.equal(await keys.playerOf(SECOND), ADA);
  });

  it("takes a key back that was removed", async () => {
    await add(SECOND);
    await remove(SECOND);
    assert.equal(await add(SECOND), "added");
    assert.equal(await keys.playerOf(SECOND), ADA);
  });

  it("keeps one key at least", async () => {
    assert.equal(await remove(FIRST), "ERR_FED_LAST_KEY");
    await add(SECOND);
    await remove(FIRST);
    assert.equal(await remove(SECOND, SECOND), "ERR_FED_LAST_KEY");
  });

  it("lets two that remove each other at once leave one", async () => {
    await add(SECOND);
    const ends = await Promise.all([remove(FIRST, SECOND), remove(SECOND, FIRST)]);
    assert.deepEqual(ends.sort(), ["ERR_FED_KEY_REMOVED", "removed"]);
    assert.equal((await thumbprints()).length, 1);
  });

  it("hears nothing of a key that was removed meanwhile", async () => {
    await add(SECOND);
    await remove(SECOND);
    assert.equal(await add(THIRD, SECOND), "ERR_FED_KEY_REMOVED");
    assert.equal(await remove(FIRST, SECOND), "ERR_FED_KEY_REMOVED");
  });

  it("adds no key of another player", async () => {
    await add(SECOND, OTHER, localIdOfKey(OTHER));
    assert.equal(await add(SECOND), "ERR_FED_KEY_IN_USE");
    assert.equal(await keys.playerOf(SECOND), localIdOfKey(OTHER));
  });

  it("adds no key that another player has removed", async () => {
    await add(SECOND, OTHER, localIdOfKey(OTHER));
    await keys.remove(localIdOfKey(OTHER), SECOND, OTHER);
    assert.equal(await add(SECOND), "ERR_FED_KEY_IN_USE");
  });

  it("adds no key that is a player with several", async () => {
    await add(SECOND, OTHER, localIdOfKey(OTHER));
    assert.equal(await add(OTHER), "ERR_FED_KEY_IN_USE");
  });

  it("gives a key that two players add at once to one of them", async () => {
    const ends = await Promise.all([add(SECOND), add(SECOND, OTHER, localIdOfKey(OTHER))]);
    assert.deepEqual(ends.sort(), ["ERR_FED_KEY_IN_USE", "added"]);
    const owner = (await keys.playerOf(SECOND)) ?? "";
    const loser = owner === ADA ? localIdOfKey(OTHER) : ADA;
    assert.ok((await thumbprints(owner)).includes(SECOND));
    assert.ok(!(await thumbprints(loser)).includes(SECOND));
  });

  it("is where it was when the store fails between the two writes, and adds the next time", async () => {
    const failing = new PlayerKeys({
      get: (entry) => store.get(entry),
      compareAndSet: (entry, ...rest) =>
        entry.startsWith("player-keys/key/")
          ? Promise.reject(new Error("the disk is full"))
          : store.compareAndSet(entry, ...rest),
    });
    const entry = { jkt: SECOND, name: undefined, addedAt: 7 };
    await assert.rejects(failing.add(ADA, entry, FIRST), /the disk is full/u);
    assert.equal(await keys.playerOf(SECOND), localIdOfKey(SECOND));
    assert.deepEqual(await thumbprints(), [FIRST]);
    assert.equal(await remove(FIRST), "ERR_FED_LAST_KEY");
    assert.equal(await add(SECOND), "added");
    assert.equal(await keys.playerOf(SECOND), ADA);
  });

  it(`has ${MAX_KEYS} keys at most`, async () => {
    for (let n = 1; n < MAX_KEYS; n += 1) assert.equal(await add(key(`k${n}`)), "added");
    assert.equal(await add(key("more")), "ERR_FED_TOO_MANY_KEYS");
    assert.equal(await keys.playerOf(key("more")), localIdOfKey(key("more")));
  });

  it(`adds ${MAX_ADDED} keys in all, however many are removed`, async () => {
    for (let n = 0; n < MAX_ADDED; n += 1) {
      assert.equal(await add(key(`k${n}`)), "added");
      await remove(key(`k${n}`));
    }
    assert.equal(await add(key("more")), "ERR_FED_TOO_MANY_KEYS");
  });

  it("lets nobody in by a list that is damaged", async () => {
    await add(SECOND);
    for (const damaged of [
      "",
      "{",
      '{"keys":[]}',
      '{"keys":[{"jkt":"x","addedAt":0}],"added":0}',
    ]) {
      await store.set(`player-keys/of/${ADA}`, damaged);
      for (const jkt of [FIRST, SECOND]) {
        await assert.rejects(keys.playerOf(jkt), { code: "ERR_FED_ROW_DAMAGED" });
      }
    }
  });

  it("lets nobody in while the store does not answer", async () => {
    const silent = new PlayerKeys({
      get: () => Promise.reject(new Error("no store")),
      compareAndSet: () => Promise.reject(new Error("no store")),
    });
    await assert.rejects(silent.playerOf(FIRST), /no store/u);
  });

  it("gives a guest its first key, which is that guest from then on", async () => {
    assert.equal(await add(SECOND, null, "guest-a"), "added");
    assert.equal(await keys.playerOf(SECOND), "guest-a");
    assert.deepEqual(await thumbprints("guest-a"), [SECOND]);
  });
});
