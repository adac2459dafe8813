/** How long a server takes to start, and what it holds in memory, by how much there is. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Custody } from "../src/custody/custody.ts";
import { NO_SEATS } from "../src/custody/destination/seat-host.ts";
import { generateSigningKey } from "../src/identity/server-keys.ts";
import { systemClock, systemRandom } from "../src/ports.ts";
import { DATA_FILES } from "../src/runtime/data-folder.ts";
import { FederationRuntime } from "../src/runtime/federation-runtime.ts";
import { KeyvStore } from "../src/storage/keyv-store.ts";
import { SqliteEngine } from "../src/storage/sqlite-engine.ts";
import { quietLogger } from "../test/support/loggers.ts";
import { type Curve, Curves, watched } from "./curves.ts";
import { peerRows } from "./peer-rows.ts";

const COUNTS = [10, 1_000, 10_000];
const RUNS = 3;
const WRITTEN_AT_ONCE = 500;
const MEMORY = fileURLToPath(new URL("held-memory.ts", import.meta.url));
const run = promisify(execFile);

/** With so many peers in the store, and with so many departures that a former run left open. */
export async function startGrowth(): Promise<Curve[]> {
  const curves = new Curves();
  for (const count of COUNTS) {
    const peers = await starts(count);
    await curves.add("start with so many peers", "ms", count, peers.took);
    await curves.add("longest stretch of it", "ms", count, peers.stretch);
    const settles = await settling(count);
    await curves.add("settling begins with so many departures open", "ms", count, settles.took);
    await curves.add("longest stretch of that", "ms", count, settles.stretch);
    await curves.add("calls under way then", "calls", count, settles.calls);
  }
  return curves.all();
}

/** What is held in memory, beyond what the process has without. */
export async function memoryGrowth(): Promise<Curve[]> {
  const curves = new Curves();
  for (const kind of ["peers", "routes", "players", "visitors"]) {
    for (const count of COUNTS) {
      const flags = ["--expose-gc", "--disable-warning=ExperimentalWarning", MEMORY, kind];
      const { stdout } = await run(process.execPath, [...flags, String(count)]);
      const { heap, resident } = JSON.parse(stdout) as { heap: number; resident: number };
      await curves.add(`${kind}, heap`, "KiB", count, [heap / 1024]);
      await curves.add(`${kind}, resident`, "KiB", count, [resident / 1024]);
    }
  }
  return curves.all();
}

async function write(
  store: KeyvStore,
  rows: readonly (readonly [string, string])[],
): Promise<void> {
  for (let from = 0; from < rows.length; from += WRITTEN_AT_ONCE) {
    const some = rows.slice(from, from + WRITTEN_AT_ONCE);
    await Promise.all(some.map(([key, row]) => store.set(key, row)));
  }
}

/** A whole server starts, calls nobody yet, and stops. */
async function starts(count: number): Promise<{ took: number[]; stretch: number[] }> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "aether-growth-"));
  const runtime = (): FederationRuntime =>
    new FederationRuntime({
      ...{ origin: "https://here.example", dataDirectory, maxPeers: 20_000 },
      logger: quietLogger(),
    });
  try {
    // The first makes its keys, and finds nothing.
    const first = runtime();
    await first.start();
    await first.stop();
    const path = join(dataDirectory, DATA_FILES.store);
    const store = new KeyvStore(new SqliteEngine({ path }));
    await write(store, [...(await peerRows(count))]);
    await store.close();
    const [took, stretch]: [number[], number[]] = [[], []];
    for (let each = 0; each < RUNS; each += 1) {
      const server = runtime();
      const start = await watched(() => server.start());
      took.push(start.took);
      stretch.push(start.stretch);
      await server.stop();
    }
    return { took, stretch };
  } finally {
    await rm(dataDirectory, { recursive: true, force: true });
  }
}

/** Custody starts on so many rows of departures of which nobody knows how they ended; no home answers. */
async function settling(
  count: number,
): Promise<{ took: number[]; stretch: number[]; calls: number[] }> {
  const folder = await mkdtemp(join(tmpdir(), "aether-growth-"));
  const store = new KeyvStore(new SqliteEngine({ path: join(folder, "store.sqlite") }));
  try {
    const open = Array.from({ length: count }, (_, n) => {
      const host = `home-${n % 1_000}.example`;
      const [player, home] = [`p${n}@${host}`, `https://${host}`];
      const held = { epoch: 2, phase: "frozen", transferId: `t${n}` };
      return [`visitor/${player}`, JSON.stringify({ player, home, held })] as const;
    });
    await write(store, open);
    const key = generateSigningKey(systemRandom);
    const [took, stretch, calls]: [number[], number[], number[]] = [[], [], []];
    for (let each = 0; each < RUNS; each += 1) {
      let made = 0;
      const custody = new Custody({
        ...{ origin: "https://here.example", store, clock: systemClock, random: systemRandom },
        ...{ logger: quietLogger(), seats: NO_SEATS },
        ...{ signingKey: () => key, issuerKey: () => undefined },
        peers: {
          call: () => {
            made += 1;
            return new Promise(() => undefined);
          },
        },
      });
      const start = await watched(() => custody.start());
      took.push(start.took);
      stretch.push(start.stretch);
      calls.push(made);
      custody.stop();
    }
    return { took, stretch, calls };
  } finally {
    await store.close();
    await rm(folder, { recursive: true });
  }
}
