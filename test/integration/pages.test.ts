import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { folderOfSuite } from "../support/folders.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));

/** Where a page says that a block is, or whose import of it the others rely on. */
const NAMED: Readonly<Record<string, string>> = {
  "export const federation": "federation.ts",
  "export class Plaza": "rooms/Plaza.ts",
  "export default federation.attach(\n  defineServer": "app.config.ts",
};

describe("the pages about attaching and options", function () {
  this.timeout(90_000);
  const temporary = folderOfSuite();

  it("have examples that compile, all together", async () => {
    const modules = join(temporary.path, "node_modules");
    await mkdir(modules);
    for (const name of await readdir(join(root, "node_modules"))) {
      if (!name.startsWith("."))
        await symlink(join(root, "node_modules", name), join(modules, name));
    }
    await symlink(root, join(modules, "aether-federation"));
    const files: string[] = [];
    for (const page of ["attaching", "options"]) {
      const text = await readFile(join(root, `docs/${page}.md`), "utf8");
      for (const [, code = ""] of text.matchAll(/```ts\n(.*?)```/gsu)) {
        const known = Object.keys(NAMED).find((mark) => code.includes(mark));
        const name = known === undefined ? `${page}-${files.length}.ts` : NAMED[known]!;
        const path = join(temporary.path, "src", name);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, `${code}\nexport {};\n`);
        files.push(path);
      }
    }
    assert.ok(files.length >= 12);
    await writeFile(join(temporary.path, "package.json"), '{"type":"module"}');
    const flags = ["--noEmit", "--strict", "--skipLibCheck", "--verbatimModuleSyntax"];
    const target = ["--target", "ES2023", "--module", "NodeNext", "--types", "node"];
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    const compiled = run(process.execPath, [compiler, ...flags, ...target, ...files], {
      cwd: temporary.path,
    });
    await compiled.catch((cause: unknown) => assert.fail((cause as { stdout: string }).stdout));
  });
});
