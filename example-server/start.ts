/** `npm start`: three worlds, each its own process, operator, key and store. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

interface World {
  readonly name: string;
  readonly port: number;
  readonly origin: string;
  readonly flags: readonly string[];
  process?: ChildProcess;
  /** What it said on its way down. */
  lastWords: string;
}

const WORLDS: World[] = [
  { name: "plaza", port: 2567, flags: [] },
  // One of its pictures is forged: the gallery shows what becomes of it.
  { name: "arena", port: 2568, flags: ["--forge"] },
  { name: "gallery", port: 2569, flags: ["--gallery"] },
].map((world) => ({ ...world, origin: `http://localhost:${world.port}`, lastWords: "" }));
const READY_MILLISECONDS = 45_000;
const STOP_MILLISECONDS = 8_000;
const POLL_MILLISECONDS = 200;
/** Opens the operators' pages of this run. */
const adminToken = randomBytes(24).toString("hex");
const script = fileURLToPath(new URL("./world.ts", import.meta.url));

let stopping = false;
let ready = false;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => void stop(0));
}

const taken = await takenPorts();
if (taken.length > 0) {
  console.error(
    `${taken.map(({ name, port }) => `port ${port} (${name})`).join(" and ")} ${taken.length === 1 ? "is" : "are"} taken: stop what listens there and start again`,
  );
  process.exit(1);
}

process.stdout.write("Starting plaza, arena and gallery, each a server of its own …\n");
for (const world of WORLDS) launch(world);
if (await allTrusted()) {
  ready = true;
  printTable();
} else if (!stopping) {
  console.error(`The worlds did not shake hands within ${READY_MILLISECONDS / 1000} s.`);
  await stop(1);
}

function launch(world: World): void {
  const others = WORLDS.filter((other) => other !== world);
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", script, ...flagsOf(world, others)],
    {
      stdio: ["ignore", "ignore", "pipe"],
      // Its own group: Ctrl-C reaches this process only, which then stops them in order.
      detached: true,
      env: { FEDERATION_ADMIN_TOKEN: adminToken, ...process.env, AETHER_STOPS_WITH_PARENT: "1" },
    },
  );
  world.process = child;
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.split("\n").filter((part) => part.trim() !== "")) {
      world.lastWords = line;
      if (!stopping) console.error(`${world.name.padEnd(8)}│ ${line}`);
    }
  });
  child.once("exit", (code, signal) => {
    delete world.process;
    if (stopping) return;
    if (!ready) {
      void stop(1);
      return;
    }
    console.error(
      `${world.name} has stopped (${signal ?? `exit ${code ?? "?"}`}); the others go on. Start it again with:\n  npm run world -- ${flagsOf(world, others).join(" ")}`,
    );
    if (WORLDS.every((other) => other.process === undefined)) process.exit(1);
  });
}

function flagsOf(world: World, others: readonly World[]): string[] {
  return [
    ...["--name", world.name, "--port", String(world.port), "--data", `.data/${world.name}`],
    ...others.flatMap(({ origin }) => ["--peer", origin]),
    ...world.flags,
  ];
}

/** Waits until every world trusts and hears every other. */
async function allTrusted(): Promise<boolean> {
  const giveUpAt = Date.now() + READY_MILLISECONDS;
  while (Date.now() < giveUpAt && !stopping) {
    const states = await Promise.all(WORLDS.map((world) => isConnected(world)));
    if (states.every(Boolean)) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
  return false;
}

async function isConnected(world: World): Promise<boolean> {
  try {
    const response = await fetch(`${world.origin}/status`, { signal: AbortSignal.timeout(2_000) });
    const { peers } = (await response.json()) as {
      peers: { trust: string; status: string; hasSession: boolean }[];
    };
    const good = peers.filter(
      ({ trust, status, hasSession }) =>
        trust === "trusted" && hasSession && (status === "online" || status === "degraded"),
    );
    return good.length >= WORLDS.length - 1;
  } catch {
    return false;
  }
}

function printTable(): void {
  const rows = [
    ["world", "page", "monitor"],
    ...WORLDS.map(({ name, origin }) => [name, origin, `${origin}/monitor`]),
  ];
  const widths = [0, 1, 2].map((column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (row: readonly string[]): string =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("   ")}`.trimEnd();
  const [head = [], ...body] = rows;
  console.log(
    [
      "",
      line(head),
      line(widths.map((width) => "─".repeat(width))),
      ...body.map(line),
      "",
      "Each has its operator's page at /federation/admin, which asks for this token:",
      `  ${process.env["FEDERATION_ADMIN_TOKEN"] ?? adminToken}`,
      "",
      "They trust each other. Open a page and walk into a portal; Ctrl-C stops them all.",
    ].join("\n"),
  );
}

async function takenPorts(): Promise<World[]> {
  const states = await Promise.all(WORLDS.map(({ port }) => isFree(port)));
  return WORLDS.filter((_, index) => states[index] !== true);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => {
      resolve(false);
    });
    probe.listen(port, () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
}

async function stop(code: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  const running = WORLDS.flatMap((world) => world.process ?? []);
  for (const child of running) child.kill("SIGTERM");
  const force = setTimeout(() => {
    for (const child of running) child.kill("SIGKILL");
  }, STOP_MILLISECONDS);
  await Promise.all(
    running.map((child) =>
      child.exitCode !== null || child.signalCode !== null
        ? Promise.resolve()
        : new Promise((resolve) => child.once("exit", resolve)),
    ),
  );
  clearTimeout(force);
  if (ready) console.log("\nStopped.");
  process.exit(code);
}
