/**
 * Answers on their way out: plain for whoever asks, signed for callers that were verified
 * (PROTOCOL 3), problem documents for refusals (PROTOCOL 11).
 */
import type { ServerResponse } from "node:http";
import type { FederationErrorCode } from "../../errors.ts";
import { type SignedMessageParts, signResponse } from "../../identity/http-signatures.ts";
import type { SigningKey } from "../../identity/server-keys.ts";
import type { Clock, Random } from "../../ports.ts";
import { type Problem, problem } from "./problem.ts";
import { sayUnread } from "./raw-body.ts";

/** An answer on its way out. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Default `application/json`. */
  readonly contentType?: string;
  readonly retryAfterSeconds?: number | undefined;
  /** For how long caches keep it. Default: not at all. */
  readonly cacheSeconds?: number | undefined;
  /** What is sent: `body` as JSON. Default: written when it is sent. */
  readonly text?: string;
  /** Methods that the path takes, where the request's is none of them. */
  readonly allow?: string;
}

/** What a domain says to a call: a body, or a coded refusal. */
export type Verdict =
  | { readonly ok: true; readonly body: unknown }
  | {
      readonly ok: false;
      readonly code: FederationErrorCode;
      readonly reason: string;
      readonly retryAfterSeconds?: number | undefined;
    };

/** What signing an answer needs. */
export interface AnswerSigner {
  readonly origin: string;
  readonly signingKey: () => SigningKey;
  readonly clock: Clock;
  readonly random: Random;
}

/** The answer that a domain's word makes; `status` is that of a body. */
export function answerOf(verdict: Verdict, status = 200): Answer {
  return verdict.ok
    ? { status, body: verdict.body }
    : refusal(verdict.code, verdict.reason, verdict.retryAfterSeconds);
}

/** A refusal on its way out. */
type Refused = Answer & { readonly body: Problem };

/**
 * The refusals that came first, by code and by what they add to it, ready to be sent: a flood hears the same
 * again and again. Details that a stranger can make up fill a code's places, and are written anew from then on.
 */
const prepared = new Map<FederationErrorCode, Map<string | number | undefined, Refused>>();
const MAX_PREPARED_OF_CODE = 32;
const MAX_PREPARED_DETAIL_LENGTH = 200;

/** A problem document; `detail` must be safe to show to the sender. */
export function refusal(
  code: FederationErrorCode,
  detail?: string,
  retryAfterSeconds?: number,
): Refused {
  const isOdd = detail !== undefined && retryAfterSeconds !== undefined;
  if (isOdd || (detail?.length ?? 0) > MAX_PREPARED_DETAIL_LENGTH) {
    return written(code, detail, retryAfterSeconds);
  }
  const ofCode = prepared.get(code) ?? new Map<string | number | undefined, Refused>();
  prepared.set(code, ofCode);
  const addition = detail ?? retryAfterSeconds;
  const known = ofCode.get(addition);
  if (known !== undefined) return known;
  const made = written(code, detail, retryAfterSeconds);
  if (ofCode.size < MAX_PREPARED_OF_CODE) ofCode.set(addition, made);
  return made;
}

function written(code: FederationErrorCode, detail?: string, retryAfterSeconds?: number): Refused {
  const body = problem(code, detail, retryAfterSeconds);
  return {
    ...{ status: body.status, body, text: JSON.stringify(body) },
    ...{ contentType: "application/problem+json", retryAfterSeconds },
  };
}

/** The refusal of a method where `allow` is answered. */
export function methodNotAllowed(allow: string): Answer {
  return { ...refusal("ERR_FED_METHOD_NOT_ALLOWED", `Use ${allow}.`), allow };
}

/** Lets pages of no other origin read the answer: the host's Colyseus lets all, with their credentials. */
export function closeToPages(response: ServerResponse): void {
  for (const name of response.getHeaderNames()) {
    if (name.startsWith("access-control-")) response.removeHeader(name);
  }
}

/** Answers a page's browser that asks whether it may send a call with the headers it needs. */
export function answerPreflight(response: ServerResponse, allow: string): void {
  response.setHeader("Allow", allow);
  response.setHeader("Access-Control-Allow-Methods", allow);
  response.setHeader("Access-Control-Allow-Headers", "Authorization, Content-Type");
  response.setHeader("Access-Control-Max-Age", 86_400);
  response.statusCode = 204;
  response.end();
}

/** Lets pages of every origin read the answer, without credentials. */
export function openToPages(response: ServerResponse): void {
  response.setHeader("Access-Control-Allow-Origin", "*");
}

/** Sends an answer that its receiver can hold against `request`. */
export async function sendSigned(
  signer: AnswerSigner,
  request: SignedMessageParts,
  response: ServerResponse,
  answer: Answer,
): Promise<void> {
  const { text = JSON.stringify(answer.body) } = answer;
  const { headers } = await signResponse(
    { status: answer.status, body: Buffer.from(text) },
    request,
    { origin: signer.origin, key: signer.signingKey() },
    { clock: signer.clock, random: signer.random },
  );
  send(response, answer, text, headers);
}

/** Sends an answer, unless one was sent already. */
export function send(
  response: ServerResponse,
  answer: Answer,
  text: string = answer.text ?? JSON.stringify(answer.body),
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return;
  const {
    status,
    contentType = "application/json",
    retryAfterSeconds,
    cacheSeconds,
    allow,
  } = answer;
  const length = Buffer.byteLength(text);
  // A list is written out as it is; headers that are set one by one are looked at, stored and read again.
  const list = ["Content-Type", contentType, "Content-Length", String(length)];
  list.push("X-Content-Type-Options", "nosniff", "Cache-Control");
  list.push(cacheSeconds === undefined ? "no-store" : `public, max-age=${cacheSeconds}`);
  if (allow !== undefined) list.push("Allow", allow);
  if (retryAfterSeconds !== undefined) {
    list.push("Retry-After", String(Math.ceil(retryAfterSeconds)));
  }
  for (const [name, value] of Object.entries(headers)) list.push(name, value);
  sayUnread(response.req, response);
  response.writeHead(status, list);
  // Of a text, Node makes one piece with the head, and one write; of one in ASCII it does so fastest.
  response.end(text, length === text.length ? "latin1" : "utf8");
}
