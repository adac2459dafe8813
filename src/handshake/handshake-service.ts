/**
 * The handshake over the wire (PROTOCOL 2–4): performs handshakes with other servers, answers theirs,
 * applies the trust policy, records sessions.
 *
 * Input that is not authenticated never changes a peer's state.
 */
import {
  ERROR_CODES,
  FederationError,
  type FederationErrorCode,
  type Refusal,
  isTrustRefusal,
} from "../errors.ts";
import { shownText } from "../words.ts";
import type { VerifyKey } from "../identity/ed25519.ts";
import type { SignedMessageParts } from "../identity/http-signatures.ts";
import type { Logger } from "../ports.ts";
import { Attribute } from "../telemetry/names.ts";
import { NO_TELEMETRY, type Telemetry } from "../telemetry/telemetry.ts";
import { type FederatedServer, TrustState } from "../registry/federated-server.ts";
import type { ReadDescriptor } from "../registry/move-verdict.ts";
import {
  type HandshakeAnswer,
  HandshakeResponder,
  type HandshakeResponderOptions,
} from "./handshake-responder.ts";
import { sessionSchema } from "./messages.ts";
import { BegunSessions } from "./begun-sessions.ts";
import { PeerDescriptors, keyIn } from "./peer-descriptors.ts";
import { PeerMoves } from "./peer-moves.ts";
import { recordSession } from "./session-record.ts";
import type { HandshakeTransport } from "./transport.ts";
import { decideTrust } from "./trust-policy.ts";

/** Options of {@link HandshakeService}. */
export interface HandshakeServiceOptions extends HandshakeResponderOptions {
  readonly transport: HandshakeTransport;
  readonly logger: Logger;
  /** Default: none. */
  readonly telemetry?: Telemetry | undefined;
}

/** A server whose key is stolen has so long to notice that its origin does not answer. */
const MOVE_GRACE_SECONDS = 24 * 3600;

/** Performs handshakes with other servers and answers theirs. */
export class HandshakeService {
  readonly #options: HandshakeServiceOptions;
  readonly #descriptors: PeerDescriptors;
  readonly #moves: PeerMoves;
  readonly #responder: HandshakeResponder;
  /** Named servers that are not met yet, and why. */
  readonly #refusedBy = new Map<string, FederationErrorCode>();
  readonly #connecting = new Map<string, Promise<FederatedServer>>();

  constructor(options: HandshakeServiceOptions) {
    const { begun = new BegunSessions(options.clock) } = options;
    this.#options = { ...options, begun };
    this.#descriptors = new PeerDescriptors({
      ...options,
      onRead: (read) => this.#moves.followFrom(read),
    });
    const { registry, clock, moveGraceSeconds: graceSeconds = MOVE_GRACE_SECONDS } = options;
    this.#moves = new PeerMoves({ registry, clock, graceSeconds, descriptors: this.#descriptors });
    this.#responder = new HandshakeResponder(this.#options, this.#descriptors, this.#moves);
  }

  /**
   * Shakes hands with a server, where it is now; one at a time per origin. `over` is the id of a session that the server does
   * not know any more.
   *
   * @throws FederationError with the reason: `ERR_FED_UNREACHABLE`, `ERR_FED_KEY_CHANGED`,
   * `ERR_FED_NOT_TRUSTED`, `ERR_FED_BLOCKED`, `ERR_FED_BAD_RESPONSE`, …
   */
  connect(named: string, over?: string): Promise<FederatedServer> {
    const origin = this.#options.registry.currentOrigin(named);
    if (over !== undefined) this.#options.begun?.end(origin, over);
    const running = this.#connecting.get(origin);
    if (running !== undefined) return running;
    const { telemetry = NO_TELEMETRY } = this.#options;
    const labels = { [Attribute.Role]: "initiator" };
    const details = { [Attribute.Peer]: origin };
    const work = telemetry
      .run({ kind: "handshake", labels, details }, () => this.#connect(origin))
      .catch((cause: unknown) => {
        this.#tellOfRefusal(origin, cause);
        throw cause;
      })
      .finally(() => this.#connecting.delete(origin));
    this.#connecting.set(origin, work);
    return work;
  }

  /** `POST /handshake`; `address` is the network address that it came from. */
  handleChallenge(request: SignedMessageParts, address?: string): Promise<HandshakeAnswer> {
    return this.#responder.handleChallenge(request, address);
  }

  /** `POST /handshake/complete`; `address` is the network address that it came from. */
  handleCompletion(request: SignedMessageParts, address?: string): Promise<HandshakeAnswer> {
    return this.#responder.handleCompletion(request, address);
  }

  /**
   * Reads a known peer's descriptor from its own origin, at most once a minute; whoever asks
   * meanwhile waits for the same answer. Rejects when the peer cannot be asked.
   */
  refreshDescriptor(origin: string): Promise<void> {
    return this.#descriptors.refresh(origin);
  }

  /** Looks, at most once a minute, whether a trusted peer has moved its endpoint. */
  async relocate(origin: string): Promise<void> {
    if (this.#options.registry.get(origin)?.trust !== TrustState.Trusted) return;
    await this.#descriptors.relocate(origin);
  }

  /** Of a peer that is known, its row says it; of one that is named and not met yet, the log does, once. */
  #tellOfRefusal(origin: string, cause: unknown): void {
    const { registry, named, logger } = this.#options;
    if (!(cause instanceof FederationError) || !isTrustRefusal(cause.code)) return;
    if (registry.has(origin) || !named.includes(origin)) return;
    if (this.#refusedBy.get(origin) === cause.code) return;
    this.#refusedBy.set(origin, cause.code);
    logger.warn(
      `${origin}, which the configuration names, cannot be met (${cause.code}: ${cause.message}). Where it is its operator's to mend, there: npx aether-federation peers approve ${this.#options.origin}`,
      { peer: origin, code: cause.code },
    );
  }

  /** Where a known server has gone, as its old origin says, or where the one that was read comes from. */
  async #followMoves(origin: string, read: ReadDescriptor): Promise<void> {
    const moved = await this.#moves.followFrom(read);
    const outcome = moved === "none" ? await this.#moves.follow(read) : moved;
    if (typeof outcome === "object") throw refusalError(origin, outcome);
  }

  async #connect(origin: string): Promise<FederatedServer> {
    const { manager, registry, transport, policy, named } = this.#options;
    if (registry.isBlocked(origin)) throw new FederationError("ERR_FED_BLOCKED");
    const fetched = await this.#descriptors.fetch(origin);
    if (!fetched.verified) throw refusalError(origin, fetched);
    await this.#followMoves(origin, fetched);
    const now = registry.currentOrigin(origin);
    if (now !== origin) return this.#connect(now);
    if (fetched.descriptor.keys.some(({ kid }) => registry.isBlocked(origin, kid))) {
      throw new FederationError("ERR_FED_BLOCKED", `${origin} uses a key that is blocked here.`);
    }
    if (registry.has(origin)) {
      const applied = await registry.applyDescriptor(fetched);
      if ("verified" in applied) throw refusalError(origin, applied);
    }
    const keyFor = (kid: string): VerifyKey | undefined =>
      registry.hasPinnedKey(origin) ? registry.keyFor(origin, kid) : keyIn(fetched.descriptor, kid);
    const endpoint = fetched.descriptor.endpoint.replace(/\/$/u, "");
    const challenge = await manager.createChallenge(origin);
    const response = await transport.exchange(origin, `${endpoint}/handshake`, challenge, keyFor);
    if (response.status !== 200) throw peerRefusal(origin, response.body);
    const completed = await manager.complete(response.body, { origin, kid: response.kid });
    if (!completed.verified) throw refusalError(origin, completed);
    const final = await transport.exchange(
      origin,
      `${endpoint}/handshake/complete`,
      completed.completion,
      keyFor,
    );
    if (final.status !== 200) throw peerRefusal(origin, final.body);
    const session = sessionSchema.safeParse(final.body);
    if (!session.success || session.data.peer !== this.#options.origin) {
      throw new FederationError(
        "ERR_FED_BAD_RESPONSE",
        `${origin} answered with no session of ours.`,
      );
    }
    if (!registry.has(origin)) {
      const decision = await decideTrust(policy, fetched.descriptor, named);
      if (decision === "refused") throw new FederationError("ERR_FED_NOT_TRUSTED");
      await registry.register(fetched.descriptor, { trust: decision });
    }
    await recordSession(this.#options, origin, session.data, { seen: session.data.keys });
    const waits = session.data.trust === "pending";
    await registry.noteRefusal(origin, waits ? "ERR_FED_NOT_TRUSTED" : undefined);
    this.#refusedBy.delete(origin);
    const server = registry.get(origin);
    if (server === undefined) throw new FederationError("ERR_FED_TOO_MANY_PEERS");
    return server;
  }
}

function refusalError(origin: string, { code, reason }: Refusal): FederationError {
  return new FederationError(code, `${origin}: ${reason}`);
}

function peerRefusal(origin: string, body: unknown): FederationError {
  const { code, detail } = (body ?? {}) as { code?: unknown; detail?: unknown };
  const known = typeof code === "string" && Object.hasOwn(ERROR_CODES, code);
  return new FederationError(
    known ? (code as FederationErrorCode) : "ERR_FED_BAD_RESPONSE",
    `${origin} refuses the handshake: ${shownText(detail, 200) ?? "no reason given"}`,
  );
}
