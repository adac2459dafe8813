/** Bundles and serves the page at `/`: its parts are named by their bytes, kept by browsers for ever, and compressed. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Router } from "express";
import { iconOf } from "./art/icon.ts";
import { CACHE, type Served, send, served } from "./served.ts";
import { themeOf } from "./theme.ts";

const folder = fileURLToPath(new URL("./page/", import.meta.url));

/** The page of one world, ready to be sent. */
interface Page {
  readonly index: Served;
  /** Its parts, by name. */
  readonly parts: ReadonlyMap<string, Served>;
}

/**
 * Serves the page of one world: it is built in memory when the first visitor comes.
 *
 * @param world Name of the world.
 * @param origin Of its server, as players reach it.
 */
export function servePage(world: string, origin: string): Router {
  const router = Router();
  let page: Promise<Page> | undefined;
  const built = (): Promise<Page> => {
    page ??= buildPage(world, origin).catch((error: unknown) => {
      page = undefined;
      throw error;
    });
    return page;
  };
  router.get("/", async (_request, response) => {
    send(response, (await built()).index, CACHE.asks);
  });
  router.get("/page/:name", async (request, response, next) => {
    const part = (await built()).parts.get(request.params.name);
    if (part === undefined) next();
    else send(response, part, CACHE.forEver);
  });
  // For who asks without having read the page, which names its icon.
  router.get("/favicon.ico", (_request, response) => {
    response.set("Cache-Control", "no-cache").type("svg").send(iconOf(world));
  });
  return router;
}

async function buildPage(world: string, origin: string): Promise<Page> {
  const theme = themeOf(world);
  const [html, css, preview, bundle] = await Promise.all([
    readFile(`${folder}index.html`, "utf8"),
    readFile(`${folder}style.css`, "utf8"),
    readFile(`${folder}preview.jpg`),
    build({
      entryPoints: { main: `${folder}main.ts` },
      outdir: folder,
      bundle: true,
      splitting: true,
      minify: true,
      write: false,
      format: "esm",
      target: "es2022",
      entryNames: "[name]-[hash]",
      chunkNames: "part-[hash]",
      legalComments: "none",
      logLevel: "silent",
    }),
  ]);
  // In the world's colours before any script has run.
  const style = Buffer.from(`${css}:root{--accent:${theme.accent};--beyond:${theme.beyond}}`);
  const icon = Buffer.from(iconOf(world));
  const files = {
    style: { name: named("style", "css", style), type: "css", bytes: style },
    icon: { name: named("icon", "svg", icon), type: "svg", bytes: icon },
    preview: { name: named("preview", "jpg", preview), type: "jpg", bytes: preview },
  };
  const scripts = bundle.outputFiles.map(({ path, contents }) => {
    return { name: basename(path), type: "js", bytes: Buffer.from(contents) };
  });
  const { host } = new URL(origin);
  const main = scripts.find(({ name }) => name.startsWith("main-"))?.name ?? "";
  const values: Readonly<Record<string, string>> = {
    ...{ world, host, title: `${world} · ${host}`, motto: theme.motto },
    script: `/page/${main}`,
    style: `/page/${files.style.name}`,
    icon: `/page/${files.icon.name}`,
    preview: `${origin}/page/${files.preview.name}`,
  };
  const index = html.replace(/\{\{(\w+)\}\}/gu, (_, key: string) => values[key] ?? "");
  const parts = await Promise.all(
    [...scripts, ...Object.values(files)].map(
      async ({ name, type, bytes }) => [name, await served(type, bytes)] as const,
    ),
  );
  return { index: await served("html", Buffer.from(index)), parts: new Map(parts) };
}

function named(name: string, ending: string, bytes: Buffer): string {
  return `${name}-${createHash("sha256").update(bytes).digest("hex").slice(0, 10)}.${ending}`;
}
