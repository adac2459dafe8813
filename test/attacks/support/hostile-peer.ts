/**
 * A server with its own key and endpoint that speaks the protocol by hand, and says in it whatever an
 * attacker wants: it may well be trusted.
 */
import { HandshakeManager } from "../../../src/handshake/handshake-manager.ts";
import type { ServerDescriptor } from "../../../src/identity/descriptor.ts";
import { type PassClaims, issuePass } from "../../../src/identity/pass.ts";
import { type KeyRing, generateSigningKey } from "../../../src/identity/server-keys.ts";
import { systemClock, systemRandom } from "../../../src/ports.ts";
import {
  FakeEndpoints,
  type HandMadeAnswer,
  type HeardCall,
} from "../../../src/testing/fake-endpoints.ts";
import { signedPost } from "../../../src/testing/signed-post.ts";
import type { Answer } from "../../support/operator.ts";
import { descriptorOf } from "../../support/parties.ts";

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
  onCall: (call: HeardCall) => HandMadeAnswer = () => ({
    status: 200,
    body: {},
  });
  readonly #endpoints: FakeEndpoints;
  readonly #manager: HandshakeManager;

  private constructor(origin: string, endpoints: FakeEndpoints, ring: KeyRing) {
    this.origin = origin;
    this.authority = new URL(origin).host;
    this.ring = ring;
    this.#endpoints = endpoints;
    const signingKey = () => this.ring.current;
    this.#manager = new HandshakeManager({
      ...{ origin, signingKey, allowInsecure: true },
      ownDescriptor: async () => (await this.descriptor()).jws,
    });
    endpoints.treat("*", (call) => this.#said(call));
    endpoints.serve = {
      endpoints: (_request, _response, next) => next(),
      signer: { origin, signingKey, clock: systemClock, random: systemRandom },
    };
  }

  /** One that listens, with a key of its own. */
  static async start(
    options: { readonly port?: number; readonly ring?: KeyRing } = {},
  ): Promise<HostilePeer> {
    const endpoints = new FakeEndpoints();
    const origin = await endpoints.listen(options.port ?? 0);
    return new HostilePeer(origin, endpoints, options.ring ?? freshRing());
  }

  stop(): Promise<void> {
    return this.#endpoints.close();
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

  async #said(call: HeardCall): Promise<HandMadeAnswer> {
    const { caller, path, body } = call;
    if (path === "/.well-known/aether-federation") {
      return { status: 200, body: await this.descriptor() };
    }
    if (path === "/health") return { status: 200, body: { status: "pass", version: "1" } };
    if (caller === undefined) return { status: 401, body: { code: "ERR_FED_SIGNATURE_MISSING" } };
    if (path === "/handshake") {
      const result = await this.#manager.respond(body);
      return result.verified ? { status: 200, body: result.response } : { status: 400, body: {} };
    }
    if (path === "/handshake/complete") {
      const session = {
        ...{ sessionId: crypto.randomUUID(), peer: caller, protocol: "aether/1" },
        ...{ trust: "trusted", expiresAt: Math.floor(Date.now() / 1000) + 3600 },
      };
      return { status: 200, body: session };
    }
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
    allowInsecure: true,
  });
  return shakeHandsAs({ origin: owner.origin, manager, ring }, victim);
}

/** A ring of one new key. */
export function freshRing(): KeyRing {
  return { current: generateSigningKey(systemRandom), next: undefined, retired: [] };
}
