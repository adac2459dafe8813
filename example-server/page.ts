/** Bundles and serves the page at `/`. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Router } from "express";
import { themeOf } from "./theme.ts";

const folder = fileURLToPath(new URL("./page/", import.meta.url));
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src *; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Builds the page of one world; nothing is written to disk. */
export async function servePage(world: string): Promise<Router> {
  const [html, style, bundle] = await Promise.all([
    readFile(`${folder}index.html`, "utf8"),
    readFile(`${folder}style.css`),
    build({
      entryPoints: [`${folder}main.ts`],
      bundle: true,
      minify: true,
      write: false,
      format: "esm",
      target: "es2022",
      legalComments: "none",
      logLevel: "silent",
    }),
  ]);
  const script = Buffer.from(bundle.outputFiles[0]?.contents ?? []);
  const index = html.replaceAll("{{world}}", world).replaceAll("{{accent}}", themeOf(world).accent);
  const router = Router();
  const send = (path: string, type: string, body: string | Buffer): void => {
    router.get(path, (_request, response) => {
      response
        .set({ "Content-Security-Policy": CSP, "Cache-Control": "no-cache" })
        .type(type)
        .send(body);
    });
  };
  send("/", "html", index);
  send("/page/style.css", "css", style);
  send("/page/main.js", "js", script);
  router.get("/favicon.ico", (_request, response) => {
    response.status(204).end();
  });
  return router;
}
