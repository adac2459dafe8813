/**
 * The handshake as a pure state machine (PROTOCOL 4): `createChallenge` · `respond` · `complete` ·
 * `finish`.
 *
 * It knows the messages, their order, their proofs and their time; fetching descriptors, checking
 * HTTP signatures and deciding about trust is the handshake service's. Memory is bounded: the
 * oldest open handshakes give way.
 */
import type { z } from "zod";
import { type Refusal, refuse } from "../errors.ts";
import { type ServerDescriptor, verifyDescriptor } from "../identity/descriptor.ts";
import { importVerifyKey } from "../identity/ed25519.ts";
import { CLOCK_SKEW_SECONDS } from "../identity/pass.ts";
import { type Clock, type Random, systemClock, systemRandom } from "../ports.ts";
import {
  type CredentialsOptions,
  type HandshakeCredentials,
  createCredentials,
} from "./credentials.ts";
import {
  type HandshakeChallenge,
  type HandshakeCompletion,
  type HandshakeResponse,
  type HandshakeSession,
  SUPPORTED_PROTOCOLS,
  challengeSchema,
  completionSchema,
  responseSchema,
} from "./messages.ts";
import { transcriptBytes } from "./transcript.ts";

/** No session lives longer, whatever the other side says. */
export const SESSION_SECONDS = 24 * 3600;

/** How far a handshake is, as one side sees it. */
export const HandshakeState = {
  /** We have asked, and wait for the response. */
  Challenged: "challenged",
  /** We have answered, and wait for the completion. */
  Responded: "responded",
  /** The other side has proven its key to us. */
  Completed: "completed",
  /** What the other side sent was refused: it begins anew. */
  Failed: "failed",
  /** It took longer than `handshakeTimeoutSeconds`. */
  Expired: "expired",
} as const;
export type HandshakeState = (typeof HandshakeState)[keyof typeof HandshakeState];

/**
 * Options of {@link HandshakeManager}. Who we are (`origin`, `signingKey`, `ownDescriptor`), clock and
 * randomness default as {@link createCredentials} says.
 */
export interface HandshakeManagerOptions extends CredentialsOptions {
  /** A handshake not completed within this time is gone. Default 10. */
  readonly handshakeTimeoutSeconds?: number;
  /** Handshakes open at once, on each side. Default 1024. */
  readonly maxOpenHandshakes?: number;
  readonly allowInsecure?: boolean;
}

/** Who a message came from: the verified signer of the HTTP message that carried it. */
export interface HandshakeSender {
  readonly origin: string;
  readonly kid: string;
}

/** What a handshake has come to, on the side that was asked. */
export type ProvenSession = Omit<HandshakeSession, "trust" | "keys">;

interface OpenChallenge {
  readonly responder: string;
  readonly nonce: string;
  readonly kid: string;
  readonly until: number;
}

interface OpenResponse {
  readonly sender: HandshakeSender;
  readonly nonceA: string;
  readonly nonceB: string;
  readonly protocol: string;
  /** As whom it was answered. */
  readonly responder: string;
  readonly kid: string;
  readonly descriptor: ServerDescriptor;
  readonly until: number;
}

/** A responder's open handshake, as the processes of one server share it. */
export type SharedResponse = Omit<OpenResponse, "until">;

/** Both sides of the handshake of one server. Stands alone: `new HandshakeManager()` is a server of its own. */
export class HandshakeManager {
  readonly handshakeTimeoutSeconds: number;
  /** As whom it shakes hands. */
  readonly credentials: HandshakeCredentials;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #allowInsecure: boolean;
  readonly #maxOpen: number;
  /** By nonce. */
  readonly #challenges = new Map<string, OpenChallenge>();
  /** By handshake id. */
  readonly #responses = new Map<string, OpenResponse>();
  /** How the last ones ended, by nonce or handshake id. */
  readonly #ended = new Map<string, HandshakeState>();

  /** @throws TypeError for a `handshakeTimeoutSeconds` or `maxOpenHandshakes` that is too small. */
  constructor(options: HandshakeManagerOptions = {}) {
    this.credentials = createCredentials(options);
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#allowInsecure = options.allowInsecure ?? false;
    this.handshakeTimeoutSeconds = options.handshakeTimeoutSeconds ?? 10;
    this.#maxOpen = options.maxOpenHandshakes ?? 1024;
    if (!(this.handshakeTimeoutSeconds > 0)) {
      throw new TypeError("handshakeTimeoutSeconds must be more than 0");
    }
    if (!(this.#maxOpen >= 1)) throw new TypeError("maxOpenHandshakes must be at least 1");
  }

  /** Handshakes that wait for the other side. */
  get open(): number {
    return this.#challenges.size + this.#responses.size;
  }

  /** Our origin. */
  get origin(): string {
    return this.credentials.origin;
  }

  /**
   * How far a handshake is: by its challenge's `nonce` where we began it, by its `handshakeId` where we
   * answered. Undefined for one that is not known, or that has given way to others.
   */
  state(id: string): HandshakeState | undefined {
    const open = this.#challenges.get(id) ?? this.#responses.get(id);
    if (open === undefined) return this.#ended.get(id);
    if (open.until <= this.#clock.monotonic()) return HandshakeState.Expired;
    return this.#challenges.has(id) ? HandshakeState.Challenged : HandshakeState.Responded;
  }

  /** Initiator, first step: asks `responder`, an origin. @throws TypeError for our own. */
  async createChallenge(responder: string): Promise<HandshakeChallenge> {
    const { origin, ownDescriptor, signingKey } = this.credentials;
    const [clock, random] = [this.#clock, this.#random];
    if (responder === origin) throw new TypeError("responder is this very server");
    const nonce = Buffer.from(random.bytes(32)).toString("base64url");
    const descriptor = await ownDescriptor();
    this.#remember(this.#challenges, nonce, {
      responder,
      nonce,
      kid: signingKey().kid,
      until: this.#until(),
    });
    return {
      protocols: [...SUPPORTED_PROTOCOLS],
      responder,
      descriptor,
      nonce,
      issuedAt: Math.floor(clock.now() / 1000),
    };
  }

  /**
   * Responder, second step. `read` is the descriptor that the sender's own origin serves, where it was
   * read: what the challenge carries says nothing beside it.
   *
   * @param by - Who signed the message that carried the challenge; or as whom it is answered, where that
   * is somebody else than this manager. Without a signer, whose challenge it is goes by the descriptor in
   * it: the completion proves it.
   */
  async respond(
    challenge: unknown,
    by?: HandshakeSender | HandshakeCredentials,
    read?: ServerDescriptor,
  ): Promise<
    { verified: true; response: HandshakeResponse; descriptor: ServerDescriptor } | Refusal
  > {
    const [clock, random] = [this.#clock, this.#random];
    const own = by !== undefined && "signingKey" in by ? by : this.credentials;
    const signer = by !== undefined && "kid" in by ? by : undefined;
    const { origin, signingKey, ownDescriptor } = own;
    const shape = challengeSchema.safeParse(challenge);
    if (!shape.success) return malformed(shape.error);
    const { responder, protocols, descriptor, nonce, issuedAt } = shape.data;
    if (responder !== origin) {
      return refuse("ERR_FED_HANDSHAKE_MISMATCH", `the challenge is for ${responder}`);
    }
    const skew = issuedAt - Math.floor(clock.now() / 1000);
    if (Math.abs(skew) > CLOCK_SKEW_SECONDS) {
      return refuse(
        "ERR_FED_CLOCK_SKEW",
        `issuedAt is ${Math.abs(skew)} s ${skew > 0 ? "ahead of" : "behind"} our clock`,
      );
    }
    const verified = await verifyDescriptor(descriptor, {
      now: clock.now(),
      ...(signer === undefined ? {} : { origin: signer.origin }),
      allowInsecure: this.#allowInsecure,
    });
    if (!verified.verified) return verified;
    const from = signer ?? { origin: verified.descriptor.origin, kid: verified.signedBy };
    if (from.origin === origin) {
      return refuse("ERR_FED_HANDSHAKE_MISMATCH", "a server does not shake hands with itself");
    }
    if (!verified.descriptor.keys.some(({ kid }) => kid === from.kid)) {
      return refuse("ERR_FED_HANDSHAKE_MISMATCH", "the descriptor is not of the key that signed");
    }
    const protocol = SUPPORTED_PROTOCOLS.find((version) => protocols.includes(version));
    if (protocol === undefined) {
      return refuse(
        "ERR_FED_PROTOCOL_UNSUPPORTED",
        `this server speaks ${SUPPORTED_PROTOCOLS.join(", ")}`,
      );
    }
    const handshakeId = random.uuid();
    const counterNonce = Buffer.from(random.bytes(32)).toString("base64url");
    const key = signingKey();
    const open: OpenResponse = {
      sender: from,
      nonceA: nonce,
      nonceB: counterNonce,
      protocol,
      responder: origin,
      kid: key.kid,
      descriptor: read ?? verified.descriptor,
      until: this.#until(),
    };
    this.#remember(this.#responses, handshakeId, open);
    const proof = key.sign(
      transcriptBytes({
        role: "responder",
        originA: from.origin,
        originB: origin,
        kidA: from.kid,
        kidB: key.kid,
        nonceA: nonce,
        nonceB: counterNonce,
        protocol,
      }),
    );
    return {
      verified: true,
      descriptor: verified.descriptor,
      response: {
        handshakeId,
        protocol,
        descriptor: await ownDescriptor(),
        nonce,
        counterNonce,
        proof: Buffer.from(proof).toString("base64url"),
        expiresAt: Math.floor(clock.now() / 1000) + Math.ceil(this.handshakeTimeoutSeconds),
      },
    };
  }

  /**
   * Initiator, third step: holds the other side to its proof and gives our own, to be sent to it. A
   * session is what the other side makes of that.
   *
   * @param from - Who signed the message that carried the response. Default: whom the challenge was for,
   * with the key that signed the descriptor in the response: the proof is of that key.
   */
  async complete(
    response: unknown,
    from?: HandshakeSender,
  ): Promise<
    | {
        verified: true;
        completion: HandshakeCompletion;
        descriptor: ServerDescriptor;
        protocol: string;
      }
    | Refusal
  > {
    const { origin, signingKey } = this.credentials;
    const clock = this.#clock;
    const shape = responseSchema.safeParse(response);
    if (!shape.success) return malformed(shape.error);
    const { handshakeId, protocol, descriptor, nonce, counterNonce, proof } = shape.data;
    const open = this.#challenges.get(nonce);
    if (open === undefined) {
      return refuse("ERR_FED_HANDSHAKE_UNKNOWN", "no open challenge has this nonce");
    }
    const responder = from?.origin ?? open.responder;
    if (open.responder !== responder) {
      return refuse("ERR_FED_HANDSHAKE_MISMATCH", `the challenge was for ${open.responder}`);
    }
    this.#challenges.delete(nonce);
    if (open.until <= clock.monotonic()) {
      this.#end(nonce, HandshakeState.Expired);
      return refuse("ERR_FED_HANDSHAKE_EXPIRED", "the response came too late");
    }
    this.#end(nonce, HandshakeState.Failed);
    if (!(SUPPORTED_PROTOCOLS as readonly string[]).includes(protocol)) {
      return refuse("ERR_FED_PROTOCOL_UNSUPPORTED", `"${protocol}" was not offered`);
    }
    const verified = await verifyDescriptor(descriptor, {
      now: clock.now(),
      origin: responder,
      allowInsecure: this.#allowInsecure,
    });
    if (!verified.verified) return verified;
    const kidB = from?.kid ?? verified.signedBy;
    const jwk = verified.descriptor.keys.find(({ kid }) => kid === kidB);
    if (jwk === undefined) {
      return refuse("ERR_FED_HANDSHAKE_MISMATCH", "the descriptor is not of the key that signed");
    }
    const parts = {
      originA: origin,
      originB: responder,
      kidA: open.kid,
      kidB,
      nonceA: nonce,
      nonceB: counterNonce,
      protocol,
    };
    const proven = importVerifyKey(jwk).verify(
      transcriptBytes({ role: "responder", ...parts }),
      Buffer.from(proof, "base64url"),
    );
    if (!proven) return refuse("ERR_FED_HANDSHAKE_PROOF", "the responder's proof does not verify");
    const key = signingKey();
    if (key.kid !== open.kid) {
      return refuse("ERR_FED_HANDSHAKE_MISMATCH", "our own key changed meanwhile: start again");
    }
    const own = key.sign(transcriptBytes({ role: "initiator", ...parts }));
    this.#end(nonce, HandshakeState.Completed);
    return {
      verified: true,
      protocol,
      descriptor: verified.descriptor,
      completion: { handshakeId, proof: Buffer.from(own).toString("base64url") },
    };
  }

  /**
   * Responder, fourth step: a session, once the initiator has proven itself too. Each handshake finishes
   * once.
   *
   * @param by - Who signed the message that carried the completion. Default: whose challenge it was.
   */
  finish(
    completion: unknown,
    by?: HandshakeSender,
  ): { verified: true; descriptor: ServerDescriptor; session: ProvenSession } | Refusal {
    const clock = this.#clock;
    const shape = completionSchema.safeParse(completion);
    if (!shape.success) return malformed(shape.error);
    const { handshakeId, proof } = shape.data;
    const open = this.#responses.get(handshakeId);
    const from = by ?? open?.sender;
    if (open === undefined || from === undefined || open.sender.origin !== from.origin) {
      return refuse("ERR_FED_HANDSHAKE_UNKNOWN", "no such handshake is open with you");
    }
    this.#responses.delete(handshakeId);
    if (open.until <= clock.monotonic()) {
      this.#end(handshakeId, HandshakeState.Expired);
      return refuse("ERR_FED_HANDSHAKE_EXPIRED", "the completion came too late");
    }
    this.#end(handshakeId, HandshakeState.Failed);
    if (open.sender.kid !== from.kid) {
      return refuse("ERR_FED_HANDSHAKE_MISMATCH", "another key than the challenge's signed");
    }
    const jwk = open.descriptor.keys.find(({ kid }) => kid === from.kid);
    const proven =
      jwk !== undefined &&
      importVerifyKey(jwk).verify(
        transcriptBytes({
          role: "initiator",
          originA: from.origin,
          originB: open.responder,
          kidA: from.kid,
          kidB: open.kid,
          nonceA: open.nonceA,
          nonceB: open.nonceB,
          protocol: open.protocol,
        }),
        Buffer.from(proof, "base64url"),
      );
    if (!proven) return refuse("ERR_FED_HANDSHAKE_PROOF", "the initiator's proof does not verify");
    this.#end(handshakeId, HandshakeState.Completed);
    return {
      verified: true,
      descriptor: open.descriptor,
      session: {
        sessionId: this.#random.uuid(),
        peer: from.origin,
        protocol: open.protocol,
        expiresAt: Math.floor(clock.now() / 1000) + SESSION_SECONDS,
      },
    };
  }

  /** An open handshake that this process answered, for the other processes of this server. */
  openResponse(handshakeId: string): SharedResponse | undefined {
    const open = this.#responses.get(handshakeId);
    if (open === undefined) return undefined;
    const { until: _own, ...shared } = open;
    return shared;
  }

  /** Takes over an open handshake that another process of this server answered. */
  recall(handshakeId: string, shared: SharedResponse): void {
    this.#remember(this.#responses, handshakeId, { ...shared, until: this.#until() });
  }

  /** The descriptor an open handshake was begun with, for verifying the completion's signature. */
  descriptorOf(origin: string): ServerDescriptor | undefined {
    for (const open of this.#responses.values()) {
      if (open.sender.origin === origin) return open.descriptor;
    }
    return undefined;
  }

  #until(): number {
    return this.#clock.monotonic() + this.handshakeTimeoutSeconds * 1000;
  }

  #remember<Open extends { readonly until: number }>(
    map: Map<string, Open>,
    id: string,
    open: Open,
  ): void {
    const now = this.#clock.monotonic();
    // Insertion order is expiry order, so the expired ones are at the front.
    for (const [key, { until }] of map) {
      if (until > now && map.size < this.#maxOpen) break;
      map.delete(key);
      if (until <= now) this.#end(key, HandshakeState.Expired);
    }
    map.set(id, open);
  }

  #end(id: string, state: HandshakeState): void {
    this.#ended.delete(id);
    this.#ended.set(id, state);
    if (this.#ended.size <= this.#maxOpen) return;
    const [oldest = ""] = this.#ended.keys();
    this.#ended.delete(oldest);
  }
}

function malformed(error: z.ZodError): Refusal {
  const issue = error.issues[0];
  return refuse("ERR_FED_MALFORMED", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
}
