/**
 * Signed messages as nobody sends them, put to our verifier and to the judge that is built on two
 * libraries: both must say the same, word for word.
 */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { importVerifyKey } from "../../src/identity/ed25519.ts";
import {
  type SignedMessageParts,
  peekKeyId,
  verifyRequest,
  verifyResponse,
} from "../../src/identity/http-signatures.ts";
import { generateSigningKey } from "../../src/identity/server-keys.ts";
import type { Random } from "../../src/ports.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import {
  libraryKeyId,
  libraryRequest,
  librarySign,
  libraryVerifyRequest,
  libraryVerifyResponse,
} from "../support/library-signatures.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { below, chance, pick } from "./chance.ts";

/** What was compared, and what was said how often. */
export interface SignatureFuzzResult {
  readonly seed: string;
  /** By code, or `verified`. */
  readonly verdicts: Readonly<Record<string, number>>;
  /** Messages of which the judge is known to say otherwise. */
  readonly leftOut: number;
  /** The first few messages about which the two differ. */
  readonly differences: readonly object[];
}

/** What must be said at least once, or nothing much has been compared. */
export const VERDICTS = [
  "verified",
  ...["MISSING", "MALFORMED", "AMBIGUOUS", "COMPONENTS", "PARAMETERS", "INVALID", "EXPIRED"].map(
    (what) => `ERR_FED_SIGNATURE_${what}`,
  ),
  ...["WRONG_RECIPIENT", "UNKNOWN_KEY", "DIGEST_MISMATCH", "CLOCK_SKEW", "MALFORMED"].map(
    (what) => `ERR_FED_${what}`,
  ),
] as const;

/** What is wrong with a result; nothing of a good one. */
export function complaints({ verdicts, differences }: SignatureFuzzResult): unknown[] {
  return [...differences, ...VERDICTS.filter((what) => (verdicts[what] ?? 0) === 0)];
}

const A = "https://a.example";
const B = "https://b.example:8443";
const KEYS = [A, B, "stranger"].map((seed) => generateSigningKey(seededRandom(seed)));
const [keyA, keyB, stranger] = KEYS as [
  (typeof KEYS)[number],
  (typeof KEYS)[number],
  (typeof KEYS)[number],
];
const NOW = 1_767_225_600;
const MUTANTS_OF_EACH = 6;

interface Exchange {
  readonly request: SignedMessageParts;
  /** Undefined: the request itself is what is verified. */
  readonly response?: {
    readonly status: number;
    readonly headers: Record<string, string>;
    readonly body: Uint8Array;
  };
}

/** Compares so many messages. */
export async function fuzzSignatures(seed: string, messages: number): Promise<SignatureFuzzResult> {
  const random = seededRandom(seed);
  const verdicts: Record<string, number> = {};
  const differences: object[] = [];
  let [leftOut, compared] = [0, 0];
  while (compared < messages) {
    const original = chance(random, 0.6) ? request(random) : answer(random);
    for (let mutant = 0; mutant <= MUTANTS_OF_EACH; mutant += 1) {
      const exchange = mutant === 0 ? original : changed(original, random);
      if (isKnownToDiffer(exchange)) {
        leftOut += 1;
        continue;
      }
      const [ours, judges] = [await verdictOf(exchange), await judgesVerdictOf(exchange)];
      compared += 1;
      const what = ours.result.verified ? "verified" : ours.result.code;
      verdicts[what] = (verdicts[what] ?? 0) + 1;
      if (!isDeepStrictEqual(ours, judges) && differences.length < 5) {
        differences.push({ ours, judges, ...exchange });
      }
    }
  }
  return { seed, verdicts, leftOut, differences };
}

/**
 * Where the judge's library departs from RFC 9651: it takes a date at the end of a field only, takes the
 * decimal 2.0 for the integer 2, and writes control characters of a display string with one digit.
 */
function isKnownToDiffer({ request: { headers }, response }: Exchange): boolean {
  return [headers, response?.headers ?? {}].some((each) =>
    Object.values(each).some((value) => /@-?\d|\.0|%"|%0/u.test(String(value))),
  );
}

const keyFor = (origin: string, kid: string) => {
  const key = KEYS.find((each) => each.kid === kid);
  const owner = key === keyA ? A : key === keyB ? B : undefined;
  return key !== undefined && owner === origin ? importVerifyKey(key.jwk) : undefined;
};
const clock = new ManualClock(NOW * 1000);

async function verdictOf({ request, response }: Exchange) {
  const nonces: unknown[] = [];
  const consumeNonce = (
    key: string,
    ttlMilliseconds: number,
    { session }: { readonly session?: string },
  ) => Promise.resolve(nonces.push([key, ttlMilliseconds, session]) > 0);
  const result =
    response === undefined
      ? await verifyRequest(request, { clock, recipient: B, keyFor, consumeNonce })
      : await verifyResponse(response, request, { clock, origin: B, keyFor });
  return { result, nonces, peeked: peekKeyId(response?.headers ?? request.headers) };
}

async function judgesVerdictOf({ request, response }: Exchange) {
  const nonces: unknown[] = [];
  const consumeNonce = (...nonce: unknown[]) => Promise.resolve(nonces.push(nonce) > 0);
  const result =
    response === undefined
      ? await libraryVerifyRequest(request, { clock, recipient: B, keyFor, consumeNonce })
      : await libraryVerifyResponse(response, request, { clock, origin: B, keyFor });
  return { result, nonces, peeked: libraryKeyId(response?.headers ?? request.headers) };
}

const REQUEST = ['"@method"', '"@target-uri"', '"aether-recipient"', '"content-digest"'];
const ANSWER = [
  '"@status"',
  '"content-digest"',
  '"@method";req',
  '"@target-uri";req',
  '"aether-recipient";req',
  '"signature";req;key="aether"',
];
const MORE = [
  ...['"content-type"', '"date"', '"x-spaces"', '"x-lines"', '"X-Case"', '"x-none"', '"host"'],
  ...['"@authority"', '"@scheme"', '"@path"', '"@query"', '"@request-target"', '"@none"'],
  ...['"@query-param";name="a"', '"@query-param";name="b%20c"', '"@query-param";name="%"'],
  ...['"x-dictionary";sf', '"x-list";sf', '"x-dictionary";key="b"', '"x-dictionary";key="none"'],
  ...['"x-spaces";bs', '"x-list";bs;sf', '"x-bad";sf', '"@method";req', '"@status"', '"date";req'],
  ...[
    '"constructor"',
    '"__proto__"',
    '"x-case";tr',
    '"signature"',
    '"@path";req',
    '"x-list";key="a"',
  ],
];
const OTHER_HEADERS = {
  "content-type": "application/json",
  date: "Tue, 20 Apr 2021 02:07:55 GMT",
  host: "b.example:8443",
  "x-spaces": " \u00e9 two  words\t",
  "x-lines": "one\n  two",
  "x-case": "Case",
  "x-dictionary": 'a=1.50,  b=(x "y" 007);c=?0, d;e, f=:YWI:, g=-0, h=2.5;h=tok/en',
  "x-list": 'a;b;b=3,   ("c"   d);e, 5',
  "x-bad": "a=",
};
const BODIES = ['{"transferId":"t-1"}', "", "{}", "\u0000\u00ff"].map((text) => Buffer.from(text));

function request(random: Random): Exchange {
  const body = chance(random, 0.75) ? pick(random, BODIES) : undefined;
  const target = pick(random, [`${B}/federation/custody/claim`, `${B}/f?a=1&a=2&b%20c=%C3%A9`, B]);
  const headers: Record<string, string> = {
    "aether-recipient": chance(random, 0.95) ? B : pick(random, [A, `${B}/`, ` ${B}`]),
    ...(body === undefined ? {} : { "content-digest": digestOf(body, random) }),
    ...(chance(random, 0.6) ? OTHER_HEADERS : {}),
  };
  const message = {
    method: chance(random, 0.95) ? "POST" : pick(random, ["GET", "post", "PURGE"]),
    targetUri: target,
    body,
    headers,
  };
  const needed = body === undefined ? REQUEST.slice(0, 3) : REQUEST;
  const signed = signatureOf(covered(needed, random), random, A, (components, parameters, key) =>
    librarySign(components, parameters, libraryRequest(message), undefined, key),
  );
  return { request: { ...message, headers: { ...headers, ...signed } } };
}

function answer(random: Random): Exchange {
  const { request: asked } = request(random);
  const body = pick(random, BODIES);
  const headers: Record<string, string> = {
    "content-digest": digestOf(body, random),
    ...(chance(random, 0.4) ? OTHER_HEADERS : {}),
  };
  const status = pick(random, [200, 201, 409, 503]);
  const signed = signatureOf(covered(ANSWER, random), random, B, (components, parameters, key) =>
    librarySign(components, parameters, { status, headers }, libraryRequest(asked), key),
  );
  return { request: asked, response: { status, body, headers: { ...headers, ...signed } } };
}

/** What a signature covers: what it must, in any order, sometimes less, sometimes more. */
function covered(needed: readonly string[], random: Random): string[] {
  const list = [...needed];
  if (chance(random, 0.05)) list.splice(below(random, list.length), 1);
  if (chance(random, 0.4)) list.push(pick(random, MORE));
  if (chance(random, 0.1)) list.push(pick(random, MORE));
  if (chance(random, 0.02)) list.push(...Array.from({ length: 12 }, (_, index) => `"x-${index}"`));
  if (chance(random, 0.03)) list.push(pick(random, list));
  return chance(random, 0.4) ? shuffled(list, random) : list;
}

function signatureOf(
  components: readonly string[],
  random: Random,
  origin: string,
  sign: (
    components: readonly string[],
    parameters: readonly (readonly [string, string | number])[],
    key: (typeof KEYS)[number],
  ) => { input: string; signature: Uint8Array } | undefined,
): Record<string, string> {
  const own = origin === A ? keyA : keyB;
  const key = chance(random, 0.95) ? own : pick(random, KEYS);
  const named = chance(random, 0.95) ? own : stranger;
  const created = NOW - (chance(random, 0.8) ? 0 : pick(random, [1, 59, -30, 90, -31, 91, 600]));
  const life = chance(random, 0.9) ? 60 : pick(random, [1, 61, 0, -1]);
  let parameters: (readonly [string, string | number])[] = [
    ["created", created],
    ["expires", created + life],
    ["nonce", Buffer.from(random.bytes(chance(random, 0.97) ? 16 : 15)).toString("base64url")],
    ["keyid", `${chance(random, 0.97) ? origin : "https://c.example"}#${named.kid}`],
    ["alg", chance(random, 0.97) ? "ed25519" : "hmac-sha256"],
    ["tag", chance(random, 0.97) ? "aether-federation" : "another"],
  ];
  if (chance(random, 0.05)) parameters.splice(below(random, parameters.length), 1);
  if (chance(random, 0.1)) parameters.push(["extra", pick(random, [1, "", 'qu"o\\te', -5])]);
  if (chance(random, 0.3)) {
    const wrong = chance(random, 0.1);
    parameters.push(["session", wrong ? pick(random, [7, "", "a b", "s".repeat(65)]) : "s-1_A"]);
  }
  if (chance(random, 0.3)) parameters = shuffled(parameters, random);
  const made = sign(components, parameters, key) ?? {
    // The message has no such component: something that may stand there, signed by nobody.
    input: `(${components.join(" ")})${parameters.map(([name, value]) => `;${name}=${JSON.stringify(value)}`).join("")}`,
    signature: random.bytes(64),
  };
  const label = chance(random, 0.97) ? "aether" : "sig1";
  const spelling = `:${Buffer.from(made.signature).toString("base64")}:`;
  const inputs = [`${label}=${made.input}`];
  const signatures = [`${label}=${spelling}`];
  if (chance(random, 0.1)) {
    const at = below(random, 2);
    const tag = pick(random, ["aether-federation", "other", "other", "other"]);
    inputs.splice(at, 0, `proxy=("@method" "date");created=1;x=tok;y=?0;z=1.5;tag="${tag}"`);
    signatures.splice(below(random, 2), 0, "proxy=:YWJj:;a");
  }
  return { "signature-input": inputs.join(", "), signature: signatures.join(", ") };
}

function digestOf(body: Uint8Array, random: Random): string {
  const sha256 = createHash("sha256").update(body).digest("base64");
  const sha512 = `sha-512=:${createHash("sha512").update(body).digest("base64")}:`;
  return chance(random, 0.85)
    ? `sha-256=:${sha256}:`
    : pick(random, [
        `sha-256=:${sha256.replace("=", "")}:`,
        `${sha512},  sha-256=:${sha256}:;a`,
        `sha-256=:AAAA:, sha-256=:${sha256}:`,
        `sha-256=:${sha256}:, sha-256=:AAAA:`,
        `sha-256="${sha256}"`,
        ...[sha512, `sha-256=${sha256}`, "sha-256", "", `sha-256=(:${sha256}:)`],
      ]);
}

/** One of its parts changed: what is signed, what signs it, or how that is written. */
function changed(exchange: Exchange, random: Random): Exchange {
  const { request: asked, response } = exchange;
  if (response !== undefined && chance(random, 0.8)) {
    const kind = random.fraction();
    if (kind < 0.05) return { request: asked, response: { ...response, status: 500 } };
    if (kind < 0.1)
      return { request: asked, response: { ...response, body: pick(random, BODIES) } };
    const headers = changedHeaders(response.headers, random) as Record<string, string>;
    return { request: asked, response: { ...response, headers } };
  }
  const kind = random.fraction();
  const headers = kind < 0.85 ? changedHeaders(asked.headers, random) : asked.headers;
  const changes: Partial<SignedMessageParts> =
    kind < 0.85
      ? { headers }
      : pick<Partial<SignedMessageParts>>(random, [
          { method: pick(random, ["PUT", "POst", "", "GET\n"]) },
          { targetUri: edited(asked.targetUri, random) },
          { body: pick(random, [...BODIES, undefined]) },
        ]);
  // Node joins what is sent twice; a list is what a caller of ours may give.
  const request = { ...asked, ...changes };
  return response === undefined ? { request } : { request, response };
}

function changedHeaders(
  headers: SignedMessageParts["headers"],
  random: Random,
): Record<string, string | string[] | undefined> {
  const signing = ["signature-input", "signature", "content-digest", "aether-recipient"];
  const name = chance(random, 0.85)
    ? pick(random, [...signing, "signature-input", "signature-input"])
    : pick(random, Object.keys(headers));
  const value = headers[name];
  if (typeof value !== "string") return { ...headers };
  const kind = random.fraction();
  if (kind < 0.03) return { ...headers, [name]: undefined };
  if (kind < 0.06) return { ...headers, [name]: `${value}, ${value}` };
  return { ...headers, [name]: kind < 0.5 ? respelled(value, random) : edited(value, random) };
}

/** Spellings that a reader of structured fields takes for the same, or nearly. */
const SPELLINGS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/ /gu, ["  ", "   ", "\t", "", "\n"]],
  [/, /gu, [",", " , ", ",\t", "\t,", ",,", ", ,"]],
  [/;/gu, ["; ", ";  ", " ;", ";\t", ";;"]],
  [/\(/gu, ["( ", "(  ", "(\t", "(("]],
  [/\)/gu, [" )", "  )", "\t)", "))", ")a"]],
  [/=(?=\d)/gu, ["=0", "=-", "=-0", "= ", "=?", "=00000000000"]],
  [/\d(?=;|$)/gu, ["0.0", ".0", ".5", ".", ".1234", "e1"]],
  [/"(?=[\w-])/gu, ['"\\"', '"\\', '"\\\\', '""', '" ', ""]],
  [/=(?=:)/gu, ["=:YQ:;b, c=", "=?1, d=", "= "]],
  [/=*:(?=$|,)/gu, [":", "=:", "==:", ":;p", ':;p="x"', "A:", ""]],
  [/^/gu, [" ", "  ", "\t", ",", "a, ", "a=1, ", 'z=("b"), ']],
  [/$/gu, [" ", "\t ", ",", ", a", ";x", ";created=1", ';tag="aether-federation"', ";alg=ed25519"]],
];

function respelled(value: string, random: Random): string {
  const [pattern, others] = pick(random, SPELLINGS);
  const places = [...value.matchAll(pattern)];
  if (places.length === 0) return edited(value, random);
  const every = chance(random, 0.2);
  const one = pick(random, places);
  const other = pick(random, others);
  return value.replaceAll(pattern, (found, ...rest: unknown[]) =>
    every || rest.find((each) => typeof each === "number") === one.index ? other : found,
  );
}

const ALPHABET = " \t\",;:=()?*/+-._\\@%'#<>[]{}|~^`$&!aAzZ09\n\u007f\u00a0\u00e9";

function edited(value: string, random: Random): string {
  let text = value;
  for (let times = 1 + below(random, 3); times > 0; times -= 1) {
    const at = below(random, text.length + 1);
    const char = ALPHABET.charAt(below(random, ALPHABET.length));
    const length = below(random, 6);
    text = pick(random, [
      text.slice(0, at) + char + text.slice(at),
      text.slice(0, at) + char + text.slice(at + 1),
      text.slice(0, at) + text.slice(at + length),
      text.slice(0, at) + text.slice(at, at + length) + text.slice(at),
      text.slice(0, at) + text.charAt(at + 1) + text.charAt(at) + text.slice(at + 2),
    ]);
  }
  return text;
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((value) => ({ value, order: random.fraction() }))
    .sort((a, b) => a.order - b.order)
    .map(({ value }) => value);
}
