/** Files of a page as they are sent: compressed once, and kept by browsers for ever where their name tells the bytes. */
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Response } from "express";

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src *; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** Nearly as small as the best, in a tenth of the time. */
const BROTLI_QUALITY = 9;

/** One file in each way that a browser may ask for it. */
export interface Served {
  readonly type: string;
  readonly identity: Buffer;
  readonly br: Buffer;
  readonly gzip: Buffer;
}

/** For how long a browser keeps a file without asking again. */
export const CACHE = { forEver: "public, max-age=31536000, immutable", asks: "no-cache" } as const;

/** @param type As Express has it: an extension or a media type. */
export async function served(type: string, bytes: Uint8Array): Promise<Served> {
  const identity = Buffer.from(bytes);
  const [br, zipped] = await Promise.all([
    promisify(brotliCompress)(identity, {
      params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY },
    }),
    promisify(gzip)(identity, { level: 9 }),
  ]);
  return { type, identity, br, gzip: zipped };
}

/** Sends a file in the coding that was asked for, under a policy that lets a page run nothing but its own. */
export function send(response: Response, file: Served, cache: string): void {
  const coding = response.req.acceptsEncodings("br", "gzip") || "identity";
  response.set({
    ...{ "Content-Security-Policy": CSP, "Cache-Control": cache, Vary: "Accept-Encoding" },
    ...(coding === "identity" ? {} : { "Content-Encoding": coding }),
  });
  response.type(file.type).send(file[coding === "br" || coding === "gzip" ? coding : "identity"]);
}
