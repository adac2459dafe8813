/** The guarded GET of assets: as the outbound guard's fetch, but the body is read as it comes. */
import type { StreamFetch, StreamRequest, StreamResponse } from "../../ports.ts";
import {
  type OutboundGuardOptions,
  asFederationError,
  checkUrl,
  createGuardedAgent,
  plainHeaders,
  redirects,
} from "./outbound-guard.ts";

/** Options of {@link createAssetSource}: the guard's; sizes and times are the transfer's to keep. */
export type AssetSourceOptions = Pick<
  OutboundGuardOptions,
  "allowInsecure" | "allowPrivateNetwork" | "connectTimeoutMilliseconds" | "connectionsPerServer"
>;

/** Builds the port that assets come in by, with connections of its own: calls do not wait for files. */
export function createAssetSource(
  options: AssetSourceOptions,
): StreamFetch & { close(): Promise<void> } {
  const agent = createGuardedAgent(options, { headersTimeout: 0, bodyTimeout: 0 });

  const open = async (request: StreamRequest): Promise<StreamResponse> => {
    const url = checkUrl(request.url, options);
    try {
      const { statusCode, headers, body } = await agent.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: "GET",
        headers: { "user-agent": "aether-federation", ...request.headers },
        signal: request.signal,
      });
      // A body given up on reports that as an error; unheard, it would end the process.
      body.on("error", () => undefined);
      if (statusCode >= 300 && statusCode < 400) {
        body.destroy();
        throw redirects(url.origin);
      }
      return {
        status: statusCode,
        headers: plainHeaders(headers),
        body: pieces(body, url.origin),
        cancel: () => {
          body.destroy();
        },
      };
    } catch (cause) {
      throw asFederationError(cause, url.origin, request.signal.aborted);
    }
  };
  return Object.assign(open, { close: () => agent.destroy() });
}

async function* pieces(
  body: AsyncIterable<Uint8Array>,
  origin: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* body;
  } catch (cause) {
    throw asFederationError(cause, origin, false);
  }
}
