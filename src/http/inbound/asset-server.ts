/**
 * `GET|HEAD {endpoint}/assets/sha256/{hex}` (PROTOCOL 9): assets to whoever asks, peers and browsers.
 *
 * Nothing is signed and nobody is asked who they are: whoever knows the hash may have the bytes, and
 * checks them by it. An address names the same bytes for ever, so caches never ask again.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import type { ContentStore } from "../../assets/store/content-store.ts";
import type { OpenAsset, StoredAsset } from "../../assets/store/stored-asset.ts";
import { assetHash } from "../../assets/verify/integrity.ts";
import { isActive } from "../../assets/verify/media-type.ts";
import { FederationError, type FederationErrorCode } from "../../errors.ts";
import type { Clock, Logger } from "../../ports.ts";
import { parseByteRange } from "./byte-range.ts";
import { problem } from "./problem.ts";

/** Options of {@link createAssetServer}. */
export interface AssetServerOptions {
  readonly store: Pick<ContentStore, "open">;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Whether an asset is on its way here: undefined when it is not, else whether it came. A request
   * for it waits.
   */
  readonly pending?: ((hex: string) => Promise<boolean> | undefined) | undefined;
  /** How long a request waits for an asset on its way, then 503. Default 20. */
  readonly pendingTimeoutSeconds?: number | undefined;
  /** A client that takes nothing for this long is let go. Default 30. */
  readonly idleTimeoutSeconds?: number | undefined;
  /** Requests answered at once, those that wait included; beyond, 503. Default 256. */
  readonly maxConcurrentRequests?: number | undefined;
}

/**
 * Answers one request. `path` is what follows the endpoint, as it came: not decoded, without query.
 * Never rejects for what a client does; rejects when the store fails before anything was answered.
 */
export type AssetServer = (
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
) => Promise<void>;

/** Where assets are below the endpoint. */
const PREFIX = "/assets/";
/** Nothing is decoded and nothing normalized: one asset has one address. */
const ASSET_PATH = /^\/assets\/sha256\/([0-9a-f]{64})$/u;
const METHODS = "GET, HEAD, OPTIONS";
const IMMUTABLE = "public, max-age=31536000, immutable";
/** What writing to a client that went away fails with. */
const GONE = new Set([
  "ERR_STREAM_UNABLE_TO_PIPE",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ECONNRESET",
  "EPIPE",
  "ECONNABORTED",
]);
const EXPOSED =
  "Accept-Ranges, Content-Length, Content-Range, ETag, Repr-Digest, Retry-After, Content-Type";

/** Whether a path below the endpoint is for {@link createAssetServer}. */
export function isAssetPath(path: string): boolean {
  return path.startsWith(PREFIX);
}

/** The URL path below the endpoint of an asset. */
export function assetPath(hex: string): string {
  return `${PREFIX}sha256/${hex}`;
}

/** Serves the assets of a store. */
export function createAssetServer(options: AssetServerOptions): AssetServer {
  const limit = options.maxConcurrentRequests ?? 256;
  let busy = 0;
  return async (request, response, path) => {
    // The host's Colyseus allows credentials to every origin; a public file wants none.
    response.removeHeader("Access-Control-Allow-Credentials");
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Access-Control-Expose-Headers", EXPOSED);
    response.setHeader("Cross-Origin-Resource-Policy", "cross-origin");
    response.setHeader("X-Content-Type-Options", "nosniff");
    response.setHeader("Cache-Control", "no-store");
    const hex = ASSET_PATH.exec(path)?.[1];
    if (hex === undefined) {
      refuse(request, response, "ERR_FED_NOT_FOUND", {
        detail: "Assets are at /assets/sha256/ and 64 lower-case hexadecimal digits.",
      });
      return;
    }
    if (request.method === "OPTIONS") {
      response.setHeader("Access-Control-Allow-Methods", METHODS);
      response.setHeader("Access-Control-Allow-Headers", "Range, If-Range, If-None-Match");
      response.setHeader("Access-Control-Max-Age", 86_400);
      response.writeHead(204).end();
      return;
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", METHODS);
      refuse(request, response, "ERR_FED_METHOD_NOT_ALLOWED", { detail: `Use ${METHODS}.` });
      return;
    }
    if (busy >= limit) {
      refuse(request, response, "ERR_FED_UNAVAILABLE", { retryAfterSeconds: 1 });
      return;
    }
    busy += 1;
    try {
      await serve(options, request, response, hex);
    } finally {
      busy -= 1;
    }
  };
}

async function serve(
  options: AssetServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  hex: string,
): Promise<void> {
  let opened = await options.store.open(hex);
  if (opened === undefined) {
    const coming = await arrival(options, response, hex);
    if (coming === "late") {
      refuse(request, response, "ERR_FED_UNAVAILABLE", {
        detail: "The asset is still on its way here.",
        retryAfterSeconds: 5,
      });
      return;
    }
    if (coming === "came") opened = await options.store.open(hex);
  }
  if (opened === undefined) {
    refuse(request, response, "ERR_FED_ASSET_UNKNOWN");
    return;
  }
  try {
    await answer(options, request, response, opened);
  } finally {
    await opened.close();
  }
}

/** Waits for an asset on its way, for so long and while the client is there. */
async function arrival(
  options: AssetServerOptions,
  response: ServerResponse,
  hex: string,
): Promise<"came" | "did not" | "late"> {
  const pending = options.pending?.(hex);
  if (pending === undefined || response.destroyed) return "did not";
  const { clock } = options;
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(
      () => {
        settle("late");
      },
      (options.pendingTimeoutSeconds ?? 20) * 1000,
    );
    const settle = (how: "came" | "did not" | "late"): void => {
      clock.clearTimeout(timer);
      response.off("close", gone);
      resolve(how);
    };
    const gone = (): void => {
      settle("did not");
    };
    response.once("close", gone);
    pending.then(
      (came) => {
        settle(came ? "came" : "did not");
      },
      (cause: unknown) => {
        settle("did not");
        reject(cause instanceof Error ? cause : new Error(String(cause)));
      },
    );
  });
}

async function answer(
  options: AssetServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  opened: OpenAsset,
): Promise<void> {
  const { asset } = opened;
  const { headers } = request;
  const etag = `"${asset.hex}"`;
  response.setHeader("ETag", etag);
  response.setHeader("Cache-Control", IMMUTABLE);
  response.setHeader("Accept-Ranges", "bytes");
  if (matches(headers["if-none-match"], etag)) {
    response.writeHead(304).end();
    return;
  }
  describe(response, asset);
  // Ranges are GET's alone (RFC 9110 14.2), and of these bytes if the client has others (13.1.5).
  const asked =
    request.method === "GET" && (headers["if-range"] ?? etag) === etag ? headers.range : undefined;
  const range = parseByteRange(asked, asset.size);
  if (range === "unsatisfiable") {
    response.setHeader("Content-Range", `bytes */${asset.size}`);
    // What is sent is about the asset, not of it.
    response.removeHeader("Repr-Digest");
    response.removeHeader("ETag");
    response.removeHeader("Content-Disposition");
    response.setHeader("Cache-Control", "no-store");
    response.writeHead(416, { "Content-Length": 0 }).end();
    return;
  }
  if (range === undefined) {
    response.writeHead(200, { "Content-Length": asset.size });
  } else {
    response.writeHead(206, {
      "Content-Length": range.end - range.start + 1,
      "Content-Range": `bytes ${range.start}-${range.end}/${asset.size}`,
    });
  }
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  response.setTimeout((options.idleTimeoutSeconds ?? 30) * 1000, () => {
    response.destroy();
  });
  try {
    await pipeline(opened.stream(range), response);
  } catch (cause) {
    // The client sees too few bytes; there is no other way left to tell it.
    if (!GONE.has((cause as NodeJS.ErrnoException).code ?? "")) {
      options.logger.error(`serving asset ${asset.hash} failed`, cause);
    }
  }
}

function describe(response: ServerResponse, asset: StoredAsset): void {
  const { mediaType, hex } = asset;
  const digest = assetHash("sha256", Buffer.from(hex, "hex")).sri.slice("sha256-".length);
  response.setHeader("Content-Type", mediaType);
  response.setHeader("Repr-Digest", `sha-256=:${digest}:`);
  // Opened by itself it runs nothing and is nobody's page. A picture may style itself: Firefox holds
  // an SVG in an <img> to this policy too.
  const styles = mediaType === "image/svg+xml" ? "style-src 'unsafe-inline'; " : "";
  response.setHeader("Content-Security-Policy", `default-src 'none'; ${styles}sandbox`);
  // Navigation downloads it; <img>, fetch() and the like do not look at this.
  if (isActive(mediaType)) response.setHeader("Content-Disposition", "attachment");
}

/** The weak comparison of RFC 9110 13.1.2. */
function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  return header.split(",").some((tag) => tag.trim().replace(/^W\//u, "") === etag);
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  code: FederationErrorCode,
  more: { readonly detail?: string; readonly retryAfterSeconds?: number } = {},
): void {
  if (response.headersSent || response.destroyed) return;
  const { retryAfterSeconds } = more;
  const body = Buffer.from(JSON.stringify(problem(code, more.detail, retryAfterSeconds)));
  response.setHeader("Content-Type", "application/problem+json");
  response.setHeader("Content-Length", body.length);
  if (retryAfterSeconds !== undefined) response.setHeader("Retry-After", retryAfterSeconds);
  response.statusCode = new FederationError(code).status;
  response.end(request.method === "HEAD" ? undefined : body);
}
