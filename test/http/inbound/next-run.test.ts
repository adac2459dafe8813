import assert from "node:assert/strict";
import { nextRun } from "../../../src/http/inbound/next-run.ts";

describe("http/next-run", () => {
  /** Runs that end when they are told to. */
  function runs() {
    const begun: { resolve: (value: undefined) => void; reject: (cause: Error) => void }[] = [];
    const ask = nextRun(() => new Promise((resolve, reject) => begun.push({ resolve, reject })));
    return { begun, ask };
  }
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it("begins at once where nothing runs", async () => {
    const { begun, ask } = runs();
    const first = ask();
    assert.equal(begun.length, 1);
    begun[0]?.resolve(undefined);
    await first;
    void ask();
    assert.equal(begun.length, 2);
  });

  it("has whoever asks meanwhile wait for one run more, which begins after they asked", async () => {
    const { begun, ask } = runs();
    void ask();
    const waiting = Promise.all(Array.from({ length: 100 }, ask));
    let over = false;
    void waiting.then(() => (over = true));
    assert.equal(begun.length, 1);
    begun[0]?.resolve(undefined);
    await settled();
    assert.equal(begun.length, 2);
    assert.equal(over, false, "the run that had begun before they asked is none of theirs");
    begun[1]?.resolve(undefined);
    await waiting;
    assert.equal(begun.length, 2);
  });

  it("tells those that waited for it of a failure, and runs again", async () => {
    const { begun, ask } = runs();
    const [first, second] = [ask(), ask()];
    begun[0]?.reject(new Error("the store does not answer"));
    await assert.rejects(first, /does not answer/u);
    await settled();
    begun[1]?.resolve(undefined);
    await second;
    const third = ask();
    begun[2]?.resolve(undefined);
    await third;
  });
});
