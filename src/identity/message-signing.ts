/** Signs requests and answers as PROTOCOL 3 has it. */
import type { Clock, Random } from "../ports.ts";
import type { SigningKey } from "./server-keys.ts";
import { type Message, type SignedMessageParts, signatureBase } from "./signature-base.ts";
import {
  ANSWER_COVERAGE,
  BODY_COVERAGE,
  type Coverage,
  LINK_ANSWER_COVERAGE,
  LINK_KEY_HEADER,
  LINK_REQUEST_COVERAGE,
  MAX_SIGNATURE_SECONDS,
  RECIPIENT_HEADER,
  REQUEST_COVERAGE,
  SIGNATURE_LABEL,
  SIGNATURE_TAG,
  contentDigest,
} from "./signature-policy.ts";

/** Who signs. */
export interface Signer {
  readonly origin: string;
  readonly key: SigningKey;
}

/**
 * Signs a request; the result's headers are added to it. `recipient` is the callee's origin, `session` the id
 * of the session with it, `linkKey` the caller's key for the link that it asks for: such a request has no body.
 */
export async function signRequest(
  request: {
    readonly method: string;
    readonly targetUri: string;
    readonly recipient: string;
    readonly body?: Uint8Array;
    readonly session?: string | undefined;
    readonly linkKey?: string;
  },
  by: Signer,
  ports: { readonly clock: Clock; readonly random: Random },
): Promise<{ headers: Record<string, string> }> {
  const { method, targetUri, recipient, body, session, linkKey } = request;
  const headers: Record<string, string> = {
    [RECIPIENT_HEADER]: recipient,
    ...(body === undefined ? {} : { "content-digest": contentDigest(body) }),
    ...(linkKey === undefined ? {} : { [LINK_KEY_HEADER]: linkKey }),
  };
  const plain = body === undefined ? REQUEST_COVERAGE : BODY_COVERAGE;
  const coverage = linkKey === undefined ? plain : LINK_REQUEST_COVERAGE;
  return {
    headers: {
      ...headers,
      ...sign(coverage, { method, targetUri, headers }, { by, ports, session }),
    },
  };
}

/**
 * Signs a response to `request`, which carries its own signature. `linkKey` is our key for the link that it
 * grants.
 *
 * @throws TypeError when it carries none.
 */
export async function signResponse(
  response: { readonly status: number; readonly body: Uint8Array; readonly linkKey?: string },
  request: SignedMessageParts,
  by: Signer,
  ports: { readonly clock: Clock; readonly random: Random },
): Promise<{ headers: Record<string, string> }> {
  const { status, body, linkKey } = response;
  const headers = {
    "content-digest": contentDigest(body),
    ...(linkKey === undefined ? {} : { [LINK_KEY_HEADER]: linkKey }),
  };
  const coverage = linkKey === undefined ? ANSWER_COVERAGE : LINK_ANSWER_COVERAGE;
  const message = { status, headers };
  return { headers: { ...headers, ...sign(coverage, message, { by, ports, request }) } };
}

function sign(
  coverage: Coverage,
  message: Message,
  {
    by: { origin, key },
    ports: { clock, random },
    request,
    session,
  }: {
    readonly by: Signer;
    readonly ports: { readonly clock: Clock; readonly random: Random };
    /** What is answered. */
    readonly request?: SignedMessageParts;
    readonly session?: string | undefined;
  },
): Record<"signature-input" | "signature", string> {
  const created = Math.floor(clock.now() / 1000);
  const nonce = Buffer.from(random.bytes(16)).toString("base64url");
  const input =
    `${coverage.text};created=${created};expires=${created + MAX_SIGNATURE_SECONDS}` +
    `;nonce="${nonce}";keyid="${origin}#${key.kid}";alg="ed25519";tag="${SIGNATURE_TAG}"` +
    (session === undefined ? "" : `;session="${session}"`);
  const base = signatureBase(coverage.components, input, message, request);
  if (base === undefined) throw new TypeError("only a request that is signed can be answered");
  return {
    "signature-input": `${SIGNATURE_LABEL}=${input}`,
    signature: `${SIGNATURE_LABEL}=:${Buffer.from(key.sign(base)).toString("base64")}:`,
  };
}
