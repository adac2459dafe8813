/**
 * How fast an asset is verified and stored, and what memory that takes.
 *
 * `createHash` over memory is what any verification in Node is measured by; over one MiB that never
 * leaves the processor's cache it is the most that could be reached. ssri is not compared: it is
 * no dependency of this project, and hashes a stream as the subject "createReadStream" does.
 */
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkStream } from "ssri";
import { ContentStore } from "../src/assets/store/content-store.ts";
import { AssetVerification, type ExpectedAsset } from "../src/assets/verify/verification.ts";
import { table } from "../src/cli/output.ts";
import { systemClock } from "../src/ports.ts";
import { Samples, type Section, compare, summary } from "./measure.ts";

const MEBIBYTE = 1024 * 1024;
const SIZE = 1024;
const STORED = 64;
const ROUNDS = 11;
const COLD_ROUNDS = 5;
const WARM_UP = 1;
const TARGET = 0.9;
const CHUNK = 64 * 1024;

const IN_MEMORY = "createHash over memory";

export async function benchAssets(): Promise<Section[]> {
  const folder = await mkdtemp(join(tmpdir(), "aether-bench-"));
  try {
    // The same 64 MiB sixteen times: hashing does not care, and it fits beside the rest.
    const block = randomBytes(64 * MEBIBYTE);
    const path = join(folder, "asset");
    const expected = await write(path, block);
    return [
      await fromCache(path, block, expected),
      ...(await fromDisk(path, expected)),
      await stored(folder, block.subarray(0, STORED * MEBIBYTE)),
      await memory(path, expected),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function write(path: string, block: Buffer): Promise<ExpectedAsset> {
  const hash = createHash("sha256");
  const handle = await open(path, "w");
  for (let written = 0; written < SIZE * MEBIBYTE; written += block.length) {
    hash.update(block);
    await handle.writeFile(block);
  }
  await handle.sync();
  await handle.close();
  return { hash: `sha256-${hash.digest("base64")}`, size: SIZE * MEBIBYTE };
}

function hashMemory(block: Buffer): void {
  const hash = createHash("sha256");
  for (let hashed = 0; hashed < SIZE * MEBIBYTE; hashed += block.length) hash.update(block);
  hash.digest();
}

async function verify(path: string, expected: ExpectedAsset): Promise<void> {
  const { valid } = await new AssetVerification().verifyFile(path, expected);
  if (!valid) throw new Error("the file does not verify");
}

async function readStream(path: string): Promise<void> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  hash.digest();
}

async function ssri(path: string, { hash, size }: ExpectedAsset): Promise<void> {
  await checkStream(createReadStream(path), hash, { size });
}

/** As the system has just written or read it: the time goes to hashing. */
async function fromCache(path: string, block: Buffer, expected: ExpectedAsset): Promise<Section> {
  const samples = await rounds(ROUNDS, {
    [IN_MEMORY]: () => hashMemory(block),
    "createHash over one hot MiB": () => hashMemory(block.subarray(0, MEBIBYTE)),
    verifyFile: () => verify(path, expected),
    "createReadStream into createHash": () => readStream(path),
    "ssri.checkStream": () => ssri(path, expected),
  });
  return compare(samples, {
    title: `a MiB of an asset of ${SIZE} MiB, in the system's cache`,
    ratio: "speed",
    targets: { verifyFile: TARGET },
  });
}

/** As after a restart: the time goes to the disk. Left out where the cache cannot be told to forget. */
async function fromDisk(path: string, expected: ExpectedAsset): Promise<Section[]> {
  const forget = (): void => {
    execFileSync("dd", [`of=${path}`, "oflag=nocache", "conv=notrunc", "count=0"], {
      stdio: "ignore",
    });
  };
  try {
    forget();
  } catch {
    return [];
  }
  const cold = (subject: () => Promise<void>) => ({ prepare: forget, run: subject });
  const samples = await rounds(COLD_ROUNDS, {
    "read only": cold(() => readOnly(path)),
    verifyFile: cold(() => verify(path, expected)),
    "createReadStream into createHash": cold(() => readStream(path)),
    "ssri.checkStream": cold(() => ssri(path, expected)),
  });
  return [
    compare(samples, {
      title: `a MiB of an asset of ${SIZE} MiB, from the disk`,
      ratio: "speed",
    }),
  ];
}

async function readOnly(path: string): Promise<void> {
  const handle = await open(path);
  const buffer = Buffer.allocUnsafe(MEBIBYTE);
  while ((await handle.read(buffer, 0, MEBIBYTE)).bytesRead > 0);
  await handle.close();
}

/** Receiving into the store, against the least that makes bytes durable and known. */
async function stored(folder: string, bytes: Buffer): Promise<Section> {
  const ignore = (): void => undefined;
  const store = await ContentStore.open({
    directory: join(folder, "store"),
    maxBytes: 4 * bytes.length,
    clock: systemClock,
    logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
  });
  const hash = `sha256-${createHash("sha256").update(bytes).digest("base64")}`;
  const expected = { hash, size: bytes.length, mediaType: "application/octet-stream" };
  const plain = join(folder, "plain");
  const samples = await rounds(
    ROUNDS,
    {
      "hash, write, sync": async () => {
        const handle = await open(plain, "w");
        const hashed = createHash("sha256");
        await inChunks(bytes, async (chunk) => {
          hashed.update(chunk);
          await writeAll(handle, chunk);
        });
        hashed.digest();
        await handle.sync();
        await handle.close();
      },
      "receive and commit": {
        prepare: () => store.remove(hash),
        run: async () => {
          const incoming = await store.receive(expected);
          await inChunks(bytes, (chunk) => incoming.write(chunk));
          if (!(await incoming.commit()).valid) throw new Error("the asset does not verify");
        },
      },
    },
    STORED,
  );
  await store.close();
  return compare(samples, {
    title: `a MiB of an asset of ${STORED} MiB, received in chunks of 64 KiB`,
    ratio: "speed",
  });
}

async function inChunks(bytes: Buffer, take: (chunk: Buffer) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < bytes.length; at += CHUNK) await take(bytes.subarray(at, at + CHUNK));
}

async function writeAll(handle: FileHandle, chunk: Buffer): Promise<void> {
  await handle.write(chunk);
}

/** How much larger the process gets while it verifies. */
async function memory(path: string, expected: ExpectedAsset): Promise<Section> {
  const growths: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = process.memoryUsage.rss();
    let most = before;
    const timer = setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss());
    }, 5);
    await verify(path, expected);
    clearInterval(timer);
    growths.push((most - before) / MEBIBYTE);
  }
  const title = `memory while ${SIZE} MiB are verified`;
  const grown = summary("verifyFile", growths);
  const row = [
    grown.name,
    grown.median.toFixed(1),
    `${grown.low.toFixed(1)}–${grown.high.toFixed(1)}`,
  ];
  return { title, results: [grown], text: table([title, "MiB more", "spread"], [row]) };
}

type Subject = (() => unknown) | { readonly prepare: () => unknown; readonly run: () => unknown };

/** Each subject in each round, in turn: microseconds for each of `mebibytes`. */
async function rounds(
  count: number,
  subjects: Readonly<Record<string, Subject>>,
  mebibytes = SIZE,
): Promise<Samples> {
  const samples = new Samples();
  for (let round = -WARM_UP; round < count; round += 1) {
    for (const [name, subject] of Object.entries(subjects)) {
      if (typeof subject !== "function") await subject.prepare();
      const from = performance.now();
      await (typeof subject === "function" ? subject() : subject.run());
      const each = ((performance.now() - from) * 1000) / mebibytes;
      if (round >= 0) samples.add(name, each);
    }
  }
  return samples;
}
