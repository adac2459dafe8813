/** Somebody else on the machine, or in the browser, reaches for this server's files and answers. */
import assert from "node:assert/strict";
import { chmod, readFile, readdir, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { resolveOptions } from "../../src/federation/options.ts";
import { systemRandom } from "../../src/ports.ts";
import { FederationRuntime } from "../../src/runtime/federation-runtime.ts";
import { verifyAudit } from "../../src/storage/audit-chain.ts";
import { AuditLog } from "../../src/storage/audit-log.ts";
import { loadKeyRing, loadOrCreateKeyRing } from "../../src/storage/key-file.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { CLI, runScript } from "../support/command-line.ts";
import { folderOfTest } from "../support/folders.ts";
import { ROOMS, type ServerProcess, Servers } from "../support/processes.ts";

const ENTRY = { at: "2026-01-01T00:00:00Z", by: "operator", what: "block" } as const;

describe("attack: a link where a file of the server should be", () => {
  const folder = folderOfTest();
  const at = (name: string): string => join(folder.path, name);
  const unchanged = async (): Promise<void> => {
    assert.equal(await readFile(at("victim"), "utf8"), "precious");
  };
  beforeEach(() => writeFile(at("victim"), "precious"));

  it("does not have the audit log written elsewhere", async () => {
    await symlink(at("victim"), at("audit.jsonl"));
    await assert.rejects(new AuditLog(at("audit.jsonl")).append({ ...ENTRY, subject: "x" }), {
      code: "ERR_FED_STORE_UNAVAILABLE",
      message: /symbolic link/u,
    });
    await unchanged();
  });

  it("is no key file, wherever it leads", async () => {
    await loadOrCreateKeyRing(at("real.json"), systemRandom);
    await symlink(at("real.json"), at("keys.json"));
    await assert.rejects(loadKeyRing(at("keys.json")), {
      code: "ERR_FED_KEY_FILE",
      message: /symbolic link/u,
    });
  });

  it("is no database, nor what SQLite writes beside it", async () => {
    for (const name of ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"]) {
      await symlink(at("victim"), at(name));
      assert.throws(() => new SqliteEngine({ path: at("store.sqlite") }), {
        code: "ERR_FED_STORE_UNAVAILABLE",
        message: /symbolic link/u,
      });
      await rm(at(name));
      await unchanged();
    }
  });

  it("is no lock", async () => {
    await symlink(at("victim"), at("running.lock"));
    const options = resolveOptions({
      ...{ origin: "https://here.example", worlds: {}, dataDirectory: folder.path },
    });
    await assert.rejects(new FederationRuntime(options).start(), {
      code: "ERR_FED_STORE_UNAVAILABLE",
    });
    await unchanged();
  });
});

describe("attack: a data folder that others can write in", function () {
  this.timeout(20_000);
  const folder = folderOfTest();
  const started = async (): Promise<string[]> => {
    const warnings: string[] = [];
    const ignore = (): undefined => undefined;
    const warn = (message: string): void => void warnings.push(message);
    const runtime = new FederationRuntime(
      resolveOptions({
        ...{ origin: "https://here.example", worlds: {}, dataDirectory: folder.path },
        logger: { debug: ignore, info: ignore, error: ignore, warn },
      }),
    );
    await runtime.start();
    await runtime.stop();
    return warnings;
  };

  it("is refused when everybody can, with what to do", async () => {
    await chmod(folder.path, 0o777);
    await assert.rejects(started(), { code: "ERR_FED_STORE_UNAVAILABLE", message: /chmod 700/u });
    assert.deepEqual(await readdir(folder.path), [], "nothing is put there");
    const { code, err } = await runScript(CLI, "peers", "list", "--data", folder.path);
    assert.equal(code, 1);
    assert.match(err, /chmod 700/u);
  });

  it("is warned of when its group can, and not otherwise", async () => {
    await chmod(folder.path, 0o770);
    assert.ok((await started()).some((line) => line.includes("chmod 700")));
    await chmod(folder.path, 0o700);
    assert.ok(!(await started()).some((line) => line.includes("chmod 700")));
  });
});

describe("attack: an audit log that is edited", function () {
  this.timeout(20_000);
  const folder = folderOfTest();
  const path = (): string => join(folder.path, "audit.jsonl");
  const write = async (count: number, maxBytes?: number): Promise<void> => {
    const log = new AuditLog(path(), maxBytes === undefined ? {} : { maxBytes });
    for (let each = 0; each < count; each += 1) await log.append({ ...ENTRY, subject: `${each}` });
  };
  const edit = async (change: (lines: string[]) => string[], file = path()): Promise<void> => {
    const lines = (await readFile(file, "utf8")).split("\n");
    await writeFile(file, change(lines).join("\n"));
  };

  for (const [what, change] of Object.entries({
    "a word is changed": (lines: string[]) =>
      lines.map((line, index) => (index === 2 ? line.replace("block", "unblock") : line)),
    "a line is taken out": (lines: string[]) => lines.toSpliced(2, 1),
    "a line is put in": (lines: string[]) => lines.toSpliced(2, 0, lines[1] ?? ""),
    "a line without a hash is put in": (lines: string[]) =>
      lines.toSpliced(2, 0, JSON.stringify({ ...ENTRY, subject: "y" })),
    "lines change places": (lines: string[]) =>
      lines.toSpliced(1, 2, lines[2] ?? "", lines[1] ?? ""),
  })) {
    it(`is found out: ${what}`, async () => {
      await write(5);
      assert.deepEqual((await verifyAudit(path())).faults, []);
      await edit(change);
      assert.ok((await verifyAudit(path())).faults.length > 0);
    });
  }

  it("is found out in what was rotated, and between two files", async () => {
    await write(30, 1_000);
    assert.deepEqual((await verifyAudit(path())).faults, []);
    const untouched = await readFile(`${path()}.1`, "utf8");
    await edit((lines) => lines.toSpliced(-2, 1), `${path()}.1`);
    assert.ok((await verifyAudit(path())).faults.length > 0);
    await writeFile(`${path()}.1`, untouched);
    await rename(`${path()}.1`, `${path()}.gone`);
    assert.ok((await verifyAudit(path())).faults.length > 0, "a whole file is gone");
  });

  it("goes on from what was written before there was a chain, and from a torn line", async () => {
    await writeFile(path(), `${JSON.stringify({ ...ENTRY, subject: "old" })}\n{"at":"2026`);
    await write(3);
    assert.deepEqual((await verifyAudit(path())).faults, []);
    await edit((lines) => lines.with(0, lines[0]!.replace("old", "new")));
    await edit((lines) => lines.with(1, "{}"));
    assert.ok((await verifyAudit(path())).faults.length > 0);
  });

  it("stays one chain though several processes write", async () => {
    await Promise.all([write(20), write(20), write(20)]);
    const { lines, unchained, faults } = await verifyAudit(path());
    assert.deepEqual([lines, unchained, faults], [60, 0, []]);
    assert.equal((await stat(path())).mode & 0o777, 0o600);
  });

  it("is found out by the command line, which names the place", async () => {
    const store = new SqliteEngine({ path: join(folder.path, "federation.sqlite") });
    await store.disconnect();
    await write(4);
    const cli = () => runScript(CLI, "audit", "verify", "--data", folder.path);
    const sound = await cli();
    assert.equal(sound.code, 0, sound.err);
    assert.match(sound.out, /4 lines/u);
    await edit((lines) => lines.toSpliced(1, 1));
    const broken = await cli();
    assert.equal(broken.code, 1);
    assert.match(broken.out, /audit\.jsonl:2 does not follow/u);
  });
});

describe("attack: a page of another origin reads the answers", function () {
  this.timeout(30_000);
  const servers = new Servers();
  let victim: ServerProcess;
  before(async () => {
    [victim] = (await servers.start([{ name: "victim", script: ROOMS }])) as [ServerProcess];
  });
  after(() => servers.stop());

  const headersOf = async (method: string, path: string): Promise<Headers> => {
    const headers = { origin: "https://evil.example", "content-type": "application/json" };
    const init = method === "POST" ? { method, headers, body: "{}" } : { method, headers };
    return (await fetch(`${victim.origin}${path}`, init)).headers;
  };

  it("none of custody, seats, handshakes and health", async () => {
    for (const [method, path] of [
      ["POST", "/federation/custody/claim"],
      ["POST", "/federation/reservations"],
      ["POST", "/federation/handshake"],
      ["GET", "/federation/health"],
      ["GET", "/federation/nothing"],
      ["GET", "/federation/custody/claim"],
    ] as const) {
      const headers = await headersOf(method, path);
      const open = [...headers.keys()].filter((name) => name.startsWith("access-control-"));
      assert.deepEqual(open, [], path);
    }
  });

  it("no answer of /travel, descriptor, lists or keys with the browser's credentials", async () => {
    for (const [method, path] of [
      ["POST", "/federation/travel"],
      ["GET", "/.well-known/aether-federation"],
      ["GET", "/federation/servers"],
      ["GET", `/federation/keys/${"A".repeat(43)}`],
      ["GET", `/federation/assets/sha256/${"0".repeat(64)}`],
    ] as const) {
      const headers = await headersOf(method, path);
      assert.equal(headers.get("access-control-allow-origin"), "*", path);
      assert.equal(headers.get("access-control-allow-credentials"), null, path);
    }
  });
});
