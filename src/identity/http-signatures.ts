/** HTTP message signatures with the policy of PROTOCOL 3 (RFC 9421, RFC 9530): this is their door. */
export { signRequest, signResponse } from "./message-signing.ts";
export {
  type ReadHead,
  type RequestHead,
  readHead,
  unknownKey,
  verifyRequest,
  verifyResponse,
} from "./message-verification.ts";
export type { SignedMessageParts } from "./signature-base.ts";
export { findSignature, peekKeyId, peekSignature } from "./signature-headers.ts";
export { LINK_KEY_HEADER } from "./signature-policy.ts";
