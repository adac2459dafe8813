/** One row for each peer: kept where nothing of it has changed, so that nobody loses their place. */
import type { PeerRow } from "../../operator/overview.ts";
import { element, picture } from "./dom.ts";
import { barPaths, lengthText, linePath, shareText } from "./figures.ts";

const SIGNS: Readonly<Record<PeerRow["condition"], string>> = {
  up: "●",
  degraded: "◐",
  down: "○",
  refused: "⊘",
  unmet: "◌",
  pending: "?",
  quarantined: "!",
  unknown: "·",
  blocked: "×",
};
const HEIGHT = 14;
const LINE_WIDTH = 56;

/** Puts the rows into the table's body. `show`: the operator wants to know more of one. */
export function showRows(
  body: HTMLElement,
  rows: readonly PeerRow[],
  now: number,
  show: (peer: PeerRow) => void,
): void {
  const former = new Map([...body.children].map((row) => [(row as HTMLElement).id, row]));
  const focused = document.activeElement?.closest("tr")?.id;
  const made = rows.map((peer) => {
    const since = peer.since === undefined ? "" : lengthText(Math.max(0, now - peer.since));
    const text = JSON.stringify([peer, since]);
    const id = `peer-${peer.origin}`;
    const old = former.get(id) as HTMLElement | undefined;
    if (old?.dataset["shown"] === text) return old;
    const row = rowOf(peer, id, since, show);
    row.dataset["shown"] = text;
    return row;
  });
  body.replaceChildren(...made);
  if (focused === undefined || document.activeElement?.closest("tr")?.id === focused) return;
  document.getElementById(focused)?.querySelector("button")?.focus();
}

/** Who trusts whom, in a few words. */
export function trustText({ trust, roles, theirTrust, refusal }: PeerRow): string {
  if (trust !== "trusted" || refusal !== undefined) return "–";
  const out = roles.outbound && theirTrust?.inbound !== false;
  const back = roles.inbound && theirTrust?.outbound !== false;
  if (out && back) return theirTrust === undefined ? "ours" : "both ways";
  if (out) return "out only";
  return back ? "in only" : "none";
}

function rowOf(
  peer: PeerRow,
  id: string,
  since: string,
  show: (peer: PeerRow) => void,
): HTMLTableRowElement {
  const { condition, origin, name, why = "", uptime, bars, roundTrips } = peer;
  const host = origin.replace(/^https?:\/\//u, "");
  const rtt = peer.roundTripMilliseconds;
  const label = rtt === undefined ? "no answer measured" : `${Math.round(rtt)} milliseconds`;
  const share = (window: keyof typeof bars, width: number, title: string): HTMLTableCellElement => {
    const { share: up, observedMilliseconds } = uptime[window];
    const text = shareText(up);
    const words = `${title}: ${text === "–" ? "not observed" : `${text} of ${lengthText(observedMilliseconds)} observed`}`;
    const slices = bars[window];
    return element(
      "td",
      { "data-label": title, title: words },
      picture(slices.length * width, HEIGHT, words, barPaths(slices, width, HEIGHT)),
      element("span", { class: "share", "aria-hidden": "true" }, text),
    );
  };
  return element(
    "tr",
    { id },
    element("td", { class: `state ${condition}` }, `${SIGNS[condition]} ${condition}`),
    element(
      "td",
      { class: "peer", title: `${name} ${origin}` },
      ...(name === host || name === "" ? [] : [element("b", {}, name)]),
      element("span", {}, host),
    ),
    element("td", {}, since),
    element("td", { title: why }, why),
    element("td", {}, trustText(peer)),
    element(
      "td",
      {},
      picture(LINE_WIDTH, HEIGHT, `Round trip: ${label}`, {
        line: linePath(roundTrips, LINE_WIDTH, HEIGHT),
      }),
      element(
        "span",
        { class: "share", "aria-hidden": "true" },
        rtt === undefined ? "–" : `${Math.round(rtt)} ms`,
      ),
    ),
    share("hour", 1, "Hour"),
    share("day", 3, "Day"),
    share("ninetyDays", 1, "90 days"),
    element(
      "td",
      {},
      element(
        "button",
        {
          "aria-label": `More about ${host}`,
          onclick: () => {
            show(peer);
          },
        },
        "⋯",
      ),
    ),
  );
}
