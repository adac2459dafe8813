import assert from "node:assert/strict";
import { gaugesOf } from "../../src/federation/gauges.ts";
import { CONDITIONS } from "../../src/operator/condition.ts";
import { Attribute } from "../../src/telemetry/names.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { peerSummary } from "../support/peer-summary.ts";
import { turn } from "../support/turn.ts";

describe("federation/gauges", () => {
  const clock = new ManualClock();
  const here = "https://here.example";

  /** Gauges of a runtime with these holders of its players' rows. */
  function gauges(holders: () => AsyncIterable<{ readonly holder: string }>) {
    const sessions = [{ atHome: true }, { atHome: false }, { atHome: false }];
    const runtime = {
      custody: {
        ledger: { openRows: holders, isHere: (holder: string) => holder === here },
        sessions: { all: () => sessions },
      },
      ...{ clock, links: { size: 2 } },
    };
    const peers = { list: () => [peerSummary({}), peerSummary({})] };
    return gaugesOf(runtime as never, peers);
  }

  async function* rows(...holders: readonly string[]) {
    for (const holder of holders) yield { holder };
  }

  it("count players, those who are at home elsewhere, and links", () => {
    const read = gauges(() => rows());
    assert.deepEqual(read["aether.players"](), [{ value: 3 }]);
    assert.deepEqual(read["aether.visitors"](), [{ value: 2 }]);
    assert.deepEqual(read["aether.links"](), [{ value: 2 }]);
  });

  it("have a number for every condition of peers, 0 where none is in it", () => {
    const readings = gauges(() => rows())["aether.peers"]();
    assert.deepEqual(
      readings.map(({ attributes }) => attributes?.[Attribute.State]),
      [...CONDITIONS],
    );
    const counted = readings.filter(({ value }) => value > 0);
    assert.deepEqual(
      counted.map(({ value }) => value),
      [2],
    );
  });

  it("count who is abroad, and not who is here", async () => {
    const read = gauges(() => rows(here, "https://b.example", "https://c.example"));
    await turn();
    assert.deepEqual(read["aether.players.abroad"](), [{ value: 2 }]);
  });

  it("ask the store who is abroad no more often than every 30 s", async () => {
    let asked = 0;
    const read = gauges(() => {
      asked += 1;
      return rows();
    });
    for (let collections = 0; collections < 10; collections += 1) {
      await turn();
      read["aether.players.abroad"]();
    }
    assert.equal(asked, 1);
    clock.advance(30_000);
    read["aether.players.abroad"]();
    assert.equal(asked, 2);
  });

  it("say nothing of who is abroad while the store does not answer, and wait for it once", async () => {
    let asked = 0;
    const read = gauges(async function* () {
      asked += 1;
      yield* rows("https://b.example");
      await new Promise<never>(() => undefined);
    });
    for (let collections = 0; collections < 10; collections += 1) {
      await turn();
      clock.advance(60_000);
      assert.deepEqual(read["aether.players.abroad"](), []);
    }
    assert.equal(asked, 1);
  });

  it("say nothing of who is abroad where the store fails", async () => {
    const read = gauges(async function* () {
      yield* rows("https://b.example");
      throw new Error("the store does not answer");
    });
    await turn();
    assert.deepEqual(read["aether.players.abroad"](), []);
  });
});
