/**
 * `<endpoint>/status`: whether this server is up, and the peers that let themselves be listed, for anybody to read
 * and for every page to embed. Nothing of players, of reasons, of trust.
 *
 *   GET /status        a page without scripts
 *   GET /status.json   the same as data
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  closeToPages,
  methodNotAllowed,
  openToPages,
  refusal,
  send,
} from "../http/inbound/answers.ts";
import { hangUpUnread } from "../http/inbound/raw-body.ts";
import { customerOf } from "../http/inbound/rate-limits.ts";
import { Quota } from "../limits/quota.ts";
import type { Uptime } from "../health/uptime-history.ts";
import type { Clock } from "../ports.ts";
import { barPaths, lengthText, shareText } from "./page/figures.ts";
import { PAGE_CSS } from "./page/style.ts";

/** One server on the status page. */
export interface StatusPeer {
  readonly name: string;
  readonly origin: string;
  readonly worlds: readonly string[];
  readonly state: "up" | "degraded" | "down" | "unknown";
  /** Shares 0–1 of the observed time; null where nothing was observed. */
  readonly uptime: Readonly<Record<keyof Uptime, number | null>>;
  /** As `PeerRow.bars`. */
  readonly bars: Readonly<Record<keyof Uptime, string>>;
}

/** What the status page says. */
export interface StatusReport {
  readonly name: string;
  readonly origin: string;
  readonly status: "pass" | "warn" | "fail";
  readonly worlds: readonly string[];
  /** Unix milliseconds. */
  readonly at: number;
  /** Unix milliseconds. */
  readonly startedAt: number | undefined;
  /** At most 200, by name. */
  readonly peers: readonly StatusPeer[];
}

/** Options of {@link createStatus}. */
export interface StatusOptions {
  readonly report: () => StatusReport;
  readonly clock: Clock;
}

/** So old may an answer be: whoever asks, and however often, it is made once in that time. */
const MAX_AGE_SECONDS = 10;
const PER_MINUTE = 120;
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors *";

/** Builds the handler; `path` is what comes after `<endpoint>/status`, with its query. */
export function createStatus({
  report,
  clock,
}: StatusOptions): (request: IncomingMessage, response: ServerResponse, path: string) => void {
  const quota = new Quota({ clock, perMinute: PER_MINUTE });
  let made: { readonly at: number; readonly json: string; readonly html: string } | undefined;
  const current = (): { readonly json: string; readonly html: string } => {
    const now = clock.monotonic();
    if (made === undefined || now - made.at >= MAX_AGE_SECONDS * 1000) {
      const said = report();
      made = { at: now, json: JSON.stringify(said), html: statusHtml(said) };
    }
    return made;
  };
  return (request, response, target) => {
    hangUpUnread(request, response);
    closeToPages(response);
    openToPages(response);
    const wait = quota.take(customerOf(request) ?? "");
    const [path] = target.split("?", 1);
    if (wait > 0) send(response, refusal("ERR_FED_RATE_LIMITED", undefined, wait));
    else if (path !== "" && path !== "/" && path !== ".json") {
      send(response, refusal("ERR_FED_NOT_FOUND", "Nothing is served there."));
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      send(response, methodNotAllowed("GET, HEAD"));
    } else if (path === ".json") {
      const answer = { status: 200, body: undefined, cacheSeconds: MAX_AGE_SECONDS };
      send(response, { ...answer, text: current().json });
    } else {
      response.setHeader("Content-Security-Policy", POLICY);
      response.setHeader("Referrer-Policy", "no-referrer");
      const contentType = "text/html; charset=utf-8";
      const answer = { status: 200, body: undefined, cacheSeconds: MAX_AGE_SECONDS, contentType };
      send(response, { ...answer, text: current().html });
    }
  };
}

const OWN_WORDS = { pass: "up", warn: "up, with trouble", fail: "down" } as const;
const SIGNS = { up: "●", degraded: "◐", down: "○", unknown: "·" } as const;
const WINDOWS = [
  ["hour", "Hour", 1],
  ["day", "Day", 3],
  ["ninetyDays", "90 days", 1],
] as const;
const STATUS_CSS = `
body { max-width: 900px; } h1 { display: flex; gap: 8px; align-items: baseline; }
li { list-style: none; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 6px 12px; margin: 6px 0; display: grid; grid-template-columns: 110px 1fr auto; gap: 2px 12px; align-items: center; }
ul { padding: 0; margin: 8px 0; } li div { min-width: 0; overflow-wrap: anywhere; } li .bars { display: flex; flex-wrap: wrap; gap: 2px 14px; }
li .bars span { white-space: nowrap; } a { color: inherit; }
@media (max-width: 820px) { li { grid-template-columns: auto 1fr; } li .bars { grid-column: 1 / -1; } }
`;

function statusHtml({ name, origin, status, worlds, peers, at, startedAt }: StatusReport): string {
  const state = status === "fail" ? "down" : status === "warn" ? "degraded" : "up";
  const since = startedAt === undefined ? "" : ` · up ${lengthText(Math.max(0, at - startedAt))}`;
  const rows = peers.map(
    (peer) =>
      `<li><span class="state ${peer.state}">${SIGNS[peer.state]} ${peer.state}</span><div><b>${text(peer.name)}</b><br><a class="muted" href="${text(peer.origin)}" rel="noopener noreferrer nofollow" target="_top">${text(peer.origin)}</a></div><div class="bars">${WINDOWS.map(([window, title, width]) => bar(peer, window, title, width)).join("")}</div></li>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>${text(name)} – status</title><link rel="icon" href="data:,"><style>${PAGE_CSS}${STATUS_CSS}</style></head>
<body><main><h1><span class="state ${state}">${SIGNS[state]}</span> ${text(name)} is ${OWN_WORDS[status]}</h1>
<p class="muted">${text(origin)}${text(since)}${worlds.length === 0 ? "" : ` · worlds: ${text(worlds.join(", "))}`}</p>
<h2>Servers it is connected to</h2>
${rows.length === 0 ? '<p class="muted">None that wants to be listed.</p>' : `<ul>${rows.join("\n")}</ul>`}
<p class="legend muted"><span class="key up"></span> up <span class="key some"></span> partly <span class="key off"></span> down <span class="key gap"></span> not observed · as this server saw it, ${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC</p></main></body></html>
`;
}

function bar(peer: StatusPeer, window: keyof Uptime, title: string, width: number): string {
  const slices = peer.bars[window];
  const share = shareText(peer.uptime[window]);
  const words = `${title}: ${share === "–" ? "not observed" : `${share} up`}`;
  const paths = Object.entries(barPaths(slices, width, 14))
    .filter(([, data]) => data !== "")
    .map(([className, data]) => `<path class="${className}" d="${data}"/>`);
  return `<span title="${text(words)}"><span class="muted" aria-hidden="true">${title.toLowerCase()}</span> <svg width="${slices.length * width}" height="14" role="img" aria-label="${text(words)}">${paths.join("")}</svg><span class="share" aria-hidden="true">${share}</span></span>`;
}

/** As it may stand in HTML. */
function text(raw: string): string {
  return raw
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
