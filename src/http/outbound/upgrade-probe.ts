/** Asks for an upgrade to a WebSocket, to see whether the way there lets one through; nothing is said over it. */
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { FederationError, type FederationErrorCode, isFederationErrorCode } from "../../errors.ts";
import { WEB_SOCKET_OPTIONS } from "../link/web-socket.ts";
import {
  MAX_HEADER_BYTES,
  type OutboundGuardOptions,
  asFederationError,
  checkUrl,
  guardedConnection,
} from "./outbound-guard.ts";

/** What was answered. */
export type UpgradeAnswer =
  | { readonly upgraded: true }
  | {
      readonly upgraded: false;
      readonly status: number;
      /** Of a problem document. */
      readonly code: FederationErrorCode | undefined;
    };

/** Asks at an `http:` or `https:` URL. Rejects with a FederationError where nothing is answered in time. */
export type UpgradeProbe = (url: string, protocols: readonly string[]) => Promise<UpgradeAnswer>;

const TIMEOUT_MILLISECONDS = 4_000;
const MAX_REFUSAL_BYTES = 16 * 1024;

/** Builds the probe; it goes only where the guard lets calls go. */
export function createUpgradeProbe(
  options: Pick<OutboundGuardOptions, "allowInsecure" | "allowPrivateNetwork">,
  timeoutMilliseconds: number = TIMEOUT_MILLISECONDS,
): UpgradeProbe {
  return async (target, protocols) => {
    const url = checkUrl(target, options);
    const connection = guardedConnection(url, options);
    return new Promise((resolve, reject) => {
      let timedOut = false;
      const socket = new WebSocket(url, [...protocols], {
        ...WEB_SOCKET_OPTIONS,
        ...connection,
        headers: { "User-Agent": "aether-federation" },
        maxHeaderSize: MAX_HEADER_BYTES,
        followRedirects: false,
        agent: false,
      });
      const end = (): void => {
        clearTimeout(timer);
        socket.terminate();
      };
      const timer = setTimeout(() => {
        timedOut = true;
        end();
        reject(new FederationError("ERR_FED_TIMEOUT", `${url.origin} did not answer in time.`));
      }, timeoutMilliseconds);
      socket.once("upgrade", () => {
        resolve({ upgraded: true });
      });
      socket.once("open", end);
      socket.on("unexpected-response", (_request, response) => {
        readCode(response)
          .then((code) => {
            resolve({ upgraded: false, status: response.statusCode ?? 0, code });
          }, reject)
          .finally(end);
      });
      socket.on("error", (cause) => {
        clearTimeout(timer);
        reject(asFederationError(cause, url.origin, timedOut));
      });
    });
  };
}

async function readCode(response: IncomingMessage): Promise<FederationErrorCode | undefined> {
  let text = "";
  response.setEncoding("utf8");
  for await (const chunk of response) {
    text += chunk as string;
    if (text.length > MAX_REFUSAL_BYTES) return undefined;
  }
  try {
    const { code } = (JSON.parse(text) ?? {}) as { readonly code?: unknown };
    return isFederationErrorCode(code) ? code : undefined;
  } catch {
    return undefined;
  }
}
