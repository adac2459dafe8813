/** Finds our signature in a message's headers, and reads what it says of itself. Nothing is verified. */
import { type Refusal, refuse } from "../errors.ts";
import { type Component, type Headers, componentOf } from "./signature-base.ts";
import { COVERAGES, SIGNATURE_LABEL, SIGNATURE_TAG } from "./signature-policy.ts";
import { type Parameters, parseDictionary, serializeParameters } from "./structured-fields.ts";

const MAX_SIGNATURE_HEADER_LENGTH = 4096;
/** More than any policy asks for; what a stranger names is looked up before it is verified. */
const MAX_COVERED_COMPONENTS = 16;
const PARAMETERS = ["created", "expires", "nonce", "keyid", "alg", "tag"];
const MAX_KEY_ID_LENGTH = 400;

/** Our signature as it came. */
export interface FoundSignature {
  readonly components: readonly Component[];
  /**
   * Covered components and parameters in canonical form: the last line of the signature base. Empty where
   * `claims` is a refusal.
   */
  readonly input: string;
  readonly signature: Uint8Array;
  readonly keyId: KeyId | undefined;
  /** What the parameters say, or what is wrong with them. */
  readonly claims: SignatureClaims | Refusal;
}

/** Who says to have signed. */
export interface KeyId {
  readonly origin: string;
  readonly kid: string;
}

/** What a signature that keeps to the policy says. */
export interface SignatureClaims extends KeyId {
  readonly nonce: string;
  /** Unix seconds. */
  readonly created: number;
  /** Unix seconds. */
  readonly expires: number;
  /** The session that the sender speaks in, when it says so (PROTOCOL 4). */
  readonly session?: string;
}

/** Shape, then exactly one signature with our tag. */
export function findSignature(headers: Headers): FoundSignature | Refusal {
  const inputs = textOf(headers["signature-input"]);
  const signatures = textOf(headers["signature"]);
  if (inputs === undefined || signatures === undefined) {
    return refuse("ERR_FED_SIGNATURE_MISSING", "Signature and Signature-Input are required");
  }
  if (
    inputs.length > MAX_SIGNATURE_HEADER_LENGTH ||
    signatures.length > MAX_SIGNATURE_HEADER_LENGTH
  ) {
    return refuse("ERR_FED_SIGNATURE_MALFORMED", "the signature headers are too long");
  }
  return asWeWriteIt(inputs, signatures) ?? find(inputs, signatures);
}

/** The one form that our own signing has, and most others'. */
const LABELLED = `${SIGNATURE_LABEL}=`;
const OUR_SIGNATURE = /^aether=:([A-Za-z0-9+/]{85}[AQgw]==):$/u;
const OUR_PARAMETERS =
  /^;created=([1-9]\d{0,14});expires=([1-9]\d{0,14});nonce="([\w-]{22})";keyid="(https?:\/\/[!$-.0->@-[\]-~]+)#([\w-]{43})";alg="ed25519";tag="aether-federation"(?:;session="([\w-]{1,64})")?$/u;

/** Reads that form at a glance; undefined for every other, whatever {@link find} makes of it. */
function asWeWriteIt(inputs: string, signatures: string): FoundSignature | undefined {
  const [, base64] = OUR_SIGNATURE.exec(signatures) ?? [];
  if (base64 === undefined || !inputs.startsWith(LABELLED)) return undefined;
  const coverage = COVERAGES.find(({ text }) => inputs.startsWith(text, LABELLED.length));
  if (coverage === undefined) return undefined;
  const input = inputs.slice(LABELLED.length);
  const match = OUR_PARAMETERS.exec(input.slice(coverage.text.length));
  if (match === null) return undefined;
  const [, created, expires, nonce = "", origin = "", kid = "", session] = match;
  if (origin.length + 1 + kid.length > MAX_KEY_ID_LENGTH) return undefined;
  const claims = {
    ...{ origin, kid, nonce, created: Number(created), expires: Number(expires) },
    ...(session === undefined ? {} : { session }),
  };
  const signature = Buffer.from(base64, "base64");
  return { components: coverage.components, input, signature, keyId: claims, claims };
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(", ") : value;
}

function find(inputHeader: string, signatureHeader: string): FoundSignature | Refusal {
  const malformed = (why: string): Refusal => refuse("ERR_FED_SIGNATURE_MALFORMED", why);
  const inputs = parseDictionary(inputHeader);
  const signatures = parseDictionary(signatureHeader);
  if (inputs === undefined || signatures === undefined) {
    return malformed("the signature headers are no dictionaries");
  }
  const tagged = [...inputs].filter(([, input]) => input.parameters.get("tag") === SIGNATURE_TAG);
  if (tagged.length > 1) {
    return refuse("ERR_FED_SIGNATURE_AMBIGUOUS", `${tagged.length} signatures carry our tag`);
  }
  const [only] = tagged;
  if (only === undefined) {
    return refuse("ERR_FED_SIGNATURE_MISSING", `no signature has tag "${SIGNATURE_TAG}"`);
  }
  const [label, input] = only;
  if (label !== SIGNATURE_LABEL) return malformed(`the label must be "${SIGNATURE_LABEL}"`);
  const signature = signatures.get(label);
  const value = signature !== undefined && "value" in signature ? signature.value : undefined;
  if (!("items" in input) || typeof value !== "object" || value.bytes === undefined) {
    return malformed("the signature is not of RFC 9421's form");
  }
  if (input.items.length > MAX_COVERED_COMPONENTS) {
    return malformed("the signature covers too many components");
  }
  // Base64 leaves spare bits: a signature has one spelling only.
  if (value.text !== `:${value.spelling}:`) {
    return malformed("the signature is not canonical base64");
  }
  const { parameters } = input;
  const components = input.items.map(componentOf);
  const keyId = splitKeyId(parameters.get("keyid"));
  const claims = claimsOf(parameters, keyId);
  return {
    components,
    // What claims nothing is never verified.
    input: "verified" in claims ? "" : `(${names(components)})${serializeParameters(parameters)}`,
    signature: value.bytes,
    keyId,
    claims,
  };
}

function names(components: readonly Component[]): string {
  return components.map(({ identifier }) => identifier).join(" ");
}

/** Required components and parameters. */
export function checkPolicy(
  { components, claims }: FoundSignature,
  required: readonly Component[],
): SignatureClaims | Refusal {
  if (components === required) return claims;
  const wrongly = (what: string): Refusal => refuse("ERR_FED_SIGNATURE_COMPONENTS", what);
  const identifiers = new Set(components.map(({ identifier }) => identifier));
  const missing = required.filter(({ identifier }) => !identifiers.has(identifier));
  if (missing.length > 0) {
    return wrongly(`not covered: ${missing.map(({ identifier }) => identifier).join(" ")}`);
  }
  return identifiers.size === components.length ? claims : wrongly("a component is covered twice");
}

function claimsOf(parameters: Parameters, keyId: KeyId | undefined): SignatureClaims | Refusal {
  const wrong = (what: string): Refusal => refuse("ERR_FED_SIGNATURE_PARAMETERS", what);
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
  if (typeof created !== "number" || typeof expires !== "number") {
    return wrong("created and expires must be integers");
  }
  if (keyId === undefined) return wrong('keyid must be "<origin>#<kid>"');
  const session = parameters.get("session");
  if (session === undefined) return { ...keyId, nonce, created, expires };
  if (typeof session !== "string" || !/^[\w-]{1,64}$/u.test(session)) {
    return wrong("session must be the id of a session");
  }
  return { ...keyId, nonce, created, expires, session };
}

/** The unverified `keyid` of our signature, for limits and look-ups before verification. */
export function peekKeyId(headers: Headers): { origin: string; kid: string } | undefined {
  const found = findSignature(headers);
  if ("verified" in found || found.keyId === undefined) return undefined;
  const { origin, kid } = found.keyId;
  return { origin, kid };
}

/** The bytes of our signature as they came, verified or not. */
export function peekSignature(headers: Headers): Uint8Array | undefined {
  const found = findSignature(headers);
  return "verified" in found ? undefined : found.signature;
}

function splitKeyId(value: unknown): KeyId | undefined {
  if (typeof value !== "string" || value.length > MAX_KEY_ID_LENGTH) return undefined;
  const match = /^(https?:\/\/[^#/?\s]+)#([A-Za-z0-9_-]{43})$/u.exec(value);
  const [, origin, kid] = match ?? [];
  return origin === undefined || kid === undefined ? undefined : { origin, kid };
}
