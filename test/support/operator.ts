/** What only the operator of a server could do: sign with its key. Attackers in tests included. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type PassClaims, issuePass } from "../../src/identity/pass.ts";
import {
  type PrivateJwk,
  type SigningKey,
  importSigningKey,
} from "../../src/identity/server-keys.ts";
import { type RawAnswer, signedPost } from "../../src/testing/signed-post.ts";
import { fetchJson } from "./fetch-json.ts";
import type { ServerProcess } from "./processes.ts";

/** A server's signing key, from its key file. */
export async function operatorKey(server: ServerProcess): Promise<SigningKey> {
  const text = await readFile(join(server.spec.data, "keys.json"), "utf8");
  return importSigningKey((JSON.parse(text) as { current: PrivateJwk }).current);
}

/** Claims of a pass that is fine in every respect, for tests to spoil one by one. */
export function goodClaims(
  home: ServerProcess,
  destination: ServerProcess,
  world: string,
): PassClaims {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: home.origin,
    sub: `somebody-${crypto.randomUUID().slice(0, 8)}`,
    aud: destination.origin,
    iat: now,
    exp: now + 60,
    jti: crypto.randomUUID(),
    xfer: crypto.randomUUID(),
    src: home.origin,
    world,
    name: "Somebody",
  };
}

/** A pass, signed by whoever has `key`. */
export function passOf(claims: PassClaims, key: SigningKey): Promise<string> {
  return issuePass(claims, key);
}

/** What a call was answered. */
export type Answer = Pick<RawAnswer, "status" | "body">;

/** A signed call of one server to another, at a path below its endpoint. */
export async function callAs(
  from: ServerProcess,
  to: ServerProcess,
  path: string,
  body: unknown,
): Promise<RawAnswer> {
  const signer = { origin: from.origin, key: await operatorKey(from) };
  return signedPost(signer, `${to.origin}/federation${path}`, body);
}

/** Holds that a call was refused with this status and code. */
export function assertRefused({ status, body }: Answer, expected: number, code: string): void {
  assert.deepEqual([status, body["code"]], [expected, code], JSON.stringify(body));
}

/** Which of its keys a server signs with, from its descriptor. */
export async function currentKid({ origin }: { readonly origin: string }): Promise<string> {
  const { jws } = await fetchJson<{ jws: string }>(`${origin}/.well-known/aether-federation`);
  const [header = ""] = jws.split(".");
  return (JSON.parse(Buffer.from(header, "base64url").toString()) as { kid: string }).kid;
}
