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
import type { SigningKey } from "../identity/server-keys.ts";
import type { Clock, Random } from "../ports.ts";
import {
  type HandshakeChallenge,
  type HandshakeCompletion,
  type HandshakeResponse,
  challengeSchema,
  completionSchema,
  responseSchema,
} from "./messages.ts";
import { transcriptBytes } from "./transcript.ts";

/** Protocol versions this implementation speaks, best first. */
export const SUPPORTED_PROTOCOLS = ["aether/1"] as const;

/** Options of {@link HandshakeManager}. */
export interface HandshakeManagerOptions {
  /** Our origin. */
  readonly origin: string;
  readonly signingKey: () => SigningKey;
  /** Our descriptor as a JWS. */
  readonly ownDescriptor: () => Promise<string>;
  readonly clock: Clock;
  readonly random: Random;
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
  readonly kid: string;
  readonly descriptor: ServerDescriptor;
  readonly until: number;
}

/** A responder's open handshake, as the processes of one server share it. */
export type SharedResponse = Omit<OpenResponse, "until">;

/** Both sides of the handshake of one server. */
export class HandshakeManager {
  readonly handshakeTimeoutSeconds: number;
  readonly #options: HandshakeManagerOptions;
  readonly #maxOpen: number;
  /** By nonce. */
  readonly #challenges = new Map<string, OpenChallenge>();
  /** By handshake id. */
  readonly #responses = new Map<string, OpenResponse>();

  constructor(options: HandshakeManagerOptions) {
    this.#options = options;
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

  /** Initiator, first step. */
  async createChallenge(responder: string): Promise<HandshakeChallenge> {
    const { origin, clock, random, ownDescriptor, signingKey } = this.#options;
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
   * Responder, second step: the challenge of a verified sender. `read` is the descriptor that the
   * sender's own origin serves, where it was read: what the challenge carries says nothing beside it.
   */
  async respond(
    challenge: unknown,
    from: HandshakeSender,
    read?: ServerDescriptor,
  ): Promise<
    { verified: true; response: HandshakeResponse; descriptor: ServerDescriptor } | Refusal
  > {
    const { origin, clock, random, signingKey, ownDescriptor, allowInsecure } = this.#options;
    const shape = challengeSchema.safeParse(challenge);
    if (!shape.success) return malformed(shape.error);
    const { responder, protocols, descriptor, nonce, issuedAt } = shape.data;
    if (responder !== origin) {
      return refuse("ERR_FED_HANDSHAKE_MISMATCH", `the challenge is for ${responder}`);
    }
    if (from.origin === origin) {
      return refuse("ERR_FED_HANDSHAKE_MISMATCH", "a server does not shake hands with itself");
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
      origin: from.origin,
      allowInsecure: allowInsecure ?? false,
    });
    if (!verified.verified) return verified;
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

  /** Initiator, third step: the response of `responder`, whose verified signature used `from.kid`. */
  async complete(
    responder: string,
    response: unknown,
    from: { readonly kid: string },
  ): Promise<
    | {
        verified: true;
        completion: HandshakeCompletion;
        descriptor: ServerDescriptor;
        protocol: string;
      }
    | Refusal
  > {
    const { origin, clock, signingKey, allowInsecure } = this.#options;
    const shape = responseSchema.safeParse(response);
    if (!shape.success) return malformed(shape.error);
    const { handshakeId, protocol, descriptor, nonce, counterNonce, proof } = shape.data;
    const open = this.#challenges.get(nonce);
    if (open === undefined) {
      return refuse("ERR_FED_HANDSHAKE_UNKNOWN", "no open challenge has this nonce");
    }
    if (open.responder !== responder) {
      return refuse("ERR_FED_HANDSHAKE_MISMATCH", `the challenge was for ${open.responder}`);
    }
    this.#challenges.delete(nonce);
    if (open.until <= clock.monotonic()) {
      return refuse("ERR_FED_HANDSHAKE_EXPIRED", "the response came too late");
    }
    if (!(SUPPORTED_PROTOCOLS as readonly string[]).includes(protocol)) {
      return refuse("ERR_FED_PROTOCOL_UNSUPPORTED", `"${protocol}" was not offered`);
    }
    const verified = await verifyDescriptor(descriptor, {
      now: clock.now(),
      origin: responder,
      allowInsecure: allowInsecure ?? false,
    });
    if (!verified.verified) return verified;
    const jwk = verified.descriptor.keys.find(({ kid }) => kid === from.kid);
    if (jwk === undefined) {
      return refuse("ERR_FED_HANDSHAKE_MISMATCH", "the descriptor is not of the key that signed");
    }
    const parts = {
      originA: origin,
      originB: responder,
      kidA: open.kid,
      kidB: from.kid,
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
    return {
      verified: true,
      protocol,
      descriptor: verified.descriptor,
      completion: { handshakeId, proof: Buffer.from(own).toString("base64url") },
    };
  }

  /** Responder, fourth step: the completion of a verified sender. Each handshake finishes once. */
  finish(
    completion: unknown,
    from: HandshakeSender,
  ): { verified: true; descriptor: ServerDescriptor; protocol: string } | Refusal {
    const { origin, clock } = this.#options;
    const shape = completionSchema.safeParse(completion);
    if (!shape.success) return malformed(shape.error);
    const { handshakeId, proof } = shape.data;
    const open = this.#responses.get(handshakeId);
    if (open === undefined || open.sender.origin !== from.origin) {
      return refuse("ERR_FED_HANDSHAKE_UNKNOWN", "no such handshake is open with you");
    }
    this.#responses.delete(handshakeId);
    if (open.until <= clock.monotonic()) {
      return refuse("ERR_FED_HANDSHAKE_EXPIRED", "the completion came too late");
    }
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
          originB: origin,
          kidA: from.kid,
          kidB: open.kid,
          nonceA: open.nonceA,
          nonceB: open.nonceB,
          protocol: open.protocol,
        }),
        Buffer.from(proof, "base64url"),
      );
    return proven
      ? {
          verified: true,
          descriptor: open.descriptor,
          protocol: open.protocol,
        }
      : refuse("ERR_FED_HANDSHAKE_PROOF", "the initiator's proof does not verify");
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
    return this.#options.clock.monotonic() + this.handshakeTimeoutSeconds * 1000;
  }

  #remember<Open extends { readonly until: number }>(
    map: Map<string, Open>,
    id: string,
    open: Open,
  ): void {
    const now = this.#options.clock.monotonic();
    // Insertion order is expiry order, so the expired ones are at the front.
    for (const [key, { until }] of map) {
      if (until > now && map.size < this.#maxOpen) break;
      map.delete(key);
    }
    map.set(id, open);
  }
}

function malformed(error: z.ZodError): Refusal {
  const issue = error.issues[0];
  return refuse("ERR_FED_MALFORMED", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
}
