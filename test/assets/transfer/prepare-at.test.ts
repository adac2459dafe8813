import assert from "node:assert/strict";
import type { PreparationStatus } from "../../../src/assets/transfer/preparations.ts";
import { prepareAt } from "../../../src/assets/transfer/prepare-at.ts";
import type { CompleteAssetReference } from "../../../src/assets/verify/reference.ts";
import { FederationError } from "../../../src/errors.ts";
import type { PeerAnswer } from "../../../src/ports.ts";
import { sriOf } from "../../support/assets.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";

const DESTINATION = "https://far.example";

describe("assets/transfer/prepare-at", () => {
  const hat: CompleteAssetReference = {
    originServer: "https://near.example",
    assetHash: sriOf(Buffer.from("hat")),
    size: 100,
    mediaType: "image/png",
  };

  /** Prepares a hat at a destination that answers like this, one after the other. */
  async function prepare(
    answers: readonly (PeerAnswer | Error)[],
    timeoutSeconds = 30,
  ): Promise<{
    ended: Awaited<ReturnType<typeof prepareAt>>;
    told: PreparationStatus[];
    asked: number;
  }> {
    const clock = new ManualClock();
    const told: PreparationStatus[] = [];
    let asked = 0;
    const preparing = prepareAt(DESTINATION, [hat], {
      peers: {
        call: (origin, path, body) => {
          assert.equal(`${origin}${path}`, `${DESTINATION}/assets/prepare`);
          assert.deepEqual(body, { assets: [hat] });
          const answer = answers[Math.min(asked, answers.length - 1)]!;
          asked += 1;
          return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
        },
      },
      clock,
      timeoutSeconds,
      signal: new AbortController().signal,
      onProgress: (status) => told.push(status),
    });
    await clock.advanceAsync(60_000);
    return { ended: await preparing, told, asked };
  }
  const status = (changes: Partial<PreparationStatus> = {}): PeerAnswer => ({
    ok: true,
    status: 200,
    body: { complete: false, receivedBytes: 0, totalBytes: 100, failed: [], ...changes },
  });
  const refusal = async (answers: readonly (PeerAnswer | Error)[], code: string): Promise<void> => {
    const { ended } = await prepare(answers);
    assert.equal(ended.ok ? undefined : ended.code, code);
  };

  it("asks until all is there, telling how far it is", async () => {
    const there = status({ complete: true, receivedBytes: 100 });
    const { ended, told, asked } = await prepare([status(), status({ receivedBytes: 60 }), there]);
    assert.deepEqual(ended, { ok: true });
    assert.equal(asked, 3);
    assert.deepEqual(
      told.map(({ receivedBytes }) => receivedBytes),
      [0, 60, 100],
    );
  });

  it("goes on to a server that does not know the call", async () => {
    for (const code of [
      "ERR_FED_NOT_FOUND",
      "ERR_FED_METHOD_NOT_ALLOWED",
      "ERR_FED_BAD_RESPONSE",
    ] as const) {
      const signed = await prepare([{ ok: false, status: 404, code }]);
      assert.deepEqual(signed.ended, { ok: true }, code);
      // A plain 404 of Express is no signed answer: the call throws.
      const unsigned = await prepare([new FederationError(code, "no federation here")]);
      assert.deepEqual(unsigned.ended, { ok: true }, code);
    }
  });

  it("fails with the destination's refusal", async () => {
    const answer: PeerAnswer = {
      ok: false,
      status: 422,
      code: "ERR_FED_ASSET_TYPE",
      detail: "no hats",
    };
    const { ended } = await prepare([answer]);
    assert.deepEqual(ended, {
      ok: false,
      code: "ERR_FED_ASSET_TYPE",
      reason: "The other server refuses what you carry.",
    });
  });

  it("fails as soon as one asset has", async () => {
    const failed = [{ assetHash: hat.assetHash, code: "ERR_FED_ASSET_MISMATCH" as const }];
    await refusal([status(), status({ failed })], "ERR_FED_ASSET_MISMATCH");
  });

  it("reads a code it does not know as one it does", async () => {
    const failed = [{ assetHash: hat.assetHash, code: "ERR_OTHER" }];
    await refusal([status({ failed } as never)], "ERR_FED_ASSET_UNAVAILABLE");
  });

  it("fails when the destination does not answer", async () => {
    await refusal([new FederationError("ERR_FED_TIMEOUT", "late")], "ERR_FED_DESTINATION_DOWN");
    await refusal([new Error("reset")], "ERR_FED_DESTINATION_DOWN");
  });

  it("fails when the answer makes no sense", async () => {
    await refusal([{ ok: true, status: 200, body: { complete: "yes" } }], "ERR_FED_BAD_RESPONSE");
    await refusal([status({ receivedBytes: -1 })], "ERR_FED_BAD_RESPONSE");
  });

  it("fails when it takes too long", async () => {
    const { ended, asked } = await prepare([status()], 2);
    assert.equal(ended.ok ? undefined : ended.code, "ERR_FED_TIMEOUT");
    assert.equal(asked, 9, "once at the start, then every quarter of a second");
  });

  it("ends when the player no longer wants to go", async () => {
    const clock = new ManualClock();
    const abandonment = new AbortController();
    const preparing = prepareAt(DESTINATION, [hat], {
      peers: { call: () => Promise.resolve(status()) },
      clock,
      timeoutSeconds: 30,
      signal: abandonment.signal,
      onProgress: () => undefined,
    });
    await clock.advanceAsync(300);
    abandonment.abort();
    await clock.advanceAsync(300);
    const ended = await preparing;
    assert.equal(ended.ok ? undefined : ended.code, "ERR_FED_CROSSING_ABANDONED");
  });
});
