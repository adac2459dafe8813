/** What a failure, or a code, means for a link, in words that say what to do. */
import { ERROR_CODES, type FederationErrorCode } from "../errors.ts";
import { causeOf } from "../health/health-cause.ts";
import type { Mend } from "./findings.ts";

const COMMAND = "npx aether-federation";

/** A command of the command line, typed on this server's machine. */
export function here(words: string): Mend {
  return { where: "here", command: `${COMMAND} ${words}` };
}

/** The same, typed on the other server's machine. */
export function there(words: string): Mend {
  return { where: "there", command: `${COMMAND} ${words}` };
}

/** What has to do with certificates and their like: found where the connection itself is fine. */
const OF_TLS: Readonly<Record<string, string>> = {
  "certificate-expired":
    "the certificate has expired: renew it there, and see why nobody did (certbot, Caddy)",
  "certificate-not-valid-yet":
    "the certificate is not valid yet: either it is too new, or the clock of this machine is behind (run NTP)",
  "certificate-not-trusted":
    "the certificate is of nobody that this machine trusts: serve the whole chain there, or, for a private authority, name its certificate in NODE_EXTRA_CA_CERTS here",
  "certificate-wrong-name":
    "the certificate is for another name: get one there that names this host, or use the name that it has",
};
/** OpenSSL's words for bytes that are no TLS at all. */
const NO_TLS = /WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST|UNKNOWN_PROTOCOL|INVALID_RECORD/u;

/** Why nothing was answered at an address. */
export interface NoAnswer {
  /** Whether a connection was made all the same: then it is its TLS that is wrong. */
  readonly isTls: boolean;
  readonly words: string;
}

/** What a failed exchange comes to. */
export function noAnswer(cause: unknown): NoAnswer {
  const { code } = causeOf(cause);
  const tls = OF_TLS[code];
  if (tls !== undefined) return { isTls: true, words: tls };
  if (code === "tls-failed") {
    const words = NO_TLS.test(codesIn(cause))
      ? "what listens there speaks no TLS (plain HTTP behind https:): put a proxy with a certificate in front of the game server, and let it have that port"
      : "no version of TLS, or no cipher, in common: let that server speak TLS 1.2 or 1.3";
    return { isTls: true, words };
  }
  return { isTls: false, words: UNREACHED[code] ?? messageOf(cause) };
}

const UNREACHED: Readonly<Record<string, string>> = {
  "no-such-host": "the name does not resolve: check its DNS entry, and how it is written",
  "name-lookup-failed": "the resolver of this machine does not answer: look at its DNS first",
  "connection-refused": "nothing listens there: is the server running, and is this its port?",
  "connection-lost":
    "the connection is closed without an answer: does a firewall or a proxy cut it, or is TLS spoken on that port?",
  "no-way-there": "this machine has no way to that network: look at its routes and firewall",
  "timed-out":
    "no answer in time: is the machine up, and does a firewall let that port through? A server that hangs answers nothing, too",
};

/** A refusal of a peer, or of what stands before it: what it means, and the command that mends it. */
export function refusalWords(
  code: FederationErrorCode,
  asked: {
    /** The peer. */
    readonly origin: string;
    /** This server, and the key that it signs with. */
    readonly own: string;
    readonly kid: string;
    /** What was said beside the code. */
    readonly said?: string | undefined;
  },
): { readonly words: string; readonly mend?: Mend } {
  const { origin, own, kid, said } = asked;
  const approve = there(`peers approve ${own} --key ${kid}`);
  switch (code) {
    case "ERR_FED_SIGNATURE_MISSING":
      return {
        words:
          "the signature does not arrive: a proxy takes the headers signature and signature-input out of requests; let it hand on every header",
      };
    case "ERR_FED_SIGNATURE_COMPONENTS":
    case "ERR_FED_SIGNATURE_MALFORMED":
    case "ERR_FED_SIGNATURE_PARAMETERS":
    case "ERR_FED_SIGNATURE_AMBIGUOUS":
      return {
        words: `the signature arrives changed (${code}): a proxy rewrites the headers signature or signature-input; let it hand on every header`,
      };
    case "ERR_FED_SIGNATURE_INVALID":
      return {
        words:
          "the signature arrives, and what it covers does not: a proxy rewrites the path, the query or a signed header (content-digest, aether-recipient); hand them on unchanged",
      };
    case "ERR_FED_DIGEST_MISMATCH":
      return {
        words:
          "the body arrives changed: a proxy, or middleware before the plugin, rewrites bodies or takes content-digest out",
      };
    case "ERR_FED_WRONG_RECIPIENT":
      return said?.includes(`not meant for ${origin}:`) === true
        ? {
            words:
              "the header aether-recipient does not arrive: a proxy takes it out of requests; let it hand on every header",
          }
        : {
            words: `another server answers there (${said ?? "it does not say which"}): the proxy leads to the wrong one, or its option \`origin\` is not ${origin}`,
          };
    case "ERR_FED_CLOCK_SKEW":
    case "ERR_FED_SIGNATURE_EXPIRED":
      return {
        words: `the clocks of the two servers are too far apart (${code}${said === undefined ? "" : `: ${said}`}): run NTP on both`,
      };
    case "ERR_FED_UNKNOWN_KEY":
      return {
        words: "it does not know the key that this server signs with, though it knows this server",
        mend: approve,
      };
    case "ERR_FED_KEY_CHANGED":
      return {
        words: "its key is not the one that is pinned here",
        mend: here(`peers approve ${origin}`),
      };
    case "ERR_FED_NOT_TRUSTED":
      return {
        words: `it has not approved this server${said === undefined ? "" : ` (${said})`}`,
        mend: approve,
      };
    case "ERR_FED_BLOCKED":
      return { words: "it blocks this server", mend: there(`peers unblock ${own}`) };
    case "ERR_FED_HANDSHAKE_REQUIRED":
      return { words: "it has no session with this server", mend: here(`peers retry ${origin}`) };
    case "ERR_FED_RATE_LIMITED":
      return { words: "it has had too many requests from here: wait a minute, and look again" };
    case "ERR_FED_STORE_UNAVAILABLE":
      return {
        words:
          "its store does not answer: its operator has to look at Redis, PostgreSQL or the disk",
      };
    case "ERR_FED_NOT_FOUND":
      return { words: "the path does not arrive as it was sent: a proxy strips or changes it" };
    case "ERR_FED_UNREACHABLE":
      return {
        words:
          "it cannot reach this server's own origin, from where it reads who calls: is that reachable from outside?",
        mend: there(`doctor ${own}`),
      };
    default:
      return { words: `${code}: ${said ?? ERROR_CODES[code][1]}` };
  }
}

/** What a failed call says of itself. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : "it failed without a reason";
}

function codesIn(failure: unknown): string {
  const codes: string[] = [];
  let next = failure;
  while (typeof next === "object" && next !== null && codes.length < 6) {
    const { code, cause } = next as { readonly code?: unknown; readonly cause?: unknown };
    codes.push(typeof code === "string" ? code : "");
    next = cause;
  }
  return codes.join(" ");
}
