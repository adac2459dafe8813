/**
 * `<endpoint>/admin`: the operator's page, what it shows, and what is decided on it.
 *
 *   GET  /admin               the page; it says nothing of this server
 *   GET  /admin/page/<file>   its style and scripts
 *   GET  /admin/data          an `Overview`; query `q`, `condition`, `from`
 *   POST /admin/act           an `AdminAction`; answers `{ "done": "<a sentence>" }`
 *
 * The last two need the header `Aether-Admin: 1`, which a page of another origin cannot send without being
 * allowed to, so that nobody's browser decides for somebody else.
 */
import { readFileSync, readdirSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { FederationError } from "../errors.ts";
import { closeToPages, methodNotAllowed, refusal, send } from "../http/inbound/answers.ts";
import { hangUpUnread, readRawBody } from "../http/inbound/raw-body.ts";
import { customerOf } from "../http/inbound/rate-limits.ts";
import { Quota } from "../limits/quota.ts";
import { CONDITIONS, type PeerCondition } from "../operator/condition.ts";
import type { Overview, OverviewQuery } from "../operator/overview.ts";
import type { Clock, Logger } from "../ports.ts";
import { type AdminAccess, AdminGate } from "./access.ts";
import { type AdminDeeds, actionSchema, perform } from "../operator/actions.ts";
import { ADMIN_HTML } from "./page/html.ts";
import { PAGE_CSS } from "./page/style.ts";

/** Options of {@link createAdmin}. */
export interface AdminOptions {
  readonly access: AdminAccess;
  /** Path of the public endpoint: `/federation`. */
  readonly base: string;
  readonly overview: (query: OverviewQuery) => Promise<Overview>;
  readonly deeds: AdminDeeds;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Answers a request below `<endpoint>/admin`; `path` is what comes after that, with its query. */
export type AdminHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
) => Promise<void>;

const HEADER = "aether-admin";
const MAX_ACTION_BYTES = 8_192;
/** Requests of one customer in a minute, wrong ones included. */
const PER_MINUTE = 600;
const SCRIPT = /^[a-z-]+\.js$/u;
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Builds the handler. @throws TypeError where nothing guards it. */
export function createAdmin(options: AdminOptions): AdminHandler {
  const { access, clock, logger } = options;
  const gate = new AdminGate({ access, clock, logger });
  const quota = new Quota({ clock, perMinute: PER_MINUTE });
  const files = pageFiles();
  return async (request, response, target) => {
    hangUpUnread(request, response);
    closeToPages(response);
    response.setHeader("Referrer-Policy", "no-referrer");
    response.setHeader("X-Frame-Options", "DENY");
    response.setHeader("Content-Security-Policy", POLICY);
    const wait = quota.take(customerOf(request) ?? "");
    if (wait > 0) {
      send(response, refusal("ERR_FED_RATE_LIMITED", undefined, wait));
      return;
    }
    if (!(await gate.guarded(request, response))) return;
    const [path = "", query = ""] = target.split("?", 2);
    const method = request.method ?? "GET";
    if (path === "/act") {
      if (method !== "POST") send(response, methodNotAllowed("POST"));
      else if (isFromPage(request, response) && gate.authorized(request, response)) {
        await act(options, request, response);
      }
      return;
    }
    if (method !== "GET" && method !== "HEAD") {
      send(response, methodNotAllowed("GET, HEAD"));
      return;
    }
    if (path === "/data") {
      if (!isFromPage(request, response) || !gate.authorized(request, response)) return;
      const body = await options.overview(queryOf(new URLSearchParams(query)));
      send(response, { status: 200, body });
      return;
    }
    const file = path === "" || path === "/" ? undefined : files.get(path.slice("/page/".length));
    if (path === "" || path === "/") {
      const text = ADMIN_HTML.replaceAll("{{base}}", escaped(options.base)).replace(
        "{{token}}",
        gate.needsToken ? "yes" : "no",
      );
      send(response, { status: 200, body: undefined, contentType: HTML, text });
    } else if (path.startsWith("/page/") && file !== undefined) {
      send(response, { status: 200, body: undefined, contentType: file.type, text: file.text });
    } else send(response, refusal("ERR_FED_NOT_FOUND", "Nothing is served there."));
  };
}

/** As it may stand in an attribute; a URL's path has few of these anyway. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}

const HTML = "text/html; charset=utf-8";

/** Style and scripts, as they are shipped. */
function pageFiles(): ReadonlyMap<string, { readonly type: string; readonly text: string }> {
  const folder = fileURLToPath(new URL("page/", import.meta.url));
  const scripts = readdirSync(folder).filter((name) => SCRIPT.test(name));
  return new Map([
    ["style.css", { type: "text/css; charset=utf-8", text: PAGE_CSS }],
    ...scripts.map(
      (name) =>
        [
          name,
          {
            type: "text/javascript; charset=utf-8",
            text: readFileSync(`${folder}${name}`, "utf8"),
          },
        ] as const,
    ),
  ]);
}

/** A form of another page cannot send the header, and a script of one has to ask first. */
function isFromPage(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.headers[HEADER] === "1") return true;
  send(response, refusal("ERR_FED_MALFORMED", "Send the header Aether-Admin: 1."));
  return false;
}

async function act(
  { deeds, logger }: AdminOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(await readRawBody(request, MAX_ACTION_BYTES)).toString("utf8"));
  } catch (cause) {
    const known = cause instanceof FederationError;
    send(response, known ? refusal(cause.code) : refusal("ERR_FED_MALFORMED", "This is no JSON."));
    return;
  }
  const shape = actionSchema.safeParse(body);
  if (!shape.success) {
    const [issue] = shape.error.issues;
    const detail = `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`.slice(0, 200);
    send(response, refusal("ERR_FED_MALFORMED", detail));
    return;
  }
  try {
    send(response, { status: 200, body: { done: await perform(shape.data, deeds) } });
  } catch (cause) {
    if (cause instanceof TypeError) {
      send(response, { status: 409, body: { failed: cause.message.slice(0, 1_000) } });
    } else if (cause instanceof FederationError) {
      const failed = `${cause.code}: ${cause.message.slice(0, 1_000)}`;
      send(response, { status: 409, body: { failed } });
    } else {
      logger.error(`the admin page could not ${shape.data.action}`, cause);
      send(response, refusal("ERR_FED_UNAVAILABLE"));
    }
  }
}

function queryOf(query: URLSearchParams): OverviewQuery {
  const condition = query.get("condition");
  const from = Number(query.get("from") ?? 0);
  return {
    search: query.get("q")?.slice(0, 200),
    condition: CONDITIONS.find((each): each is PeerCondition => each === condition),
    from: Number.isSafeInteger(from) && from > 0 ? from : 0,
  };
}
