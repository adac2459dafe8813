/** The cards beside the water: what one carries, who is here, the biggest catches. */
import type { Basket } from "../messages.ts";
import { by, make, say } from "./dom.ts";

interface Angler {
  readonly name: string;
  readonly home: string;
  readonly catches: number;
  readonly isHere: boolean;
  readonly isLeaving: boolean;
}

interface BoardLine {
  readonly angler: string;
  readonly home: string;
  readonly fish: string;
}

export function showBasket({ fish, stamps, things, coins, unknown }: Basket): void {
  const groups = [
    group(`Fish (${fish.length} of 20)`, fish, "Still empty. The sea is full.", "fish"),
    group("Stamps", stamps, "", "stamps"),
    group("Brought along", [...(coins > 0 ? [coinsOf(coins)] : []), ...things]),
    group("Kept for other games", unknown),
  ];
  by("basket").replaceChildren(...groups.filter((part) => part !== undefined));
}

/** @param me Session of the one who looks. */
export function showCrew(anglers: ReadonlyMap<string, Angler>, me: string): void {
  const lines = [...anglers].sort(([one], [other]) => Number(other === me) - Number(one === me));
  const own = anglers.get(me);
  if (own !== undefined) say(by("who"), `${own.name}, at home at ${own.home}`);
  replaceIfChanged(
    by("crew"),
    lines.map(([id, { name, home, catches, isHere, isLeaving }]) => {
      const doing = isLeaving ? "sails on" : isHere ? caughtOf(catches) : "away for a moment";
      return [id === me ? `${name} (you)` : name, doing, `from ${home}`, id === me ? "me" : ""];
    }),
  );
}

export function showBoard(board: Iterable<BoardLine>): void {
  const lines = [...board].map(({ angler, home, fish }) => [
    fish,
    "",
    `${angler} from ${home}`,
    "",
  ]);
  by("no-board").hidden = lines.length > 0;
  replaceIfChanged(by("board"), lines);
}

function group(title: string, names: readonly string[], empty = "", kind = "") {
  if (names.length === 0 && empty === "") return undefined;
  const part = make("div");
  part.append(make("h3", title));
  if (names.length === 0) {
    part.append(make("p", empty, "quiet"));
    return part;
  }
  const list = make("ul", "", `tags ${kind}`.trim());
  list.append(...names.map((name) => make("li", name)));
  part.append(list);
  return part;
}

/** Title, what stands beside it, what stands below it, and a class for the title. */
function replaceIfChanged(list: HTMLElement, lines: readonly (readonly string[])[]): void {
  const text = JSON.stringify(lines);
  if (list.dataset["text"] === text) return;
  list.dataset["text"] = text;
  list.replaceChildren(
    ...lines.map(([title = "", beside = "", below = "", kind = ""]) => {
      const item = make("li", "", "line");
      item.append(make("b", title, kind), " ", make("span", beside, "quiet"), " ");
      item.append(make("small", below));
      return item;
    }),
  );
}

function coinsOf(coins: number): string {
  return coins === 1 ? "1 coin" : `${coins} coins`;
}

function caughtOf(catches: number): string {
  return catches === 0 ? "waits" : `${catches} caught`;
}
