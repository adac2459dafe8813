/**
 * `GET {endpoint}/link` with an upgrade to a WebSocket (PROTOCOL 12): looks at who asks as at any peer, and
 * refuses as any call is refused, before anything is upgraded.
 */
import { type IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import {
  LINK_KEY_HEADER,
  type SignedMessageParts,
  signResponse,
} from "../../identity/http-signatures.ts";
import { Quota } from "../../limits/quota.ts";
import { createEphemeralKey } from "../../link/keys.ts";
import type { Links } from "../../link/links.ts";
import type { Logger } from "../../ports.ts";
import { type Answer, type AnswerSigner, refusal, send, sendSigned } from "./answers.ts";
import { type CallerParts, type Peer, headOf, peerOf } from "./caller.ts";
import { LINK_SUBPROTOCOL, TRACED_LINK_SUBPROTOCOL, keysOfOpening } from "../link/opening.ts";
import { WEB_SOCKET_OPTIONS, WebSocketPort } from "../link/web-socket.ts";

/** Options of {@link LinkDoor}. */
export interface LinkDoorOptions extends CallerParts, AnswerSigner {
  readonly links: Links;
  readonly logger: Logger;
}

/** One peer needs no more than one for each of its processes. */
const OPENINGS_PER_MINUTE_PER_PEER = 30;
/** How long who was refused may take to read why. */
const LINGER_MILLISECONDS = 1_000;

/** Accepts links. */
export class LinkDoor {
  readonly #options: LinkDoorOptions;
  readonly #openings: Quota;
  readonly #server = new WebSocketServer({
    ...WEB_SOCKET_OPTIONS,
    noServer: true,
    clientTracking: false,
    handleProtocols: (offered) =>
      offered.has(TRACED_LINK_SUBPROTOCOL) ? TRACED_LINK_SUBPROTOCOL : LINK_SUBPROTOCOL,
  });
  /** Headers of the answers that are on their way out. */
  readonly #granting = new WeakMap<IncomingMessage, Readonly<Record<string, string>>>();

  constructor(options: LinkDoorOptions) {
    this.#options = options;
    const { clock } = options;
    this.#openings = new Quota({ clock, perMinute: OPENINGS_PER_MINUTE_PER_PEER });
    this.#server.on("headers", (lines, request) => {
      for (const [name, value] of Object.entries(this.#granting.get(request) ?? {})) {
        lines.push(`${name}: ${value}`);
      }
    });
  }

  /** Answers a request for a link; `targetUri` is what its signature covers. Never rejects. */
  async open(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    targetUri: string,
  ): Promise<void> {
    const { headers } = request;
    const method = request.method ?? "GET";
    const message: SignedMessageParts = { method, targetUri, headers, body: undefined };
    try {
      if (!isLinkRequest(request)) {
        refuseUpgrade(
          request,
          socket,
          refusal("ERR_FED_MALFORMED", `A link is opened by GET, for ${LINK_SUBPROTOCOL}.`),
        );
        return;
      }
      const asked = await headOf(this.#options, message, { hasBody: false, forLink: true });
      const peer = "refused" in asked ? asked : await peerOf(this.#options, message, asked);
      if ("refused" in peer) {
        const answer = refusal(peer.refused, peer.reason);
        if (peer.verified) await this.#refuse(request, socket, message, answer);
        else refuseUpgrade(request, socket, answer);
        return;
      }
      const answer = this.#refusalOf(peer);
      if (answer !== undefined) await this.#refuse(request, socket, message, answer);
      else await this.#grant(peer, { request, socket, head, message });
    } catch (cause) {
      this.#options.logger.error(`a link could not be opened`, cause);
      refuseUpgrade(request, socket, refusal("ERR_FED_UNAVAILABLE"));
    }
  }

  #refusalOf({ origin }: Peer): Answer | undefined {
    const wait = this.#openings.take(origin);
    if (wait > 0) return refusal("ERR_FED_RATE_LIMITED", undefined, wait);
    const code = this.#options.links.refusal(origin);
    return code === undefined ? undefined : refusal(code);
  }

  async #grant(
    { origin, kid }: Peer,
    asked: {
      readonly request: IncomingMessage;
      readonly socket: Duplex;
      readonly head: Buffer;
      readonly message: SignedMessageParts;
    },
  ): Promise<void> {
    const { request, socket, head, message } = asked;
    const { clock, random, links, registry, signingKey } = this.#options;
    const session = registry.liveSession(origin);
    const own = createEphemeralKey(random);
    const { headers } = await signResponse(
      { status: 101, body: new Uint8Array(), linkKey: own.publicKey },
      message,
      { origin: this.#options.origin, key: signingKey() },
      { clock, random },
    );
    const keys = keysOfOpening(own, message.headers[LINK_KEY_HEADER], {
      ...{ opener: origin, accepter: this.#options.origin },
      ...{ request: message.headers, answer: headers },
    });
    if (keys === undefined || session === undefined) {
      const code = keys === undefined ? "ERR_FED_MALFORMED" : "ERR_FED_HANDSHAKE_REQUIRED";
      await this.#refuse(request, socket, message, refusal(code));
      return;
    }
    this.#granting.set(request, headers);
    this.#server.handleUpgrade(request, socket, head, (opened) => {
      links.accept(origin, session.sessionId, {
        socket: new WebSocketPort(opened),
        kid,
        traced: opened.protocol === TRACED_LINK_SUBPROTOCOL,
        keys: { sending: keys.byAccepter, receiving: keys.byOpener },
      });
    });
  }

  async #refuse(
    request: IncomingMessage,
    socket: Duplex,
    message: SignedMessageParts,
    answer: Answer,
  ): Promise<void> {
    const response = responseOn(request, socket);
    if (response !== undefined) await sendSigned(this.#options, message, response, answer);
  }
}

function isLinkRequest({ method, headers }: IncomingMessage): boolean {
  const offered = headers["sec-websocket-protocol"]?.split(",").map((each) => each.trim());
  return (
    method === "GET" &&
    headers.upgrade?.toLowerCase() === "websocket" &&
    offered?.includes(LINK_SUBPROTOCOL) === true
  );
}

/** Answers an upgrade by HTTP, without a signature, and closes the connection. */
export function refuseUpgrade(request: IncomingMessage, socket: Duplex, answer: Answer): void {
  const response = responseOn(request, socket);
  if (response !== undefined) send(response, answer);
}

/** An HTTP answer to a request that Node has handed over as an upgrade; undefined when nobody is there. */
function responseOn(request: IncomingMessage, socket: Duplex): ServerResponse | undefined {
  if (socket.destroyed || !socket.writable) {
    socket.destroy();
    return undefined;
  }
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as never);
  response.on("finish", () => {
    response.detachSocket(socket as never);
    socket.end();
    // What it still sends is not waited for.
    socket.resume();
    setTimeout(() => socket.destroy(), LINGER_MILLISECONDS).unref();
  });
  return response;
}
