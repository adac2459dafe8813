/**
 * Seals what this server writes into a seat's auth data, so that no room and no client can forge
 * it, on any process that shares the key file.
 */
import {
  type KeyObject,
  createHash,
  createHmac,
  createSecretKey,
  timingSafeEqual,
} from "node:crypto";
import type { SigningKey } from "../identity/server-keys.ts";
import type { Random } from "../ports.ts";

/** Member of a seat's auth data that carries the seal. */
export const SEAL_MEMBER = "aetherFederationSeal";

/** A seat that is bound to an arrival by crossing. */
export interface ArrivalSeal {
  readonly kind: "arrival";
  readonly player: string;
  readonly caller: string;
  readonly transferId: string;
  readonly sessionId: string;
}

/** A seat that is bound to a key-holding player who logs in at home. */
export interface LoginSeal {
  readonly kind: "login";
  readonly jkt: string;
  readonly jti: string;
  readonly localId: string;
  readonly sessionId: string;
}

/** A seat for a player who changes rooms on this very server. */
export interface MoveSeal {
  readonly kind: "move";
  readonly player: string;
  readonly sessionId: string;
  /** Key that the player came with: whoever takes the seat proves it. */
  readonly jkt?: string;
  /** The process that plays the player, where several processes are this server. */
  readonly life?: string;
}

/** What a seal can say. */
export type Seal = ArrivalSeal | LoginSeal | MoveSeal;

/** Makes and opens seals. */
export class Sealer {
  readonly #key: KeyObject;

  constructor(signingKey: SigningKey) {
    // Ed25519 signs deterministically, so every process with the key derives the same secret.
    const secret = createHash("sha256")
      .update(signingKey.sign(Buffer.from("aether-federation/seat-seal/1\0")))
      .digest();
    this.#key = createSecretKey(secret);
  }

  /** Seals; the result is a plain string. */
  seal(content: Seal): string {
    const text = Buffer.from(JSON.stringify(content)).toString("base64url");
    return `${text}.${this.#mac(text).toString("base64url")}`;
  }

  /** Opens a seal for the session it was made for; undefined for anything else. */
  open(sealed: unknown, sessionId: string): Seal | undefined {
    if (typeof sealed !== "string" || sealed.length > 4096) return undefined;
    const dot = sealed.indexOf(".");
    if (dot < 0) return undefined;
    const text = sealed.slice(0, dot);
    const mac = Buffer.from(sealed.slice(dot + 1), "base64url");
    const expected = this.#mac(text);
    if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return undefined;
    const content = JSON.parse(Buffer.from(text, "base64url").toString("utf8")) as Seal;
    return content.sessionId === sessionId ? content : undefined;
  }

  #mac(text: string): Buffer {
    return createHmac("sha256", this.#key).update(text).digest();
  }
}

/** A session id for a seat that will be sealed: a seal is good for that session alone. */
export function newSessionId(random: Random): string {
  return Buffer.from(random.bytes(15)).toString("base64url");
}
