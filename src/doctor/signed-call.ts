/**
 * A link from both ends: what this server thinks of the other, whether a call that it signs is heard, and what the
 * other thinks of it. The call names no session and makes none: the running server's stays what it is.
 */
import { FederationError } from "../errors.ts";
import { trustWordSchema } from "../handshake/messages.ts";
import { TRUST_CAPABILITY, trustWordFor } from "../handshake/trust-words.ts";
import type { ServerDescriptor } from "../identity/descriptor.ts";
import {
  type SignedMessageParts,
  signRequest,
  verifyResponse,
} from "../identity/http-signatures.ts";
import type { FetchResponse } from "../ports.ts";
import { ALL_ROLES, type TrustRoles, TrustState } from "../registry/federated-server.ts";
import { shownText } from "../words.ts";
import { codeOf } from "./doors.ts";
import type { Report } from "./findings.ts";
import { CALL_MILLISECONDS, type LinkCheckParts, type OwnSide } from "./parts.ts";
import { here, messageOf, noAnswer, refusalWords, there } from "./words.ts";

const MAX_ANSWER_BYTES = 64 * 1024;
/** A question that every version answers, and that costs nothing: it asks for nobody. */
const HARMLESS_PATH = "/custody/preview";

/** Tells how this server takes the other. Answers whether it would call it. */
export function tellOurTrust(origin: string, own: OwnSide, report: Report): boolean {
  const server = own.registry.get(origin);
  const blockedBy = own.registry.blockedBy(origin);
  if (blockedBy.length > 0 || server?.trust === TrustState.Blocked) {
    const [by = origin] = blockedBy;
    report(
      "our trust",
      false,
      `blocked here by ${blockedBy.join(", ") || by}`,
      here(`peers unblock ${by}`),
    );
    return false;
  }
  if (server === undefined) {
    const isNamed = own.isNamed(origin);
    report(
      "our trust",
      true,
      isNamed ? "named by the configuration here, and never met" : "no peer of this server",
    );
    // Hands are shaken with it by the running server alone.
    return isNamed && own.connect !== undefined;
  }
  switch (server.trust) {
    case TrustState.Pending:
      report(
        "our trust",
        false,
        "it waits here for your approval",
        here(`peers approve ${origin}`),
      );
      return false;
    case TrustState.Quarantined:
      report(
        "our trust",
        false,
        "quarantined here: it came with keys that nothing vouches for. Ask its operator, by another way, which are right",
        here(`peers approve ${origin}`),
      );
      return false;
    default:
      report("our trust", true, `trusted: ${rolesWords(server.roles ?? ALL_ROLES, "here")}`);
      return true;
  }
}

/** Sees to a session where there is none, signs a call, and tells what came of it. */
export async function callSigned(
  { origin, endpoint, protocols }: ServerDescriptor,
  parts: LinkCheckParts,
  own: OwnSide,
  report: Report,
): Promise<void> {
  const asked = { origin, own: own.origin, kid: own.signingKey().kid };
  if (!(await session(origin, own, report))) return;
  const saysTrust = protocols.includes(TRUST_CAPABILITY);
  const url = `${endpoint.replace(/\/$/u, "")}${saysTrust ? "/trust" : HARMLESS_PATH}`;
  const word = saysTrust ? (trustWordFor(own.registry, origin) ?? {}) : {};
  let answer: FetchResponse;
  let isVerified: boolean;
  try {
    ({ answer, isVerified } = await ask(origin, url, word, parts, own));
  } catch (cause) {
    report("signed call", false, noAnswer(cause).words);
    return;
  }
  const code = codeOf(answer);
  const isHeard = answer.status === 200 || (!saysTrust && code === "ERR_FED_MALFORMED");
  if (!isHeard) {
    if (code === "ERR_FED_HANDSHAKE_REQUIRED" && own.connect === undefined && isVerified) {
      report(
        "signed call",
        true,
        "it knows this server's key; a session begins when this server starts",
      );
      return;
    }
    const said = saidIn(answer);
    const { words, mend } =
      code === undefined
        ? {
            words: `HTTP ${answer.status}, and not by this protocol: a proxy answers for it`,
            mend: undefined,
          }
        : refusalWords(code, { ...asked, said });
    report("signed call", false, words, mend);
    return;
  }
  if (!isVerified) {
    report(
      "signed call",
      false,
      "it is answered, without a signature that verifies: a proxy takes the headers signature and signature-input out of answers, or changes their bodies; hand them on unchanged",
    );
    return;
  }
  report("signed call", true, "it hears this server, and its answer's signature verifies");
  if (saysTrust) tellTheirTrust(origin, answer, own, report);
}

/** Whether the call is to be made. */
async function session(origin: string, own: OwnSide, report: Report): Promise<boolean> {
  if (own.connect === undefined) {
    report("session", true, "this server does not run: nothing is begun");
    return true;
  }
  if (own.registry.liveSession(origin) !== undefined) {
    report("session", true, "there is one");
    return true;
  }
  try {
    await own.connect(origin);
    report("session", true, "there was none, and hands were shaken");
    return true;
  } catch (cause) {
    const kid = own.signingKey().kid;
    const { words, mend } =
      cause instanceof FederationError
        ? handshakeWords(cause, origin, own.origin, kid)
        : { words: messageOf(cause), mend: undefined };
    report("session", false, `the handshake fails: ${words}`, mend);
    return false;
  }
}

function handshakeWords(
  cause: FederationError,
  origin: string,
  own: string,
  kid: string,
): ReturnType<typeof refusalWords> {
  // This server's own calls end so where nobody answers; a peer's word is that it cannot reach this server.
  const isOurs = !cause.message.includes("refuses the handshake");
  const isUnanswered = cause.code === "ERR_FED_UNREACHABLE" || cause.code === "ERR_FED_TIMEOUT";
  if (isOurs && isUnanswered) return { words: noAnswer(cause).words };
  return refusalWords(cause.code, { origin, own, kid, said: cause.message });
}

async function ask(
  origin: string,
  url: string,
  word: object,
  { fetch, clock, random }: LinkCheckParts,
  own: OwnSide,
): Promise<{ readonly answer: FetchResponse; readonly isVerified: boolean }> {
  const body = Buffer.from(JSON.stringify(word));
  const signed = await signRequest(
    { method: "POST", targetUri: url, recipient: origin, body },
    { origin: own.origin, key: own.signingKey() },
    { clock, random },
  );
  const headers = { ...signed.headers, "content-type": "application/json" };
  const request: SignedMessageParts = { method: "POST", targetUri: url, headers, body };
  const answer = await fetch({
    ...{ method: "POST", url, headers, body },
    ...{ timeoutMilliseconds: CALL_MILLISECONDS, maxBodyBytes: MAX_ANSWER_BYTES },
  });
  const { verified } = await verifyResponse(answer, request, {
    ...{ clock, origin },
    keyFor: (from, kid) => (from === origin ? own.registry.keyFor(origin, kid) : undefined),
  });
  return { answer, isVerified: verified };
}

/** What they say beside what we say: where the two differ, who types what. */
function tellTheirTrust(
  origin: string,
  { body }: FetchResponse,
  own: OwnSide,
  report: Report,
): void {
  const said = trustWordSchema.safeParse(parsed(body));
  if (!said.success) {
    report(
      "their trust",
      false,
      "it does not say what it trusts this server for, as PROTOCOL 4 has it",
    );
    return;
  }
  const theirs = said.data;
  const ours = own.registry.get(origin)?.roles ?? ALL_ROLES;
  const mend = there(`peers approve ${own.origin}`);
  if (ours.outbound && !theirs.inbound) {
    report(
      "their trust",
      false,
      "it lets none of our players in, and this server would send them",
      mend,
    );
  } else if (ours.inbound && !theirs.outbound) {
    report(
      "their trust",
      false,
      "it lets none of its players come here, where they would be let in",
      mend,
    );
  } else report("their trust", true, `trusted: ${rolesWords(theirs, "there")}`);
}

function rolesWords({ inbound, outbound }: TrustRoles, by: "here" | "there"): string {
  if (inbound && outbound) return "both ways";
  const [intoIt, outOfIt] =
    by === "here"
      ? ["its players come in, ours do not go there", "ours go there, its players do not come in"]
      : [
          "our players go there, its own do not come here",
          "its players come here, ours do not go there",
        ];
  if (inbound) return `one way: ${intoIt}`;
  return outbound ? `one way: ${outOfIt}` : "for nothing";
}

function saidIn({ body }: FetchResponse): string | undefined {
  const { detail } = (parsed(body) ?? {}) as { readonly detail?: unknown };
  return shownText(detail, 300);
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return undefined;
  }
}
