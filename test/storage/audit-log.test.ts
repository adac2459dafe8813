import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { verifyAudit } from "../../src/storage/audit-chain.ts";
import { AuditLog } from "../../src/storage/audit-log.ts";
import { lockFile } from "../../src/storage/file-lock.ts";
import { folderOfTest } from "../support/folders.ts";

const ENTRY = { at: "2026-01-01T00:00:00Z", by: "operator", what: "block" } as const;
const FILE_LOCK = fileURLToPath(new URL("../../src/storage/file-lock.ts", import.meta.url));

describe("storage/audit-log", function () {
  this.timeout(20_000);
  const folder = folderOfTest();
  const path = (): string => join(folder.path, "audit.jsonl");
  const lines = async (): Promise<number> =>
    (await readFile(path(), "utf8")).trimEnd().split("\n").length;

  it("is one chain, however many write it", async () => {
    const logs = Array.from({ length: 8 }, () => new AuditLog(path()));
    await Promise.all(
      logs.flatMap((log) =>
        Array.from({ length: 5 }, (_, each) => log.append({ ...ENTRY, subject: `${each}` })),
      ),
    );
    assert.equal(await lines(), 40);
    assert.deepEqual((await verifyAudit(path())).faults, []);
  });

  it("waits for whoever writes, however old the lock looks", async () => {
    const release = lockFile(`${path()}.lock`);
    assert.ok(release);
    await utimes(`${path()}.lock`, 0, 0);
    const written = new AuditLog(path()).append({ ...ENTRY, subject: "x" });
    let done = false;
    void written.then(() => (done = true));
    await new AuditLog(`${path()}.other`).append({ ...ENTRY, subject: "y" });
    assert.equal(done, false);
    release();
    await written;
    assert.equal(await lines(), 1);
  });

  it("goes on at once where a process died as it wrote", async () => {
    const holder = spawn(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        `import { lockFile } from ${JSON.stringify(FILE_LOCK)};
         globalThis.release = lockFile(${JSON.stringify(`${path()}.lock`)});
         process.stdout.write("held");
         setInterval(() => undefined, 1000);`,
      ],
      { stdio: ["ignore", "pipe", "ignore"] },
    );
    await once(holder.stdout, "data");
    assert.equal(lockFile(`${path()}.lock`), undefined);
    const gone = once(holder, "exit");
    holder.kill("SIGKILL");
    await gone;
    const release = lockFile(`${path()}.lock`);
    assert.ok(release);
    release();
  });

  it("names the lock that a process does not let go of", async () => {
    const release = lockFile(`${path()}.lock`);
    assert.ok(release);
    const log = new AuditLog(path(), { lockMilliseconds: 40 });
    await assert.rejects(log.append({ ...ENTRY, subject: "x" }), {
      code: "ERR_FED_STORE_UNAVAILABLE",
      message: /another process holds .*audit\.jsonl\.lock: look for one that hangs/u,
    });
    release();
    await log.append({ ...ENTRY, subject: "y" });
    assert.equal(await lines(), 1);
  });

  it("takes an empty lock of any age for a free one", async () => {
    await writeFile(`${path()}.lock`, "");
    await new AuditLog(path()).append({ ...ENTRY, subject: "x" });
    assert.equal(await lines(), 1);
  });
});
