/** Verifies requests and answers in the order of PROTOCOL 3. */
import { type FederationErrorCode, type Refusal, refuse } from "../errors.ts";
import type { Clock } from "../ports.ts";
import type { VerifyKey } from "./ed25519.ts";
import { CLOCK_SKEW_SECONDS } from "./pass.ts";
import { type Message, type SignedMessageParts, signatureBase } from "./signature-base.ts";
import {
  type FoundSignature,
  type SignatureClaims,
  checkPolicy,
  findSignature,
} from "./signature-headers.ts";
import {
  ANSWER_COVERAGE,
  BODY_COVERAGE,
  LINK_ANSWER_COVERAGE,
  LINK_REQUEST_COVERAGE,
  MAX_SIGNATURE_SECONDS,
  RECIPIENT_HEADER,
  REQUEST_COVERAGE,
  contentDigest,
} from "./signature-policy.ts";
import { parseDictionary } from "./structured-fields.ts";

/** A request before its body is read. */
export type RequestHead = Omit<SignedMessageParts, "body">;

/** The signature of a request whose head gives no reason to refuse it: nothing of it is verified. */
export interface ReadHead {
  readonly found: FoundSignature;
  readonly claims: SignatureClaims;
}

/**
 * Steps 2 to 5 of PROTOCOL 3, which need no key and no body. `found` is what {@link findSignature} makes of
 * the headers.
 */
export function readHead(
  request: RequestHead,
  found: FoundSignature | Refusal,
  options: {
    /** Our own origin: a request that is meant for another server is none of ours. */
    readonly recipient: string;
    /** Whether it has a body, were it an empty one: its digest is signed. */
    readonly hasBody: boolean;
    /** Whether it must be a request for a link, with a key for it. Default false. */
    readonly forLink?: boolean;
  },
): ReadHead | Refusal {
  // RFC 9421 tells methods apart by case, and ours are in upper case.
  if (!/^[A-Z]{1,16}$/u.test(request.method)) {
    return refuse("ERR_FED_MALFORMED", "the method must be in upper case");
  }
  if ("verified" in found) return found;
  const plain = options.hasBody ? BODY_COVERAGE : REQUEST_COVERAGE;
  const coverage = options.forLink === true ? LINK_REQUEST_COVERAGE : plain;
  const claims = checkPolicy(found, coverage.components);
  if ("verified" in claims) return claims;
  if (request.headers[RECIPIENT_HEADER] !== options.recipient) {
    return refuse(
      "ERR_FED_WRONG_RECIPIENT",
      `the request is not meant for ${options.recipient}: is this the endpoint of the server that you mean?`,
    );
  }
  return { found, claims };
}

/**
 * Verifies a request in the order of PROTOCOL 3. `consumeNonce` must be atomic, and remember for as long as
 * the message is good: it answers false for a nonce used before, and rejects when the store does not answer.
 */
export async function verifyRequest(
  request: SignedMessageParts,
  options: {
    readonly clock: Clock;
    /** Our own origin: a request that is meant for another server is none of ours. */
    readonly recipient: string;
    readonly keyFor: (
      origin: string,
      kid: string,
    ) => VerifyKey | undefined | Promise<VerifyKey | undefined>;
    readonly consumeNonce: (
      nonceKey: string,
      ttlMilliseconds: number,
      claims: SignatureClaims,
    ) => Promise<boolean>;
    /** Whether it must be a request for a link, with a key for it. Default false. */
    readonly forLink?: boolean;
    /** What {@link readHead} said of this very request, where it was asked before. */
    readonly head?: ReadHead;
  },
): Promise<
  { verified: true; origin: string; kid: string; nonce: string; created: number } | Refusal
> {
  const head =
    options.head ??
    readHead(request, findSignature(request.headers), {
      ...{ recipient: options.recipient, hasBody: request.body !== undefined },
      forLink: options.forLink ?? false,
    });
  if ("verified" in head) return head;
  const { found, claims } = head;
  const key = await options.keyFor(claims.origin, claims.kid);
  if (key === undefined) return unknownKey(claims);
  if (!isSignedBy(key, found, request)) return invalid();
  if (request.body !== undefined) {
    const digest = checkDigest(request.headers["content-digest"], request.body);
    if (digest !== undefined) return digest;
  }
  const time = checkTime(claims, options.clock);
  if (time !== undefined) return time;
  // Remembered for longer than this very message can pass the check above.
  const ttl = (claims.expires + CLOCK_SKEW_SECONDS + 1) * 1000 - options.clock.now();
  if (!(await options.consumeNonce(`${claims.kid}/${claims.nonce}`, ttl, claims))) {
    return refuse("ERR_FED_REPLAYED", "this nonce has been used before");
  }
  const { origin, kid, nonce, created } = claims;
  return { verified: true, origin, kid, nonce, created };
}

/** Verifies the response to a request this server sent and signed. */
export async function verifyResponse(
  response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Uint8Array;
  },
  request: SignedMessageParts,
  options: {
    readonly clock: Clock;
    /** Who must have signed it. */
    readonly origin: string;
    readonly keyFor: (origin: string, kid: string) => VerifyKey | undefined;
    /** Whether it must grant a link, with a key for it. Default false. */
    readonly forLink?: boolean;
  },
): Promise<{ verified: true; kid: string } | Refusal> {
  const found = findSignature(response.headers);
  if ("verified" in found) return found;
  const coverage = options.forLink === true ? LINK_ANSWER_COVERAGE : ANSWER_COVERAGE;
  const claims = checkPolicy(found, coverage.components);
  if ("verified" in claims) return claims;
  if (claims.origin !== options.origin) {
    return refuse("ERR_FED_UNKNOWN_KEY", `signed by ${claims.origin}`);
  }
  const key = options.keyFor(claims.origin, claims.kid);
  if (key === undefined) return unknownKey(claims);
  if (!isSignedBy(key, found, response, request)) return invalid();
  const digest = checkDigest(response.headers["content-digest"], response.body);
  if (digest !== undefined) return digest;
  return checkTime(claims, options.clock) ?? { verified: true, kid: key.kid };
}

function isSignedBy(
  key: VerifyKey,
  found: FoundSignature,
  message: Message,
  request?: SignedMessageParts,
): boolean {
  const base = signatureBase(found.components, found.input, message, request);
  return base !== undefined && key.verify(base, found.signature);
}

/** Of a key that is not pinned for the origin that a signature names. */
export function unknownKey({ kid }: Pick<SignatureClaims, "kid">): Refusal {
  return refuse("ERR_FED_UNKNOWN_KEY", `no key ${kid} is pinned for that origin`);
}

function invalid(): Refusal {
  return refuse("ERR_FED_SIGNATURE_INVALID", "the signature does not verify");
}

function checkDigest(header: string | string[] | undefined, body: Uint8Array): Refusal | undefined {
  // As all but the oddest write it.
  const ours = contentDigest(body);
  if (header === ours) return undefined;
  const mismatch = (why: string): Refusal => refuse("ERR_FED_DIGEST_MISMATCH", why);
  if (typeof header !== "string") return mismatch("Content-Digest is missing");
  const digests = parseDictionary(header);
  if (digests === undefined) return mismatch("Content-Digest cannot be parsed");
  const digest = digests.get("sha-256");
  const value = digest !== undefined && "value" in digest ? digest.value : undefined;
  if (typeof value !== "object" || value.bytes === undefined) {
    return mismatch("Content-Digest needs sha-256");
  }
  return ours === `sha-256=${value.text}`
    ? undefined
    : mismatch("the body does not match its digest");
}

function checkTime(claims: SignatureClaims, clock: Clock): Refusal | undefined {
  const now = clock.now() / 1000;
  const { created, expires } = claims;
  const fail = (code: FederationErrorCode, why: string): Refusal => refuse(code, why);
  if (expires - created > MAX_SIGNATURE_SECONDS || expires <= created) {
    return fail(
      "ERR_FED_SIGNATURE_EXPIRED",
      `expires must be within ${MAX_SIGNATURE_SECONDS} s after created`,
    );
  }
  const ahead = created - now;
  if (ahead > CLOCK_SKEW_SECONDS) {
    return fail("ERR_FED_CLOCK_SKEW", `the sender's clock is ${Math.round(ahead)} s ahead of ours`);
  }
  if (expires + CLOCK_SKEW_SECONDS < now) {
    return fail(
      "ERR_FED_SIGNATURE_EXPIRED",
      `the signature is ${Math.round(-ahead)} s old: it has expired, or the sender's clock is behind ours`,
    );
  }
  return undefined;
}
