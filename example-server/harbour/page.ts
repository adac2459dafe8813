/** Bundles the harbour's page and serves it at /play. Nothing is written to disk. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { build } from "esbuild";
import { type Response, Router } from "express";

const folder = fileURLToPath(new URL("./page/", import.meta.url));
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src *; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FOREVER = "public, max-age=31536000, immutable";

/** One file in every encoding that a browser may ask for. */
type Served = Readonly<Record<"br" | "gzip" | "identity", Buffer>> & { readonly type: string };

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
    files.set(basename(path), await serve(path.endsWith(".css") ? "css" : "js", contents));
  }
  const built = (pattern: RegExp): string => [...files.keys()].find((n) => pattern.test(n)) ?? "";
  const index = await serve(
    "html",
    Buffer.from(
      html
        .replace("{{style}}", built(/^style-.*\.css$/u))
        .replace("{{script}}", built(/^main-.*\.js$/u)),
    ),
  );
  const picture = await serve("svg", icon);

  const router = Router();
  router.get("/", (_request, response) => {
    response.redirect("/play");
  });
  router.get("/play", (_request, response) => {
    send(response.set("Content-Security-Policy", CSP), index, "no-cache");
  });
  router.get("/play/icon.svg", (_request, response) => {
    send(response, picture, "max-age=3600");
  });
  router.get("/play/:file", (request, response, next) => {
    const file = files.get(request.params.file);
    if (file === undefined) next();
    else send(response, file, FOREVER);
  });
  return router;
}

async function serve(type: string, contents: Uint8Array): Promise<Served> {
  const identity = Buffer.from(contents);
  const [br, zipped] = await Promise.all([
    // Nearly as small as the best, in a tenth of the time.
    promisify(brotliCompress)(identity, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
    promisify(gzip)(identity),
  ]);
  return { type, identity, br, gzip: zipped };
}

function send(response: Response, file: Served, caching: string): void {
  const wanted = response.req.acceptsEncodings("br", "gzip", "identity");
  const encoding = wanted === "br" || wanted === "gzip" ? wanted : "identity";
  response.set({ "Cache-Control": caching, Vary: "Accept-Encoding" }).type(file.type);
  if (encoding !== "identity") response.set("Content-Encoding", encoding);
  response.send(file[encoding]);
}
