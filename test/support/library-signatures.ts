/**
 * A judge of src/identity/http-signatures.ts: the same policy (PROTOCOL 3) on `http-message-signatures`
 * and `structured-headers`, which share no code with ours.
 */
import { createHash } from "node:crypto";
import { httpbis } from "http-message-signatures";
import {
  type InnerList,
  type Parameters,
  isInnerList,
  parseDictionary,
  parseItem,
  serializeItem,
  serializeList,
} from "structured-headers";
import { type FederationErrorCode, type Refusal, refuse } from "../../src/errors.ts";
import type { Clock } from "../../src/ports.ts";
import type { VerifyKey } from "../../src/identity/ed25519.ts";
import { CLOCK_SKEW_SECONDS } from "../../src/identity/pass.ts";
import type { SignedMessageParts } from "../../src/identity/http-signatures.ts";
import type { SigningKey } from "../../src/identity/server-keys.ts";

const SIGNATURE_LABEL = "aether";
const SIGNATURE_TAG = "aether-federation";
const MAX_SIGNATURE_SECONDS = 60;

const MAX_SIGNATURE_HEADER_LENGTH = 4096;
/** More than any policy asks for; what a stranger names is looked up before it is verified. */
const MAX_COVERED_COMPONENTS = 16;
const RECIPIENT_HEADER = "aether-recipient";
const REQUEST_COMPONENTS = ['"@method"', '"@target-uri"', `"${RECIPIENT_HEADER}"`];
const RESPONSE_COMPONENTS = [
  '"@status"',
  '"content-digest"',
  '"@method";req',
  '"@target-uri";req',
  `"${RECIPIENT_HEADER}";req`,
  '"signature";req;key="aether"',
];
const PARAMETERS = ["created", "expires", "nonce", "keyid", "alg", "tag"];

/** Signs whatever it is told to, by the library's base. Undefined: the message has no such component. */
export function librarySign(
  components: readonly string[],
  parameters: readonly (readonly [string, string | number])[],
  message: LibraryRequest | LibraryResponse,
  request: LibraryRequest | undefined,
  key: SigningKey,
): { input: string; signature: Uint8Array } | undefined {
  const input: InnerList = [components.map((each) => parseItem(each)), new Map(parameters)];
  try {
    const base = buildBase(input, message, request);
    return { input: serializeList([input]), signature: key.sign(Buffer.from(base)) };
  } catch {
    return undefined;
  }
}

/**
 * Verifies a request in the order of PROTOCOL 3. `consumeNonce` must be atomic and durable: it
 * answers false for a nonce used before, and rejects when the store does not answer.
 */
export async function libraryVerifyRequest(
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
      session: string | undefined,
    ) => Promise<boolean>;
  },
): Promise<
  { verified: true; origin: string; kid: string; nonce: string; created: number } | Refusal
> {
  // The library folds case, which would let a changed method pass.
  if (!/^[A-Z]{1,16}$/u.test(request.method)) {
    return refuse("ERR_FED_MALFORMED", "the method must be in upper case");
  }
  const ours = findOurs(request.headers);
  if ("verified" in ours) return ours;
  const required =
    request.body === undefined ? REQUEST_COMPONENTS : [...REQUEST_COMPONENTS, '"content-digest"'];
  const parameters = checkPolicy(ours, required);
  if ("verified" in parameters) return parameters;
  if (request.headers[RECIPIENT_HEADER] !== options.recipient) {
    return refuse(
      "ERR_FED_WRONG_RECIPIENT",
      `the request is not meant for ${options.recipient}: is this the endpoint of the server that you mean?`,
    );
  }
  const key = await options.keyFor(parameters.origin, parameters.kid);
  if (key === undefined) {
    return refuse("ERR_FED_UNKNOWN_KEY", `no key ${parameters.kid} is pinned for that origin`);
  }
  const base = signatureBase(ours, libraryRequest(request), undefined);
  if (base === undefined || !key.verify(base, ours.signature)) {
    return refuse("ERR_FED_SIGNATURE_INVALID", "the signature does not verify");
  }
  if (request.body !== undefined) {
    const digest = checkDigest(request.headers["content-digest"], request.body);
    if (digest !== undefined) return digest;
  }
  const time = checkTime(parameters, options.clock);
  if (time !== undefined) return time;
  // Remembered for longer than this very message can pass the check above.
  const ttl = (parameters.expires + CLOCK_SKEW_SECONDS + 1) * 1000 - options.clock.now();
  if (
    !(await options.consumeNonce(`${parameters.kid}/${parameters.nonce}`, ttl, parameters.session))
  ) {
    return refuse("ERR_FED_REPLAYED", "this nonce has been used before");
  }
  const { origin, kid, nonce, created } = parameters;
  return { verified: true, origin, kid, nonce, created };
}

/** Verifies the response to a request this server sent and signed. */
export async function libraryVerifyResponse(
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
  },
): Promise<{ verified: true; kid: string } | Refusal> {
  const ours = findOurs(response.headers);
  if ("verified" in ours) return ours;
  const parameters = checkPolicy(ours, RESPONSE_COMPONENTS);
  if ("verified" in parameters) return parameters;
  if (parameters.origin !== options.origin) {
    return refuse("ERR_FED_UNKNOWN_KEY", `signed by ${parameters.origin}`);
  }
  const key = options.keyFor(parameters.origin, parameters.kid);
  if (key === undefined) {
    return refuse("ERR_FED_UNKNOWN_KEY", `no key ${parameters.kid} is pinned for that origin`);
  }
  const message = { status: response.status, headers: { ...response.headers } };
  const base = signatureBase(ours, message, libraryRequest(request));
  if (base === undefined || !key.verify(base, ours.signature)) {
    return refuse("ERR_FED_SIGNATURE_INVALID", "the signature does not verify");
  }
  const digest = checkDigest(response.headers["content-digest"], response.body);
  if (digest !== undefined) return digest;
  return checkTime(parameters, options.clock) ?? { verified: true, kid: key.kid };
}

/** The unverified `keyid` of our signature, for limits and look-ups before verification. */
export function libraryKeyId(
  headers: SignedMessageParts["headers"],
): { origin: string; kid: string } | undefined {
  const ours = findOurs(headers);
  return "verified" in ours ? undefined : splitKeyId(ours.parameters.get("keyid"));
}

/** As the library takes a request. */
export interface LibraryRequest {
  method: string;
  url: string;
  headers: Record<string, string | string[]>;
}
/** As the library takes an answer. */
export interface LibraryResponse {
  status: number;
  headers: Record<string, string | string[]>;
}

/** What the library is given of a request. */
export function libraryRequest(request: SignedMessageParts): LibraryRequest {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name.toLowerCase()] = value;
  }
  return { method: request.method, url: request.targetUri, headers };
}

function buildBase(
  input: InnerList,
  message: LibraryRequest | LibraryResponse,
  request: LibraryRequest | undefined,
): string {
  const fields = input[0].map((item) => serializeItem(item));
  const lines =
    "status" in message
      ? httpbis.createSignatureBase({ fields }, message, request)
      : httpbis.createSignatureBase({ fields }, message);
  lines.push(['"@signature-params"', [serializeList([input])]]);
  return httpbis.formatSignatureBase(lines);
}

interface Ours {
  readonly input: InnerList;
  readonly parameters: Parameters;
  readonly signature: Uint8Array;
}

function headerOf(headers: SignedMessageParts["headers"], name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

/** Shape, then exactly one signature with our tag. */
function findOurs(headers: SignedMessageParts["headers"]): Ours | Refusal {
  const inputHeader = headerOf(headers, "signature-input");
  const signatureHeader = headerOf(headers, "signature");
  if (inputHeader === undefined || signatureHeader === undefined) {
    return refuse("ERR_FED_SIGNATURE_MISSING", "Signature and Signature-Input are required");
  }
  if (
    inputHeader.length > MAX_SIGNATURE_HEADER_LENGTH ||
    signatureHeader.length > MAX_SIGNATURE_HEADER_LENGTH
  ) {
    return refuse("ERR_FED_SIGNATURE_MALFORMED", "the signature headers are too long");
  }
  let inputs: ReturnType<typeof parseDictionary>;
  let signatures: ReturnType<typeof parseDictionary>;
  try {
    inputs = parseDictionary(inputHeader);
    signatures = parseDictionary(signatureHeader);
  } catch {
    return refuse("ERR_FED_SIGNATURE_MALFORMED", "the signature headers are no dictionaries");
  }
  const tagged = [...inputs].filter(([, input]) => input[1].get("tag") === SIGNATURE_TAG);
  if (tagged.length > 1) {
    return refuse("ERR_FED_SIGNATURE_AMBIGUOUS", `${tagged.length} signatures carry our tag`);
  }
  const [only] = tagged;
  if (only === undefined) {
    return refuse("ERR_FED_SIGNATURE_MISSING", `no signature has tag "${SIGNATURE_TAG}"`);
  }
  const [label, input] = only;
  if (label !== SIGNATURE_LABEL) {
    return refuse("ERR_FED_SIGNATURE_MALFORMED", `the label must be "${SIGNATURE_LABEL}"`);
  }
  const signature = signatures.get(label)?.[0];
  if (!isInnerList(input) || !(signature instanceof ArrayBuffer)) {
    return refuse("ERR_FED_SIGNATURE_MALFORMED", "the signature is not of RFC 9421's form");
  }
  if (input[0].length > MAX_COVERED_COMPONENTS) {
    return refuse("ERR_FED_SIGNATURE_MALFORMED", "the signature covers too many components");
  }
  // Base64 leaves spare bits: a signature has one spelling only.
  const bytes = new Uint8Array(signature);
  if (!signatureHeader.includes(`${label}=:${Buffer.from(bytes).toString("base64")}:`)) {
    return refuse("ERR_FED_SIGNATURE_MALFORMED", "the signature is not canonical base64");
  }
  return { input, parameters: input[1], signature: bytes };
}

interface CheckedParameters {
  readonly origin: string;
  readonly kid: string;
  readonly nonce: string;
  readonly created: number;
  readonly expires: number;
  readonly session: string | undefined;
}

/** Required components and parameters. */
function checkPolicy(ours: Ours, required: readonly string[]): CheckedParameters | Refusal {
  const covered = ours.input[0].map((item) => serializeItem(item));
  const missing = required.filter((component) => !covered.includes(component));
  if (missing.length > 0 || new Set(covered).size !== covered.length) {
    return refuse(
      "ERR_FED_SIGNATURE_COMPONENTS",
      missing.length > 0 ? `not covered: ${missing.join(" ")}` : "a component is covered twice",
    );
  }
  const wrong = (what: string): Refusal => refuse("ERR_FED_SIGNATURE_PARAMETERS", what);
  const { parameters } = ours;
  for (const name of PARAMETERS) {
    if (!parameters.has(name)) return wrong(`${name} is missing`);
  }
  if (parameters.get("alg") !== "ed25519") return wrong('alg must be "ed25519"');
  const nonce = parameters.get("nonce");
  if (typeof nonce !== "string" || !/^[A-Za-z0-9_-]{22}$/u.test(nonce)) {
    return wrong("nonce must be 16 bytes in base64url");
  }
  const created = parameters.get("created");
  const expires = parameters.get("expires");
  if (!Number.isSafeInteger(created) || !Number.isSafeInteger(expires)) {
    return wrong("created and expires must be integers");
  }
  const keyId = splitKeyId(parameters.get("keyid"));
  if (keyId === undefined) return wrong('keyid must be "<origin>#<kid>"');
  const session = parameters.get("session");
  if (session !== undefined && !(typeof session === "string" && /^[\w-]{1,64}$/u.test(session))) {
    return wrong("session must be the id of a session");
  }
  return {
    ...{ ...keyId, nonce, created: created as number, expires: expires as number },
    session,
  };
}

function splitKeyId(value: unknown): { origin: string; kid: string } | undefined {
  if (typeof value !== "string" || value.length > 400) return undefined;
  const match = /^(https?:\/\/[^#/?\s]+)#([A-Za-z0-9_-]{43})$/u.exec(value);
  const [, origin, kid] = match ?? [];
  return origin === undefined || kid === undefined ? undefined : { origin, kid };
}

function signatureBase(
  ours: Ours,
  message: LibraryRequest | LibraryResponse,
  request: LibraryRequest | undefined,
): Uint8Array | undefined {
  try {
    return Buffer.from(buildBase(ours.input, message, request));
  } catch {
    // A covered component that the message does not have.
    return undefined;
  }
}

function checkDigest(header: string | string[] | undefined, body: Uint8Array): Refusal | undefined {
  const mismatch = (why: string): Refusal => refuse("ERR_FED_DIGEST_MISMATCH", why);
  if (typeof header !== "string") return mismatch("Content-Digest is missing");
  try {
    const digest = parseDictionary(header).get("sha-256")?.[0];
    if (!(digest instanceof ArrayBuffer)) return mismatch("Content-Digest needs sha-256");
    const expected = createHash("sha256").update(body).digest();
    return Buffer.from(digest).equals(expected)
      ? undefined
      : mismatch("the body does not match its digest");
  } catch {
    return mismatch("Content-Digest cannot be parsed");
  }
}

function checkTime(parameters: CheckedParameters, clock: Clock): Refusal | undefined {
  const now = clock.now() / 1000;
  const { created, expires } = parameters;
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
