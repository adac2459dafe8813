import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { lockFolder } from "../../src/storage/file-lock.ts";
import { coded } from "../support/coded.ts";
import { folderOfTest } from "../support/folders.ts";

describe("storage/file-lock", () => {
  const folder = folderOfTest();

  it("is had by one at a time", () => {
    const path = join(folder.path, "data", "running.lock");
    const release = lockFolder(path);
    assert.throws(() => lockFolder(path), coded("ERR_FED_STORE_IN_USE"));
    release();
    lockFolder(path)();
  });

  it("does not take a folder that cannot be written for one that is in use", async () => {
    await writeFile(join(folder.path, "data"), "a file where the folder should be");
    const path = join(folder.path, "data", "running.lock");
    assert.throws(() => lockFolder(path), coded("ERR_FED_STORE_UNAVAILABLE"));
    await writeFile(join(folder.path, "running.lock"), "not a database".repeat(100));
    assert.throws(
      () => lockFolder(join(folder.path, "running.lock")),
      coded("ERR_FED_STORE_UNAVAILABLE"),
    );
  });
});
