/** Compact JWS over Ed25519 (RFC 7515, RFC 8037) with an explicit `typ` (RFC 8725 §3.11). */
import type { FederationErrorCode } from "../errors.ts";
import { type Refusal, refuse } from "../errors.ts";
import type { VerifyKey } from "./ed25519.ts";
import type { SigningKey } from "./server-keys.ts";
import { MAX_TREE_SIZE, TREE_ALGORITHM, signTree, verifyTree } from "./tree-signature.ts";

/** Tokens longer than this are refused unread. */
export const MAX_TOKEN_LENGTH = 16 * 1024;

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** Signs `payload` as a compact JWS. */
export async function signJws(payload: object, typ: string, key: SigningKey): Promise<string> {
  const signed = `${encode({ alg: "EdDSA", typ, kid: key.kid })}.${encode(payload)}`;
  return joined(signed, key.sign(Buffer.from(signed, "latin1")));
}

/**
 * Signs each of `payloads` as a compact JWS, many with one Ed25519 operation (PROTOCOL 6): one that is alone as
 * {@link signJws} does.
 */
export async function signAllJws(
  payloads: readonly object[],
  typ: string,
  key: SigningKey,
): Promise<string[]> {
  const [only, ...others] = payloads;
  if (only === undefined) return [];
  if (others.length === 0) return [await signJws(only, typ, key)];
  const header = encode({ alg: TREE_ALGORITHM, typ, kid: key.kid });
  const tokens: string[] = [];
  for (let from = 0; from < payloads.length; from += MAX_TREE_SIZE) {
    const texts = payloads
      .slice(from, from + MAX_TREE_SIZE)
      .map((each) => `${header}.${encode(each)}`);
    const signatures = signTree(
      texts.map((text) => Buffer.from(text, "latin1")),
      key,
    );
    tokens.push(...texts.map((text, index) => joined(text, signatures[index] ?? Buffer.alloc(0))));
  }
  return tokens;
}

function joined(signed: string, signature: Uint8Array): string {
  return `${signed}.${Buffer.from(signature).toString("base64url")}`;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** The protected header, unverified; undefined when there is none to read. */
export function peekHeader(
  token: unknown,
  maxLength = MAX_TOKEN_LENGTH,
): Readonly<Record<string, unknown>> | undefined {
  if (typeof token !== "string" || token.length > maxLength) return undefined;
  // Three parts, or the five of a token that is encrypted, which nobody takes.
  const [header = "", ...others] = token.split(".", 6);
  if ((others.length !== 2 && others.length !== 4) || !/^[\w-]+$/u.test(header)) return undefined;
  return decode(() => UTF8.decode(Buffer.from(header, "base64url")));
}

/** The payload, unverified; undefined when it is no JSON object. */
export function peekPayload(token: string): Readonly<Record<string, unknown>> | undefined {
  const [, payload] = token.split(".", 2);
  return decode(() => Buffer.from(payload ?? "", "base64url").toString("utf8"));
}

/** The JSON object of a part; undefined when there is none in it. */
function decode(text: () => string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text());
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Verifies a compact JWS: size, form, `typ`, `alg`, then the signature of the key that `keyFor` finds.
 *
 * The signature is checked by the strict {@link VerifyKey}, and every part must be canonical
 * base64url, so that one signed statement has one spelling.
 */
export function verifyJws(
  token: unknown,
  options: {
    readonly typ: string;
    readonly invalid: FederationErrorCode;
    /** Who sent the token, authenticated: of its own (`iss`) the signature is not checked. Default: of all. */
    readonly sender?: string | undefined;
    /** Characters. Default {@link MAX_TOKEN_LENGTH}. */
    readonly maxLength?: number;
    /** Whether it may be one of many under one signature ({@link signAllJws}). Default: it may not. */
    readonly trees?: boolean;
    readonly keyFor: (
      header: Readonly<Record<string, unknown>>,
      payload: Readonly<Record<string, unknown>>,
    ) => VerifyKey | Refusal;
  },
):
  | {
      verified: true;
      payload: Readonly<Record<string, unknown>>;
      header: Readonly<Record<string, unknown>>;
      key: VerifyKey;
    }
  | Refusal {
  const { typ, invalid } = options;
  const header = peekHeader(token, options.maxLength);
  if (header === undefined || typeof token !== "string") {
    return refuse(invalid, "not a compact JWS");
  }
  const parts = token.split(".");
  const [protectedPart = "", payloadPart = "", signaturePart = ""] = parts;
  if (parts.length !== 3 || !parts.every(isCanonicalBase64url)) {
    return refuse(invalid, "not three parts of canonical base64url");
  }
  if (header["typ"] !== typ) return refuse(invalid, `typ must be ${typ}`);
  const inTree = options.trees === true && header["alg"] === TREE_ALGORITHM;
  if (!inTree && header["alg"] !== "EdDSA") return refuse(invalid, "alg must be EdDSA");
  if (header["crit"] !== undefined) return refuse(invalid, "no critical extension is understood");
  const payload = peekPayload(token);
  if (payload === undefined) return refuse(invalid, "the payload is not a JSON object");
  const key = options.keyFor(header, payload);
  if ("verified" in key) return key;
  if (options.sender !== undefined && payload["iss"] === options.sender) {
    return { verified: true, payload, header, key };
  }
  const signed = Buffer.from(`${protectedPart}.${payloadPart}`, "latin1");
  const signature = Buffer.from(signaturePart, "base64url");
  if (!(inTree ? verifyTree(signed, signature, key) : key.verify(signed, signature))) {
    return refuse(invalid, "the signature does not verify");
  }
  return { verified: true, payload, header, key };
}

/** Whether `part` is base64url as an encoder writes it: no padding, no spare bits set, not empty. */
export function isCanonicalBase64url(part: string): boolean {
  return part !== "" && Buffer.from(part, "base64url").toString("base64url") === part;
}
