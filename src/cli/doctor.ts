/** `doctor <origin>`: reaches a server as a stranger would and says what is wrong. */
import { SUPPORTED_PROTOCOLS } from "../handshake/messages.ts";
import { createGuardedFetch } from "../http/outbound/outbound-guard.ts";
import { type ServerDescriptor, verifyDescriptor } from "../identity/descriptor.ts";
import { normalizeOrigin } from "../identity/origin.ts";
import { CLOCK_SKEW_SECONDS } from "../identity/pass.ts";
import { type Fetch, type FetchResponse, systemClock } from "../ports.ts";
import { shownText } from "../words.ts";
import { CommandError, type CommandResult, EXIT } from "./output.ts";

/** One line of the report. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  /** What was found, and where it is wrong, what to do. */
  readonly detail: string;
}

const MAX_DETAIL_LENGTH = 16 * 1024;
const WELL_KNOWN = "/.well-known/aether-federation";

/** Checks a server from the outside. Exit code 1 when anything is wrong. */
export async function diagnose(
  target: string,
  flags: { readonly allowInsecure: boolean },
): Promise<CommandResult> {
  let origin: string;
  try {
    origin = normalizeOrigin(target, flags);
  } catch (cause) {
    throw new CommandError(cause instanceof Error ? cause.message : "no origin", EXIT.usage);
  }
  const fetch = createGuardedFetch({ ...flags, allowPrivateNetwork: flags.allowInsecure });
  const findings: Finding[] = [];
  try {
    await examine(origin, flags.allowInsecure, fetch, (check, ok, detail) =>
      // In one line: the server that is examined has a say in it.
      findings.push({ check, ok, detail: shownText(detail, MAX_DETAIL_LENGTH) ?? "" }),
    );
  } finally {
    await fetch.close();
  }
  const healthy = findings.every(({ ok }) => ok);
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.map(
    ({ check, ok, detail }) => `${ok ? "ok " : "FIX"}  ${check.padEnd(width)}  ${detail}`,
  );
  return {
    text: [...lines, "", healthy ? `${origin} is well.` : `${origin} needs attention.`].join("\n"),
    json: { origin, healthy, findings },
    exitCode: healthy ? EXIT.ok : EXIT.failed,
  };
}

type Report = (check: string, ok: boolean, detail: string) => void;

async function examine(
  origin: string,
  allowInsecure: boolean,
  fetch: Fetch,
  report: Report,
): Promise<void> {
  const url = `${origin}${WELL_KNOWN}`;
  let response: FetchResponse;
  try {
    response = await fetch({ method: "GET", url, headers: { accept: "application/json" } });
  } catch (cause) {
    report("reach", false, reachAdvice(origin, cause));
    return;
  }
  report("reach", true, `${url} answers HTTP ${response.status}`);
  report(
    "TLS",
    origin.startsWith("https:") || allowInsecure,
    origin.startsWith("https:") ? "the certificate is valid" : "none (http: is for development)",
  );
  if (response.status !== 200) {
    report("descriptor", false, `serve it at ${WELL_KNOWN}: does a proxy keep that path back?`);
    return;
  }
  clock(response, report);
  const descriptor = await readDescriptor(origin, allowInsecure, response, report);
  if (descriptor === undefined) return;
  const { endpoint } = descriptor;
  const own = endpoint.startsWith(`${origin}/`);
  report("delegation", true, own ? "none, the endpoint is on the origin" : `to ${endpoint}`);
  const common = SUPPORTED_PROTOCOLS.filter((version) => descriptor.protocols.includes(version));
  report(
    "protocol",
    common.length > 0,
    common.length > 0
      ? common.join(", ")
      : `it speaks ${descriptor.protocols.join(", ")}, we speak ${SUPPORTED_PROTOCOLS.join(", ")}: one of both needs an update`,
  );
  await handshake(endpoint.replace(/\/$/u, ""), fetch, report);
  await health(endpoint.replace(/\/$/u, ""), fetch, report);
}

function clock({ headers }: FetchResponse, report: Report): void {
  const date = Date.parse(headers["date"] ?? "");
  if (Number.isNaN(date)) {
    report("clock", true, "it does not tell the time");
    return;
  }
  const skew = Math.round((date - systemClock.now()) / 1000);
  const fine = Math.abs(skew) < CLOCK_SKEW_SECONDS;
  report(
    "clock",
    fine,
    fine
      ? `within ${Math.abs(skew)} s of ours`
      : `${Math.abs(skew)} s ${skew > 0 ? "ahead of" : "behind"} ours: run NTP on both`,
  );
}

async function readDescriptor(
  origin: string,
  allowInsecure: boolean,
  response: FetchResponse,
  report: Report,
): Promise<ServerDescriptor | undefined> {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(response.body).toString("utf8"));
  } catch {
    report("descriptor", false, "it is no JSON: is another site served here?");
    return undefined;
  }
  const verified = await verifyDescriptor(document, {
    now: systemClock.now(),
    origin,
    allowInsecure,
  });
  if (!verified.verified) {
    report("descriptor", false, `${verified.code}: ${verified.reason}`);
    return undefined;
  }
  const { descriptor } = verified;
  const keys = descriptor.keys.length === 1 ? "one key" : `${descriptor.keys.length} keys`;
  report(
    "descriptor",
    true,
    `"${descriptor.name}", ${keys}, worlds: ${descriptor.worlds.join(", ") || "none"}`,
  );
  return descriptor;
}

/** A stranger without an address of its own can only see that the handshake asks for a signature. */
async function handshake(endpoint: string, fetch: Fetch, report: Report): Promise<void> {
  const url = `${endpoint}/handshake`;
  try {
    const answer = await fetch({
      method: "POST",
      url,
      headers: { "content-type": "application/json" },
      body: new TextEncoder().encode("{}"),
    });
    const code = codeOf(answer);
    const right = answer.status === 401 && code === "ERR_FED_SIGNATURE_MISSING";
    report(
      "handshake",
      right,
      right
        ? `${url} asks for a signature, as it should`
        : `${url} answers HTTP ${answer.status}${code === undefined ? " and no problem document" : ` ${code}`}: does a proxy change the path or the body?`,
    );
  } catch (cause) {
    report("handshake", false, reachAdvice(url, cause));
  }
}

async function health(endpoint: string, fetch: Fetch, report: Report): Promise<void> {
  const url = `${endpoint}/health`;
  try {
    const answer = await fetch({ method: "GET", url, headers: {} });
    const { status } = (JSON.parse(Buffer.from(answer.body).toString("utf8")) ?? {}) as {
      status?: unknown;
    };
    report(
      "health",
      status === "pass",
      status === "pass" ? "pass" : `it says of itself: ${JSON.stringify(status) ?? "nothing"}`,
    );
  } catch (cause) {
    report("health", false, reachAdvice(url, cause));
  }
}

function codeOf(answer: FetchResponse): string | undefined {
  try {
    const { code } = JSON.parse(Buffer.from(answer.body).toString("utf8")) as { code?: unknown };
    return typeof code === "string" ? code : undefined;
  } catch {
    return undefined;
  }
}

function reachAdvice(what: string, cause: unknown): string {
  const message = cause instanceof Error ? cause.message : "unknown";
  const inner = (cause as { cause?: { code?: string; message?: string } } | null)?.cause;
  const code = inner?.code ?? "";
  if (/CERT|SSL|TLS|SELF_SIGNED|ALTNAME/u.test(code)) {
    return `${what}: the certificate is not valid (${code}); renew it or name the right host`;
  }
  if (code === "ENOTFOUND") return `${what}: the name does not resolve; check the DNS entry`;
  if (code === "ECONNREFUSED") return `${what}: nothing listens there; is the server running?`;
  return message;
}
