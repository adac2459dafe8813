/**
 * Opens links (PROTOCOL 12): a signed request for an upgrade, which goes only where the guard lets calls go,
 * and an answer that is believed once its signature binds it to the request.
 */
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { FederationError, isFederationErrorCode } from "../../errors.ts";
import type { VerifyKey } from "../../identity/ed25519.ts";
import {
  LINK_KEY_HEADER,
  type SignedMessageParts,
  signRequest,
  verifyResponse,
} from "../../identity/http-signatures.ts";
import type { SigningKey } from "../../identity/server-keys.ts";
import { createEphemeralKey } from "../../link/keys.ts";
import type { LinkTerms, OpenedSocket } from "../../link/links.ts";
import type { Clock, Random } from "../../ports.ts";
import {
  LINK_PATH,
  LINK_SUBPROTOCOL,
  TRACED_LINK_SUBPROTOCOL,
  keysOfOpening,
} from "../link/opening.ts";
import { WEB_SOCKET_OPTIONS, WebSocketPort } from "../link/web-socket.ts";
import {
  MAX_HEADER_BYTES,
  type OutboundGuardOptions,
  asFederationError,
  checkUrl,
  guardedConnection,
  plainHeaders,
} from "./outbound-guard.ts";

/** Options of {@link createLinkDialer}. */
export interface LinkDialerOptions extends Pick<
  OutboundGuardOptions,
  "allowInsecure" | "allowPrivateNetwork"
> {
  readonly origin: string;
  readonly signingKey: () => SigningKey;
  /** A pinned key of a peer. */
  readonly keyFor: (origin: string, kid: string) => VerifyKey | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** From the connection to the answer. Default 5000. */
  readonly timeoutMilliseconds?: number;
}

const TIMEOUT_MILLISECONDS = 5_000;
const MAX_REFUSAL_BYTES = 16 * 1024;
/** Refusals that time, or a handshake, mends: whatever else is answered, the way lets no link through. */
const PASSING_STATUSES = new Set([401, 403, 429, 503]);

/**
 * How links are opened.
 *
 * Rejects with a FederationError: `ERR_FED_NOT_FOUND` where what stands between lets no link through, or
 * the peer has none; the peer's own code; `ERR_FED_UNREACHABLE`, `ERR_FED_FORBIDDEN_ADDRESS`,
 * `ERR_FED_BAD_RESPONSE`.
 */
export function createLinkDialer(
  options: LinkDialerOptions,
): (origin: string, terms: LinkTerms) => Promise<OpenedSocket> {
  const { clock, random, signingKey, keyFor } = options;
  return async (origin, { endpoint }) => {
    const targetUri = `${endpoint.replace(/\/$/u, "")}${LINK_PATH}`;
    const url = checkUrl(targetUri, options);
    const own = createEphemeralKey(random);
    const { headers } = await signRequest(
      { method: "GET", targetUri, recipient: origin, linkKey: own.publicKey },
      { origin: options.origin, key: signingKey() },
      { clock, random },
    );
    const request: SignedMessageParts = { method: "GET", targetUri, headers, body: undefined };
    const { socket, answer } = await upgrade(url, headers, options);
    const answered = plainHeaders(answer.headers);
    const verified = await verifyResponse(
      { status: 101, headers: answered, body: new Uint8Array() },
      request,
      { ...{ clock, origin, keyFor }, forLink: true },
    );
    const keys = verified.verified
      ? keysOfOpening(own, answered[LINK_KEY_HEADER], {
          ...{ opener: options.origin, accepter: origin },
          ...{ request: headers, answer: answered },
        })
      : undefined;
    if (!verified.verified || keys === undefined) {
      socket.terminate();
      throw new FederationError(
        "ERR_FED_BAD_RESPONSE",
        `${origin} opened a link without a signature that verifies.`,
      );
    }
    return {
      socket: new WebSocketPort(socket),
      kid: verified.kid,
      traced: socket.protocol === TRACED_LINK_SUBPROTOCOL,
      keys: { sending: keys.byOpener, receiving: keys.byAccepter },
    };
  };
}

async function upgrade(
  url: URL,
  headers: Readonly<Record<string, string>>,
  options: LinkDialerOptions,
): Promise<{ readonly socket: WebSocket; readonly answer: IncomingMessage }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, [TRACED_LINK_SUBPROTOCOL, LINK_SUBPROTOCOL], {
      ...WEB_SOCKET_OPTIONS,
      ...guardedConnection(url, options),
      headers: { "User-Agent": "aether-federation", ...headers },
      maxHeaderSize: MAX_HEADER_BYTES,
      followRedirects: false,
      agent: false,
    });
    let answer: IncomingMessage | undefined;
    let timedOut = false;
    const fail = (cause: unknown): void => {
      clearTimeout(timer);
      reject(cause instanceof Error ? cause : new FederationError("ERR_FED_UNREACHABLE"));
      socket.terminate();
    };
    // An answer that drips is not waited for, nor one that never comes: some proxies swallow upgrades.
    const timer = setTimeout(() => {
      timedOut = true;
      fail(notHere(url, "no answer in time"));
    }, options.timeoutMilliseconds ?? TIMEOUT_MILLISECONDS);
    socket.once("upgrade", (response) => {
      answer = response;
    });
    socket.once("open", () => {
      clearTimeout(timer);
      if (answer === undefined) fail(notHere(url, "no answer"));
      else {
        // Nothing is read before somebody listens.
        socket.pause();
        resolve({ socket, answer });
      }
    });
    socket.on("unexpected-response", (_request, response) => {
      readRefusal(url, response).then(fail, fail);
    });
    socket.on("error", (cause) => {
      // What answered, but not as a WebSocket, will not do so the next time either.
      const code = (cause as NodeJS.ErrnoException).code;
      const garbled = code === undefined || code.startsWith("HPE_");
      fail(
        garbled && !(cause instanceof FederationError)
          ? notHere(url, cause.message)
          : asFederationError(cause, url.origin, timedOut),
      );
    });
  });
}

/** What a refusal says, which nobody acts on but by waiting. */
async function readRefusal(url: URL, response: IncomingMessage): Promise<FederationError> {
  const status = response.statusCode ?? 0;
  let text = "";
  response.setEncoding("utf8");
  for await (const chunk of response) {
    text += chunk as string;
    if (text.length > MAX_REFUSAL_BYTES) break;
  }
  response.destroy();
  if (!PASSING_STATUSES.has(status)) return notHere(url, `HTTP ${status}`);
  const code = codeIn(text);
  return isFederationErrorCode(code)
    ? new FederationError(code, `${url.origin} opens no link.`)
    : notHere(url, `HTTP ${status}`);
}

function codeIn(text: string): unknown {
  try {
    return (JSON.parse(text) as { code?: unknown } | null)?.code;
  } catch {
    return undefined;
  }
}

function notHere(url: URL, why: string): FederationError {
  return new FederationError("ERR_FED_NOT_FOUND", `${url.origin} opens no link (${why}).`);
}
