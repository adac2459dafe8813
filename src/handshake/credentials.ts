/** As whom a server shakes hands: its origin, the key it signs with, its descriptor. */
import { type Clock, type Random, systemClock, systemRandom } from "../ports.ts";
import { signDescriptor } from "../identity/descriptor.ts";
import { type SigningKey, generateSigningKey } from "../identity/server-keys.ts";
import { SUPPORTED_PROTOCOLS } from "./messages.ts";

/** One side's own identity. */
export interface HandshakeCredentials {
  readonly origin: string;
  /** The key that is signed with now. */
  readonly signingKey: () => SigningKey;
  /** The descriptor as a JWS, signed with that key. */
  readonly ownDescriptor: () => Promise<string>;
}

/** Options of {@link createCredentials}. */
export interface CredentialsOptions {
  /** Default: a name made of the key, below `.invalid`, where nobody can be reached. */
  readonly origin?: string;
  /** Default: a fresh key. */
  readonly signingKey?: () => SigningKey;
  /** Default: one without worlds, signed anew each time, good for an hour. */
  readonly ownDescriptor?: () => Promise<string>;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Default: the machine's. */
  readonly random?: Random;
}

const DESCRIPTOR_SECONDS = 3600;

/** Fills in what is missing, so that a side can stand alone. */
export function createCredentials({
  origin: named,
  signingKey: given,
  ownDescriptor: told,
  clock = systemClock,
  random = systemRandom,
}: CredentialsOptions = {}): HandshakeCredentials {
  const signingKey = given ?? always(generateSigningKey(random));
  const origin = named ?? unreachableOrigin(signingKey());
  const ownDescriptor = async (): Promise<string> => {
    const { jws } = await signDescriptor(
      {
        origin,
        name: new URL(origin).host.slice(0, 64),
        endpoint: `${origin}/federation`,
        protocols: SUPPORTED_PROTOCOLS,
        worlds: [],
        validUntil: Math.floor(clock.now() / 1000) + DESCRIPTOR_SECONDS,
      },
      { current: signingKey(), next: undefined, retired: [] },
    );
    return jws;
  };
  return { origin, signingKey, ownDescriptor: told ?? ownDescriptor };
}

/** A name that is the key's alone, and leads nowhere (RFC 6761). */
export function unreachableOrigin({ kid }: Pick<SigningKey, "kid">): string {
  return `https://${Buffer.from(kid, "base64url").toString("hex").slice(0, 32)}.invalid`;
}

function always(key: SigningKey): () => SigningKey {
  return () => key;
}
