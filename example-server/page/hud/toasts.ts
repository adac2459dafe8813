/** What is told in passing. */
import { byId, make } from "./element.ts";

const MILLISECONDS = 7_000;

/**
 * Tells something for some seconds; the last two are there.
 *
 * @param detail For whoever wants to know: the code that a server gave.
 */
export function toast(
  title: string,
  text: string,
  { calm = false, detail }: { readonly calm?: boolean; readonly detail?: string } = {},
): void {
  const box = document.querySelector(".toasts");
  const shown = make(
    "div",
    { className: calm ? "toast calm" : "toast" },
    make("b", { textContent: title }),
    text,
    detail === undefined ? undefined : details(detail),
  );
  // What is said again is said once.
  for (const other of box?.children ?? []) {
    if (other.firstChild?.textContent === title && other.textContent.includes(text)) other.remove();
  }
  box?.append(shown);
  while ((box?.childElementCount ?? 0) > 2) box?.firstElementChild?.remove();
  const leave = (): void => {
    // Whoever reads the details is let read.
    if (shown.querySelector("details[open]") === null) shown.remove();
    else setTimeout(leave, MILLISECONDS);
  };
  setTimeout(leave, MILLISECONDS);
}

/** What was told is over: something else matters now. */
export function forgetToasts(): void {
  document.querySelector(".toasts")?.replaceChildren();
}

/** A code, for whoever opens it. */
export function details(code: string): HTMLDetailsElement {
  return make(
    "details",
    {},
    make("summary", { textContent: "Details" }),
    make("code", { textContent: code }),
  );
}

/** Says that play has stopped; resolves when the player wants to go on, and by nothing else. */
export function stopped(title: string, text: string, label: string): Promise<void> {
  const dialog = byId<HTMLDialogElement>("stopped");
  byId("stopped-title").textContent = title;
  byId("stopped-text").textContent = text;
  byId("again").textContent = label;
  return new Promise((resolve) => {
    // Escape would play here, and end the play in the other tab: only the button does.
    const stay = (event: Event): void => {
      event.preventDefault();
    };
    const keydown = (event: KeyboardEvent): void => {
      if (event.key === "Escape") event.preventDefault();
    };
    dialog.addEventListener("cancel", stay);
    dialog.addEventListener("keydown", keydown);
    byId("again").addEventListener(
      "click",
      () => {
        dialog.removeEventListener("cancel", stay);
        dialog.removeEventListener("keydown", keydown);
        dialog.close();
        resolve();
      },
      { once: true },
    );
    if (!dialog.open) dialog.showModal();
  });
}
