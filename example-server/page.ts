/** Bundles and serves the page at `/`: its parts are named by their bytes, kept by browsers for ever, and compressed. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import { build } from "esbuild";
import { type Request, type Response, Router } from "express";
import { iconOf } from "./art/icon.ts";
import { themeOf } from "./theme.ts";

const folder = fileURLToPath(new URL("./page/", import.meta.url));
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src *; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FOR_EVER = "public, max-age=31536000, immutable";

/** One file as it is sent, in each way that a browser may ask for it. */
interface Served {
  readonly type: string;
  readonly plain: Buffer;
  readonly br: Buffer;
  readonly gzip: Buffer;
}

/**
 * Builds the page of one world; nothing is written to disk.
 *
 * @param world Name of the world.
 * @param origin Of its server, as players reach it.
 */
export async function servePage(world: string, origin: string): Promise<Router> {
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
  const colours = `:root{--accent:${theme.accent};--beyond:${theme.beyond}}`;
  const style = Buffer.from(`${css}${colours}`);
  const router = Router();
  const serve = async (name: string, type: string, bytes: Buffer): Promise<string> => {
    const file = await compressed(type, bytes);
    router.get(`/page/${name}`, (request, response) => {
      send(request, response, file, FOR_EVER);
    });
    return `/page/${name}`;
  };
  const scripts = await Promise.all(
    bundle.outputFiles.map(({ path, contents }) =>
      serve(basename(path), "js", Buffer.from(contents)),
    ),
  );
  const iconBytes = Buffer.from(iconOf(world));
  const icon = await serve(named("icon", "svg", iconBytes), "svg", iconBytes);
  const values: Readonly<Record<string, string>> = {
    world,
    host: new URL(origin).host,
    title: `${world} · ${new URL(origin).host}`,
    motto: theme.motto,
    script: scripts.find((path) => path.startsWith("/page/main-")) ?? "",
    style: await serve(named("style", "css", style), "css", style),
    icon,
    preview: `${origin}${await serve(named("preview", "jpg", preview), "jpg", preview)}`,
  };
  const index = await compressed(
    "html",
    Buffer.from(html.replace(/\{\{(\w+)\}\}/gu, (_, key: string) => values[key] ?? "")),
  );
  router.get("/", (request, response) => {
    send(request, response, index, "no-cache");
  });
  router.get("/favicon.ico", (_request, response) => {
    response.redirect(302, icon);
  });
  return router;
}

function send(request: Request, response: Response, file: Served, cache: string): void {
  const coding = request.acceptsEncodings("br", "gzip") || "identity";
  response.set({
    ...{ "Content-Security-Policy": CSP, "Cache-Control": cache, Vary: "Accept-Encoding" },
    ...(coding === "identity" ? {} : { "Content-Encoding": coding }),
  });
  const body = coding === "br" ? file.br : coding === "gzip" ? file.gzip : file.plain;
  response.type(file.type).send(body);
}

async function compressed(type: string, plain: Buffer): Promise<Served> {
  const [br, gz] = await Promise.all([
    promisify(brotliCompress)(plain),
    promisify(gzip)(plain, { level: 9 }),
  ]);
  return { type, plain, br, gzip: gz };
}

function named(name: string, ending: string, bytes: Buffer): string {
  return `${name}-${createHash("sha256").update(bytes).digest("hex").slice(0, 10)}.${ending}`;
}
