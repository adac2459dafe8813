import assert from "node:assert/strict";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { measureOutages } from "./outages.ts";

/** `npm run bench -- health` has ten thousand, in SQLite. */
const PEERS = Number(process.env["PEERS"] ?? 300);
const SEED = process.env["SEED"] ?? String(Date.now());

describe("health: scripted outages", function () {
  this.timeout(600_000);

  it(`are measured within 1 %, also across a restart, for ${PEERS} peers (SEED=${SEED})`, async () => {
    const { worst, withOutages, worstUnobservedMilliseconds } = await measureOutages({
      ...{ peers: PEERS, seed: SEED },
      storeOf: (clock) => new MemoryStore(clock),
    });
    assert.ok(worst.error <= 0.01, `${worst.origin} is off by ${worst.error}`);
    assert.ok(withOutages > PEERS / 10, "outages");
    assert.ok(
      worstUnobservedMilliseconds < 60_000,
      `${worstUnobservedMilliseconds} ms are missing`,
    );
  });
});
