import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Block, ROOT, pages } from "./pages.ts";

const run = promisify(execFile);

describe("docs: code that runs", function () {
  this.timeout(60_000);
  /** Within the package, so that its own name leads to it. */
  let folder: string;

  before(async () => {
    await mkdir(join(ROOT, ".tmp"), { recursive: true });
    folder = await mkdtemp(join(ROOT, ".tmp/docs-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function node(...args: string[]): Promise<string> {
    const flags = ["--disable-warning=ExperimentalWarning"];
    // What this very run was given is not the reader's.
    const { NODE_OPTIONS: _ours, ...env } = process.env;
    try {
      return (await run(process.execPath, [...flags, ...args], { cwd: folder, env })).stdout;
    } catch (cause) {
      const { stdout, stderr } = cause as { stdout: string; stderr: string };
      return assert.fail(`${stdout}${stderr}`);
    }
  }

  /** What the lines `console.log(…); // → …` promise, in order. */
  const promised = ({ code }: Block): string[] =>
    [...code.matchAll(/console\.log\(.*\); \/\/ → (.*)$/gmu)].map(([, value]) => value ?? "");

  for (const { name, blocks } of pages()) {
    for (const block of blocks.filter(({ run: asked }) => asked)) {
      it(`${block.place} prints what it promises`, async () => {
        const file = join(folder, `block.${block.extension}`);
        await writeFile(file, block.code);
        const printed = (await node(file)).split("\n").slice(0, -1);
        assert.deepEqual(printed, promised(block));
      });
    }

    const files = blocks.filter(({ file }) => file !== undefined);
    if (!files.some(({ file }) => file?.endsWith(".test.ts") === true)) continue;
    it(`${name} has tests that pass`, async () => {
      for (const { file = "", code } of files) await writeFile(join(folder, file), code);
      const mocha = join(ROOT, "node_modules/mocha/bin/mocha.js");
      const names = files.map(({ file = "" }) => file).filter((file) => file.endsWith(".test.ts"));
      const said = await node(mocha, "--no-config", "--no-package", "--reporter", "json", ...names);
      const { stats } = JSON.parse(said.slice(said.indexOf("{"))) as {
        readonly stats: { readonly passes: number; readonly failures: number };
      };
      assert.deepEqual([stats.failures, stats.passes > 0], [0, true]);
    });
  }
});
