/** What is known of one peer, and what can be decided about it; each decision is asked for twice. */
import type { AdminAction } from "../../operator/actions.ts";
import type { PeerRow } from "../../operator/overview.ts";
import { byId, element } from "./dom.ts";
import { lengthText } from "./figures.ts";
import { trustText } from "./peers.ts";

/** Does it; resolves with what came of it. */
type Act = (action: AdminAction) => Promise<string>;

/** Asks once more, then does it. */
export function confirmAction(
  title: string,
  consequence: string,
  verb: string,
  action: () => AdminAction | undefined,
  act: Act,
  ...fields: readonly Node[]
): void {
  const outcome = element("p", { id: "outcome", role: "status" });
  const cancel = element("button", { type: "button", onclick: close }, "Cancel");
  const confirm = element("button", { type: "button", class: "danger" }, verb);
  confirm.addEventListener("click", () => {
    const chosen = action();
    if (chosen === undefined) {
      outcome.textContent = "Choose at least one.";
      return;
    }
    confirm.disabled = true;
    outcome.textContent = "…";
    act(chosen).then(
      (done) => {
        outcome.textContent = done;
        confirm.remove();
        cancel.textContent = "Close";
        cancel.focus();
      },
      (cause: unknown) => {
        confirm.disabled = false;
        outcome.textContent = cause instanceof Error ? cause.message : "It did not work.";
      },
    );
  });
  open(
    element("h2", { id: "dialog-title" }, title),
    element("p", {}, consequence),
    ...fields,
    outcome,
    element("div", { class: "buttons" }, confirm, cancel),
  );
  cancel.focus();
}

/** Shows one peer. */
export function showPeer(peer: PeerRow, now: number, act: Act): void {
  const { origin, condition, mend } = peer;
  const ask = (
    verb: string,
    consequence: string,
    action: () => AdminAction | undefined,
    ...fields: readonly Node[]
  ): HTMLButtonElement =>
    element(
      "button",
      {
        type: "button",
        onclick: () => {
          confirmAction(`${verb} ${origin}?`, consequence, verb, action, act, ...fields);
        },
      },
      `${verb} …`,
    );
  const buttons: Node[] = [];
  if (condition === "blocked") {
    buttons.push(
      ask("Unblock", "It waits for your approval then.", () => ({
        action: "unblock",
        what: origin,
      })),
    );
  } else {
    if (peer.met && peer.trust !== "trusted") buttons.push(approval(peer, act));
    buttons.push(
      ask("Try now", "This server shakes hands with it.", () => ({ action: "retry", origin })),
      ask(
        "Block",
        "Its players here are shown out, crossings to it are called off, and nothing of it is heard any more.",
        () => ({ action: "block", what: origin }),
      ),
    );
  }
  if (peer.met) {
    buttons.push(
      ask(
        "Forget",
        "Its keys, its trust and its history go; who comes back under its name is a stranger.",
        () => ({ action: "forget", origin }),
      ),
    );
  }
  const ago = (at: number | undefined): string =>
    at === undefined ? "never" : `${lengthText(Math.max(0, now - at))} ago`;
  const { theirTrust, refusal, refusalAt, lastHandshakeAt } = peer;
  const theirs =
    refusal === undefined
      ? theirTrust === undefined
        ? "it has not said"
        : `our players come in: ${yesNo(theirTrust.inbound)}; its own may come here: ${yesNo(theirTrust.outbound)}`
      : `refuses this server (${refusal}${refusalAt === undefined ? "" : `, ${ago(refusalAt * 1000)}`})`;
  const facts: readonly (readonly [string, string | undefined])[] = [
    [
      "State",
      `${condition}${peer.since === undefined ? "" : ` since ${new Date(peer.since).toLocaleString()}`}`,
    ],
    ["Why", peer.why],
    ["Trust", trustText(peer)],
    [
      "We trust it",
      peer.trust === "trusted"
        ? `its players come in: ${yesNo(peer.roles.inbound)}; ours may go there: ${yesNo(peer.roles.outbound)}`
        : peer.trust,
    ],
    ["It trusts us", theirs],
    ["Session", peer.hasSession ? "yes" : "none"],
    ["Last handshake", ago(lastHandshakeAt === undefined ? undefined : lastHandshakeAt * 1000)],
    ["Last answer", ago(peer.lastSeenAt)],
    [
      "Next look",
      peer.nextCheckAt === undefined
        ? undefined
        : `in ${lengthText(Math.max(0, peer.nextCheckAt - now))}`,
    ],
    ["Worlds", peer.worlds.join(", ")],
    ["Keys", peer.keys.join(", ")],
    ["Wrong files sent", peer.wrongAssets === 0 ? undefined : String(peer.wrongAssets)],
  ];
  open(
    element("h2", { id: "dialog-title" }, peer.name === "" ? origin : peer.name),
    element("p", { class: "muted" }, origin),
    element(
      "dl",
      {},
      ...facts.flatMap(([name, text]) =>
        text === undefined || text === "" ? [] : [element("dt", {}, name), element("dd", {}, text)],
      ),
    ),
    ...(mend === undefined
      ? []
      : [
          element(
            "p",
            {},
            mend.where === "here" ? "On this machine: " : "On its operator's machine: ",
            element("code", {}, mend.command),
          ),
        ]),
    element(
      "div",
      { class: "buttons" },
      ...buttons,
      element("button", { type: "button", onclick: close }, "Close"),
    ),
  );
}

function approval(peer: PeerRow, act: Act): HTMLButtonElement {
  const boxes = peer.keys.map((kid) => {
    const box = element("input", { type: "checkbox", value: kid });
    return { box, label: element("label", {}, box, " ", element("code", {}, kid)) };
  });
  return element(
    "button",
    {
      type: "button",
      class: "primary",
      onclick: () => {
        confirmAction(
          `Approve ${peer.origin}?`,
          "Its players come in, and yours may go there. Ask its operator, by another way than this one, which key ids are right, and tick those.",
          "Approve",
          () => {
            const keys = boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
            return keys.length === 0 ? undefined : { action: "approve", origin: peer.origin, keys };
          },
          act,
          ...boxes.map(({ label }) => label),
        );
      },
    },
    "Approve …",
  );
}

function dialog(): HTMLDialogElement {
  return byId("dialog") as HTMLDialogElement;
}

function open(...children: readonly Node[]): void {
  dialog().replaceChildren(...children);
  if (!dialog().open) dialog().showModal();
}

function close(): void {
  dialog().close();
}

function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}
