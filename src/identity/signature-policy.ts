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
/** All there are. */
export const COVERAGES = [BODY_COVERAGE, ANSWER_COVERAGE, REQUEST_COVERAGE];

function coverage(text: string): Coverage {
  const [list] = parseList(text) ?? [];
  const items = list !== undefined && "items" in list ? list.items : [];
  return { text, components: items.map(componentOf) };
}

/** `Content-Digest` of RFC 9530 with sha-256. */
export function contentDigest(body: Uint8Array): string {
  return `sha-256=:${hash("sha256", body, "base64")}:`;
}
