/** The buttons at the foot, and the one on the player's name. */
import { byId } from "./element.ts";
import { toast } from "./toasts.ts";

/** Makes the buttons do what they say. */
export function useButtons(
  send: (type: string, message: object) => void,
  menu: () => Promise<void>,
): void {
  byId("wave").addEventListener("click", () => {
    send("wave", {});
  });
  byId("talk").addEventListener("click", () => {
    talk(byId("say").hidden !== false);
  });
  byId("say").addEventListener("keydown", ({ key }) => {
    if (key === "Escape") talk(false);
  });
  byId("say").addEventListener("submit", (event) => {
    event.preventDefault();
    const words = byId<HTMLInputElement>("words");
    const text = words.value.trim();
    if (text !== "") send("say", { text });
    words.value = "";
    talk(false);
  });
  byId("invite").addEventListener("click", () => void invite());
  byId("me").addEventListener("click", () => void menu());
}

function talk(open: boolean): void {
  byId("say").hidden = !open;
  byId("talk").ariaExpanded = String(open);
  byId(open ? "words" : "talk").focus();
}

/** The address is the place: whoever opens it stands there. */
async function invite(): Promise<void> {
  const url = location.href;
  try {
    if (matchMedia("(pointer: coarse)").matches && "share" in navigator) {
      await navigator.share({ url, title: document.title });
      return;
    }
    await navigator.clipboard.writeText(url);
    toast("The link is copied", `Whoever opens ${url} stands here with you.`, { calm: true });
  } catch {
    toast("Share this link", url, { calm: true });
  }
}
