/** Whether a player goes where a server sends it: its page's own word, or a dialog. */
import type { CrossingAhead } from "../events.ts";
import type { TravelerOptions } from "../traveler-options.ts";

/** How a `Traveler` asks. */
export type Confirm = NonNullable<TravelerOptions["confirm"]>;

/**
 * Asks the player where that is called for. Whoever does not answer before the signal does not go.
 *
 * @param isOnward Whether a visited server sends the player to a third, without its having asked to go there.
 */
export async function consents(
  confirm: Confirm,
  isOnward: boolean,
  crossing: CrossingAhead,
): Promise<boolean> {
  if (typeof confirm === "function") return confirm(crossing);
  if (confirm === "never" || (confirm === "onward" && !isOnward)) return true;
  return typeof document === "object" ? dialog(crossing) : true;
}

/** Plain, and usable by keyboard and screen reader; a page that wants another one passes a function. */
function dialog({ from, to, world, signal }: CrossingAhead): Promise<boolean> {
  const name = (origin: string): string => new URL(origin).host;
  const element = document.createElement("dialog");
  const title = document.createElement("h2");
  title.id = "aether-federation-crossing";
  title.textContent = `Go to ${name(to)}?`;
  const text = document.createElement("p");
  text.textContent = `${from === undefined ? "A portal" : name(from)} sends you to ${
    world === undefined ? "another world" : `“${world}”`
  }. You can stay; then you go home.`;
  const row = document.createElement("p");
  const button = (label: string, answer: string): HTMLButtonElement => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    made.style.cssText =
      "min-height:44px;min-width:44px;padding:0 1em;margin-right:1em;font:inherit";
    made.addEventListener("click", () => {
      element.close(answer);
    });
    return made;
  };
  const go = button("Go", "go");
  row.append(go, button("Stay", "stay"));
  element.setAttribute("aria-labelledby", title.id);
  element.style.cssText = "max-width:min(30em,calc(100vw - 2em));font:inherit";
  element.append(title, text, row);
  document.body.append(element);
  return new Promise((resolve) => {
    element.addEventListener("close", () => {
      element.remove();
      resolve(element.returnValue === "go" && !signal.aborted);
    });
    const end = (): void => {
      element.close("stay");
    };
    if (signal.aborted) end();
    signal.addEventListener("abort", end, { once: true });
    element.showModal();
    go.focus();
  });
}
