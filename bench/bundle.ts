/** How much a page loads for `Traveler`, beside the Colyseus SDK that it needs anyway. */
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { table } from "../src/cli/output.ts";
import type { Section } from "./measure.ts";

async function bundled(contents: string, external: string[] = []): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: process.cwd(), loader: "js" },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    external,
    logLevel: "error",
  });
  return outputFiles[0]?.contents ?? new Uint8Array();
}

/** What a page with `Traveler` loads, by what is in it. */
export async function measureBundles() {
  const traveler = 'export { Traveler } from "aether-federation/client";';
  return {
    "Colyseus SDK alone": await bundled('export { Client } from "@colyseus/sdk";'),
    "with Traveler": await bundled(`${traveler} export { Client } from "@colyseus/sdk";`),
    "Traveler alone": await bundled(traveler, ["@colyseus/sdk"]),
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
