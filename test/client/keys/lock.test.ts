import assert from "node:assert/strict";
import { type KeyStorage, PlayerKey, Traveler } from "aether-federation/client";
import { PlayerKeys } from "aether-federation/client/keys";
import { memoryStorage } from "../../support/memory-storage.ts";

const HOME = "https://home.example";
const STORED = "aether-federation:player-key";

/** Where there is no IndexedDB; what browsers do is in `test/browser/locked-key.test.ts`. */
describe("client/keys: a key that is locked", () => {
  const x = PlayerKey.generate().jwk.x;
  let storage: KeyStorage;
  beforeEach(() => {
    storage = memoryStorage();
    storage.setItem(STORED, `locked:${x}`);
  });

  it("is known by its public half, and never written over", async () => {
    const key = PlayerKey.load(storage);
    assert.deepEqual(key.jwk, { kty: "OKP", crv: "Ed25519", x });
    await assert.rejects(
      key.prove(HOME),
      /^Error: ERR_FED_UNAVAILABLE: Your key cannot be got at/u,
    );
    let troubles = 0;
    const traveler = new Traveler(HOME, { storage, placeStorage: null });
    traveler.onStorageTrouble(() => (troubles += 1));
    await assert.rejects(traveler.prove("shop"), /ERR_FED_UNAVAILABLE/u);
    assert.equal(troubles, 0);
    assert.equal(storage.getItem(STORED), `locked:${x}`);
  });

  it("gives neither words nor a file", () => {
    const keys = new PlayerKeys(HOME, { storage });
    assert.equal(keys.isLocked, true);
    assert.throws(() => keys.words(), /^TypeError: this key is locked: the words or the file/u);
    assert.throws(() => keys.file("a long passphrase"), /^TypeError: this key is locked/u);
  });

  it("is not made where the browser cannot, and the one that is kept stays", async () => {
    PlayerKey.load((storage = memoryStorage()));
    const seed = storage.getItem(STORED);
    const keys = new PlayerKeys(HOME, { storage });
    await assert.rejects(keys.lock(), /^Error: This browser cannot lock your key, so it stays/u);
    assert.equal(storage.getItem(STORED), seed);
    assert.equal(keys.isLocked, false);
  });

  it("is not made where none is kept", async () => {
    const keys = new PlayerKeys(HOME, { storage: memoryStorage() });
    await assert.rejects(keys.lock(), /^TypeError: no key is kept here/u);
  });
});
