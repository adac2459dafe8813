import assert from "node:assert/strict";
import { type Part, startAll, stopAll } from "../../src/runtime/part.ts";

describe("runtime/part", () => {
  let heard: string[];
  beforeEach(() => {
    heard = [];
  });

  function part(name: string, fails?: "start" | "stop"): Part {
    const tell = async (what: "start" | "stop"): Promise<void> => {
      heard.push(`${what} ${name}`);
      await Promise.resolve();
      if (fails === what) throw new Error(`${name} does not ${what}`);
    };
    return { start: () => tell("start"), stop: () => tell("stop") };
  }

  it("starts in order and stops in the reverse", async () => {
    const parts = [part("store"), {}, part("custody")];
    await startAll(parts);
    await stopAll(parts);
    assert.deepEqual(heard, ["start store", "start custody", "stop custody", "stop store"]);
  });

  it("undoes what was started when a later one fails, and says why", async () => {
    const parts = [part("store"), part("custody", "start"), part("never")];
    await assert.rejects(startAll(parts), /custody does not start/u);
    assert.deepEqual(heard, ["start store", "start custody", "stop custody", "stop store"]);
  });

  it("says why it could not start, whatever stopping does", async () => {
    await assert.rejects(startAll([part("store", "stop"), part("custody", "start")]), /start/u);
  });

  it("stops all, whatever one of them does, and says what failed", async () => {
    await assert.rejects(
      stopAll([part("store"), part("custody", "stop")]),
      /custody does not stop/u,
    );
    assert.deepEqual(heard, ["stop custody", "stop store"]);
  });
});
