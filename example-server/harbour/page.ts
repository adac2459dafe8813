/** Bundles the harbour's page and serves it at /play. Nothing is written to disk. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Router } from "express";
import { CACHE, type Served, send, served } from "../served.ts";

const folder = fileURLToPath(new URL("./page/", import.meta.url));

export async function harbourPage(): Promise<Router> {
  const [html, icon, bundle] = await Promise.all([
    readFile(`${folder}index.html`, "utf8"),
    readFile(`${folder}icon.svg`),
    build({
      entryPoints: [`${folder}main.ts`, `${folder}style.css`],
      // A part that is needed later is a file of its own, and a name tells the contents.
      ...{ bundle: true, splitting: true, format: "esm", target: "es2022", minify: true },
      ...{ entryNames: "[name]-[hash]", chunkNames: "[name]-[hash]", outdir: "/" },
      ...{ write: false, legalComments: "none", logLevel: "silent" },
    }),
  ]);
  const files = new Map<string, Served>();
  for (const { path, contents } of bundle.outputFiles) {
    files.set(basename(path), await served(path.endsWith(".css") ? "css" : "js", contents));
  }
  const built = (pattern: RegExp): string => [...files.keys()].find((n) => pattern.test(n)) ?? "";
  const index = await served(
    "html",
    Buffer.from(
      html
        .replace("{{style}}", built(/^style-.*\.css$/u))
        .replace("{{script}}", built(/^main-.*\.js$/u)),
    ),
  );
  const picture = await served("svg", icon);

  const router = Router();
  router.get("/", (_request, response) => {
    response.redirect("/play");
  });
  router.get("/play", (_request, response) => {
    send(response, index, CACHE.asks);
  });
  router.get("/play/icon.svg", (_request, response) => {
    send(response, picture, "max-age=3600");
  });
  router.get("/play/:file", (request, response, next) => {
    const file = files.get(request.params.file);
    if (file === undefined) next();
    else send(response, file, CACHE.forEver);
  });
  return router;
}
