/** `npm start`: four servers, each its own process, operator, key and store. Two games: three worlds, and a harbour. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

interface Program {
  readonly name: string;
  readonly script: string;
  readonly flags: readonly string[];
}

interface Running extends Program {
  readonly port: number;
  readonly origin: string;
  /** Its page. */
  readonly page: string;
  process?: ChildProcess;
}

const WORLD = "./world.ts";
const HARBOUR = "./harbour/server.ts";
const PROGRAMS: readonly Program[] = [
  { name: "plaza", script: WORLD, flags: [] },
  // One of its pictures is forged: the gallery shows what becomes of it.
  { name: "arena", script: WORLD, flags: ["--forge"] },
  { name: "gallery", script: WORLD, flags: ["--gallery"] },
  { name: "harbour", script: HARBOUR, flags: [] },
];
const FIRST_PORT = 2567;
/** Ports that are tried one after the other; further on than that, something else is wrong. */
const BLOCKS = 50;
const READY_MILLISECONDS = 45_000;
const STOP_MILLISECONDS = 8_000;
const POLL_MILLISECONDS = 200;
/** Opens the operators' pages of this run. */
const adminToken = randomBytes(24).toString("hex");

let stopping = false;
let ready = false;

const { first, taken } = await freePorts();
/** What is at other ports is another server: it has data of its own. */
const folder = first === FIRST_PORT ? ".data" : `.data/${first}`;
const servers: Running[] = PROGRAMS.map((program, index) => {
  const origin = `http://localhost:${first + index}`;
  const page = program.script === HARBOUR ? `${origin}/play` : origin;
  return { ...program, port: first + index, origin, page };
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => void stop(0));
}

if (taken.length > 0) {
  console.log(`Taken: ${inWords(taken)}. So from ${first} on, with data in ${folder}/.`);
}
console.log(`Starting ${inWords(servers.map(({ name }) => name))}, each a server of its own …`);
for (const server of servers) launch(server);
if (await allTrusted()) {
  ready = true;
  printTable();
} else if (!stopping) {
  console.error(`The servers did not shake hands within ${READY_MILLISECONDS / 1000} s.`);
  await stop(1);
}

function launch(server: Running): void {
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", pathOf(server), ...flagsOf(server)],
    {
      stdio: ["ignore", "ignore", "pipe"],
      // Its own group: Ctrl-C reaches this process only, which then stops them in order.
      detached: true,
      env: { FEDERATION_ADMIN_TOKEN: adminToken, ...process.env, AETHER_STOPS_WITH_PARENT: "1" },
    },
  );
  server.process = child;
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.split("\n").filter((part) => part.trim() !== "")) {
      if (!stopping) console.error(`${server.name.padEnd(8)}│ ${line}`);
    }
  });
  child.once("exit", (code, signal) => {
    delete server.process;
    if (stopping) return;
    if (!ready) {
      void stop(1);
      return;
    }
    const again = `node ${pathOf(server)} ${flagsOf(server).join(" ")}`;
    console.error(
      `${server.name} has stopped (${signal ?? `exit ${code ?? "?"}`}); the others go on. Start it again with:\n  ${again}`,
    );
    if (servers.every((other) => other.process === undefined)) process.exit(1);
  });
}

function pathOf({ script }: Program): string {
  return fileURLToPath(new URL(script, import.meta.url));
}

function flagsOf(server: Running): string[] {
  const { name, port, flags } = server;
  const peers = servers.filter((other) => other !== server).map(({ origin }) => origin);
  return [
    ...["--name", name, "--port", String(port), "--data", `${folder}/${name}`],
    ...peers.flatMap((origin) => ["--peer", origin]),
    ...flags,
  ];
}

/** Waits until every server trusts and hears every other, as the worlds say. */
async function allTrusted(): Promise<boolean> {
  const giveUpAt = Date.now() + READY_MILLISECONDS;
  while (Date.now() < giveUpAt && !stopping) {
    const states = await Promise.all(
      servers.filter(({ script }) => script === WORLD).map((world) => isConnected(world)),
    );
    if (states.every(Boolean)) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
  return false;
}

async function isConnected({ origin }: Running): Promise<boolean> {
  try {
    const response = await fetch(`${origin}/status`, { signal: AbortSignal.timeout(2_000) });
    const { peers } = (await response.json()) as {
      peers: { trust: string; status: string; hasSession: boolean }[];
    };
    const good = peers.filter(
      ({ trust, status, hasSession }) =>
        trust === "trusted" && hasSession && (status === "online" || status === "degraded"),
    );
    return good.length >= servers.length - 1;
  } catch {
    return false;
  }
}

function printTable(): void {
  const rows = [
    ["server", "page", "monitor"],
    ...servers.map(({ name, page, origin }) => [name, page, `${origin}/monitor`]),
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
      `Open ${servers[0]?.page ?? ""} and walk into a gate.`,
      "",
      line(head),
      line(widths.map((width) => "─".repeat(width))),
      ...body.map(line),
      "",
      "The arena forges one of its pictures: the gallery's warnings of a hash are that.",
      "Operators' pages are at /federation/admin. They ask for this token:",
      `  ${process.env["FEDERATION_ADMIN_TOKEN"] ?? adminToken}`,
      "Ctrl-C stops everything.",
      "",
    ].join("\n"),
  );
}

/** As many in a row as there are servers, from the usual ones on. */
async function freePorts(): Promise<{ first: number; taken: number[] }> {
  let taken: number[] | undefined;
  for (let block = 0; block < BLOCKS; block += 1) {
    const first = FIRST_PORT + block * PROGRAMS.length;
    const ports = PROGRAMS.map((_, index) => first + index);
    const states = await Promise.all(ports.map(isFree));
    const inUse = ports.filter((_, index) => states[index] !== true);
    taken ??= inUse;
    if (inUse.length === 0) return { first, taken };
  }
  console.error(`no ${PROGRAMS.length} free ports in a row from ${FIRST_PORT} on`);
  process.exit(1);
}

/** `a`, `a and b`, `a, b and c`. */
function inWords(parts: readonly (string | number)[]): string {
  const last = parts.at(-1) ?? "";
  return parts.length < 2 ? String(last) : `${parts.slice(0, -1).join(", ")} and ${last}`;
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
  const running = servers.flatMap((server) => server.process ?? []);
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
