/** What both sides of a link's opening have in common (PROTOCOL 12). */
import { peekSignature } from "../../identity/http-signatures.ts";
import { type EphemeralKey, type LinkKeys, agreeOnKeys } from "../../link/keys.ts";

/** Below the endpoint. */
export const LINK_PATH = "/link";
/** The sub-protocol of the WebSocket. */
export const LINK_SUBPROTOCOL = "aether-link.1";
/** The same where traced calls may go over it, too: who knows them offers both, this one first. */
export const TRACED_LINK_SUBPROTOCOL = "aether-link.1+trace";
/** What a descriptor's `protocols` has where a server knows links. */
export const LINK_CAPABILITY = "aether-link/1";

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** The keys that an opening comes to; undefined where the other side's key is none. Both messages are verified. */
export function keysOfOpening(
  own: EphemeralKey,
  theirs: unknown,
  messages: {
    readonly opener: string;
    readonly accepter: string;
    readonly request: Headers;
    readonly answer: Headers;
  },
): LinkKeys | undefined {
  const { opener, accepter, request, answer } = messages;
  const requestSignature = peekSignature(request);
  const answerSignature = peekSignature(answer);
  if (
    typeof theirs !== "string" ||
    requestSignature === undefined ||
    answerSignature === undefined
  ) {
    return undefined;
  }
  return agreeOnKeys(own, theirs, { opener, accepter, requestSignature, answerSignature });
}
