import assert from "node:assert/strict";
import { AccountNames } from "../../src/runtime/account-names.ts";
import { coded } from "../support/coded.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { type MemoryDisk, MemoryStore } from "../../src/storage/memory-store.ts";
import { seededRandom } from "../support/seeded-random.ts";

describe("runtime/account-names", () => {
  const MAIL = "ada@example.com";
  const names = (disk: MemoryDisk, seed: string): { names: AccountNames; store: MemoryStore } => {
    const store = new MemoryStore(new ManualClock(), disk);
    return { store, names: new AccountNames({ store, random: seededRandom(seed) }) };
  };

  it("names an account the same after a restart, and in another process", async () => {
    const disk: MemoryDisk = new Map();
    const [one, other] = [names(disk, "one"), names(disk, "other")];
    const [a, b] = await Promise.all([one.names.localId(MAIL), other.names.localId(MAIL)]);
    assert.equal(a, b);
    assert.equal(await names(disk, "later").names.localId(MAIL), a);
  });

  it("names it otherwise at another home", async () => {
    const [here, there] = [names(new Map(), "one"), names(new Map(), "other")];
    assert.notEqual(await here.names.localId(MAIL), await there.names.localId(MAIL));
  });

  it("needs no store for an id that is a local id", async () => {
    const { names: here, store } = names(new Map(), "one");
    store.failing = true;
    assert.equal(await here.localId("ada"), "ada");
  });

  it("goes on once the store is back", async () => {
    const { names: here, store } = names(new Map(), "one");
    store.failing = true;
    await assert.rejects(here.localId(MAIL), coded("ERR_FED_STORE_UNAVAILABLE"));
    store.failing = false;
    assert.match(await here.localId(MAIL), /^account-/u);
  });

  it("gives nobody another name because the secret is damaged", async () => {
    const { names: here, store } = names(new Map(), "one");
    await store.set("accounts/secret", "short");
    await assert.rejects(here.localId(MAIL), coded("ERR_FED_STORE_IDENTITY"));
  });
});
