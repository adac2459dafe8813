import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { FederationError } from "../../src/errors.ts";
import { announceNextKey, switchToNextKey } from "../../src/identity/key-rotation.ts";
import { printRecoveryKey, readRecoveryKey } from "../../src/identity/recovery.ts";
import { type SigningKey, exportSigningKey } from "../../src/identity/server-keys.ts";
import { loadKeyRing, loadOrCreateKeyRing, saveKeyRing } from "../../src/storage/key-file.ts";
import { folderOfTest } from "../support/folders.ts";
import { seededRandom } from "../support/seeded-random.ts";

describe("storage/key-file", () => {
  const folder = folderOfTest();
  let path: string;
  beforeEach(() => {
    path = join(folder.path, "data", "keys.json");
  });
  const refused = (reason: RegExp): Promise<void> =>
    assert.rejects(loadOrCreateKeyRing(path, seededRandom(9)), (error: unknown) => {
      assert.ok(error instanceof FederationError);
      assert.equal(error.code, "ERR_FED_KEY_FILE");
      assert.match(error.message, reason);
      assert.ok(!JSON.stringify(error).includes('"d"'));
      return true;
    });

  it("makes a recovery key when somebody takes it, once, and does not keep it", async () => {
    const taken: SigningKey[] = [];
    const take = (key: SigningKey): number => taken.push(key);
    const ring = await loadOrCreateKeyRing(path, seededRandom(1), take);
    await loadOrCreateKeyRing(path, seededRandom(2), take);
    assert.equal(taken.length, 1);
    const [key] = taken as [SigningKey];
    assert.deepEqual(ring.recovery, { kid: key.kid, statements: [] });
    assert.deepEqual((await loadKeyRing(path))?.recovery, ring.recovery);
    const { d } = exportSigningKey(key);
    assert.ok(!readFileSync(path, "utf8").includes(d));
    assert.equal(readRecoveryKey(`  ${printRecoveryKey(key)}\n`)?.kid, key.kid);
    for (const text of ["", d, `aether-recovery-${d.slice(1)}`, `aether-recovery-${d}=`]) {
      assert.equal(readRecoveryKey(text), undefined);
    }
  });

  it("makes a key once, readable by its owner only", async () => {
    const made = await loadOrCreateKeyRing(path, seededRandom(1));
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(join(folder.path, "data")).mode & 0o777, 0o700);
    const read = await loadOrCreateKeyRing(path, seededRandom(2));
    assert.equal(read.current.kid, made.current.kid);
    const message = Buffer.from("m");
    assert.deepEqual(read.current.sign(message), made.current.sign(message));
    assert.deepEqual(readdirSync(join(folder.path, "data")), ["keys.json"]);
  });

  it("gives the same key to all that start at once", async () => {
    const rings = await Promise.all(
      Array.from({ length: 8 }, (_, index) => loadOrCreateKeyRing(path, seededRandom(index))),
    );
    assert.equal(new Set(rings.map(({ current }) => current.kid)).size, 1);
    assert.deepEqual(readdirSync(join(folder.path, "data")), ["keys.json"]);
  });

  it("takes the key of whoever made the file first, between its own look and its write", async () => {
    const first = join(folder.path, "first.json");
    const theirs = await loadOrCreateKeyRing(first, seededRandom(1));
    const random = seededRandom(2);
    const late = {
      ...random,
      bytes: (length: number) => {
        mkdirSync(join(folder.path, "data"));
        copyFileSync(first, path);
        chmodSync(path, 0o600);
        return random.bytes(length);
      },
    };
    const ours = await loadOrCreateKeyRing(path, late);
    assert.equal(ours.current.kid, theirs.current.kid);
    assert.deepEqual(readdirSync(join(folder.path, "data")), ["keys.json"]);
  });

  it("keeps the announced and the retired keys", async () => {
    const first = await loadOrCreateKeyRing(path, seededRandom(1));
    const announced = announceNextKey(first, seededRandom(2));
    await saveKeyRing(path, announced);
    assert.equal((await loadKeyRing(path))?.next?.kid, announced.next?.kid);
    await saveKeyRing(path, switchToNextKey(announced, 1));
    const ring = await loadKeyRing(path);
    assert.equal(ring?.current.kid, announced.next?.kid);
    assert.deepEqual(
      ring?.retired.map(({ kid }) => kid),
      [first.current.kid],
    );
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(readFileSync(path, "utf8").match(/"d"/gu)?.length, 1, "no retired secret stays");
  });

  it("refuses a file that others can read", async () => {
    await loadOrCreateKeyRing(path, seededRandom(1));
    chmodSync(path, 0o640);
    await refused(/chmod 600/u);
  });

  for (const [what, text] of [
    ["empty", ""],
    ["no JSON", "{"],
    ["of another shape", '{"current":{}}'],
    ["an array", "[]"],
  ] as const) {
    it(`refuses a file that is ${what}, and leaves it alone`, async () => {
      await loadOrCreateKeyRing(path, seededRandom(1));
      writeFileSync(path, text);
      await refused(/damaged/u);
      assert.equal(readFileSync(path, "utf8"), text);
    });
  }

  it("refuses a public half that is not the private one's", async () => {
    await loadOrCreateKeyRing(path, seededRandom(1));
    const other = join(folder.path, "other.json");
    await loadOrCreateKeyRing(other, seededRandom(2));
    const [mine, theirs] = [path, other].map(
      (file) => JSON.parse(readFileSync(file, "utf8")) as { current: { x: string } },
    );
    writeFileSync(
      path,
      JSON.stringify({ ...mine, current: { ...mine?.current, x: theirs?.current.x } }),
    );
    await refused(/damaged/u);
  });

  it("says when no file can be made there", async () => {
    writeFileSync(join(folder.path, "data"), "a file where the folder should be");
    await refused(/cannot be (read|written)/u);
  });
});
