/** Crossings, players who are somewhere else, and files that were not what they should be. */
import type { AdminAction } from "../../operator/actions.ts";
import type { Listed, Overview } from "../../operator/overview.ts";
import { confirmAction } from "./dialog.ts";
import { element } from "./dom.ts";
import { lengthText } from "./figures.ts";

type Act = (action: AdminAction) => Promise<string>;

/** The cards below the peers: those in which there is something, and one line for the others. */
export function listsOf(overview: Overview, act: Act): HTMLElement[] {
  const cards = cardsOf(overview, act);
  const empty = cards.flatMap((each) => (typeof each === "string" ? [each] : []));
  const filled = cards.filter((each) => typeof each !== "string");
  return empty.length === 0
    ? filled
    : [...filled, element("p", { class: "muted" }, empty.join(" "))];
}

function cardsOf(overview: Overview, act: Act): (HTMLElement | string)[] {
  const { at, crossings, visitors, abroad, late, quarantine } = overview;
  const ago = (then: number): string => `${lengthText(Math.max(0, at - then))} ago`;
  const counts = Object.entries(crossings.counts)
    .sort(([, one], [, other]) => other - one)
    .slice(0, 6)
    .map(([code, count]) => `${code} ${count}`)
    .join(" · ");
  return [
    card("Under way", crossings.underWay, "Nobody is crossing.", (each) =>
      line(way(each), `${each.stage}, ${ago(each.since)}`),
    ),
    card(
      "Failed crossings",
      crossings.failed,
      "No crossing has failed since this server started.",
      (each) =>
        line(
          way(each),
          element("span", { class: "bad", title: each.message ?? "" }, each.code ?? each.outcome),
          ago(each.at),
        ),
    ),
    card(
      "Recent crossings",
      crossings.recent,
      "Nobody has left through a portal since then.",
      (each) => line(way(each), each.code ?? each.outcome, ago(each.at)),
      counts,
    ),
    card("Visitors", visitors, "Nobody from elsewhere is here.", (each) =>
      line(who(each), `home ${hostOf(each.at)}`, each.state),
    ),
    card("Players abroad", abroad, "All players are at home.", (each) =>
      line(
        who(each),
        `at ${hostOf(each.at)}${each.state === "" ? "" : `, ${each.state}`}`,
        button("Recall", () => {
          confirmAction(
            `Recall ${each.player}?`,
            `${each.at} is asked to give it back; if it does not, this server takes it back when its lease is over.`,
            "Recall",
            () => ({ action: "recall", player: each.player }),
            act,
          );
        }),
      ),
    ),
    card("Came back too late", late, "Nothing came back too late in 90 days.", (each) =>
      line(who({ ...each, name: "" }), `from ${hostOf(each.from)}`, ago(each.at)),
    ),
    card("Files in quarantine", quarantine, "No file is in quarantine.", (each) =>
      line(
        `${each.mediaType}, ${each.size} B: ${each.reason}`,
        each.origin === undefined ? "" : `from ${hostOf(each.origin)}`,
        ago(each.at),
        button("Release", () => {
          confirmAction(
            "Release this file?",
            "It is served then, under the hash that its bytes really have.",
            "Release",
            () => ({ action: "release", asset: each.id }),
            act,
          );
        }),
        button("Delete", () => {
          confirmAction(
            "Delete this file?",
            "It is gone for good.",
            "Delete",
            () => ({ action: "purge", asset: each.id }),
            act,
          );
        }),
      ),
    ),
  ];
}

function card<Row>(
  title: string,
  { rows, more }: Listed<Row>,
  none: string,
  show: (row: Row) => HTMLElement,
  note = "",
): HTMLElement | string {
  if (rows.length === 0) return none;
  const count = `${rows.length}${more ? "+" : ""}`;
  return element(
    "section",
    { class: "card" },
    element("h2", {}, title, element("span", {}, count)),
    ...(note === "" ? [] : [element("p", { class: "muted" }, note)]),
    element("ul", { tabindex: "0", "aria-label": title }, ...rows.map(show)),
  );
}

/** A player, shortened; whole when pointed at. */
function who({ name, player }: { readonly name: string; readonly player: string }): Node {
  const [localId = "", home = ""] = player.split("@");
  const short = localId.length > 20 ? `${localId.slice(0, 10)}…${localId.slice(-4)}` : localId;
  return element("span", { title: player }, `${name === "" ? "" : `${name}, `}${short}@${home}`);
}

function way({ player, to }: { readonly player: string; readonly to: string }): Node {
  return element("span", { title: `${player} → ${to}` }, who({ name: "", player }), ` → ${to}`);
}

function line(first: string | Node, ...rest: readonly (string | Node)[]): HTMLElement {
  return element(
    "li",
    {},
    typeof first === "string" ? element("span", {}, first) : first,
    ...rest
      .filter((each) => each !== "")
      .map((each) => (typeof each === "string" ? element("span", { class: "muted" }, each) : each)),
  );
}

function button(text: string, onclick: () => void): HTMLElement {
  return element("button", { type: "button", onclick }, text);
}

function hostOf(origin: string): string {
  return origin.replace(/^https?:\/\//u, "");
}
