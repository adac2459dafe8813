import assert from "node:assert/strict";
import { Preparations } from "../../../src/assets/transfer/preparations.ts";
import {
  type CompleteAssetReference,
  resolveIntegrityPolicy,
} from "../../../src/assets/verify/reference.ts";
import { FederationError } from "../../../src/errors.ts";
import { sriOf } from "../../support/assets.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";

const SOURCE = "https://near.example";

function reference(name: string, size = 100): CompleteAssetReference {
  return {
    originServer: SOURCE,
    assetHash: sriOf(name),
    size,
    mediaType: "image/png",
  };
}

/** One asset on its way, in the test's hands. */
interface Flight {
  readonly sources: readonly string[];
  readonly onProgress: (receivedBytes: number, totalBytes: number) => void;
  readonly arrive: () => void;
  readonly fail: (cause: unknown) => void;
}

function destination(): {
  preparations: Preparations;
  clock: ManualClock;
  flights: Map<string, Flight[]>;
} {
  const clock = new ManualClock();
  const flights = new Map<string, Flight[]>();
  const preparations = new Preparations({
    limits: resolveIntegrityPolicy({ maxAssetBytes: 5000 }),
    clock,
    fetch: ({ assetHash }, { sources, onProgress }) =>
      new Promise((resolve, reject) => {
        const flight = {
          sources,
          onProgress,
          arrive: () => {
            resolve(undefined);
          },
          fail: reject,
        };
        flights.set(assetHash, [...(flights.get(assetHash) ?? []), flight]);
      }),
  });
  return { preparations, clock, flights };
}

describe("assets/transfer/preparations", () => {
  const [hat, coat] = [reference("hat", 100), reference("coat", 50)];

  it("fetches what a peer names, asking it too, and says how far that is", async () => {
    const { preparations, clock, flights } = destination();
    const asked = preparations.answer(SOURCE, { assets: [hat, coat] });
    const [flight] = flights.get(hat.assetHash)!;
    assert.deepEqual(flight!.sources, [SOURCE]);
    flight!.onProgress(40, 100);
    await clock.advanceAsync(500);
    const underway = { complete: false, receivedBytes: 40, totalBytes: 150, failed: [] };
    assert.deepEqual(await asked, { ok: true, body: underway });

    const again = preparations.answer(SOURCE, { assets: [hat, coat] });
    assert.equal(flights.get(hat.assetHash)!.length, 1, "what is on its way is not begun again");
    for (const [one] of flights.values()) one!.arrive();
    const there = { complete: true, receivedBytes: 150, totalBytes: 150, failed: [] };
    assert.deepEqual(await again, { ok: true, body: there });
    assert.equal(clock.pendingTimers, 0, "it answered at the news, not at the time");
  });

  it("counts what a manifest adds", async () => {
    const { preparations, flights } = destination();
    preparations.begin([hat], []);
    const [flight] = flights.get(hat.assetHash)!;
    flight!.onProgress(60, 900);
    assert.deepEqual(preparations.status([hat]), {
      complete: false,
      receivedBytes: 60,
      totalBytes: 900,
      failed: [],
    });
    flight!.arrive();
    assert.equal((await preparations.settled([hat])).receivedBytes, 900);
  });

  it("tells what failed by its code, and tries again ten seconds later, not sooner", async () => {
    const { preparations, clock, flights } = destination();
    preparations.begin([hat, coat], []);
    flights.get(hat.assetHash)![0]!.fail(new FederationError("ERR_FED_ASSET_MISMATCH", "lie"));
    flights.get(coat.assetHash)![0]!.fail(new Error("socket hang up"));
    assert.deepEqual(await preparations.settled([hat, coat]), {
      complete: true,
      receivedBytes: 0,
      totalBytes: 150,
      failed: [
        { assetHash: hat.assetHash, code: "ERR_FED_ASSET_MISMATCH" },
        { assetHash: coat.assetHash, code: "ERR_FED_ASSET_UNAVAILABLE" },
      ],
    });
    clock.advance(10_000);
    preparations.begin([hat], []);
    assert.equal(flights.get(hat.assetHash)!.length, 1);
    clock.advance(1);
    preparations.begin([hat], []);
    assert.equal(flights.get(hat.assetHash)!.length, 2);
    assert.equal(preparations.status([hat]).complete, false);
  });

  it("looks again after what came a while ago, which may have been evicted", async () => {
    const { preparations, clock, flights } = destination();
    preparations.begin([hat], []);
    flights.get(hat.assetHash)![0]!.arrive();
    await preparations.settled([hat]);
    clock.advance(10_001);
    preparations.begin([hat], []);
    assert.equal(flights.get(hat.assetHash)!.length, 2);
  });

  it("says of an asset on its way whether it came", async () => {
    const { preparations, flights } = destination();
    assert.equal(preparations.pending(hat.assetHash), undefined);
    preparations.begin([hat, coat], []);
    const [came, failed] = [hat, coat].map(({ assetHash }) => preparations.pending(assetHash));
    flights.get(hat.assetHash)![0]!.arrive();
    flights.get(coat.assetHash)![0]!.fail(new Error("gone"));
    assert.equal(await came, true);
    assert.equal(await failed, false);
    assert.equal(preparations.pending(hat.assetHash), undefined);
  });

  it("counts what was never begun as failed", () => {
    const { preparations } = destination();
    const [failure] = preparations.status([hat]).failed;
    assert.deepEqual(failure, { assetHash: hat.assetHash, code: "ERR_FED_ASSET_UNAVAILABLE" });
  });

  it("begins 4096 at once at most, and says of the others that they are not to be had", () => {
    const { preparations, flights } = destination();
    const many = Array.from({ length: 4097 }, (_, index) => reference(`${index}`));
    preparations.begin(many, []);
    assert.equal(flights.size, 4096);
    assert.deepEqual(
      preparations.status(many).failed.map(({ assetHash }) => assetHash),
      [many.at(-1)!.assetHash],
    );
  });

  it("refuses a body of another form", async () => {
    const { preparations, flights } = destination();
    const many = Array.from({ length: 33 }, (_, index) => reference(`${index}`));
    for (const body of [undefined, null, [], {}, { assets: hat }, { assets: many }]) {
      const answer = await preparations.answer(SOURCE, body);
      assert.equal(answer.ok ? undefined : answer.code, "ERR_FED_MALFORMED");
    }
    const extra = await preparations.answer(SOURCE, { assets: [hat], urgent: true });
    assert.equal(extra.ok ? undefined : extra.code, "ERR_FED_MALFORMED");
    assert.equal(flights.size, 0);
  });

  it("refuses what this server would not take, before it fetches any", async () => {
    const { preparations, flights } = destination();
    const refused = async (asset: unknown, code: string): Promise<void> => {
      const answer = await preparations.answer(SOURCE, { assets: [coat, asset] });
      assert.equal(answer.ok ? undefined : answer.code, code);
    };
    await refused({ ...hat, size: 5001 }, "ERR_FED_ASSET_TOO_LARGE");
    await refused({ ...hat, mediaType: "text/html" }, "ERR_FED_ASSET_TYPE");
    await refused({ ...hat, assetHash: "sha256-short" }, "ERR_FED_ASSET_HASH_INVALID");
    await refused("hat", "ERR_FED_MALFORMED");
    assert.equal(flights.size, 0);
  });
});
