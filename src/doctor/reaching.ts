/** From the name of a server to its descriptor: who answers there, and is it who it should be? */
import { SUPPORTED_PROTOCOLS } from "../handshake/messages.ts";
import { type ServerDescriptor, verifyDescriptor } from "../identity/descriptor.ts";
import { CLOCK_SKEW_SECONDS } from "../identity/pass.ts";
import type { Clock, FetchResponse } from "../ports.ts";
import { activeKids } from "../registry/federated-server.ts";
import type { Report } from "./findings.ts";
import { CALL_MILLISECONDS, type LinkCheckParts, type OwnSide } from "./parts.ts";
import { here, messageOf, noAnswer } from "./words.ts";

const WELL_KNOWN = "/.well-known/aether-federation";
const MAX_DESCRIPTOR_BYTES = 64 * 1024;
/** A room that nobody has: Colyseus says so in its own way. */
const NO_ROOM = "/matchmake/joinById/aether-doctor";

/** Whom an origin says to be. */
export interface Reached {
  readonly descriptor: ServerDescriptor;
  /** Whether one of its keys is pinned here, or none is yet. */
  readonly isKnownByKey: boolean;
}

/** Reads the descriptor that is served at an origin; undefined where it is none, which is told. */
export async function reach(
  origin: string,
  parts: LinkCheckParts,
  report: Report,
): Promise<Reached | undefined> {
  const { fetch, clock, own } = parts;
  const isHttps = origin.startsWith("https:");
  let response: FetchResponse;
  try {
    response = await fetch({
      ...{ method: "GET", url: `${origin}${WELL_KNOWN}`, headers: { accept: "application/json" } },
      ...{ timeoutMilliseconds: CALL_MILLISECONDS, maxBodyBytes: MAX_DESCRIPTOR_BYTES },
    });
  } catch (cause) {
    const { isTls, words } = noAnswer(cause);
    if (!isTls && !isHttps && (await speaksTls(origin, parts))) {
      report(
        "TLS",
        false,
        `TLS is spoken on that port, and the origin says http: name it as https:`,
      );
      return undefined;
    }
    report("reach", isTls, isTls ? "a connection is made" : words);
    if (isTls) report("TLS", false, words);
    return undefined;
  }
  report("reach", true, `it answers HTTP ${response.status}`);
  if (isHttps) report("TLS", true, "the certificate is valid");
  else report("TLS", parts.allowInsecure, "none (http: is for development)");
  tellClock(response, clock, report);
  if (response.status !== 200) {
    const isTlsPort =
      !isHttps && response.status === 400 && textOf(response).includes("HTTPS port");
    if (isTlsPort) {
      report(
        "TLS",
        false,
        "TLS is spoken on that port, and the origin says http: name it as https:",
      );
      return undefined;
    }
    report("descriptor", false, await whoAnswers(origin, response, parts));
    return undefined;
  }
  const descriptor = await read(origin, parts, response);
  if (typeof descriptor === "string") {
    report("descriptor", false, descriptor);
    return undefined;
  }
  const { name, keys, worlds } = descriptor;
  const count = keys.length === 1 ? "one key" : `${keys.length} keys`;
  report("descriptor", true, `"${name}", ${count}, worlds: ${worlds.join(", ") || "none"}`);
  const isKnownByKey = own === undefined || tellKeys(descriptor, own, report);
  const common = SUPPORTED_PROTOCOLS.filter((version) => descriptor.protocols.includes(version));
  report(
    "protocol",
    common.length > 0,
    common.length > 0
      ? common.join(", ")
      : `it speaks ${descriptor.protocols.join(", ")}, this server speaks ${SUPPORTED_PROTOCOLS.join(", ")}: update the older of the two`,
  );
  const isOwn = descriptor.endpoint.startsWith(`${origin}/`);
  report(
    "delegation",
    true,
    isOwn ? "none, the endpoint is on the origin" : `to ${descriptor.endpoint}`,
  );
  return { descriptor, isKnownByKey };
}

function tellClock({ headers }: FetchResponse, clock: Clock, report: Report): void {
  const date = Date.parse(headers["date"] ?? "");
  if (Number.isNaN(date)) {
    report("clock", true, "it does not tell the time");
    return;
  }
  const skew = Math.round((date - clock.now()) / 1000);
  const fine = Math.abs(skew) < CLOCK_SKEW_SECONDS;
  report(
    "clock",
    fine,
    fine
      ? `within ${Math.abs(skew)} s of ours`
      : `${Math.abs(skew)} s ${skew > 0 ? "ahead of" : "behind"} ours: run NTP on both`,
  );
}

/** A descriptor, or in words why it is none. */
async function read(
  origin: string,
  { clock, allowInsecure }: LinkCheckParts,
  response: FetchResponse,
): Promise<ServerDescriptor | string> {
  let document: unknown;
  try {
    document = JSON.parse(textOf(response));
  } catch {
    return `${WELL_KNOWN} is no JSON: another site is served here, or a proxy answers for it`;
  }
  const verified = await verifyDescriptor(document, { now: clock.now(), origin, allowInsecure });
  if (verified.verified) return verified.descriptor;
  const { code, reason } = verified;
  if (code === "ERR_FED_DESCRIPTOR_EXPIRED") {
    return `its descriptor has expired (${code}): a cache or a file serves an old one, or the clock there is wrong; serve it from the running server, uncached`;
  }
  if (reason.startsWith("the descriptor is of ")) {
    return `${reason}, not of ${origin} (${code}): its option \`origin\` says so; either set that to ${origin} there, or name the server by it here`;
  }
  return `${code}: ${reason}`;
}

function tellKeys({ origin, keys }: ServerDescriptor, own: OwnSide, report: Report): boolean {
  const server = own.registry.get(origin);
  if (server === undefined) return true;
  const offered = keys.map(({ kid }) => kid);
  if (offered.some((kid) => own.registry.keyFor(origin, kid) !== undefined)) {
    report("keys", true, "it has a key that is pinned here");
    return true;
  }
  const [first = ""] = offered;
  report(
    "keys",
    false,
    `none of its keys is pinned here: it comes with ${offered.join(", ")}, pinned is ${activeKids(server).join(", ") || "none"}. Ask its operator, by another way, which key is right`,
    here(`peers approve ${origin} --key ${first}`),
  );
  return false;
}

/** No descriptor: what is it, then? */
async function whoAnswers(
  origin: string,
  { status, headers }: FetchResponse,
  { fetch }: LinkCheckParts,
): Promise<string> {
  if (status === 502 || status === 503 || status === 504) {
    return `a proxy answers HTTP ${status}: the game server behind it does not run, or does not listen where the proxy looks`;
  }
  const ask = async (method: "GET" | "POST", path: string): Promise<unknown> => {
    const timeoutMilliseconds = CALL_MILLISECONDS;
    const body = method === "POST" ? { body: new TextEncoder().encode("{}") } : {};
    const sent = { "content-type": "application/json" };
    const url = `${origin}${path}`;
    const answer = await fetch({ method, url, headers: sent, timeoutMilliseconds, ...body });
    return JSON.parse(textOf(answer));
  };
  const [health, room] = await Promise.all([
    ask("GET", "/federation/health").catch(() => undefined),
    ask("POST", NO_ROOM).catch(() => undefined),
  ]);
  if (typeof (health as { status?: unknown } | undefined)?.status === "string") {
    return `HTTP ${status} for ${WELL_KNOWN}, though the plugin runs there: a proxy keeps that path back; hand it on`;
  }
  const { code, error } = (room ?? {}) as { readonly code?: unknown; readonly error?: unknown };
  if (typeof code === "number" && typeof error === "string") {
    return `Colyseus answers there, without aether-federation (HTTP ${status} for ${WELL_KNOWN}): attach it (npx aether-federation init)`;
  }
  const by = headers["server"] === undefined ? "" : `, by ${headers["server"]}`;
  return `some other web server answers there (HTTP ${status}${by}): no ${WELL_KNOWN}; does the name lead to the right machine and the proxy to the game server?`;
}

async function speaksTls(origin: string, { fetch }: LinkCheckParts): Promise<boolean> {
  const url = `${origin.replace(/^http:/u, "https:")}${WELL_KNOWN}`;
  try {
    await fetch({ method: "GET", url, headers: {}, timeoutMilliseconds: CALL_MILLISECONDS });
    return true;
  } catch (cause) {
    const { isTls, words } = noAnswer(cause);
    return (isTls && !words.includes("no TLS")) || messageOf(cause).includes("redirects");
  }
}

function textOf({ body }: FetchResponse): string {
  return Buffer.from(body).toString("utf8");
}
