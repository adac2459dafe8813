import assert from "node:assert/strict";
import { TransferIndex } from "../../../src/custody/home/transfer-index.ts";
import { MemoryStore } from "../../../src/storage/memory-store.ts";

const TRANSFER = "019b76da-a800-7828-85ca-d10f55de52d9";

describe("custody/home/transfer-index", () => {
  let store: MemoryStore;
  let index: TransferIndex;
  beforeEach(() => {
    store = new MemoryStore();
    index = new TransferIndex(store);
  });

  it("knows whose a transfer is, in whatever case it is asked for, also after a restart", async () => {
    assert.equal(await index.note(TRANSFER, "ada"), "noted");
    assert.equal(await index.playerOf(TRANSFER.toUpperCase()), "ada");
    assert.equal(await new TransferIndex(store).playerOf(TRANSFER), "ada");
  });

  it("reads nothing of what it has noted itself", async () => {
    await index.note(TRANSFER, "ada");
    store.get = () => Promise.reject(new Error("it was read"));
    assert.equal(await index.playerOf(TRANSFER), "ada");
  });

  it("does not give a transfer to another player", async () => {
    await index.note(TRANSFER, "ada");
    assert.equal(await index.note(TRANSFER, "bob"), "another's");
    assert.equal(await index.note(TRANSFER, "ada"), "known");
    assert.equal(await index.playerOf(TRANSFER), "ada");
  });

  it("knows nobody of a transfer that was dropped", async () => {
    await index.note(TRANSFER, "ada");
    await index.drop(TRANSFER, "ada");
    assert.equal(await index.playerOf(TRANSFER), undefined);
  });

  it("knows nobody of a transfer that the store did not take", async () => {
    store.failing = true;
    await assert.rejects(index.note(TRANSFER, "ada"));
    store.failing = false;
    assert.equal(await index.playerOf(TRANSFER), undefined);
  });
});
