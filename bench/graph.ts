/** One growth curve as a picture: SVG by hand, readable on a light and on a dark page. */
import type { Curve } from "./curves.ts";

const WIDTH = 640;
const HEIGHT = 260;
const LEFT = 72;
const RIGHT = 24;
const TOP = 40;
const BOTTOM = 44;

/** Both axes by powers of ten: what is flat is flat, what is linear goes up as steeply as the diagonal. */
export function graphOf({ name, unit, points }: Curve, along: string): string {
  const counts = points.map(({ count }) => count);
  const values = points.map(({ value }) => Math.max(value, 1e-6));
  const x = scale(decades(counts), LEFT, WIDTH - RIGHT);
  const y = scale(decades(values), HEIGHT - BOTTOM, TOP);
  const places = points.map(
    ({ count, value }) => [x.at(count), y.at(Math.max(value, 1e-6))] as const,
  );
  const lines = [
    ...y.ticks.map(
      (tick) =>
        `<path class="grid" d="M${LEFT} ${round(y.at(tick))}H${WIDTH - RIGHT}"/><text x="${LEFT - 8}" y="${round(y.at(tick) + 4)}" text-anchor="end">${number(tick)}</text>`,
    ),
    ...x.ticks.map(
      (tick) =>
        `<text x="${round(x.at(tick))}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle">${number(tick)}</text>`,
    ),
    `<path class="line" d="M${places.map(([px, py]) => `${round(px)} ${round(py)}`).join("L")}"/>`,
    ...places.map(
      ([px, py], index) =>
        `<circle cx="${round(px)}" cy="${round(py)}" r="4"/><text x="${round(px)}" y="${round(py - 10)}" text-anchor="middle">${number(points[index]?.value ?? 0)}</text>`,
    ),
    `<text class="title" x="${LEFT - 56}" y="22">${escape(`${name}, ${unit}`)}</text>`,
    `<text x="${WIDTH - RIGHT}" y="${HEIGHT - 6}" text-anchor="end">${escape(along)}</text>`,
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escape(`${name}, ${unit}, by ${along}`)}">
<style>
text { font: 12px system-ui, sans-serif; fill: #444 }
.title { font-size: 14px; font-weight: 600 }
.grid { stroke: #bbb; stroke-width: 0.5; fill: none }
.line { stroke: #1f6feb; stroke-width: 2; fill: none }
circle { fill: #1f6feb }
@media (prefers-color-scheme: dark) {
text { fill: #ccc }
.grid { stroke: #555 }
.line { stroke: #58a6ff }
circle { fill: #58a6ff }
}
</style>
${lines.join("\n")}
</svg>
`;
}

/** The powers of ten around some numbers, at least one apart. */
function decades(numbers: readonly number[]): readonly [low: number, high: number] {
  const low = Math.floor(Math.log10(Math.min(...numbers)));
  const high = Math.ceil(Math.log10(Math.max(...numbers)));
  return [low, Math.max(high, low + 1)];
}

function scale([low, high]: readonly [number, number], from: number, to: number) {
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, step) => 10 ** (low + step)),
    at: (value: number): number => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
  };
}

function number(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(2)));
}

function round(value: number): string {
  return value.toFixed(1);
}

function escape(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
