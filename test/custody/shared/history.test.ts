import assert from "node:assert/strict";
import { type Crossing, CrossingHistory } from "../../../src/custody/shared/history.ts";
import { FederationError } from "../../../src/errors.ts";
import { MemoryStore } from "../../../src/storage/memory-store.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";

const HOME = "https://home.example";
const ARENA = "https://arena.example";

describe("custody/shared/history, with a clock", () => {
  let clock: ManualClock;
  let store: MemoryStore;
  let history: CrossingHistory;
  /** Writes that the store was asked for, by the turn they came in. */
  let turns: number[];

  beforeEach(() => {
    clock = new ManualClock();
    store = new MemoryStore(clock);
    turns = [];
    const compareAndSet = store.compareAndSet.bind(store);
    let open = false;
    store.compareAndSet = (...asked) => {
      if (!open) {
        turns.push(0);
        open = true;
        queueMicrotask(() => {
          open = false;
        });
      }
      turns[turns.length - 1] = (turns.at(-1) ?? 0) + 1;
      return compareAndSet(...asked);
    };
    history = new CrossingHistory(store, undefined, clock);
  });

  it("gathers records, and asks the store for all of them in one turn", async () => {
    const written = Promise.all(["a", "b", "c"].map((id) => history.keep(crossing(id))));
    clock.advance(99);
    assert.deepEqual(turns, []);
    clock.advance(1);
    await written;
    assert.deepEqual(turns, [3]);
  });

  it("waits for no others once there are 256", async () => {
    const ids = Array.from({ length: 257 }, (_, index) => `t${index}`);
    const written = ids.map((id) => history.keep(crossing(id)));
    await Promise.all(written.slice(0, 256));
    assert.deepEqual(turns, [256]);
    history.stop();
    await Promise.all(written);
  });

  it("has what others have to file filed before it is looked through", async () => {
    history.flushFirst(() => {
      void history.keep(crossing("a"));
      return Promise.resolve();
    });
    assert.equal((await history.ofTransfer("a")).length, 1);
  });

  it("keeps what both ends had signed in the record, and what is signed later beside it", async () => {
    void history.keep(crossing("a"), { [ARENA]: "word" });
    await history.flush();
    assert.deepEqual(await history.words("a", HOME), {});
    void history.countersign("a", HOME, "https://gallery.example", "another");
    assert.deepEqual((await history.find("a", HOME))?.countersignatures, ["word", "another"]);
    assert.deepEqual((await history.crossing("a", HOME))?.words, { [ARENA]: "word" });
  });

  it("has a crossing that is not written yet, and a former word of it where there is one", async () => {
    await new CrossingHistory(store).keep(crossing("a", "former"));
    void history.keep(crossing("a", "later"));
    void history.keep(crossing("b", "first"));
    assert.equal((await history.crossing("a", HOME))?.receipt, "former");
    assert.equal((await history.crossing("b", HOME))?.receipt, "first");
    assert.equal(await store.get(`receipt/b/${HOME}`), undefined);
  });

  it("keeps the first of two words that are gathered", async () => {
    void history.keep(crossing("a", "first"));
    void history.keep(crossing("a", "second"));
    assert.equal((await history.find("a", HOME))?.receipt, "first");
  });

  it("writes what is gathered before it is looked through", async () => {
    void history.record("ada", crossing("a"));
    void history.countersign("a", HOME, ARENA, "word");
    const [found, ...others] = await history.of("ada");
    assert.deepEqual([found?.countersignatures, others], [["word"], []]);
    assert.equal((await history.ofTransfer("a")).length, 1);
  });

  it("writes what is gathered when it stops, and gathers no more", async () => {
    const written = history.keep(crossing("a"));
    history.stop();
    await written;
    await history.keep(crossing("b"));
    assert.deepEqual(turns, [1, 1]);
  });

  it("says what the store did not take, and is asked again", async () => {
    const written = history.keep(crossing("a"));
    const lost = assert.rejects(written, { code: "ERR_FED_STORE_UNAVAILABLE" });
    const compareAndSet = store.compareAndSet.bind(store);
    store.compareAndSet = () => Promise.reject(new FederationError("ERR_FED_STORE_UNAVAILABLE"));
    await history.flush();
    await lost;
    assert.equal(await history.crossing("a", HOME), undefined);
    store.compareAndSet = compareAndSet;
    void history.keep(crossing("a"));
    await history.flush();
    assert.equal((await history.crossing("a", HOME))?.receipt, "receipt");
  });
});

function crossing(transferId: string, receipt = "receipt"): Crossing {
  return { transferId, home: HOME, from: HOME, to: ARENA, epoch: 1, at: 1, receipt };
}
