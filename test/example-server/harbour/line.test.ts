import assert from "node:assert/strict";
import fc from "fast-check";
import { Line, pull } from "../../../example-server/harbour/line.ts";
import { BITE_MILLISECONDS } from "../../../example-server/harbour/messages.ts";

/** A line, and the only clock it has. */
function tackle(random = () => 0.5) {
  const heard: string[] = [];
  const timers: { milliseconds: number; run: () => void }[] = [];
  const line = new Line(
    {
      random,
      later: (milliseconds, run) => {
        const timer = { milliseconds, run };
        timers.push(timer);
        return { clear: () => void timers.splice(timers.indexOf(timer) >>> 0, 1) };
      },
    },
    { changed: (state) => heard.push(state), escaped: () => heard.push("escaped") },
  );
  /** Lets the next timer end, and says how long it took. */
  const next = (): number => {
    const timer = timers.shift();
    timer?.run();
    return timer?.milliseconds ?? NaN;
  };
  return { line, heard, timers, next };
}

describe("the harbour's line", () => {
  it("bites after two to six seconds, and is let go after 1.2", () => {
    for (const [chance, wait] of [
      [0, 2_000],
      [0.5, 4_000],
      [0.9999, 5_999.6],
    ] as const) {
      const { line, heard, timers, next } = tackle(() => chance);
      line.cast();
      assert.equal(line.state, "out");
      assert.equal(next(), wait);
      assert.equal(line.state, "bite");
      assert.equal(next(), BITE_MILLISECONDS);
      assert.deepEqual(heard, ["out", "bite", "ashore", "escaped"]);
      assert.equal(timers.length, 0);
    }
  });

  it("gives a catch while something bites, and only once", () => {
    const { line, timers, next } = tackle();
    line.cast();
    next();
    assert.deepEqual(line.reel(), { kind: "fish", name: "Perch, 30 cm", centimetres: 30 });
    assert.equal(line.reel(), undefined);
    assert.equal(line.state, "ashore");
    assert.equal(timers.length, 0);
  });

  it("is empty when it is reeled in too early", () => {
    const { line, timers } = tackle();
    line.cast();
    assert.equal(line.reel(), "early");
    assert.equal(timers.length, 0);
  });

  it("is cast once, however often that is asked", () => {
    const { line, heard, timers } = tackle();
    for (let times = 0; times < 5; times += 1) line.cast();
    assert.equal(timers.length, 1);
    assert.deepEqual(heard, ["out"]);
  });

  it("comes in with whoever leaves, and nothing bites any more", () => {
    const { line, heard, timers } = tackle();
    line.takeIn();
    line.cast();
    line.takeIn();
    line.takeIn();
    assert.deepEqual(heard, ["out", "ashore"]);
    assert.equal(timers.length, 0);
  });

  it("gives things that can be carried, for every roll of the dice", () => {
    const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.array(unit, { minLength: 4, maxLength: 4 }), (rolls) => {
        const { kind, name, centimetres } = pull(() => rolls.shift() ?? 0);
        assert.match(
          name,
          kind === "boot" ? /^Old boot, size 3\d|4[0-6]$/u : /^[A-Z][a-z]+, \d+ cm$/u,
        );
        assert.ok(kind === "boot" ? centimetres === 0 : centimetres >= 12 && centimetres <= 110);
      }),
    );
  });

  it("gives each kind by chance", () => {
    const first = (roll: number): string => {
      const rolls = [roll, 0, 0];
      return pull(() => rolls.shift() ?? 0).name;
    };
    const names = [0.079, 0.081, 0.43, 0.75, 0.9, 0.999].map(first);
    assert.deepEqual(names, [
      ...["Old boot, size 38", "Roach, 12 cm", "Perch, 15 cm", "Bream, 25 cm"],
      ...["Pike, 45 cm", "Eel, 40 cm"],
    ]);
  });
});
