/** What PROTOCOL 3 fixes of a signature, for who makes one and for who verifies it. */
import { hash } from "node:crypto";
import { type Component, componentOf } from "./signature-base.ts";
import { parseList } from "./structured-fields.ts";

/** Label of our signature. */
export const SIGNATURE_LABEL = "aether";
/** Tag that tells our signature from others on the same message. */
export const SIGNATURE_TAG = "aether-federation";
/** A signature expires at most this long after it was made. */
export const MAX_SIGNATURE_SECONDS = 60;
/** Names the origin of the server that a request is meant for, wherever its endpoint is. */
export const RECIPIENT_HEADER = "aether-recipient";
/** Carries the sender's key for a link, in a request for one and in the answer that grants it (PROTOCOL 12). */
export const LINK_KEY_HEADER = "aether-link-key";

/** The components that a signature covers, and the list of them as it is written. */
export interface Coverage {
  readonly text: string;
  readonly components: readonly Component[];
}

/** Of a request without a body. */
export const REQUEST_COVERAGE = coverage('("@method" "@target-uri" "aether-recipient")');
/** Of a request with a body. */
export const BODY_COVERAGE = coverage(
  '("@method" "@target-uri" "aether-recipient" "content-digest")',
);
/** Of an answer. */
export const ANSWER_COVERAGE = coverage(
  '("@status" "content-digest" "@method";req "@target-uri";req "aether-recipient";req "signature";req;key="aether")',
);
/** Of a request for a link. */
export const LINK_REQUEST_COVERAGE = coverage(
  '("@method" "@target-uri" "aether-recipient" "aether-link-key")',
);
/** Of the answer that grants one. */
export const LINK_ANSWER_COVERAGE = coverage(
  '("@status" "content-digest" "@method";req "@target-uri";req "aether-recipient";req "signature";req;key="aether" "aether-link-key")',
);
/** All there are. */
export const COVERAGES = [
  BODY_COVERAGE,
  ANSWER_COVERAGE,
  REQUEST_COVERAGE,
  LINK_REQUEST_COVERAGE,
  LINK_ANSWER_COVERAGE,
];

function coverage(text: string): Coverage {
  const [list] = parseList(text) ?? [];
  const items = list !== undefined && "items" in list ? list.items : [];
  return { text, components: items.map(componentOf) };
}

/** `Content-Digest` of RFC 9530 with sha-256. */
export function contentDigest(body: Uint8Array): string {
  return `sha-256=:${hash("sha256", body, "base64")}:`;
}
