/** A gibibyte from one live server's store into another's, against curl and sha256sum. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoredAsset } from "../src/assets/store/stored-asset.ts";
import type { CompleteAssetReference } from "../src/assets/verify/reference.ts";
import { table } from "../src/cli/output.ts";
import type { FetchOrder } from "./asset-receiver.ts";
import { Samples, type Section, compare, summary } from "./measure.ts";

const MEBIBYTES = Number(process.env["AETHER_BENCH_MEBIBYTES"] ?? 1024);
const ROUNDS = 5;
const CHUNK_BYTES = 1024 * 1024;
const SAMPLE_MILLISECONDS = 50;

/** How long a transfer takes, and what memory it takes on either side. */
export async function benchAssetTransfer(): Promise<Section[]> {
  const folder = await mkdtemp(join(tmpdir(), "aether-bench-"));
  const sender = start("asset-sender.ts", [join(folder, "sender"), String(MEBIBYTES)]);
  const receiver = start("asset-receiver.ts", [join(folder, "receiver")]);
  try {
    const [[{ origin, asset }]] = (await Promise.all([
      once(sender, "message"),
      once(receiver, "message"),
    ])) as [[{ origin: string; asset: StoredAsset }], unknown];
    const reference: CompleteAssetReference = {
      originServer: origin,
      assetHash: asset.hash,
      size: asset.size,
      mediaType: asset.mediaType,
    };
    const url = `${origin}/federation/assets/sha256/${asset.hex}`;
    const copy = join(folder, "copy");
    const subjects: Record<string, () => Promise<number>> = {
      "curl | sha256sum, nothing kept": () => shell(`curl -sf "$0" | sha256sum`, url),
      "curl | tee file | sha256sum, synced": () =>
        shell(`rm -f "$1"; curl -sf "$0" | tee "$1" | sha256sum; sync "$1"`, url, copy),
      "transfer into the store": () => fetched(receiver, { reference }),
      "transfer, each chunk checked too": () =>
        fetched(receiver, { reference, chunkSize: CHUNK_BYTES }),
    };
    const samples = new Samples();
    const memory = {
      "the server that sends": new Memory(sender),
      "the server that receives": new Memory(receiver),
    };
    for (let round = -1; round < ROUNDS; round += 1) {
      for (const [name, subject] of Object.entries(subjects)) {
        const took = await subject();
        if (round >= 0) samples.add(name, took);
      }
      // What a first transfer leaves behind (code, pools) is not growth.
      if (round < 0) await Promise.all(Object.values(memory).map((each) => each.begin()));
    }
    const speed = compare(samples, {
      title: `${MEBIBYTES} MiB between two servers`,
      ratio: "speed",
    });
    return [speed, await memorySection(memory)];
  } finally {
    sender.disconnect();
    receiver.disconnect();
    await Promise.all([once(sender, "exit"), once(receiver, "exit")]);
    await rm(folder, { recursive: true, force: true });
  }
}

function start(file: string, args: string[]): ChildProcess {
  return fork(join(import.meta.dirname, file), args, {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
}

async function fetched(receiver: ChildProcess, order: FetchOrder): Promise<number> {
  receiver.send(order);
  const [answer] = (await once(receiver, "message")) as [{ microseconds: number }];
  return answer.microseconds;
}

/** Runs a script and tells the microseconds. */
async function shell(script: string, ...args: string[]): Promise<number> {
  const from = performance.now();
  const child = spawn("bash", ["-o", "pipefail", "-ec", script, ...args], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code] = (await once(child, "exit")) as [number];
  if (code !== 0) throw new Error(`curl | sha256sum ended with ${code}`);
  return (performance.now() - from) * 1000;
}

/** A process' resident memory while it works. */
class Memory {
  readonly samples: number[] = [];
  start = 0;
  readonly #pid: number;
  #timer: NodeJS.Timeout | undefined;

  constructor({ pid }: ChildProcess) {
    this.#pid = pid ?? 0;
  }

  async begin(): Promise<void> {
    this.start = await residentMebibytes(this.#pid);
    this.#timer = setInterval(() => {
      void residentMebibytes(this.#pid).then((now) => this.samples.push(now));
    }, SAMPLE_MILLISECONDS);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}

async function memorySection(memory: Readonly<Record<string, Memory>>): Promise<Section> {
  const title = "resident memory during the rounds";
  const results = Object.entries(memory).map(([name, each]) => {
    each.end();
    return { ...summary(name, each.samples), start: each.start };
  });
  const rows = results.map(({ name, start, median, low, high }) => [
    name,
    ...[start, median, low, high, high - start].map((value) => value.toFixed(1)),
  ]);
  return {
    title,
    results,
    text: table([title, "MiB before", "median", "least", "most", "growth"], rows),
  };
}

async function residentMebibytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/mu.exec(status)?.[1] ?? 0) / 1024;
}
