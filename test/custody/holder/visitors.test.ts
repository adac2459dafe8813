import assert from "node:assert/strict";
import { VisitorBook, inPhase } from "../../../src/custody/holder/visitors.ts";
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

  it("changes a row that another process has written meanwhile", async () => {
    const store = new MemoryStore();
    const [here, elsewhere] = [new VisitorBook(store), new VisitorBook(store)];
    await here.hold(ADA, HOME, HELD);
    await elsewhere.changeHeld(
      ADA,
      () => true,
      (held) => inPhase(held, "frozen", { transferId: "theirs" }),
    );
    const seen: unknown[] = [];
    const changed = await here.changeHeld(
      ADA,
      ({ phase }) => phase === "frozen",
      (held) => {
        seen.push(held.transferId);
        return inPhase(held, "returning");
      },
    );
    assert.equal(changed, true);
    assert.deepEqual(seen, ["theirs"]);
  });

  it("changes nothing of a row that is no more", async () => {
    const store = new MemoryStore();
    const [here, elsewhere] = [new VisitorBook(store), new VisitorBook(store)];
    await here.hold(ADA, HOME, HELD);
    await elsewhere.changeHeld(
      ADA,
      () => true,
      () => undefined,
    );
    const changed = await here.changeHeld(
      ADA,
      () => true,
      (held) => held,
    );
    assert.equal(changed, false);
    assert.equal(await here.get(ADA), undefined);
  });

  it("reads no row again that it has written itself", async () => {
    const store = new MemoryStore();
    const book = new VisitorBook(store);
    await book.hold(ADA, HOME, HELD);
    store.get = () => Promise.reject(new Error("it was read"));
    const frozen = await book.changeHeld(
      ADA,
      () => true,
      (held) => inPhase(held, "frozen", { transferId: "t" }),
    );
    assert.equal(frozen, true);
  });

  it("gives back what a player carried when it was written, whatever its room did to it since", async () => {
    const book = new VisitorBook(new MemoryStore());
    await book.hold(ADA, HOME, HELD);
    const state = { coins: ["one"] };
    await book.changeHeld(
      ADA,
      () => true,
      (held) => inPhase(held, "returning", { state }),
    );
    state.coins.push("two");
    let given: unknown;
    await book.changeHeld(
      ADA,
      () => true,
      (held) => {
        given = structuredClone(held.state);
        return undefined;
      },
    );
    assert.deepEqual(given, { coins: ["one"] });
  });

  it("remembers a visitor's key through every phase", async () => {
    const book = new VisitorBook(new MemoryStore());
    await book.hold(ADA, HOME, HELD, "k".repeat(43));
    await book.changeHeld(
      ADA,
      () => true,
      (held) => ({ ...held, phase: "returning", state: 1 }),
    );
    assert.equal((await book.get(ADA))?.jkt, "k".repeat(43));
  });

  it("keeps one as another once: the first word stands, whoever else says one at the same time", async () => {
    const book = new VisitorBook(new MemoryStore());
    await book.hold(ADA, HOME, HELD);
    const asked = await Promise.all(
      ["key-a", "key-b", "key-c"].map((as) => book.adopt(ADA, () => true, { as, at: 1 })),
    );
    const stands = (await book.get(ADA))?.adopted;
    assert.ok(stands !== undefined);
    assert.deepEqual(asked, [stands, stands, stands]);
    const released = await book.changeHeld(
      ADA,
      () => true,
      () => undefined,
    );
    assert.equal(released, true, "home may still have it back");
  });

  it("keeps nobody whom the row is not right for, or of whom there is none", async () => {
    const book = new VisitorBook(new MemoryStore());
    assert.equal(await book.adopt(ADA, () => true, { as: "key-a", at: 1 }), undefined);
    await book.hold(ADA, HOME, HELD);
    const refused = await book.adopt(ADA, ({ held }) => held.phase !== "held", { as: "k", at: 1 });
    assert.equal(refused, undefined);
    assert.equal((await book.get(ADA))?.adopted, undefined);
  });
});
