/** The bar above the world: where one is, who one is, what one has, and what there is to do. */
import { themeOf } from "../../theme.ts";
import type { Belongings } from "../federation/belongings.ts";
import type { Avatar } from "../view.ts";
import { byId, make, say } from "./element.ts";

/** Which world this is, and in whose colours the page is. */
export function showPlace(world: string, origin: string): void {
  const { host } = new URL(origin);
  say(byId("world-name"), world);
  say(byId("server-name"), host);
  document.title = `${world} · ${host}`;
  const { style } = document.documentElement;
  style.setProperty("--accent", themeOf(world).accent);
  style.setProperty("--beyond", themeOf(world).beyond);
}

/** Who the player is. */
export function showPlayer({ name, id, colour, home }: Avatar): void {
  say(byId("player-name"), name);
  say(byId("player-home"), home === "" ? "" : `from ${new URL(home).host}`);
  const who = byId("me");
  if (who.title !== id) who.title = id;
  byId("face").setAttribute("fill", colour);
}

/** What the player has, and how far it is: a stamp of each of `worlds` worlds. */
export function showBelongings({ coins, stamps }: Belongings, worlds: number): void {
  const count = byId("coins");
  const before = Number(count.textContent);
  say(count, String(coins.length));
  say(byId("coins-word"), coins.length === 1 ? "coin" : "coins");
  const box = count.closest(".what");
  if (coins.length > before && box instanceof HTMLElement) {
    box.classList.remove("got");
    box.getBoundingClientRect();
    box.classList.add("got");
  }
  const all = Math.max(worlds, stamps.length);
  say(byId("goal"), goalIn(stamps.length, all));
  const list = byId("stamps");
  if (list.childElementCount === all && list.dataset["count"] === String(stamps.length)) return;
  const had = Number(list.dataset["count"] ?? stamps.length);
  list.dataset["count"] = String(stamps.length);
  list.replaceChildren(
    ...Array.from({ length: Math.min(all, 12) }, (_, index) => {
      const stamp = stamps[index];
      const spot = make("li", { className: stamp === undefined ? "" : "got" });
      if (stamp !== undefined) {
        spot.style.setProperty("--stamp", themeOf(stamp.split("/").at(-1) ?? "").accent);
        spot.classList.toggle("new", index >= had);
      }
      return spot;
    }),
  );
}

function goalIn(count: number, all: number): string {
  if (all < 2) return "No other world is open yet";
  return count < all
    ? `Stamps of ${count} of ${all} worlds`
    : `A stamp of every world: all ${all}!`;
}
