import assert from "node:assert/strict";
import { Slots } from "../../../src/assets/transfer/slots.ts";
import { turn } from "../../support/turn.ts";

describe("assets/slots", () => {
  const never = new AbortController().signal;
  /** Takes places in this order, and tells who has got one. */
  const take = (slots: Slots, peers: string[], signal = never) => {
    const got: string[] = [];
    const releases = new Map<string, () => void>();
    const all = peers.map(async (peer, index) => {
      const release = await slots.acquire(peer, signal);
      got.push(`${peer}${index}`);
      releases.set(`${peer}${index}`, release);
    });
    return { got, all, free: (who: string) => releases.get(who)?.() };
  };

  it("are given in the order they are asked for, and nobody waits for another peer's", async () => {
    const slots = new Slots({ perPeer: 2, overall: 3 });
    const { got, free } = take(slots, ["a", "a", "a", "a", "b", "b", "a", "c"]);
    await turn();
    assert.deepEqual(got, ["a0", "a1", "b4"]);
    free("b4");
    await turn();
    assert.deepEqual(got.slice(3), ["b5"], "a has its two");
    free("a1");
    await turn();
    assert.deepEqual(got.slice(4), ["a2"]);
    free("b5");
    await turn();
    assert.deepEqual(got.slice(5), ["c7"]);
    free("c7");
    await turn();
    assert.equal(got.length, 6);
    free("a0");
    free("a2");
    await turn();
    assert.deepEqual(got.slice(6), ["a3", "a6"]);
  });

  it("are not waited for by who has given up", async () => {
    const slots = new Slots({ perPeer: 1, overall: 1 });
    const release = await slots.acquire("a", never);
    const abort = new AbortController();
    const left = slots.acquire("a", abort.signal);
    const next = slots.acquire("a", never);
    abort.abort(new Error("left"));
    await assert.rejects(left, /left/u);
    release();
    (await next)();
    await assert.rejects(slots.acquire("a", abort.signal), /left/u);
    (await slots.acquire("a", never))();
  });
});
