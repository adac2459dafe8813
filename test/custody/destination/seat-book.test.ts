import assert from "node:assert/strict";
import { SeatBook, type SeatRecord } from "../../../src/custody/destination/seat-book.ts";
import { MemoryStore } from "../../../src/storage/memory-store.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";

const ADA = "ada@home.example";
const SOURCE = "https://source.example";
const T = "11111111-1111-4111-8111-111111111111";

describe("custody/destination/seat-book", () => {
  let clock: ManualClock;
  let store: MemoryStore;
  let book: SeatBook;
  let reported: string[];
  beforeEach(() => {
    clock = new ManualClock();
    store = new MemoryStore(clock);
    reported = [];
    book = new SeatBook({
      store,
      memoryMilliseconds: 180_000,
      now: () => clock.now(),
      logger: { error: (message) => void reported.push(message) },
    });
  });
  const seat = (sessionId: string, transferId = T): SeatRecord => ({
    ...{ home: "https://home.example", caller: SOURCE, transferId, world: "pit", name: "Ada" },
    ...{ sessionId, reservation: { sessionId }, expiresAt: clock.now() / 1000 + 15 },
  });

  it("finds a seat by player, caller and transfer", async () => {
    await book.add(ADA, seat("s"));
    assert.equal((await book.find(ADA, SOURCE, T))?.sessionId, "s");
    assert.equal(await book.find(ADA, "https://other.example", T), undefined);
  });

  it("finds the player whose seat it is, however the transfer is spelt", async () => {
    const transfer = "AAAAAAAA-1111-4111-8111-111111111111";
    await book.add(ADA, seat("s", transfer));
    assert.equal(await book.playerOf(SOURCE, transfer.toLowerCase()), ADA);
  });

  it("gives a transfer that has a seat no second one", async () => {
    await book.add(ADA, seat("s"));
    const { same } = await book.add(ADA, seat("t"));
    assert.equal(same?.sessionId, "s");
    assert.equal((await book.of(ADA)).length, 1);
  });

  it("lets one of several take a seat", async () => {
    await book.add(ADA, seat("s"));
    const taken = await Promise.all([book.take(ADA, "s"), book.take(ADA, "s")]);
    assert.equal(taken.filter((each) => each !== undefined).length, 1);
  });

  it("takes a pass once", async () => {
    assert.equal(await book.use("pass", T), true);
    assert.equal(await book.use("pass", "another"), false);
    assert.equal(await book.usedFor("pass"), T);
  });

  it("forgets everything in its time", async () => {
    await book.add(ADA, seat("s"));
    await book.use("pass", T);
    clock.advance(180_000);
    assert.equal(store.size, 0);
  });

  it("takes a damaged row for none, and says so", async () => {
    await store.set(`seats/${ADA}`, '[{"home":7}]');
    assert.deepEqual(await book.of(ADA), []);
    assert.equal(reported.length, 1);
    await book.add(ADA, seat("s"));
    assert.equal((await book.of(ADA)).length, 1);
  });
});
