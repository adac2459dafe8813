/** How much a page loads for `Traveler`, beside the Colyseus SDK that it needs anyway. */
import { relative } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { table } from "../src/cli/output.ts";
import type { Section } from "./measure.ts";

/** What a page loads at once, and what it loads later, when it needs it: each with all that it draws in. */
interface Bundle {
  readonly atOnce: Uint8Array;
  readonly later: Uint8Array;
}

/** Splits at `import()`, as a game's own bundler does. */
async function bundled(contents: string, external: string[] = []): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: process.cwd(), loader: "js" },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    splitting: true,
    outdir: process.cwd(),
    format: "esm",
    platform: "browser",
    external,
    logLevel: "error",
  });
  const entry = Object.keys(metafile.outputs).find(
    (path) => metafile.outputs[path]?.entryPoint === "<stdin>",
  );
  const needed = new Set<string>();
  const need = (path: string): void => {
    if (needed.has(path)) return;
    needed.add(path);
    for (const { path: other, kind, external: isExternal } of metafile.outputs[path]?.imports ??
      []) {
      if (kind === "import-statement" && isExternal !== true) need(other);
    }
  };
  if (entry === undefined) throw new Error("there is no bundle of the entry");
  need(entry);
  const isNeeded = (path: string): boolean => needed.has(relative(process.cwd(), path));
  const contentsOf = (atOnce: boolean): Uint8Array =>
    Buffer.concat(
      outputFiles.filter(({ path }) => isNeeded(path) === atOnce).map((file) => file.contents),
    );
  return { atOnce: contentsOf(true), later: contentsOf(false) };
}

/** What a page with `Traveler` loads, by what is in it; the hand-over to other pages is loaded when it is needed. */
export async function measureBundles() {
  const traveler = 'export { Traveler } from "aether-federation/client";';
  const sdk = 'export { Client } from "@colyseus/sdk";';
  const both = await bundled(`${traveler} ${sdk}`);
  return {
    "Colyseus SDK alone": (await bundled(sdk)).atOnce,
    "with Traveler": both.atOnce,
    "Traveler alone": (await bundled(traveler, ["@colyseus/sdk"])).atOnce,
    "hand-over, when it is needed": both.later,
  };
}

/** Compressed as a web server does at best. */
export function gzipBytes(bytes: Uint8Array): number {
  return gzipSync(bytes, { level: 9 }).length;
}

/** Bytes, minified, and minified and compressed. */
export async function benchBundle(): Promise<Section[]> {
  const bundles = await measureBundles();
  const rows = Object.entries(bundles).map(([name, bytes]) => [
    name,
    kibibytes(bytes.length),
    kibibytes(gzipBytes(bytes)),
  ]);
  return [
    {
      title: "what a page loads",
      results: Object.entries(bundles).map(([name, { length }]) => ({
        name,
        median: length,
        low: length,
        high: length,
      })),
      text: table(["what a page loads", "KiB", "KiB gzip"], rows),
    },
  ];
}

function kibibytes(bytes: number): string {
  return (bytes / 1024).toFixed(1);
}
