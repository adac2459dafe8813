import assert from "node:assert/strict";
import fc from "fast-check";
import { hashChunks } from "../../../src/assets/verify/chunks.ts";
import { FederationError } from "../../../src/errors.ts";
import { type AssetHandler, answerHead, honest, writeAll } from "../../support/asset-peer.ts";
import { TransferBench } from "../../support/asset-transfer.ts";
import { blob } from "../../support/assets.ts";

const SIZE = 150_000;
const CHUNK = 16 * 1024;

/** What a peer may do with one request; `at` is somewhere in the asset, from 0 to 1. */
const FAULTS: Readonly<Record<string, (bytes: Buffer, at: number) => AssetHandler>> = {
  dies: (bytes, at) => async (request, response) => {
    const from = answerHead(request, response, SIZE);
    await writeAll(response, bytes.subarray(from, Math.max(from, Math.floor(at * SIZE))));
    setTimeout(() => response.socket?.destroy(), 10);
  },
  flips: (bytes, at) => (request, response, index) => {
    const wrong = Buffer.from(bytes);
    wrong[Math.floor(at * (SIZE - 1))]! ^= 1;
    return honest(wrong)(request, response, index);
  },
  flipsAndDies: (bytes, at) => async (request, response) => {
    const from = answerHead(request, response, SIZE);
    const part = Buffer.from(bytes.subarray(from, Math.max(from, Math.floor(at * SIZE))));
    if (part.length > 0) part[part.length - 1]! ^= 1;
    await writeAll(response, part);
    setTimeout(() => response.socket?.destroy(), 10);
  },
  hasItNot: () => (_request, response) => void response.writeHead(404).end("no"),
  fails: () => (_request, response) => void response.writeHead(503).end("no"),
  redirects: () => (_request, response) => void response.writeHead(301, { location: "/" }).end(),
  stalls: (bytes, at) => async (request, response) => {
    const from = answerHead(request, response, SIZE);
    await writeAll(response, bytes.subarray(from, Math.max(from, Math.floor(at * SIZE))));
  },
  sendsAllForARange: (bytes) => (_request, response) => void response.writeHead(200).end(bytes),
  sendsAnotherRange: (bytes) => (_request, response) => {
    const headers = { "content-range": `bytes 1-${SIZE - 1}/${SIZE}` };
    response.writeHead(206, headers).end(bytes.subarray(1));
  },
  changesItsTag: (bytes) => (request, response) => {
    const from = answerHead(request, response, SIZE, { etag: '"other"' });
    response.end(bytes.subarray(from).fill(from > 0 ? 7 : 0, 0, from > 0 ? 100 : 0));
  },
  truncates: (bytes, at) => (_request, response) => {
    response.writeHead(200);
    response.end(bytes.subarray(0, Math.floor(at * (SIZE - 1))));
  },
  extends: (bytes, at) => (_request, response) => {
    response.writeHead(200);
    response.write(bytes);
    response.end(Buffer.alloc(1 + Math.floor(at * 100_000)));
  },
  compresses: (bytes) => (_request, response) =>
    void response.writeHead(200, { "content-encoding": "br" }).end(bytes),
  liesAboutItsLength: (bytes) => (_request, response) => {
    response.writeHead(200, { "content-length": SIZE - 1 }).end(bytes.subarray(1));
  },
};

const script = fc.array(
  fc.record({
    // What leaves something behind for the next one is what is worth most.
    fault: fc.oneof(
      fc.constantFrom("dies", "flipsAndDies"),
      fc.constantFrom(...Object.keys(FAULTS)),
    ),
    at: fc.nat({ max: 100 }).map((percent) => percent / 100),
  }),
  { minLength: 1, maxLength: 4 },
);

describe("assets/transfer, whatever peers do", function () {
  this.timeout(60_000);

  /** One transfer from peers that each follow a script, over and over, and perhaps one that is honest. */
  const run = async (
    scripts: readonly (readonly { fault: string; at: number }[])[],
    options: { honestAt: number | undefined; withChunks: boolean; quarantine: boolean },
  ): Promise<void> => {
    const bench = await TransferBench.open({
      stallSeconds: 4,
      policy: { action: options.quarantine ? "quarantine" : "reject" },
    });
    try {
      const bytes = blob(SIZE);
      const handlers = scripts.map((steps): AssetHandler => (request, response, index) => {
        const { fault, at } = steps[index % steps.length]!;
        return FAULTS[fault]!(Buffer.from(bytes), at)(request, response, index);
      });
      if (options.honestAt !== undefined) handlers.splice(options.honestAt, 0, honest(bytes));
      const peers = await Promise.all(handlers.map((handler) => bench.peer(handler)));
      const chunks = await hashChunks(
        (async function* () {
          yield bytes;
        })(),
        CHUNK,
      );
      const reference = bench.reference(peers[0]!, bytes);
      let failure: unknown;
      try {
        await bench.transfer.fetch(reference, {
          sources: peers.map(({ origin }) => origin),
          chunks: options.withChunks ? chunks : undefined,
        });
      } catch (cause) {
        failure = cause;
      }
      const stored = await bench.read(reference.assetHash);
      if (failure === undefined) assert.ok(stored?.equals(bytes));
      else {
        assert.ok(failure instanceof FederationError, "it fails with a code");
        assert.equal(options.honestAt, undefined, `an honest peer was there: ${failure.message}`);
        assert.equal(stored, undefined);
      }
      assert.equal(bench.transfer.pending(sriHex(reference.assetHash)), undefined);
    } finally {
      await bench.close();
    }
  };
  const sriHex = (sri: string): string => Buffer.from(sri.slice(7), "base64").toString("hex");

  it("gets the right bytes if one is honest, and else the right ones or none", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(script, { minLength: 1, maxLength: 3 }),
        fc.record({
          honestAt: fc.constantFrom(undefined, 0, 1, 1),
          withChunks: fc.boolean(),
          quarantine: fc.boolean(),
        }),
        run,
      ),
      { numRuns: Number(process.env["AETHER_FAULT_RUNS"] ?? 60), endOnFailure: true },
    );
  });
});
