/** Folders that tests write into, gone after them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where a test may write. */
export interface TestFolder {
  readonly path: string;
}

/** For a `describe`: each of its tests has a folder of its own. */
export function folderOfTest(): TestFolder {
  const folder = new Folder();
  before(function () {
    // Only now, so that it comes after the hooks that stop whoever writes there.
    this.test?.parent?.afterEach(() => folder.remove());
  });
  beforeEach(() => folder.make());
  return folder;
}

/** For a `describe`: its tests share a folder. */
export function folderOfSuite(): TestFolder {
  const folder = new Folder();
  before(function () {
    this.test?.parent?.afterAll(() => folder.remove());
    return folder.make();
  });
  return folder;
}

class Folder implements TestFolder {
  #path: string | undefined;

  get path(): string {
    if (this.#path === undefined) throw new Error("there is no folder before the tests");
    return this.#path;
  }

  async make(): Promise<void> {
    this.#path = await mkdtemp(join(tmpdir(), "aether-"));
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
