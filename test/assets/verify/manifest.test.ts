import assert from "node:assert/strict";
import fc from "fast-check";
import { type AssetChunks, ChunkGate, hashChunks } from "../../../src/assets/verify/chunks.ts";
import {
  type AssetManifest,
  MAX_MANIFEST_LENGTH,
  type ManifestEntry,
  buildManifest,
  manifestReference,
  verifyManifest,
} from "../../../src/assets/verify/manifest.ts";
import { importVerifyKey } from "../../../src/identity/ed25519.ts";
import { signJws } from "../../../src/identity/jws.ts";
import { generateSigningKey } from "../../../src/identity/server-keys.ts";
import { honest } from "../../support/asset-peer.ts";
import { TransferBench } from "../../support/asset-transfer.ts";
import { blob, sriOf } from "../../support/assets.ts";
import { seededRandom } from "../../support/seeded-random.ts";

const NOW = 1_767_225_600_000;
const A = "https://a.example";
const TYPE = "aether-assets+jwt";
const key = generateSigningKey(seededRandom("a"));
const other = generateSigningKey(seededRandom("b"));

async function* once(bytes: Uint8Array, pieceBytes = bytes.length): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

function entryOf(bytes: Uint8Array, chunks?: AssetChunks): ManifestEntry {
  return {
    assetHash: sriOf(bytes),
    size: bytes.length,
    mediaType: "application/octet-stream",
    ...chunks,
  };
}

function manifestOf(changes: Partial<AssetManifest> = {}): AssetManifest {
  return {
    iss: A,
    sub: "alice@a.example",
    iat: NOW / 1000,
    assets: [entryOf(Buffer.from("hello"))],
    ...changes,
  };
}

describe("assets/manifest", () => {
  const keyFor = (issuer: string, kid: string) =>
    issuer === A && kid === key.kid ? importVerifyKey(key.jwk) : undefined;
  const verify = (token: unknown, options: object = {}) =>
    verifyManifest(token, { now: NOW, keyFor, ...options });
  const refused = async (token: unknown, why: RegExp, options: object = {}): Promise<void> => {
    const result = await verify(token, options);
    assert.ok(!result.verified);
    assert.equal(result.code, "ERR_FED_ASSET_MANIFEST");
    assert.match(result.reason, why);
  };

  it("says what was signed", async () => {
    const manifest = manifestOf();
    const result = await verify(await buildManifest(manifest, key), { issuer: A });
    assert.ok(result.verified);
    assert.deepEqual(result.manifest, manifest);
    assert.deepEqual(manifestReference(manifest, manifest.assets[0]!), {
      reference: { originServer: A, ...manifest.assets[0]! },
      chunks: undefined,
    });
  });

  it("needs neither a player nor an asset", async () => {
    const { sub: _, ...manifest } = manifestOf({ assets: [] });
    assert.ok((await verify(await buildManifest(manifest, key))).verified);
  });

  it("is not believed from anybody else", async () => {
    await refused(await buildManifest(manifestOf(), other), /not trusted/u);
    await refused(
      await buildManifest(manifestOf({ iss: "https://b.example" }), key),
      /not trusted/u,
    );
    await refused(await buildManifest(manifestOf(), key), /another server/u, {
      issuer: "https://b.example",
    });
    const forged = await signJws(manifestOf(), TYPE, { ...other, kid: key.kid });
    await refused(forged, /does not verify/u);
  });

  it("is not believed when a character was changed", async () => {
    const token = await buildManifest(manifestOf(), key);
    for (const at of [10, Math.floor(token.length / 2), token.length - 10]) {
      const changed = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
      assert.equal((await verify(changed)).verified, false);
    }
  });

  it("is no other kind of token, and no other kind is it", async () => {
    await refused(await signJws(manifestOf(), "aether-pass+jwt", key), /typ/u);
    for (const nothing of [undefined, null, 1, {}, "", "a.b.c"]) await refused(nothing, /./u);
  });

  it("is not from the future", async () => {
    const token = await buildManifest(manifestOf({ iat: NOW / 1000 + 60 }), key);
    await refused(token, /future/u);
    assert.ok((await verify(token, { now: NOW + 40_000 })).verified);
  });

  it("is from http: origins in development only", async () => {
    const iss = "http://127.0.0.1:2567";
    const token = await buildManifest(manifestOf({ iss }), key);
    const ours = () => importVerifyKey(key.jwk);
    await refused(token, /not trusted/u, { keyFor: ours });
    assert.ok((await verify(token, { keyFor: ours, allowInsecure: true })).verified);
  });

  const entry = entryOf(Buffer.from("hello"));
  const hash = entry.assetHash;
  const wrong: Record<string, object> = {
    "a hash in hex": { assets: [{ ...entry, assetHash: "0".repeat(64) }] },
    "a sha512": { assets: [{ ...entry, assetHash: `sha512-${"A".repeat(86)}==` }] },
    "two hashes": { assets: [{ ...entry, assetHash: `${hash} ${hash}` }] },
    "a negative size": { assets: [{ ...entry, size: -1 }] },
    "a size that is none": { assets: [{ ...entry, size: 1.5 }] },
    "a media type with parameters": { assets: [{ ...entry, mediaType: "text/plain; a=b" }] },
    "an asset twice": { assets: [entry, entry] },
    "65 assets": {
      assets: Array.from({ length: 65 }, (_, index) => entryOf(Buffer.from(String(index)))),
    },
    "something unknown": { extra: 1 },
    "something unknown of an asset": { assets: [{ ...entry, url: "https://evil.example" }] },
    "chunks without a size": { assets: [{ ...entry, chunks: [] }] },
    "a chunk size alone": { assets: [{ ...entry, chunkSize: 65_536 }] },
    "too few chunks": { assets: [{ ...entry, chunkSize: 65_536, chunks: [] }] },
    "too many chunks": {
      assets: [{ ...entry, chunkSize: 65_536, chunks: [hash.slice(7), hash.slice(7)] }],
    },
    "tiny chunks": { assets: [{ ...entry, chunkSize: 5, chunks: [hash.slice(7)] }] },
    "huge chunks": { assets: [{ ...entry, chunkSize: 2 ** 30, chunks: [hash.slice(7)] }] },
    "a chunk's hash with spare bits": {
      assets: [{ ...entry, chunkSize: 65_536, chunks: [`${"A".repeat(42)}B=`] }],
    },
    "an issuer that is no string": { iss: 1 },
    "a player without a name": { sub: "" },
  };
  for (const [what, changes] of Object.entries(wrong)) {
    it(`has not ${what}`, async () => {
      const manifest = { ...manifestOf(), ...changes };
      await assert.rejects(buildManifest(manifest, key), TypeError);
      await refused(await signJws(manifest, TYPE, key), /./u);
    });
  }

  it("has at most 256 KiB", async () => {
    const many = Array.from({ length: 5000 }, () => hash.slice(7));
    const large = { ...entry, size: 5000 * 65_536, chunkSize: 65_536, chunks: many };
    const manifest = manifestOf({ assets: [large] });
    await assert.rejects(buildManifest(manifest, key), /larger chunks/u);
    await refused(await signJws(manifest, TYPE, key), /at most 262144/u);
    const fits = { ...large, size: 4000 * 65_536, chunks: many.slice(0, 4000) };
    const token = await buildManifest(manifestOf({ assets: [fits] }), key);
    assert.ok(token.length <= MAX_MANIFEST_LENGTH);
    assert.ok((await verify(token)).verified);
  });

  it("gets an avatar's assets here, chunk by chunk", async () => {
    const bench = await TransferBench.open();
    try {
      const bytes = blob(300_000);
      const peer = await bench.peer(honest(bytes));
      const manifest = manifestOf({
        iss: peer.origin,
        assets: [entryOf(bytes, await hashChunks(once(bytes), 65_536))],
      });
      const verified = await verify(await buildManifest(manifest, key), {
        keyFor: () => importVerifyKey(key.jwk),
        allowInsecure: true,
      });
      assert.ok(verified.verified);
      const { reference, chunks } = manifestReference(
        verified.manifest,
        verified.manifest.assets[0]!,
      );
      assert.equal(chunks?.chunks.length, 5);
      const stored = await bench.transfer.fetch(reference, { chunks });
      assert.deepEqual(await bench.read(stored.hash), bytes);
    } finally {
      await bench.close();
    }
  });
});

describe("assets/chunks", () => {
  const CHUNK = 16 * 1024;

  it("hashes the same chunks however the bytes come", async () => {
    const bytes = blob(5 * CHUNK + 3);
    const whole = await hashChunks(once(bytes), CHUNK);
    assert.equal(whole.chunks.length, 6);
    assert.equal(`sha256-${whole.chunks[5]!}`, sriOf(bytes.subarray(5 * CHUNK)));
    assert.deepEqual(await hashChunks(once(bytes, 777), CHUNK), whole);
    assert.deepEqual((await hashChunks(once(Buffer.alloc(0)), CHUNK)).chunks, []);
    await assert.rejects(hashChunks(once(bytes), 100), /chunkSize/u);
  });

  it("lets right bytes through in their order, from wherever they begin", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 * CHUNK + 50 }),
        fc.nat(),
        fc.integer({ min: 1, max: 3 * CHUNK }),
        async (size, from, pieceBytes) => {
          const bytes = blob(size);
          const start = from % size;
          const gate = new ChunkGate(await hashChunks(once(bytes), CHUNK), size, start);
          const good: Uint8Array[] = [];
          for await (const piece of once(bytes.subarray(start), pieceBytes)) {
            const passed = gate.push(piece);
            assert.equal(passed.bad, undefined);
            good.push(...passed.good);
          }
          assert.deepEqual(Buffer.concat(good), bytes.subarray(start));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("lets nothing through from a wrong chunk on", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 * CHUNK + 50 }),
        fc.nat(),
        fc.integer({ min: 1, max: 3 * CHUNK }),
        async (size, where, pieceBytes) => {
          const bytes = blob(size);
          const chunks = await hashChunks(once(bytes), CHUNK);
          const at = where % size;
          bytes[at]! ^= 1;
          const gate = new ChunkGate(chunks, size, 0);
          let good = 0;
          let bad: number | undefined;
          for await (const piece of once(bytes, pieceBytes)) {
            const passed = gate.push(piece);
            for (const each of passed.good) good += each.length;
            bad = passed.bad?.chunk;
            if (bad !== undefined) break;
          }
          assert.equal(bad, Math.floor(at / CHUNK));
          assert.equal(good, bad * CHUNK);
        },
      ),
      { numRuns: 60 },
    );
  });
});
