/**
 * A server with its own key and endpoint that speaks the protocol by hand, and says in it whatever an
 * attacker wants: it may well be trusted.
 */
import { type IncomingMessage, type Server, createServer } from "node:http";
import { HandshakeManager } from "../../../src/handshake/handshake-manager.ts";
import type { ServerDescriptor } from "../../../src/identity/descriptor.ts";
import { peekKeyId, signResponse } from "../../../src/identity/http-signatures.ts";
import { type PassClaims, issuePass } from "../../../src/identity/pass.ts";
import { type KeyRing, generateSigningKey } from "../../../src/identity/server-keys.ts";
import { systemClock, systemRandom } from "../../../src/ports.ts";
import { hangUp } from "../../support/loopback.ts";
import { type Answer, signedPost } from "../../support/operator.ts";
import { descriptorOf } from "../../support/parties.ts";
import { freePort } from "../../support/processes.ts";

/** A call that came in; nobody has looked at its signature. */
export interface HeardCall {
  readonly caller: string;
  /** Below the endpoint. */
  readonly path: string;
  readonly body: unknown;
}

/** A peer that keeps to no rule but those that a test wants it to keep to. */
export class HostilePeer {
  readonly origin: string;
  readonly authority: string;
  /** What it signs with; a test may give it another. */
  ring: KeyRing;
  /** What its descriptor says beside the truth, from now on. */
  says: Partial<ServerDescriptor> = {};
  /** Calls that came in, handshakes left out. */
  readonly heard: HeardCall[] = [];
  /** What it answers to calls beside the handshake. */
  onCall: (call: HeardCall) => { readonly status: number; readonly body: unknown } = () => ({
    status: 200,
    body: {},
  });
  readonly #server: Server;
  readonly #manager: HandshakeManager;

  private constructor(port: number, ring: KeyRing) {
    this.authority = `localhost:${port}`;
    this.origin = `http://${this.authority}`;
    this.ring = ring;
    this.#manager = new HandshakeManager({
      origin: this.origin,
      signingKey: () => this.ring.current,
      ownDescriptor: async () => (await this.descriptor()).jws,
      clock: systemClock,
      random: systemRandom,
      allowInsecure: true,
    });
    this.#server = createServer((request, response) => {
      this.#answer(request)
        .then(({ status, headers, body }) => {
          response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
        })
        .catch(() => {
          response.writeHead(500).end();
        });
    });
  }

  /** One that listens, with a key of its own. */
  static async start(
    options: { readonly port?: number; readonly ring?: KeyRing } = {},
  ): Promise<HostilePeer> {
    const port = options.port ?? (await freePort());
    const ring = options.ring ?? freshRing();
    const peer = new HostilePeer(port, ring);
    await new Promise<void>((resolve) => peer.#server.listen(port, () => resolve()));
    return peer;
  }

  stop(): Promise<void> {
    return hangUp(this.#server);
  }

  /** Its descriptor as it is now. */
  descriptor(): ReturnType<typeof descriptorOf> {
    return descriptorOf(this.origin, this.ring, Date.now(), {
      endpoint: `${this.origin}/federation`,
      ...this.says,
    });
  }

  /** Begins a handshake; the last answer there was. */
  shakeHands(victim: { readonly origin: string }): Promise<Answer> {
    return shakeHandsAs({ origin: this.origin, manager: this.#manager, ring: this.ring }, victim);
  }

  /** A signed call to a path below a server's endpoint; `recipient` when it is meant for another. */
  call(
    to: { readonly origin: string },
    path: string,
    body: unknown,
    recipient?: string,
  ): Promise<Answer> {
    const signer = { origin: this.origin, key: this.ring.current };
    return signedPost(signer, `${to.origin}/federation${path}`, body, recipient);
  }

  /** A pass for a player that it says is its own. */
  pass(claims: Omit<PassClaims, "iss" | "src" | "iat" | "exp" | "jti" | "name">): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return issuePass(
      {
        ...{ iss: this.origin, src: this.origin, iat: now, exp: now + 60, name: "Somebody" },
        jti: crypto.randomUUID(),
        ...claims,
      },
      this.ring.current,
    );
  }

  async #answer(
    request: IncomingMessage,
  ): Promise<{ status: number; headers: Record<string, string>; body: Buffer }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const raw = Buffer.concat(chunks);
    const path = (request.url ?? "").replace(/^\/federation/u, "");
    if (path === "/.well-known/aether-federation") return plain(200, await this.descriptor());
    if (path === "/health") return plain(200, { status: "pass", version: "1" });
    const from = peekKeyId(request.headers);
    if (from === undefined) return plain(401, { code: "ERR_FED_SIGNATURE_MISSING" });
    const json: unknown = JSON.parse(raw.toString() || "null");
    const { status, body } = await this.#said(path, json, from);
    const bytes = Buffer.from(JSON.stringify(body));
    const targetUri = `${this.origin}${request.url ?? ""}`;
    const { headers } = await signResponse(
      { status, body: bytes },
      { method: request.method ?? "", targetUri, headers: request.headers, body: raw },
      { origin: this.origin, key: this.ring.current },
      { clock: systemClock, random: systemRandom },
    );
    return { status, headers, body: bytes };
  }

  async #said(
    path: string,
    body: unknown,
    from: { readonly origin: string; readonly kid: string },
  ): Promise<{ status: number; body: unknown }> {
    if (path === "/handshake") {
      const result = await this.#manager.respond(body, from);
      return result.verified ? { status: 200, body: result.response } : { status: 400, body: {} };
    }
    if (path === "/handshake/complete") {
      const session = {
        ...{ sessionId: crypto.randomUUID(), peer: from.origin, protocol: "aether/1" },
        ...{ trust: "trusted", expiresAt: Math.floor(Date.now() / 1000) + 3600 },
      };
      return { status: 200, body: session };
    }
    const call = { caller: from.origin, path, body };
    this.heard.push(call);
    return this.onCall(call);
  }
}

/** Begins a handshake in the name of `origin`, wherever that is; the last answer there was. */
export async function shakeHandsAs(
  { origin, manager, ring }: { origin: string; manager: HandshakeManager; ring: KeyRing },
  victim: { readonly origin: string },
): Promise<Answer> {
  const signer = { origin, key: ring.current };
  const url = `${victim.origin}/federation/handshake`;
  const offer = await signedPost(signer, url, await manager.createChallenge(victim.origin));
  if (offer.status !== 200) return offer;
  const { keyid = "" } = /keyid="(?<keyid>[^"]+)"/u.exec(offer.headers.get("signature-input") ?? "")
    ?.groups as { keyid?: string };
  const kid = keyid.slice(keyid.indexOf("#") + 1);
  const completed = await manager.complete(offer.body, { origin: victim.origin, kid });
  if (!completed.verified) throw new Error(completed.reason);
  return signedPost(signer, `${url}/complete`, completed.completion);
}

/**
 * Whoever has got hold of a server's key, but not of its host: shakes hands as it, with a descriptor
 * that says what the thief likes.
 */
export function shakeHandsAsThief(
  owner: { readonly origin: string },
  ring: KeyRing,
  says: Partial<ServerDescriptor>,
  victim: { readonly origin: string },
): Promise<Answer> {
  const manager = new HandshakeManager({
    origin: owner.origin,
    signingKey: () => ring.current,
    ownDescriptor: async () => (await descriptorOf(owner.origin, ring, Date.now(), says)).jws,
    clock: systemClock,
    random: systemRandom,
    allowInsecure: true,
  });
  return shakeHandsAs({ origin: owner.origin, manager, ring }, victim);
}

/** A ring of one new key. */
export function freshRing(): KeyRing {
  return { current: generateSigningKey(systemRandom), next: undefined, retired: [] };
}

function plain(
  status: number,
  body: unknown,
): { status: number; headers: Record<string, string>; body: Buffer } {
  return { status, headers: {}, body: Buffer.from(JSON.stringify(body)) };
}
