import assert from "node:assert/strict";
import { runLoad } from "./load.ts";

describe("the load", function () {
  this.timeout(120_000);

  for (const naive of [false, true]) {
    it(`crosses steadily, fails nobody and says what it cost${naive ? ", naively too" : ""}`, async () => {
      const result = await runLoad({ players: 8, seconds: 2, rate: 10, atOnce: 4, naive });
      assert.deepEqual(result.failures, {});
      assert.ok(result.crossings >= 10, `${result.crossings} crossings`);
      assert.ok(result.latency.p50 > 0 && result.latency.p50 <= result.latency.p99);
      assert.equal(result.servers.length, 2);
      for (const server of result.servers) {
        assert.equal(server.keptBytes.length, 3);
        for (const bytes of server.keptBytes) assert.ok(bytes > 1024 ** 2);
        assert.ok(server.delay.max > 0);
        assert.ok(server.cpuMillisecondsPerCrossing > 0);
      }
    });
  }

  it("keeps as many crossings under way as it is told when no rate is given", async () => {
    const result = await runLoad({
      ...{ players: 8, seconds: 2, rate: Infinity, atOnce: 4, naive: true },
    });
    assert.ok(result.crossings > 40, `${result.crossings} crossings`);
  });

  it("ends its servers when it is called off", async () => {
    const stopping = new AbortController();
    const running = runLoad({
      ...{ players: 2, seconds: 600, rate: 5, atOnce: 2, naive: true, signal: stopping.signal },
      onProgress: (line) => {
        if (line.startsWith("half")) stopping.abort();
      },
    });
    await assert.rejects(running);
  });
});
