/**
 * `npm run cluster`: the plaza as one server of two processes, behind one port and over one Redis, and the arena as a
 * neighbour of another operator.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { balance } from "./balancer.ts";

const DOOR = 2567;
const ARENA = 2568;
const PROCESSES = [2571, 2572];
const REDIS = 2573;
const ORIGIN = `http://localhost:${DOOR}`;
const NEIGHBOUR = `http://localhost:${ARENA}`;
const FOLDER = ".data/cluster";
const READY_MILLISECONDS = 45_000;
const STOP_MILLISECONDS = 10_000;
const POLL_MILLISECONDS = 200;
const script = fileURLToPath(new URL("./world.ts", import.meta.url));

interface Running {
  readonly name: string;
  readonly child: ChildProcess;
}

const servers: Running[] = [];
const stores: Running[] = [];
let stopping = false;
let ready = false;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => void stop(0));
}

const program = findProgram("redis-server");
if (program === undefined) {
  console.error(
    "npm run cluster needs Redis, by which the processes share their rooms and players: install it (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis) and start again",
  );
  process.exit(1);
}
const taken: number[] = [];
for (const port of [DOOR, ARENA, ...PROCESSES, REDIS]) {
  if (!(await isFree(port))) taken.push(port);
}
if (taken.length > 0) {
  console.error(
    `port${taken.length === 1 ? "" : "s"} ${taken.join(", ")} ${taken.length === 1 ? "is" : "are"} taken: stop what listens there and start again`,
  );
  process.exit(1);
}

console.log("Starting Redis, the plaza in two processes, and the arena …");
const data = resolve(FOLDER, "redis");
await mkdir(data, { recursive: true });
stores.push(
  launch("redis", program, [
    ...["--port", String(REDIS), "--bind", "127.0.0.1", "--dir", data, "--save", ""],
    // The plaza's players are in it: what is answered is on the disk.
    ...["--appendonly", "yes", "--appendfsync", "always"],
  ]),
);
await balance(DOOR, PROCESSES);
for (const port of PROCESSES) {
  const own = ["--name", "plaza", "--port", String(port), "--data", join(FOLDER, "plaza")];
  const shared = ["--origin", ORIGIN, "--redis", `redis://127.0.0.1:${REDIS}`];
  servers.push(launchWorld(`plaza ${port}`, [...own, ...shared, "--peer", NEIGHBOUR]));
}
servers.push(
  launchWorld("arena", [
    ...["--name", "arena", "--port", String(ARENA), "--data", join(FOLDER, "arena")],
    ...["--peer", ORIGIN],
  ]),
);
if (await allTrusted()) {
  ready = true;
  console.log(`
  plaza   ${ORIGIN}   one server: processes ${PROCESSES.join(" and ")} behind this port
  arena   ${NEIGHBOUR}   another operator's
  Redis   127.0.0.1:${REDIS}          what the plaza's processes share

Open the plaza twice: the two players are in two rooms, one in each process. Walk into a portal and back.
Kill one process (kill ${servers[0]?.child.pid ?? ""}): whoever played there is at home again within seconds.
Ctrl-C stops everything.`);
} else if (!stopping) {
  console.error(`The servers did not shake hands within ${READY_MILLISECONDS / 1000} s.`);
  await stop(1);
}

function launchWorld(name: string, flags: readonly string[]): Running {
  return launch(name, process.execPath, [
    "--disable-warning=ExperimentalWarning",
    script,
    ...flags,
  ]);
}

function launch(name: string, command: string, args: readonly string[]): Running {
  const child = spawn(command, args, {
    stdio: ["ignore", "ignore", "pipe"],
    // Its own group: Ctrl-C reaches this process only, which then stops them in order.
    detached: true,
    env: { ...process.env, AETHER_STOPS_WITH_PARENT: "1" },
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.split("\n").filter((part) => part.trim() !== "")) {
      if (!stopping) console.error(`${name.padEnd(11)}│ ${line}`);
    }
  });
  child.once("error", (error) => {
    console.error(`${name} cannot be started: ${error.message}`);
    void stop(1);
  });
  child.once("exit", (code, signal) => {
    if (stopping) return;
    console.error(`${name} has stopped (${signal ?? `exit ${code ?? "?"}`})`);
    if (!ready || name === "redis") void stop(1);
  });
  return { name, child };
}

/** Waits until each process of the plaza and the arena trust and hear each other. */
async function allTrusted(): Promise<boolean> {
  const giveUpAt = Date.now() + READY_MILLISECONDS;
  while (Date.now() < giveUpAt && !stopping) {
    const states = await Promise.all([...PROCESSES, ARENA].map((port) => isConnected(port)));
    if (states.every(Boolean)) return true;
    await new Promise((wake) => setTimeout(wake, POLL_MILLISECONDS));
  }
  return false;
}

async function isConnected(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://localhost:${port}/status`, {
      signal: AbortSignal.timeout(2_000),
    });
    const { peers } = (await response.json()) as {
      peers: { trust: string; status: string; hasSession: boolean }[];
    };
    return peers.some(
      ({ trust, status, hasSession }) => trust === "trusted" && hasSession && status === "online",
    );
  } catch {
    return false;
  }
}

/** The servers first, as they store what their players carry. */
async function stop(code: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  await Promise.all(servers.map(ended));
  await Promise.all(stores.map(ended));
  if (ready) console.log("\nStopped.");
  process.exit(code);
}

async function ended({ child }: Running): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const force = setTimeout(() => child.kill("SIGKILL"), STOP_MILLISECONDS);
  await new Promise((over) => {
    child.once("exit", over);
    child.kill("SIGTERM");
  });
  clearTimeout(force);
}

function findProgram(name: string): string | undefined {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

function isFree(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const probe = createServer();
    probe.once("error", () => {
      answer(false);
    });
    probe.listen(port, () => {
      probe.close(() => {
        answer(true);
      });
    });
  });
}
