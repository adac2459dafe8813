/** Hats, drawn anew for every world: the same hat from another world is another file. */
import { hashOf, themeOf } from "../theme.ts";

/** What hats there are, as players call them. */
export const HATS = {
  cap: "a cap",
  crown: "a crown",
  wizard: "a wizard's hat",
  flower: "a flower",
  horns: "horns",
} as const;
export type Hat = keyof typeof HATS;

/** The hat a newcomer of a world is given, always the same one. */
export function hatOf(player: string): Hat {
  const kinds = Object.keys(HATS) as Hat[];
  return kinds[(hashOf(player) >>> 9) % kinds.length] ?? "cap";
}

/**
 * An SVG of 96 × 96: twice the size at which an avatar wears it, its head's centre at (48, 86).
 */
export function drawHat(hat: Hat, world: string): string {
  const { accent } = themeOf(world);
  const hue = hashOf(world) % 360;
  const line = `stroke="rgb(0 0 0 / 0.4)" stroke-width="3" stroke-linejoin="round"`;
  const shapes: Record<Hat, string> = {
    cap: `<path d="M20 77a28 30 0 0 1 56 0z" fill="url(#cloth)" ${line}/>
  <path d="M48 47v29" stroke="rgb(0 0 0 / 0.16)" stroke-width="2.5"/>
  <rect x="56" y="70" width="36" height="10" rx="5" fill="${accent}" ${line}/>
  <circle cx="48" cy="47" r="4.5" fill="${accent}" ${line}/>`,
    crown: `<path d="M24 72 20 42l15 14 13-22 13 22 15-14-4 30z" fill="url(#gold)" ${line}/>
  <path d="M24.500 66h47" stroke="rgb(120 70 0 / 0.45)" stroke-width="3"/>
  <circle cx="48" cy="58" r="5" fill="${accent}" ${line}/>
  <circle cx="20" cy="41" r="3.500" fill="#fff3b8" ${line}/><circle cx="48" cy="33" r="4" fill="#fff3b8" ${line}/><circle cx="76" cy="41" r="3.500" fill="#fff3b8" ${line}/>`,
    wizard: `<path d="M24 70Q42 38 62 8q-2 32 12 62z" fill="url(#cloth)" ${line}/>
  <ellipse cx="48" cy="70" rx="39" ry="10" fill="url(#cloth)" ${line}/>
  <path d="M25 66q23 9 48 0" fill="none" stroke="${accent}" stroke-width="6"/>
  <g fill="#ffe27a"><path d="m52 38 2.200 4.600 5 .6-3.700 3.500 1 5-4.500-2.500-4.500 2.500 1-5-3.700-3.500 5-.6z"/><circle cx="41" cy="56" r="2.600"/><circle cx="61" cy="27" r="2"/></g>`,
    flower: `<path d="M36 70q-2-10 0-16" fill="none" stroke="#4c8b3b" stroke-width="5" stroke-linecap="round"/>
  <g fill="url(#petal)" ${line}>${[0, 72, 144, 216, 288]
    .map((turn) => `<ellipse cx="36" cy="40" rx="8" ry="11" transform="rotate(${turn} 36 52)"/>`)
    .join("")}</g>
  <circle cx="36" cy="52" r="7" fill="#ffd34d" ${line}/>`,
    horns: [-1, 1]
      .map(
        (side) =>
          `<g transform="translate(48 0) scale(${side} 1)"><path d="M10 66q22-2 24-34q-14 12-28 24z" fill="url(#bone)" ${line}/><path d="m22 56 8 5M27 48l6 4" stroke="${accent}" stroke-width="3" stroke-linecap="round"/></g>`,
      )
      .join(""),
  };
  return `<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96" viewBox="0 0 96 96">
  <title>${HATS[hat]} from ${world}</title>
  <defs>
    <linearGradient id="cloth" x2="0.6" y2="1"><stop stop-color="hsl(${hue} 62% 58%)"/><stop offset="1" stop-color="hsl(${hue} 58% 36%)"/></linearGradient>
    <linearGradient id="petal" x2="0" y2="1"><stop stop-color="hsl(${hue} 85% 82%)"/><stop offset="1" stop-color="hsl(${hue} 75% 62%)"/></linearGradient>
    <linearGradient id="gold" x2="0.5" y2="1"><stop stop-color="#fff0a8"/><stop offset="0.5" stop-color="#f6c443"/><stop offset="1" stop-color="#cf8d12"/></linearGradient>
    <linearGradient id="bone" x2="1" y2="0"><stop stop-color="#d9c7a2"/><stop offset="1" stop-color="#fbf4e2"/></linearGradient>
  </defs>
  ${shapes[hat]}
</svg>
`;
}
