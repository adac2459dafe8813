/**
 * `npm run fuzz -- --seconds 60 --seed N`: malformed traffic to every endpoint of a live server.
 *
 * Half of it is signed by a trusted peer's own key, so that it gets past the signature and at the
 * parsers behind it. Prints what was sent and answered and the server's memory; exits 1 on a 5xx
 * other than 503, on a dead process, and when memory has grown by more than a quarter and 64 MiB.
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { Agent } from "undici";
import { signRequest } from "../../src/identity/http-signatures.ts";
import { type Random, systemClock, systemRandom } from "../../src/ports.ts";
import { goodClaims, operatorKey, passOf } from "../support/operator.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { seededRandom } from "../support/seeded-random.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const seconds = Number(values.seconds);
if (!(seconds > 0 && seconds <= 3600)) {
  console.error("--seconds must be more than 0 and at most 3600");
  process.exit(2);
}

const WORKERS = 8;
const CUSTODY = "depart claim cancel return renew departed revoke preview receipt".split(" ");
const PATHS = [
  ...CUSTODY.map((call) => `/federation/custody/${call}`),
  "/federation/reservations",
  "/federation/reservations/cancel",
  "/federation/handshake",
  "/federation/handshake/complete",
  "/federation/servers",
  "/federation/health",
  "/federation/assets/sha256/00",
  `/federation/assets/sha256/${"0".repeat(64)}`,
  "/federation/assets/prepare",
  "/federation/travel",
  "/federation",
  "/.well-known/aether-federation",
  "/matchmake/joinOrCreate/plaza",
  "/matchmake/join/plaza",
  "/matchmake/joinById/none",
];

// V8 grows a heap as long as it may before it tidies up: with little to spend, only what is really
// kept makes the server grow.
process.env["NODE_OPTIONS"] = "--max-old-space-size=128";
const servers = new Servers();
const tally = { sent: 0, signed: 0, broken: 0, statuses: new Map<string, number>() };
const wrong: string[] = [];
try {
  console.log(`seed ${values.seed}, ${seconds} s`);
  const [plaza, arena] = (await servers.worlds("plaza", "arena")) as [ServerProcess, ServerProcess];
  const key = await operatorKey(arena);
  const goodPass = await passOf(goodClaims(arena, plaza, "plaza"), key);
  const agent = new Agent({ connections: WORKERS * 2, pipelining: 1 });
  const worker = async (random: Random, until: number): Promise<void> => {
    while (performance.now() < until) {
      await shoot(plaza, { origin: arena.origin, key }, goodPass, random, agent);
    }
  };
  const run = (from: string, milliseconds: number): Promise<unknown> =>
    Promise.all(
      Array.from({ length: WORKERS }, (_, index) =>
        worker(seededRandom(`${values.seed}/${from}/${index}`), performance.now() + milliseconds),
      ),
    );

  // Caches and compiled code fill first; growth counts from there.
  await run("warm-up", Math.min(10_000, seconds * 250));
  const before = await memoryOf(plaza);
  await run("counted", seconds * 1000);
  await agent.close();
  const health = await fetch(`${plaza.origin}/federation/health`).then(({ status }) => status);
  const after = await memoryOf(plaza);

  console.log(`requests  ${tally.sent} (${tally.signed} signed, ${tally.broken} broken off by us)`);
  for (const [status, count] of [...tally.statuses].sort()) {
    console.log(`${status.padEnd(8)}  ${count}`);
  }
  console.log(`memory    ${mebibytes(before)} before, ${mebibytes(after)} after`);
  console.log(`process   ${health === 200 ? "alive and well" : `health answers ${health}`}`);
  if (health !== 200) wrong.push("the server is not well");
  if (after > before * 1.25 && after - before > 64 * 1024 * 1024) wrong.push("memory has grown");
} finally {
  await servers.stop();
}
for (const line of new Set(wrong)) console.error(`WRONG: ${line}`);
process.exit(wrong.length === 0 ? 0 : 1);

async function shoot(
  target: ServerProcess,
  from: { origin: string; key: Awaited<ReturnType<typeof operatorKey>> },
  goodPass: string,
  random: Random,
  agent: Agent,
): Promise<void> {
  const path = pick(random, PATHS) + (random.fraction() < 0.1 ? `?${text(random, 20)}` : "");
  const method =
    random.fraction() < 0.85 ? "POST" : pick(random, ["GET", "HEAD", "PUT", "DELETE", "PATCH"]);
  const url = `${target.origin}${encodeURI(path)}`;
  const body = method === "GET" || method === "HEAD" ? undefined : bodyOf(random, goodPass);
  let headers: Record<string, string> = { "content-type": "application/json" };
  if (random.fraction() < 0.5) {
    const signed = await signRequest(
      { method, targetUri: url, recipient: target.origin, ...(body === undefined ? {} : { body }) },
      from,
      { clock: systemClock, random: systemRandom },
    );
    headers = { ...headers, ...signed.headers };
    if (random.fraction() < 0.3) spoil(headers, random);
    else tally.signed += 1;
  } else if (random.fraction() < 0.3) {
    headers["signature-input"] = latin(text(random, 200));
    headers["signature"] = latin(text(random, 200));
  }
  if (random.fraction() < 0.2)
    headers["authorization"] = `Bearer ${latin(tokenOf(random, goodPass))}`;
  const abort = new AbortController();
  if (random.fraction() < 0.02) setTimeout(() => abort.abort(), random.fraction() * 5);
  tally.sent += 1;
  try {
    const response = await agent.request({
      origin: target.origin,
      path: new URL(url).pathname + new URL(url).search,
      method: method,
      headers,
      body: body ?? null,
      signal: abort.signal,
    });
    await response.body.dump();
    const status = String(response.statusCode);
    tally.statuses.set(status, (tally.statuses.get(status) ?? 0) + 1);
    // Colyseus answers its matchmaking refusals with 52x, which are its own codes and no failures.
    const colyseus = path.startsWith("/matchmake/") && /^52\d$/u.test(status);
    if (response.statusCode >= 500 && response.statusCode !== 503 && !colyseus) {
      wrong.push(`${method} ${path} answered ${status}`);
    }
  } catch (error) {
    tally.broken += 1;
    const code = (error as { code?: string }).code ?? "";
    if (code === "ECONNREFUSED") wrong.push("the server refuses connections");
  }
}

function bodyOf(random: Random, goodPass: string): Uint8Array {
  const kind = random.fraction();
  if (kind < 0.1) return random.bytes(Math.floor(random.fraction() * 300));
  if (kind < 0.15) return Buffer.from("x".repeat(60_000 + Math.floor(random.fraction() * 20_000)));
  if (kind < 0.2) return Buffer.from(`${"[".repeat(3_000)}${"]".repeat(3_000)}`);
  if (kind < 0.3) return Buffer.from(JSON.stringify(valueOf(random, 3)).slice(0, 200));
  const members: Record<string, unknown> = {};
  for (const name of [
    "transferId",
    "player",
    "epoch",
    "to",
    "world",
    "state",
    "players",
    "pass",
    "options",
    "nonce",
    "descriptor",
    "responder",
    "protocols",
    "issuedAt",
    "handshakeId",
    "proof",
    "assets",
  ]) {
    if (random.fraction() < 0.45) members[name] = plausible(name, random, goodPass);
  }
  if (random.fraction() < 0.1) members["__proto__"] = valueOf(random, 2);
  return Buffer.from(JSON.stringify(members));
}

function plausible(name: string, random: Random, goodPass: string): unknown {
  if (random.fraction() < 0.35) return valueOf(random, 3);
  switch (name) {
    case "transferId":
      return random.uuid();
    case "assets":
      return [
        {
          originServer: pick(random, ["http://localhost:1", text(random, 10)]),
          assetHash: `sha256-${Buffer.from(random.bytes(32)).toString("base64")}`,
          size: Math.floor(random.fraction() * 2e6),
          mediaType: pick(random, ["image/svg+xml", "text/html", text(random, 5)]),
        },
      ];
    case "player":
      return `${text(random, 5)}@localhost`;
    case "epoch":
    case "issuedAt":
      return Math.floor(random.fraction() * 2e9);
    case "to":
    case "responder":
      return "http://localhost:9";
    case "world":
      return "plaza";
    case "pass":
    case "descriptor":
      return tokenOf(random, goodPass);
    case "players":
      return Array.from({ length: Math.floor(random.fraction() * 300) }, () => ({
        player: "a@localhost",
        epoch: 1,
      }));
    case "protocols":
      return ["aether/1"];
    default:
      return Buffer.from(random.bytes(32)).toString("base64url");
  }
}

function tokenOf(random: Random, goodPass: string): string {
  const kind = random.fraction();
  if (kind < 0.4) return goodPass;
  if (kind < 0.6) {
    const at = Math.floor(random.fraction() * goodPass.length);
    return goodPass.slice(0, at) + text(random, 3) + goodPass.slice(at + 3);
  }
  if (kind < 0.8) return goodPass.split(".").reverse().join(".");
  return text(random, 300);
}

function valueOf(random: Random, depth: number): unknown {
  const kind = random.fraction();
  if (depth > 0 && kind < 0.2) {
    return Array.from({ length: Math.floor(random.fraction() * 6) }, () =>
      valueOf(random, depth - 1),
    );
  }
  if (depth > 0 && kind < 0.4) {
    return Object.fromEntries(
      Array.from({ length: Math.floor(random.fraction() * 6) }, () => [
        text(random, 8),
        valueOf(random, depth - 1),
      ]),
    );
  }
  return pick<unknown>(random, [
    null,
    true,
    -1,
    0,
    1e308,
    2 ** 53 + 2,
    0.5,
    "",
    text(random, 40),
    "\u0000",
    "https://[::1",
    "x".repeat(5_000),
  ]);
}

function spoil(headers: Record<string, string>, random: Random): void {
  const name = pick(random, ["signature", "signature-input", "content-digest"]);
  const value = headers[name];
  if (value === undefined) return;
  if (random.fraction() < 0.3) headers[name] = "";
  else {
    const at = Math.floor(random.fraction() * value.length);
    headers[name] = latin(value.slice(0, at) + text(random, 2) + value.slice(at + 1));
  }
}

function text(random: Random, longest: number): string {
  const length = Math.floor(random.fraction() * longest);
  return Buffer.from(random.bytes(length)).toString(random.fraction() < 0.5 ? "latin1" : "hex");
}

/** What a header may hold. */
function latin(value: string): string {
  return value.replaceAll(/[^\u0020-\u007e\u00a0-\u00ff]/gu, "?").trim() || "x";
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random.fraction() * list.length)]!;
}

async function memoryOf(server: ServerProcess): Promise<number> {
  const status = await readFile(`/proc/${server.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/u.exec(status)?.[1] ?? 0) * 1024;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(0)} MiB`;
}
