import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type * as client from "aether-federation/client";
import { README_GIVEN } from "../docs/readme.ts";
import { eventually } from "../support/eventually.ts";
import { folderOfSuite } from "../support/folders.ts";
import { freePort } from "../../src/testing/test-place.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));

describe("the package as it is published", function () {
  this.timeout(60_000);
  const temporary = folderOfSuite();
  let folder: string;
  let blocks: string[];
  const children: ChildProcess[] = [];

  before(async () => {
    folder = temporary.path;
    await install(folder);
    const readme = await readFile(join(folder, "node_modules/aether-federation/README.md"), "utf8");
    blocks = [...readme.matchAll(/```ts\n(.*?)```/gsu)].map(([, code]) => code!);
  });
  after(async () => {
    for (const child of children) {
      child.kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    }
  });

  it("has README examples that compile against its types", async () => {
    assert.equal(blocks.length, 4);
    const files = blocks.map((_code, index) => `example-${index}.ts`);
    for (const [index, name] of files.entries()) {
      // A module each, so that one may declare what another takes for granted.
      await writeFile(join(folder, name), `${blocks[index]!}\nexport {};\n`);
    }
    await writeFile(join(folder, "granted.ts"), `export {};\ndeclare global {${README_GIVEN}}\n`);
    const flags = ["--noEmit", "--strict", "--skipLibCheck", "--verbatimModuleSyntax"];
    const target = ["--target", "ES2023", "--module", "NodeNext", "--types", "node"];
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    const types = ["--typeRoots", join(root, "node_modules/@types")];
    const compiled = run(
      process.execPath,
      [compiler, ...flags, ...target, ...types, "granted.ts", ...files],
      { cwd: folder },
    );
    await compiled.catch((cause: unknown) => assert.fail((cause as { stdout: string }).stdout));
  });

  it("takes a player from the README's server to another, with nothing but its dependencies", async () => {
    const [plaza, arena] = [await freePort(), await freePort()];
    await start(plaza, arena);
    await start(arena, plaza);
    const entry = join(folder, "node_modules/aether-federation/dist/client/index.js");
    const { Traveler } = (await import(pathToFileURL(entry).href)) as typeof client;
    const traveler = new Traveler(`http://localhost:${plaza}`, { name: "Reader" });
    await traveler.join("plaza");
    await eventually(
      () => {
        traveler.enter(`aether://localhost:${arena}/plaza`);
        assert.equal(traveler.origin, `http://localhost:${arena}`);
      },
      { timeoutMilliseconds: 20_000, what: "the servers know each other and the player is across" },
    );
    assert.equal(traveler.room?.name, "plaza");
    await traveler.leave();
  });

  /** Starts the README's first example, at another address. */
  async function start(port: number, other: number): Promise<void> {
    const origin = `http://localhost:${port}`;
    const replaced = [
      ['"https://worlds.example.com"', `"${origin}", allowInsecure: true`],
      ["https://arena.example.org", `http://localhost:${other}`],
    ].reduce((code, [from, to]) => {
      assert.ok(code.includes(from!), `the README says ${from!}`);
      return code.replace(from!, to!);
    }, blocks[0]!);
    const home = join(folder, `server-${port}`);
    await mkdir(home);
    await writeFile(join(home, "app.config.ts"), replaced);
    const listening = `import app from "./app.config.ts";\nawait app.listen(${port});\n`;
    await writeFile(join(home, "index.ts"), listening);
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "index.ts"], {
      cwd: home,
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.push(child);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    await eventually(
      async () => {
        if (child.exitCode !== null) assert.fail(`it exited: ${output}`);
        const response = await fetch(`${origin}/.well-known/aether-federation`);
        assert.equal(response.status, 200);
      },
      { timeoutMilliseconds: 15_000, what: "the README's server listens" },
    );
  }
});

/** Unpacks the tarball beside what it declares, and nothing else. */
async function install(folder: string): Promise<void> {
  const modules = join(folder, "node_modules");
  const own = join(modules, "aether-federation");
  await mkdir(own, { recursive: true });
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
  const { stdout } = await run("npm", pack, { cwd: root });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  await run("tar", ["-xzf", join(folder, filename), "-C", own, "--strip-components=1"]);
  const { dependencies, peerDependencies } = JSON.parse(
    await readFile(join(own, "package.json"), "utf8"),
  ) as Record<"dependencies" | "peerDependencies", Record<string, string>>;
  // Colyseus' server looks for a transport by itself.
  const names = [
    ...Object.keys({ ...dependencies, ...peerDependencies }),
    "@colyseus/ws-transport",
  ];
  for (const name of names) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(root, "node_modules", name), join(modules, name));
  }
  await writeFile(join(folder, "package.json"), '{ "type": "module" }\n');
}
