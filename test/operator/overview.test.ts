import assert from "node:assert/strict";
import type { UptimeSlice } from "../../src/health/uptime-history.ts";
import { type OverviewSources, MAX_ROWS, barOf, overviewOf } from "../../src/operator/overview.ts";
import { peerSummary } from "../support/peer-summary.ts";

const slice = (observedMilliseconds: number, upMilliseconds: number): UptimeSlice => ({
  ...{ at: 0, lengthMilliseconds: 60_000, observedMilliseconds, upMilliseconds },
  ...{ roundTrips: 0, meanRoundTripMilliseconds: undefined, maxRoundTripMilliseconds: undefined },
});

describe("operator/overview", () => {
  let peers: ReturnType<typeof peerSummary>[];
  let sources: OverviewSources;
  const none = async function* () {
    yield* [];
  };

  beforeEach(() => {
    peers = [];
    sources = {
      now: () => 7,
      own: () => ({
        ...{ name: "Own", origin: "https://own.example", version: "1", keyId: "key", worlds: [] },
        ...{ health: { status: "pass", checks: {} }, startedAt: 1 },
      }),
      peers: () => peers,
      slices: () => [slice(0, 0), slice(60_000, 60_000), slice(60_000, 29_999), slice(9, 0)],
      underWay: () => [],
      crossings: { ended: () => [], failed: () => [], counts: () => ({}) },
      playersHere: () => 3,
      visitors: none,
      abroad: none,
      late: none,
      quarantine: () => Promise.resolve([]),
    };
  });

  it("writes slices so that nothing but all of the time is all of it", () => {
    assert.equal(barOf(sources.slices("", "hour")), "-^40");
    assert.equal(barOf([slice(1_000_000, 999_999)]), "9");
  });

  it("shows some of the peers, the worst of all first, and counts all", async () => {
    for (let index = 0; index < MAX_ROWS + 5; index += 1) {
      peers.push(peerSummary({ origin: `https://p${String(index).padStart(3, "0")}.example` }));
    }
    peers.push(peerSummary({ origin: "https://z.example", status: "offline" }));
    const first = (await overviewOf(sources)).peers;
    assert.equal(first.rows[0]?.origin, "https://z.example");
    assert.deepEqual([first.rows.length, first.matching, first.total], [MAX_ROWS, 106, 106]);
    const next = (await overviewOf(sources, { from: MAX_ROWS })).peers;
    assert.deepEqual([next.rows.length, next.from], [6, MAX_ROWS]);
    assert.equal((await overviewOf(sources, { from: 1e9 })).peers.rows.length, 0);
  });

  it("finds peers by origin, name, world and reason, in any case", async () => {
    peers.push(
      peerSummary({ origin: "https://one.example", name: "Arena" }),
      peerSummary({
        origin: "https://two.example",
        status: "offline",
        cause: { code: "timed-out" },
      }),
    );
    const found = async (search: string): Promise<string[]> =>
      (await overviewOf(sources, { search })).peers.rows.map(({ origin }) => origin);
    assert.deepEqual(await found("ARENA"), ["https://one.example"]);
    assert.deepEqual(await found("two."), ["https://two.example"]);
    assert.equal((await found("plaza")).length, 2);
    const { rows } = (await overviewOf(sources, { condition: "down" })).peers;
    assert.deepEqual(
      rows.map(({ origin }) => origin),
      ["https://two.example"],
    );
    assert.deepEqual(await found(rows[0]?.why ?? ""), ["https://two.example"]);
  });

  it("shows a hundred of what there is without an end, and reads no further", async () => {
    let read = 0;
    const endless = async function* () {
      for (;;) {
        read += 1;
        yield { player: `p${read}`, name: "", at: "https://a.example", state: "" };
      }
    };
    const { visitors } = await overviewOf({ ...sources, visitors: endless });
    assert.deepEqual([visitors.rows.length, visitors.more, read], [100, true, 101]);
  });

  it("names what cannot be read, and shows the rest", async () => {
    const broken = async function* () {
      yield* [];
      throw new Error("the store is away");
    };
    const overview = await overviewOf({
      ...sources,
      abroad: broken,
      quarantine: () => Promise.reject(new Error("the disk is away")),
    });
    assert.deepEqual(overview.missing.toSorted(), ["abroad", "quarantine"]);
    assert.equal(overview.playersHere, 3);
  });
});
