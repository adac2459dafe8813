/** Each door of a server, as whoever has no key sees it: below its endpoint, and its rooms' own. */
import { type FederationErrorCode, isFederationErrorCode } from "../errors.ts";
import type { ServerDescriptor } from "../identity/descriptor.ts";
import { LINK_CAPABILITY, LINK_PATH } from "../http/link/opening.ts";
import type { FetchResponse } from "../ports.ts";
import type { Report } from "./findings.ts";
import { CALL_MILLISECONDS, type LinkCheckParts } from "./parts.ts";
import { noAnswer, refusalWords } from "./words.ts";

const NO_ASSET = `/assets/sha256/${"0".repeat(64)}`;
/** No process, no room and no seat: Colyseus takes the connection, and says so over it. */
const NO_SEAT = "/aether-doctor/aether-doctor?sessionId=aether-doctor";

type Look = (endpoint: string, parts: LinkCheckParts, report: Report) => Promise<void>;

/** Looks at the doors below an endpoint; false where nobody answers there, or somebody else. */
export async function tryDoors(
  { endpoint: given, protocols }: ServerDescriptor,
  parts: LinkCheckParts,
  report: Report,
): Promise<boolean> {
  const endpoint = given.replace(/\/$/u, "");
  if (!(await handshake(endpoint, parts, report))) return false;
  const looks: Look[] = [health, assets];
  if (protocols.includes(LINK_CAPABILITY)) looks.push(link);
  await Promise.all(looks.map((look) => look(endpoint, parts, report)));
  return true;
}

/** Whoever signs nothing can see that the handshake asks for a signature. */
async function handshake(
  endpoint: string,
  { fetch, own }: LinkCheckParts,
  report: Report,
): Promise<boolean> {
  const ask = (headers: Readonly<Record<string, string>>): Promise<FetchResponse> =>
    fetch({
      ...{ method: "POST", url: `${endpoint}/handshake`, body: new TextEncoder().encode("{}") },
      ...{ headers: { "content-type": "application/json", ...headers } },
      timeoutMilliseconds: CALL_MILLISECONDS,
    });
  try {
    const answer = await ask({});
    const code = codeOf(answer);
    if (answer.status === 401 && code === "ERR_FED_SIGNATURE_MISSING") {
      report("handshake", true, "it asks for a signature, as it should");
      // With a key of our own, the signed call says more.
      if (own === undefined) await signatureArrives(ask, report);
      return true;
    }
    const plainly =
      code === undefined
        ? `HTTP ${answer.status}, and not by this protocol: a proxy strips or changes the path ${new URL(endpoint).pathname}, or answers for it`
        : `HTTP ${answer.status} ${code}: ${refusalWords(code, { origin: endpoint, own: "", kid: "" }).words}`;
    report("handshake", false, `${endpoint}/handshake answers ${plainly}`);
    // Where that path leads elsewhere, so do all others.
    return code !== undefined;
  } catch (cause) {
    report(
      "handshake",
      false,
      `nobody answers at the endpoint ${endpoint}: ${noAnswer(cause).words}`,
    );
    return false;
  }
}

/** A signature that cannot verify, by a key that nobody has: is it seen at all? */
async function signatureArrives(
  ask: (headers: Readonly<Record<string, string>>) => Promise<FetchResponse>,
  report: Report,
): Promise<void> {
  const keyId = `https://doctor.invalid#${"A".repeat(43)}`;
  const answer = await ask({
    "signature-input": `aether=("@method");created=1;expires=2;nonce="${"A".repeat(22)}";keyid="${keyId}";alg="ed25519";tag="aether-federation"`,
    signature: `aether=:${"A".repeat(86)}==:`,
  });
  const code = codeOf(answer);
  if (code !== "ERR_FED_SIGNATURE_MISSING") return;
  report("signed call", false, refusalWords(code, { origin: "", own: "", kid: "" }).words);
}

async function health(endpoint: string, { fetch }: LinkCheckParts, report: Report): Promise<void> {
  try {
    const answer = await fetch({
      ...{ method: "GET", url: `${endpoint}/health`, headers: {} },
      timeoutMilliseconds: CALL_MILLISECONDS,
    });
    const { status, checks } = (jsonOf(answer) ?? {}) as { status?: unknown; checks?: unknown };
    if (status === "pass") report("health", true, "pass");
    else if (status === "warn" || status === "fail") {
      const why = whyUnwell(checks);
      report(
        "health",
        false,
        `it says ${status} of itself${why === "" ? "" : ` (${why})`}: its operator has to look (npx aether-federation status, there)`,
      );
    } else {
      const said = status === undefined ? "nothing" : JSON.stringify(status);
      report(
        "health",
        false,
        `HTTP ${answer.status}, and says of its health: ${said}; does a proxy answer for it?`,
      );
    }
  } catch (cause) {
    report("health", false, noAnswer(cause).words);
  }
}

/** The checks of a health document that are not well. */
function whyUnwell(checks: unknown): string {
  if (typeof checks !== "object" || checks === null) return "";
  const words: string[] = [];
  for (const [name, results] of Object.entries(checks).slice(0, 16)) {
    for (const each of Array.isArray(results) ? (results as readonly unknown[]).slice(0, 4) : []) {
      const { status, output } = (each ?? {}) as { status?: unknown; output?: unknown };
      if (status === "pass") continue;
      words.push(typeof output === "string" ? `${name}: ${output.slice(0, 200)}` : name);
    }
  }
  return words.join("; ");
}

async function assets(endpoint: string, { fetch }: LinkCheckParts, report: Report): Promise<void> {
  const wrong = (words: string): void => {
    report("assets", false, words);
  };
  try {
    const { status, headers, body } = await fetch({
      ...{ method: "GET", url: `${endpoint}${NO_ASSET}` },
      headers: { range: "bytes=0-0", origin: "https://doctor.invalid" },
      timeoutMilliseconds: CALL_MILLISECONDS,
    });
    const code = codeOf({ status, headers, body });
    if (status !== 404 || code !== "ERR_FED_ASSET_UNKNOWN") {
      wrong(
        `HTTP ${status}${code === undefined ? ", and not by this protocol" : ` ${code}`}, where an unknown file is asked for: a proxy changes the path below assets/, or answers for it`,
      );
      return;
    }
    const allowed = headers["access-control-allow-origin"];
    const exposed = headers["access-control-expose-headers"] ?? "";
    if (allowed !== "*") {
      wrong(
        allowed === undefined
          ? "browsers may not read its files: a proxy takes access-control-allow-origin out of answers"
          : `browsers may not read its files: access-control-allow-origin arrives as "${allowed}", where the server says "*"; a proxy sets one of its own`,
      );
    } else if (!/\bcontent-range\b/iu.test(exposed)) {
      wrong(
        "browsers cannot read parts of its files: a proxy takes access-control-expose-headers out of answers",
      );
    } else report("assets", true, "files are served as they should be");
  } catch (cause) {
    wrong(noAnswer(cause).words);
  }
}

async function link(
  endpoint: string,
  { probeUpgrade }: LinkCheckParts,
  report: Report,
): Promise<void> {
  const slower = "Calls go by HTTP instead, and are slower";
  try {
    // For no sub-protocol: only who sees an upgrade refuses it as one.
    const answer = await probeUpgrade(`${endpoint}${LINK_PATH}`, []);
    const isSeen = !answer.upgraded && answer.code === "ERR_FED_MALFORMED";
    if (isSeen) report("link", true, "upgrades to WebSockets arrive");
    else {
      const said = answer.upgraded ? "a WebSocket of somebody else" : `HTTP ${answer.status}`;
      report(
        "link",
        false,
        `the upgrade to a WebSocket of ${LINK_PATH} is answered by ${said}: a proxy does not hand on Upgrade and Connection there. ${slower}`,
      );
    }
  } catch (cause) {
    report(
      "link",
      false,
      `the upgrade to a WebSocket of ${LINK_PATH}: ${noAnswer(cause).words}. ${slower}`,
    );
  }
}

/** Whether players can connect to rooms: Colyseus' own WebSocket, at the origin. */
export async function tryRooms(
  origin: string,
  { probeUpgrade }: LinkCheckParts,
  report: Report,
): Promise<void> {
  try {
    const answer = await probeUpgrade(`${origin}${NO_SEAT}`, []);
    report(
      "rooms",
      answer.upgraded,
      answer.upgraded
        ? "WebSockets to rooms are let through"
        : `players cannot connect: the upgrade to a WebSocket is answered by HTTP ${answer.status}; let the proxy hand on Upgrade and Connection for every path`,
    );
  } catch (cause) {
    report(
      "rooms",
      false,
      `players cannot connect: the upgrade to a WebSocket fails; ${noAnswer(cause).words}`,
    );
  }
}

function jsonOf({ body }: FetchResponse): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return undefined;
  }
}

/** The code of a problem document, if it is one of ours. */
export function codeOf(answer: FetchResponse): FederationErrorCode | undefined {
  const { code } = (jsonOf(answer) ?? {}) as { readonly code?: unknown };
  return isFederationErrorCode(code) ? code : undefined;
}
