import assert from "node:assert/strict";
import { LinkCheckWishes, askForLinkCheck } from "../../src/doctor/wishes.ts";
import type { Finding } from "../../src/doctor/findings.ts";
import { systemRandom } from "../../src/ports.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { quietLogger } from "../support/loggers.ts";

const THERE = "https://there.example";
const WELL: readonly Finding[] = [{ check: "reach", ok: true, detail: "it answers HTTP 200" }];

describe("doctor/wishes", () => {
  const clock = new ManualClock();
  let store: MemoryStore;
  let looked: string[];
  let wishes: LinkCheckWishes;
  let found: () => Promise<readonly Finding[]>;

  beforeEach(() => {
    store = new MemoryStore(clock);
    looked = [];
    found = () => Promise.resolve(WELL);
    wishes = new LinkCheckWishes({
      ...{ store, logger: quietLogger() },
      check: (origin) => {
        looked.push(origin);
        return found();
      },
    });
  });

  /** Asks, while a server looks at its wishes now and then, or does not. */
  const ask = (take: () => Promise<void>) =>
    askForLinkCheck(THERE, {
      ...{ store, clock, random: systemRandom },
      pause: async (milliseconds) => {
        clock.advance(milliseconds);
        await take();
      },
    });
  const left = async (): Promise<number> => {
    let count = 0;
    for await (const _ of store.entries("link")) count += 1;
    return count;
  };

  it("hand over what the running server finds, and leave nothing behind", async () => {
    assert.deepEqual(await ask(() => wishes.take()), WELL);
    assert.deepEqual(looked, [THERE]);
    assert.equal(await left(), 0);
  });

  it("are taken back where nobody takes them", async () => {
    assert.equal(await ask(() => Promise.resolve()), undefined);
    assert.equal(await left(), 0);
  });

  it("are waited for no longer than an examination takes", async () => {
    found = () => new Promise(() => undefined);
    const began = clock.monotonic();
    assert.equal(await ask(() => wishes.take()), undefined);
    assert.ok(clock.monotonic() - began < 30_000);
  });

  it("are seen to once, however many processes look", async () => {
    await store.set(`link-check/${systemRandom.uuid()}`, JSON.stringify({ origin: THERE }));
    await Promise.all([wishes.take(), wishes.take()]);
    assert.deepEqual(looked, [THERE]);
  });

  it("are seen to eight at once; the others wait", async () => {
    found = () => new Promise(() => undefined);
    for (let count = 0; count < 12; count += 1) {
      await store.set(`link-check/${systemRandom.uuid()}`, JSON.stringify({ origin: THERE }));
    }
    await wishes.take();
    await wishes.take();
    assert.deepEqual([looked.length, await left()], [8, 4]);
  });

  for (const text of [
    "",
    "{}",
    '{"origin":1}',
    '{"origin":"ftp://x"}',
    `{"origin":"${THERE}","more":1}`,
  ]) {
    it(`are dropped where they say nothing: ${text}`, async () => {
      await store.set(`link-check/${systemRandom.uuid()}`, text);
      await wishes.take();
      assert.deepEqual([looked, await left()], [[], 0]);
    });
  }
});
