/** The admin page: asks every 5 s while it is looked at, and shows what has changed. */
import type { AdminAction } from "../../operator/actions.ts";
import type { PeerCondition } from "../../operator/condition.ts";
import type { Overview, PeerRow } from "../../operator/overview.ts";
import { showPeer } from "./dialog.ts";
import { byId, element } from "./dom.ts";
import { lengthText } from "./figures.ts";
import { listsOf } from "./lists.ts";
import { showRows } from "./peers.ts";
import { AdminServer, SignInError } from "./server.ts";

const EVERY_MILLISECONDS = 5_000;
const TYPING_MILLISECONDS = 250;

const { base = "", token } = document.body.dataset;
const server = new AdminServer(base);
const search = byId("search") as HTMLInputElement;
let condition: PeerCondition | undefined;
let from = 0;
let last: Overview | undefined;
/** When it came, by the browser: the server's clock may be another. */
let lastAt = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
/** Counts up, so that an answer to an older question is not shown over a newer one. */
let asked = 0;

async function look(): Promise<void> {
  clearTimeout(timer);
  asked += 1;
  const mine = asked;
  try {
    const overview = await server.overview({ search: search.value, condition, from });
    if (mine !== asked) return;
    last = overview;
    lastAt = performance.now();
    showOverview(overview);
    tell(
      overview.missing.length === 0
        ? ""
        : `Not to be read at the moment: ${overview.missing.join(", ")}. Is the store there?`,
    );
  } catch (cause) {
    if (mine !== asked) return;
    if (cause instanceof SignInError) {
      askForToken(server.hasToken ? cause.message : "");
      return;
    }
    const age =
      last === undefined ? "" : ` What you see is ${lengthText(performance.now() - lastAt)} old.`;
    tell(
      `This server does not answer (${cause instanceof Error ? cause.message : "no reason"}).${age}`,
    );
  }
  if (!document.hidden) timer = setTimeout(() => void look(), EVERY_MILLISECONDS);
}

function tell(text: string): void {
  const banner = byId("banner");
  banner.hidden = text === "";
  if (banner.textContent !== text) banner.textContent = text;
}

function askForToken(wrong: string): void {
  server.signOut();
  byId("main").hidden = true;
  byId("login").hidden = false;
  byId("wrong").textContent = wrong;
  byId("token").focus();
}

async function act(action: AdminAction): Promise<string> {
  const done = await server.act(action);
  void look();
  return done;
}

function showOverview(overview: Overview): void {
  const { own, peers, at, counts } = overview;
  byId("login").hidden = true;
  byId("main").hidden = false;
  document.title = `${own.name} – federation`;
  byId("name").textContent = own.name;
  const up =
    own.startedAt === undefined ? "" : ` · up ${lengthText(Math.max(0, at - own.startedAt))}`;
  const players = overview.playersHere === 1 ? "1 player" : `${overview.playersHere} players`;
  byId("about").textContent =
    `${own.origin} · ${own.version}${up} · ${players} here · key ${own.keyId}`;
  byId("troubles").replaceChildren(...troublesOf(overview));
  byId("filters").replaceChildren(
    filter("all", undefined, peers.total),
    ...conditionsIn(counts).map((name) => filter(name, name, counts[name] ?? 0)),
  );
  const body = byId("peers").querySelector("tbody");
  if (body !== null) showRows(body, peers.rows, at, show);
  const none = byId("none");
  none.hidden = peers.rows.length > 0;
  none.textContent =
    peers.total === 0
      ? "No peers yet: name some in the option peers, or wait for one to knock."
      : "No peer is like that.";
  const more = peers.from + peers.rows.length < peers.matching;
  byId("pages").hidden = peers.from === 0 && !more;
  byId("where").textContent =
    `${peers.from + 1}–${peers.from + peers.rows.length} of ${peers.matching}`;
  (byId("earlier") as HTMLButtonElement).disabled = peers.from === 0;
  (byId("later") as HTMLButtonElement).disabled = !more;
  const lists = byId("lists");
  if (!lists.contains(document.activeElement)) lists.replaceChildren(...listsOf(overview, act));
}

function show(peer: PeerRow): void {
  if (last !== undefined) showPeer(peer, last.at, act);
}

/** Those that peers are in, the worst first, and the one that is asked for. */
function conditionsIn(counts: Overview["counts"]): PeerCondition[] {
  const found = Object.keys(counts) as PeerCondition[];
  return condition === undefined || found.includes(condition) ? found : [...found, condition];
}

function filter(word: string, name: PeerCondition | undefined, count: number): HTMLElement {
  const id = `filter-${word}`;
  const wasFocused = document.activeElement?.id === id;
  const made = element(
    "button",
    {
      type: "button",
      id,
      "aria-pressed": String(condition === name),
      onclick: () => {
        condition = name;
        from = 0;
        void look();
      },
    },
    `${word} ${count}`,
  );
  if (wasFocused) {
    queueMicrotask(() => {
      made.focus();
    });
  }
  return made;
}

function troublesOf({ own, counts, crossings, late, quarantine }: Overview): HTMLElement[] {
  const bad: HTMLElement[] = [];
  const add = (text: string, level = ""): void => {
    bad.push(element("li", { class: level }, text));
  };
  const checks = Object.entries(own.health.checks).flatMap(([name, found]) =>
    found.flatMap(({ output }) => (output === undefined ? [] : [`${name}: ${output}`])),
  );
  if (own.health.status !== "pass") {
    add(
      `This server is not well: ${checks.join("; ")}`,
      own.health.status === "warn" ? "warn" : "",
    );
  }
  const say = (name: PeerCondition, one: string, many: string, level = ""): void => {
    const count = counts[name] ?? 0;
    if (count > 0) add(count === 1 ? `1 ${one}` : `${count} ${many}`, level);
  };
  say(
    "quarantined",
    "peer is quarantined: its key changed",
    "peers are quarantined: their keys changed",
  );
  say("down", "peer does not answer", "peers do not answer");
  say("refused", "peer refuses this server", "peers refuse this server");
  say(
    "unmet",
    "peer of the configuration was never reached",
    "peers of the configuration were never reached",
  );
  say("pending", "server waits for your decision", "servers wait for your decision", "warn");
  say("degraded", "peer is not well", "peers are not well", "warn");
  if (crossings.failed.rows.length > 0) {
    const [latest] = crossings.failed.rows;
    const { length } = crossings.failed.rows;
    add(
      `${length}${crossings.failed.more ? "+" : ""} ${length === 1 ? "crossing" : "crossings"} failed since this server started, the last with ${latest?.code ?? "no code"}`,
      "warn",
    );
  }
  if (late.rows.length > 0)
    add(`States that came back too late, and are kept aside: ${late.rows.length}`, "warn");
  if (quarantine.rows.length > 0) add(`Files in quarantine: ${quarantine.rows.length}`, "warn");
  if (bad.length === 0) add("All is well.", "well");
  return bad;
}

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("token") as HTMLInputElement;
  server.signIn(field.value);
  field.value = "";
  void look();
});
let typing: ReturnType<typeof setTimeout> | undefined;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    from = 0;
    void look();
  }, TYPING_MILLISECONDS);
});
byId("earlier").addEventListener("click", () => {
  from = Math.max(0, from - (last?.peers.atOnce ?? 0));
  void look();
});
byId("later").addEventListener("click", () => {
  from += last?.peers.atOnce ?? 0;
  void look();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void look();
});
if (token === "yes" && !server.hasToken) askForToken("");
else void look();
