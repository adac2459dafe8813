import assert from "node:assert/strict";
import { VisitorBook } from "../../../src/custody/holder/visitors.ts";
import type { Store } from "../../../src/ports.ts";
import { MemoryStore } from "../../../src/storage/memory-store.ts";

const ADA = "ada@home.example";
const HOME = "https://home.example";
const HELD = { epoch: 3, phase: "held" } as const;

describe("custody/holder/visitors", () => {
  it("has whoever asks for a player wait until its custody is written down", async () => {
    let write: () => void = () => undefined;
    const slow = new MemoryStore();
    const store: Store = Object.assign(Object.create(slow) as MemoryStore, {
      get: (key: string) => slow.get(key),
      compareAndSet: async (...args: Parameters<Store["compareAndSet"]>) => {
        if (args[1] === undefined) await new Promise<void>((resolve) => (write = resolve));
        return slow.compareAndSet(...args);
      },
    });
    const book = new VisitorBook(store);
    const recorded = book.hold(ADA, HOME, HELD);
    const changed = book.changeHeld(
      ADA,
      ({ phase }) => phase === "held",
      (held) => ({ ...held, phase: "returning" }),
    );
    assert.equal(book.isRecording(ADA), true);
    await new Promise(setImmediate);
    write();
    assert.equal(await recorded, true);
    assert.equal(await changed, true);
    assert.equal((await book.get(ADA))?.held.phase, "returning");
    assert.equal(book.isRecording(ADA), false);
  });

  it("holds nobody twice", async () => {
    const book = new VisitorBook(new MemoryStore());
    assert.equal(await book.hold(ADA, HOME, HELD), true);
    assert.equal(await book.hold(ADA, HOME, { epoch: 9, phase: "held" }), false);
    assert.equal((await book.get(ADA))?.held.epoch, 3);
  });

  it("goes on after a store that did not answer", async () => {
    const store = new MemoryStore();
    const book = new VisitorBook(store);
    store.failing = true;
    await assert.rejects(book.hold(ADA, HOME, HELD), { code: "ERR_FED_STORE_UNAVAILABLE" });
    store.failing = false;
    assert.equal(await book.hold(ADA, HOME, HELD), true);
  });
});
