import assert from "node:assert/strict";
import { coded } from "../support/coded.ts";
import { type Frame, FrameKind } from "../../src/link/frames.ts";
import { type LinkHandler, MAX_CALLS_UNDER_WAY } from "../../src/link/link.ts";
import { turn } from "../support/turn.ts";
import { B, Pair, handlerOf, keysOf, sealed } from "./pair.ts";

const TIMEOUT = 5_000;

describe("link/link", () => {
  it("carries calls both ways, many at once, and answers out of order", async () => {
    const held: (() => void)[] = [];
    const pair = await Pair.proven({
      b: handlerOf(async ({ origin }, { path, body }) => {
        if (path === "/slow") await new Promise<void>((resolve) => held.push(resolve));
        return { status: 201, body: `${origin} ${path} ${body.toString()}` };
      }),
    });
    const slow = pair.a.call("/slow", "1", TIMEOUT);
    const quick = pair.a.call("/quick", "2", TIMEOUT);
    const back = pair.b.call("/back", "3", TIMEOUT);
    await pair.settle();
    assert.deepEqual(await quick, { status: 201, body: "https://a.example /quick 2" });
    assert.deepEqual(await back, { status: 200, body: "3" });
    held.forEach((go) => go());
    await turn();
    await pair.settle();
    assert.equal((await slow).body, "https://a.example /slow 1");
  });

  describe("and the trace that a call belongs to", () => {
    const trace = {
      traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      tracestate: "a=b",
    };
    /** What the other side hears of it. */
    const heard = (): { readonly seen: unknown[]; readonly handler: LinkHandler } => {
      const seen: unknown[] = [];
      const handler = handlerOf(async (_peer, call) => {
        seen.push(call.trace);
        return { status: 200, body: call.path };
      });
      return { seen, handler };
    };

    it("tells it where both know traced calls, both ways", async () => {
      const [a, b] = [heard(), heard()];
      const pair = await Pair.proven({ a: a.handler, b: b.handler }, { traced: true });
      const calls = [pair.a.call("/a", "1", TIMEOUT, trace), pair.b.call("/b", "", TIMEOUT, trace)];
      const without = pair.a.call("/c", "", TIMEOUT);
      await pair.settle();
      assert.deepEqual(
        (await Promise.all([...calls, without])).map(({ body }) => body),
        ["/a", "/b", "/c"],
      );
      assert.deepEqual([a.seen, b.seen], [[trace], [trace, undefined]]);
    });

    it("calls without it where the other side does not", async () => {
      const { seen, handler } = heard();
      const pair = await Pair.proven({ b: handler });
      const call = pair.a.call("/a", "1", TIMEOUT, trace);
      await pair.settle();
      assert.equal((await call).body, "/a");
      assert.deepEqual(seen, [undefined]);
    });

    it("ends for a traced call that was not agreed on", async () => {
      const pair = await Pair.proven();
      const { ofA } = keysOf();
      const frame = { kind: FrameKind.TracedCall, id: 9, path: "/a", body: "", trace } as const;
      pair.sockets.b.ears?.message(sealed(ofA.byOpener, 1, frame));
      assert.deepEqual(pair.ended, ["b ERR_FED_MALFORMED"]);
    });
  });

  it("takes no call before the other side has shown that it has the keys", async () => {
    const pair = new Pair();
    assert.deepEqual([pair.a.usable, pair.b.usable], [false, false]);
    await pair.settle();
    assert.deepEqual([pair.a.usable, pair.b.usable], [true, true]);
  });

  it("tells health by a ping", async () => {
    const pair = await Pair.proven();
    const said = pair.a.ping(TIMEOUT);
    await pair.settle();
    assert.equal(await said, '{"status":"pass"}');
  });

  it("gives a call up in its time, takes the late answer, and goes on", async () => {
    const held: (() => void)[] = [];
    const pair = await Pair.proven({
      b: handlerOf(async (_peer, { path }) => {
        if (path === "/slow") await new Promise<void>((resolve) => held.push(resolve));
        return { status: 200, body: path };
      }),
    });
    const slow = assert.rejects(pair.a.call("/slow", "", 1_000), coded("ERR_FED_TIMEOUT"));
    pair.clock.advance(500);
    const other = pair.a.call("/other", "", TIMEOUT);
    await pair.settle();
    assert.equal((await other).body, "/other");
    pair.clock.advance(600);
    await slow;
    held.forEach((go) => go());
    await turn();
    await pair.settle();
    assert.equal(pair.a.over, false);
  });

  it("is over when a call was not answered and not a word came since", async () => {
    const pair = await Pair.proven();
    pair.clock.advance(1);
    const call = assert.rejects(pair.a.call("/x", "", 1_000), coded("ERR_FED_TIMEOUT"));
    pair.clock.advance(1);
    const later = assert.rejects(pair.a.call("/y", "", 1_000), coded("ERR_FED_UNREACHABLE"));
    pair.clock.advance(1_000);
    await Promise.all([call, later]);
    assert.deepEqual(pair.ended, ["a ERR_FED_TIMEOUT"]);
  });

  it("is over when a ping is not answered", async () => {
    const pair = await Pair.proven();
    pair.clock.advance(25_000);
    assert.deepEqual(pair.ended.sort(), ["a ERR_FED_TIMEOUT", "b ERR_FED_TIMEOUT"]);
    assert.deepEqual(pair.sockets.a.closedWith, [1008, "ERR_FED_TIMEOUT"]);
  });

  it("leaves calls without an answer when the connection closes", async () => {
    const pair = await Pair.proven();
    const call = assert.rejects(pair.a.call("/x", "", TIMEOUT), coded("ERR_FED_UNREACHABLE"));
    pair.sockets.a.ears?.closed();
    await call;
    assert.equal(pair.a.usable, false);
  });

  it("answers what is under way when it is left, and takes no more", async () => {
    const held: (() => void)[] = [];
    const pair = await Pair.proven({
      b: handlerOf(async () => {
        await new Promise<void>((resolve) => held.push(resolve));
        return { status: 200, body: "last" };
      }),
    });
    const call = pair.a.call("/x", "", TIMEOUT);
    await pair.settle();
    const left = pair.b.leave();
    await pair.settle();
    assert.deepEqual([pair.a.usable, pair.b.usable, pair.b.over], [false, false, false]);
    held.forEach((go) => go());
    await turn();
    await pair.settle();
    assert.equal((await call).body, "last");
    await left;
    assert.deepEqual(pair.ended.sort(), ["a goodbye", "b goodbye"]);
    assert.deepEqual(pair.sockets.b.closedWith, [1000, ""]);
  });

  it("waits for a goodbye for 5 s at most", async () => {
    const pair = await Pair.proven();
    const left = pair.a.leave();
    pair.clock.advance(5_000);
    await left;
    assert.deepEqual(pair.ended, ["a ERR_FED_TIMEOUT"]);
  });

  it(`answers ${MAX_CALLS_UNDER_WAY} calls at once, and refuses more`, async () => {
    const pair = await Pair.proven({ b: handlerOf(() => new Promise(() => undefined)) });
    const { byOpener } = keysOf().ofA;
    for (let id = 0; id <= MAX_CALLS_UNDER_WAY; id += 1) {
      const frame = { kind: FrameKind.Call, id, path: "/x", body: "" } as const;
      pair.sockets.b.ears?.message(sealed(byOpener, id + 1, frame));
    }
    await turn();
    assert.equal(pair.sockets.b.sent.length, 1);
    assert.match(pair.sockets.b.sent[0]?.toString() ?? "", /ERR_FED_RATE_LIMITED/u);
    const calls = Array.from({ length: MAX_CALLS_UNDER_WAY }, () => pair.b.call("/x", "", TIMEOUT));
    void Promise.allSettled(calls);
    assert.equal(pair.b.usable, false, "nor does it send more");
  });

  it("refuses an answer that is too long", async () => {
    const pair = await Pair.proven({
      b: handlerOf(async () => ({ status: 200, body: "ä".repeat(40_000) })),
    });
    const call = pair.a.call("/x", "", TIMEOUT);
    await pair.settle();
    assert.match((await call).body, /ERR_FED_RESPONSE_TOO_LARGE/u);
  });

  it("reads no more, and calls no more, while the other side does not read", async () => {
    const pair = await Pair.proven();
    const { b } = pair.sockets;
    b.bufferedBytes = 300_000;
    void pair.b.call("/x", "", TIMEOUT).catch(() => undefined);
    await turn();
    assert.deepEqual([b.reads, pair.b.usable], [false, false]);
    b.bufferedBytes = 0;
    pair.clock.advance(20);
    assert.deepEqual([b.reads, pair.b.usable], [true, true]);
  });

  it("ends with a side that has not read for 5 s", async () => {
    const pair = await Pair.proven();
    pair.sockets.b.bufferedBytes = 400_000;
    const call = assert.rejects(pair.b.call("/x", "", 60_000), coded("ERR_FED_UNREACHABLE"));
    await turn();
    pair.clock.advance(4_000);
    pair.sockets.b.bufferedBytes = 399_999;
    pair.clock.advance(4_900);
    assert.deepEqual(pair.ended, []);
    pair.clock.advance(200);
    assert.deepEqual(pair.ended, ["b ERR_FED_UNAVAILABLE"]);
    await call;
  });

  it("ends with a side that leaves too much unread", async () => {
    const pair = await Pair.proven();
    pair.sockets.b.bufferedBytes = 5_000_000;
    await assert.rejects(pair.b.call("/x", "", TIMEOUT), coded("ERR_FED_UNREACHABLE"));
    assert.deepEqual(pair.ended, ["b ERR_FED_UNAVAILABLE"]);
  });

  describe("acts on nothing, and ends, for", () => {
    const acted: string[] = [];
    let pair: Pair;
    /** Frames that A has sent, the ping left out. */
    let caught: Buffer[];
    beforeEach(async () => {
      acted.length = 0;
      pair = await Pair.proven({
        b: handlerOf(async (_peer, { path }) => {
          acted.push(path);
          return { status: 200, body: "" };
        }),
      });
      for (const path of ["/1", "/2"]) {
        void pair.a.call(path, "", TIMEOUT).catch(() => undefined);
        await turn();
      }
      caught = pair.sockets.a.sent.splice(0);
    });
    const deliver = (...frames: readonly (Buffer | undefined)[]): void => {
      for (const frame of frames) if (frame !== undefined) pair.sockets.b.ears?.message(frame);
    };
    const seal = (frame: Frame, counter = 1): Buffer =>
      sealed(keysOf().ofA.byOpener, counter, frame);

    it("a frame that comes twice", () => {
      deliver(caught[0], caught[0]);
      assert.deepEqual([acted, pair.ended], [["/1"], ["b ERR_FED_REPLAYED"]]);
    });

    it("a frame that was left out", () => {
      deliver(caught[1]);
      assert.deepEqual([acted, pair.ended], [[], ["b ERR_FED_REPLAYED"]]);
    });

    it("a frame of our own that comes back", async () => {
      await pair.settle();
      void pair.b.call("/mine", "", TIMEOUT).catch(() => undefined);
      await turn();
      deliver(pair.sockets.b.sent[0]);
      assert.deepEqual([acted, pair.ended], [[], ["b ERR_FED_SIGNATURE_INVALID"]]);
    });

    it("a changed frame", () => {
      const [frame] = caught;
      frame?.writeUInt8((frame[20] ?? 0) ^ 1, 20);
      deliver(frame);
      assert.deepEqual([acted, pair.ended], [[], ["b ERR_FED_SIGNATURE_INVALID"]]);
    });

    it("text, or rubbish", () => {
      deliver(Buffer.alloc(0));
      assert.deepEqual(pair.ended, ["b ERR_FED_MALFORMED"]);
    });

    it("the answer to a call that was not made", () => {
      deliver(seal({ kind: FrameKind.Answer, id: 0, status: 200, body: "{}" }));
      assert.deepEqual(pair.ended, ["b ERR_FED_MALFORMED"]);
    });

    it("the answer to a ping that was not sent", () => {
      deliver(seal({ kind: FrameKind.Pong, id: 0, body: "{}" }));
      assert.deepEqual(pair.ended, ["b ERR_FED_MALFORMED"]);
    });

    it("a call with the id of one that is under way", () => {
      const again = { kind: FrameKind.Call, id: 1, path: "/again", body: "" } as const;
      deliver(caught[0], seal(again, 2));
      assert.deepEqual([acted, pair.ended], [["/1"], ["b ERR_FED_MALFORMED"]]);
    });

    it("a call after a goodbye", () => {
      deliver(
        seal({ kind: FrameKind.Goodbye, id: 0 }),
        seal({ kind: FrameKind.Call, id: 5, path: "/late", body: "" }, 2),
      );
      assert.deepEqual(acted, []);
      assert.match(pair.ended[0] ?? "", /^b /u);
    });

    it("a flood of pings", () => {
      for (let counter = 1; counter <= 300; counter += 1) {
        deliver(seal({ kind: FrameKind.Ping, id: counter }, counter));
      }
      assert.deepEqual(pair.ended, ["b ERR_FED_MALFORMED"]);
    });

    it("anything that comes after the end", () => {
      pair.b.end("ERR_FED_BLOCKED");
      deliver(caught[0]);
      assert.deepEqual(acted, []);
      assert.deepEqual(pair.sockets.b.closedWith, [1008, "ERR_FED_BLOCKED"]);
    });
  });

  it("names the peer whose link broke", async () => {
    const pair = await Pair.proven();
    const call = pair.a.call("/x", "", TIMEOUT);
    pair.a.end("ERR_FED_BLOCKED");
    await assert.rejects(call, new RegExp(B, "u"));
  });
});
