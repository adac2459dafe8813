/** The versions of Node.js that it runs on, and what is said where it does not. */
import { join } from "node:path";
import { freePort } from "../../src/testing/test-place.ts";
import type { Bench } from "./servers.ts";

/** A player crosses between two servers and back, on each. */
export async function nodes({ workshop, elsewhere }: Bench): Promise<void> {
  for (const version of ["22.19.0", "22", "24", "26"]) {
    const project = await workshop.project(`node-${version}`, {});
    await project.install(`node@${version}`);
    const program = join(project.path, "node_modules/node/bin/node");
    const on = elsewhere.with(program);
    const [one, other] = [await freePort(), await freePort()];
    const worlds = [
      await on.start(`http://localhost:${other}`, one),
      await on.start(`http://localhost:${one}`, other),
    ] as const;
    await on.cross(...worlds);
    await workshop.stopAll();
    console.log(`  Node.js ${(await project.run(program, "--version")).trim()}`);
  }
}

/** Node.js 20 and Colyseus 0.17 are told in one sentence what is needed. */
export async function older({ workshop }: Bench): Promise<void> {
  const project = await workshop.project("older", { "package.json": '{ "private": true }' });
  const flags = ["--legacy-peer-deps"];
  await project.install("node@20", "@colyseus/core@0.17", "@colyseus/schema@4", "express@5");
  await project.install(...flags, "tarball");
  const old = join(project.path, "node_modules/node/bin/node");
  for (const [program, args, said] of [
    [
      old,
      ["--input-type=module", "-e", 'import "aether-federation"'],
      /Error: aether-federation needs Node\.js 22\.19/u,
    ],
    [
      old,
      ["-e", 'require("aether-federation")'],
      /Error: aether-federation needs Node\.js 22\.19/u,
    ],
    [
      old,
      ["node_modules/aether-federation/dist/cli/main.js", "init"],
      /^[^\n]*ended with 1:\naether-federation needs Node\.js 22\.19/u,
    ],
    [
      process.execPath,
      ["--input-type=module", "-e", 'import "aether-federation"'],
      /Error: aether-federation needs Colyseus 0\.18, and this is @colyseus\/core 0\.17/u,
    ],
    [
      process.execPath,
      ["-e", 'require("aether-federation")'],
      /Error: aether-federation needs Colyseus 0\.18/u,
    ],
  ] as const) {
    const output = await project.run(program, ...args).then(
      () => "nothing",
      (cause: unknown) => (cause as Error).message,
    );
    if (!said.test(output)) throw new Error(`expected ${String(said)}, and heard: ${output}`);
  }
}
