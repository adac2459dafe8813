/**
 * A player who means harm: it signs proofs by hand, sends frames by hand, and has read whatever
 * another client sent.
 */
import { CompactSign } from "jose";
import { type SigningKey, generateSigningKey } from "../../../src/identity/server-keys.ts";
import { systemRandom } from "../../../src/ports.ts";
import type { ServerProcess } from "../../support/processes.ts";

/** Colyseus' frames from client to room. */
export const FRAME = {
  data: 13,
  bytes: 17,
  inputReliable: 19,
  inputUnreliable: 20,
  request: 21,
} as const;

/** One who holds a key and knows the protocol better than it should. */
export class HostilePlayer {
  readonly key: SigningKey;

  constructor(key: SigningKey = generateSigningKey(systemRandom)) {
    this.key = key;
  }

  /** Its id at a home without accounts. */
  idAt({ authority }: ServerProcess): string {
    return `key-${this.key.kid}@${authority}`;
  }

  /** A proof with these claims, and good ones for the rest; `undefined` leaves a claim out. */
  prove(claims: Readonly<Record<string, unknown>>): Promise<string> {
    return this.#sign("aether-pop+jwt", { use: "login", ...claims });
  }

  /** A delegation with these claims to that key, and good ones for the rest. */
  delegate(to: SigningKey, claims: Readonly<Record<string, unknown>>): Promise<string> {
    const cnf = { jkt: to.kid };
    return this.#sign("aether-delegation+jwt", { use: "delegate", cnf, ...claims });
  }

  #sign(typ: string, claims: Readonly<Record<string, unknown>>): Promise<string> {
    const iat = Math.floor(Date.now() / 1000);
    const { kty, crv, x } = this.key.jwk;
    const all = { jti: crypto.randomUUID(), iat, exp: iat + 55, ...claims };
    return new CompactSign(new TextEncoder().encode(JSON.stringify(all)))
      .setProtectedHeader({ alg: "EdDSA", typ, jwk: { kty, crv, x } })
      .sign(this.key.privateKey);
  }
}

/** `POST /hand-over` with whatever token one has. */
export async function handOverWith(
  home: ServerProcess,
  token: string | undefined,
  body: unknown,
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const response = await fetch(`${home.origin}/federation/hand-over`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** `POST /travel` with whatever token one has. */
export async function travelWith(
  home: ServerProcess,
  token: string,
  to: string,
  name?: string,
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const response = await fetch(`${home.origin}/federation/travel`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ to, ...(name === undefined ? {} : { name }) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** Sends a frame as it stands; the SDK would send none of these. */
export function sendRaw(room: object, frame: Uint8Array): void {
  const { connection } = room as { connection: { send(data: Uint8Array): void } };
  connection.send(frame);
}
