import assert from "node:assert/strict";
import { AskedLater } from "../../../src/custody/shared/asked-later.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";

interface Item {
  readonly name: string;
  retries: number;
}

describe("custody/shared/asked-later", () => {
  let clock: ManualClock;
  let asked: string[];
  let later: AskedLater<Item>;

  beforeEach(() => {
    clock = new ManualClock();
    asked = [];
    later = new AskedLater<Item>({
      clock,
      afterSeconds: [1, 10],
      most: 2,
      again: (items) => void asked.push(items.map(({ name }) => name).join()),
    });
  });

  const item = (name: string, retries = 0): Item => ({ name, retries });

  it("asks again of those together that wait for as long", () => {
    assert.deepEqual(later.add([item("a"), item("b")]), []);
    clock.advance(999);
    assert.deepEqual(asked, []);
    clock.advance(1);
    assert.deepEqual(asked, ["a,b"]);
  });

  it("counts how often, and hands back what has been asked for often enough", () => {
    const one = item("a");
    later.add([one]);
    clock.advance(1_000);
    later.add([one]);
    clock.advance(9_999);
    assert.equal(asked.length, 1);
    clock.advance(1);
    assert.equal(asked.length, 2);
    assert.deepEqual(later.add([one]), [one]);
  });

  it("hands back what is more than may wait, until others have been asked for", () => {
    const more = item("c");
    assert.deepEqual(later.add([item("a"), item("b"), more]), [more]);
    clock.advance(1_000);
    assert.deepEqual(later.add([more]), []);
  });

  it("hands back what waits when it stops, and lets nothing wait after that", () => {
    const one = item("a");
    later.add([one]);
    assert.deepEqual(later.stop(), [one]);
    assert.deepEqual(later.add([one]), [one]);
    clock.advance(60_000);
    assert.deepEqual(asked, []);
  });
});
