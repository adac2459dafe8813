/** Crossings, players who are somewhere else, and files that were not what they should be. */
import type { AdminAction } from "../../operator/actions.ts";
import type { Listed, Overview } from "../../operator/overview.ts";
import { confirmAction } from "./dialog.ts";
import { element } from "./dom.ts";
import { lengthText } from "./figures.ts";

type Act = (action: AdminAction) => Promise<string>;

/** The cards below the peers. */
export function listsOf(overview: Overview, act: Act): HTMLElement[] {
  const { at, crossings, visitors, abroad, late, quarantine } = overview;
  const ago = (then: number): string => `${lengthText(Math.max(0, at - then))} ago`;
  const counts = Object.entries(crossings.counts)
    .sort(([, one], [, other]) => other - one)
    .slice(0, 6)
    .map(([code, count]) => `${code} ${count}`)
    .join(" · ");
  return [
    card("Under way", crossings.underWay, "Nobody is crossing.", (each) =>
      line(`${each.player} → ${each.to}`, `${each.stage}, ${ago(each.since)}`),
    ),
    card("Failed crossings", crossings.failed, "None since this server started.", (each) =>
      line(
        `${each.player} → ${each.to}`,
        element("span", { class: "bad", title: each.message ?? "" }, each.code ?? each.outcome),
        ago(each.at),
      ),
    ),
    card(
      "Recent crossings",
      crossings.recent,
      "None since this server started.",
      (each) => line(`${each.player} → ${each.to}`, each.code ?? each.outcome, ago(each.at)),
      counts,
    ),
    card("Visitors", visitors, "Nobody from elsewhere is here.", (each) =>
      line(
        `${each.name === "" ? "" : `${each.name}, `}${each.player}`,
        `home ${hostOf(each.at)}`,
        each.state,
      ),
    ),
    card("Players abroad", abroad, "All players are at home.", (each) =>
      line(
        `${each.name === "" ? "" : `${each.name}, `}${each.player}`,
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
    card("Came back too late", late, "Nothing (kept for 90 days).", (each) =>
      line(each.player, `from ${hostOf(each.from)}`, ago(each.at)),
    ),
    card("Files in quarantine", quarantine, "Nothing.", (each) =>
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
): HTMLElement {
  const count = rows.length === 0 ? "" : `${rows.length}${more ? "+" : ""}`;
  return element(
    "section",
    { class: "card" },
    element("h2", {}, title, element("span", {}, count)),
    ...(note === "" ? [] : [element("p", { class: "muted" }, note)]),
    rows.length === 0
      ? element("p", { class: "muted" }, none)
      : element("ul", { tabindex: "0", "aria-label": title }, ...rows.map(show)),
  );
}

function line(first: string, ...rest: readonly (string | Node)[]): HTMLElement {
  return element(
    "li",
    {},
    element("span", {}, first),
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
