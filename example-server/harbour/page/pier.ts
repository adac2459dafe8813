/** The pier and who sits on it, with their lines in the water. The camera stands before one's own seat. */
import { SEATS } from "../messages.ts";
import { svg } from "./dom.ts";
import { HEIGHT, WIDTH, evening } from "./evening.ts";

export interface Seen {
  readonly name: string;
  readonly seat: number;
  readonly line: string;
  readonly isHere: boolean;
}

const SPACING = 66;
const DECK = 392;
const WATER = 452;
const LAST = SEATS * SPACING;
const COATS = ["#c8574c", "#3f7f8c", "#d99a4e", "#6f6bb0", "#7d9a5b", "#b06a8f"];
const MAX_NAME = 12;

export class PierScene {
  readonly #pier = svg("g", { class: "pier" });
  readonly #people = svg("g", {});
  readonly #seen = new Map<string, SVGElement>();

  constructor(place: HTMLElement) {
    this.#pier.append(...planks(), this.#people);
    const picture = svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "xMidYMax slice" },
      ...evening(),
      this.#pier,
    );
    place.replaceChildren(picture);
    this.#look(SEATS / 2);
  }

  /** @param me Session of the one who looks. */
  show(anglers: ReadonlyMap<string, Seen>, me: string): void {
    for (const [id, figure] of this.#seen) {
      if (anglers.has(id)) continue;
      figure.remove();
      this.#seen.delete(id);
    }
    for (const [id, angler] of anglers) {
      let figure = this.#seen.get(id);
      if (figure === undefined) {
        figure = figureOf(angler, id === me);
        this.#seen.set(id, figure);
        this.#people.append(figure);
      }
      const { line, isHere } = angler;
      const classes = ["angler", line, id === me ? "me" : "", isHere ? "" : "away"];
      figure.setAttribute("class", classes.join(" ").trim());
      figure.querySelector(".rod-line")?.setAttribute("d", lineOf(line));
      const float = figure.querySelector<SVGElement>(".float");
      if (float !== null) float.style.transform = floatOf(line);
    }
    const own = anglers.get(me);
    if (own !== undefined) this.#look(own.seat);
  }

  #look(seat: number): void {
    this.#pier.style.transform = `translateX(${WIDTH / 2 - placeOf(seat)}px)`;
  }
}

function placeOf(seat: number): number {
  return seat * SPACING;
}

function lineOf(line: string): string {
  return line === "ashore" ? "M30-62v34" : `M30-62Q34 0 30 ${WATER - DECK - 5}`;
}

function floatOf(line: string): string {
  return `translate(30px, ${line === "ashore" ? -24 : WATER - DECK}px)`;
}

function planks(): SVGElement[] {
  const from = -WIDTH;
  const long = LAST + 2 * WIDTH;
  const posts: SVGElement[] = [];
  for (let x = from + 33; x < from + long; x += SPACING * 2) {
    posts.push(
      svg("path", { d: `M${x} ${DECK}h11v150h-11z`, fill: "#241a38" }),
      svg("path", { d: `M${x} ${DECK}h4v150h-4z`, fill: "#4a3350" }),
      svg("path", {
        d: `M${x - 9} ${DECK + 150}q15 7 30 0M${x - 4} ${DECK + 160}q10 5 20 0`,
        ...{ fill: "none", stroke: "#b98a9a", "stroke-width": 1.3, opacity: 0.5 },
      }),
    );
  }
  const lamps: SVGElement[] = [];
  for (let x = from + 137; x < from + long; x += SPACING * 6) {
    lamps.push(
      svg("path", { d: `M${x - 2} ${DECK}v-104h4v104z`, fill: "#241a38" }),
      svg("circle", { class: "lamp", cx: x, cy: DECK - 112, r: 46, fill: "url(#lamp)" }),
      svg("path", { d: `M${x - 6} ${DECK - 104}h12l-2-16h-8z`, fill: "#ffe2a6" }),
      svg("path", { d: `M${x - 8} ${DECK - 120}l8-8 8 8z`, fill: "#241a38" }),
    );
  }
  const seams = Array.from({ length: Math.floor(long / 22) }, (_, index) =>
    svg("path", { d: `M${from + index * 22} ${DECK}v7` }),
  );
  return [
    ...posts,
    ...lamps,
    svg("rect", { x: from, y: DECK, width: long, height: 7, fill: "#8a5a5c" }),
    svg("g", { stroke: "#5b3c4c", "stroke-width": 1.4 }, ...seams),
    svg("rect", { x: from, y: DECK + 7, width: long, height: 9, fill: "#3a2742" }),
  ];
}

function figureOf({ name, seat }: Seen, isMe: boolean): SVGElement {
  const tone = Array.from(name).reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), seat);
  const coat = COATS[tone % COATS.length] ?? "#c8574c";
  const hat = COATS[(tone + 2) % COATS.length] ?? "#3f7f8c";
  const letters = Array.from(name);
  const shown = letters.length > MAX_NAME ? `${letters.slice(0, MAX_NAME - 1).join("")}…` : name;
  // Neighbours' names stand in two rows, so that each can be read.
  const label = svg("text", { y: seat % 2 === 0 ? -74 : -92 });
  label.textContent = isMe ? "You" : shown;
  const mark = svg("text", { class: "mark", x: 48, y: 52 });
  mark.textContent = "!";
  return svg(
    "g",
    { class: "angler", transform: `translate(${placeOf(seat)} ${DECK})` },
    svg("path", { d: "M-9-2v26h-7M6-2v26h7", ...stroke("#2a2347", 8) }),
    svg("path", { d: "M-15 1q-2-34 15-36 17 2 15 36z", fill: coat }),
    svg("path", { d: "M11-22l10 4", ...stroke(coat, 7) }),
    svg("circle", { cx: 0, cy: -44, r: 11, fill: "#f2c7a5" }),
    svg("path", { d: "M-11-46q1-14 11-14t11 14z", fill: hat }),
    svg("path", { d: "M-15-46h30", ...stroke(hat, 4) }),
    svg("circle", { cx: 22, cy: -17, r: 3.4, fill: "#f2c7a5" }),
    svg("path", { d: "M18-8L30-62", ...stroke("#3b2a2e", 2.6) }),
    svg("path", { class: "rod-line", d: lineOf("ashore") }),
    svg("ellipse", { class: "ring", cx: 30, cy: WATER - DECK + 2, rx: 17, ry: 5 }),
    svg(
      "g",
      { class: "float" },
      svg(
        "g",
        {},
        svg("circle", { r: 5, fill: "#fff3e2" }),
        svg("path", { d: "M-5 0a5 5 0 0 1 10 0z", fill: "#e8563f" }),
      ),
    ),
    label,
    mark,
  );
}

function stroke(colour: string, width: number): Record<string, string | number> {
  return {
    ...{ fill: "none", stroke: colour, "stroke-width": width },
    ...{ "stroke-linecap": "round", "stroke-linejoin": "round" },
  };
}
