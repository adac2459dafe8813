/** The pictures a world owns: landscapes in its own colours, always the same for one name. */
import { hashOf, themeOf } from "../theme.ts";

/** One picture. */
export interface Picture {
  readonly title: string;
  /** An SVG of 480 × 360. */
  readonly svg: string;
}

const WIDTH = 480;
const HEIGHT = 360;

/** Two pictures of a world: by day and by night. */
export function picturesOf(world: string): Picture[] {
  return [
    { title: `${world} at noon`, svg: landscape(world, false) },
    { title: `${world} by night`, svg: landscape(world, true) },
  ];
}

function landscape(world: string, night: boolean): string {
  const { accent, ground } = themeOf(world);
  const chance = chanceOf(`${world} ${night ? "night" : "noon"}`);
  const hue = hashOf(world) % 360;
  const sky = night
    ? [`hsl(${(hue + 230) % 360} 45% 12%)`, `hsl(${(hue + 260) % 360} 42% 34%)`]
    : [`hsl(${(hue + 200) % 360} 62% 72%)`, `hsl(${(hue + 40) % 360} 80% 88%)`];
  const light = { x: 90 + chance() * 300, y: 70 + chance() * 60, r: night ? 24 : 34 };
  const stars = night
    ? Array.from({ length: 60 }, () => {
        const [x, y, r] = [chance() * WIDTH, chance() * 200, 0.5 + chance() * 1.3];
        return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${r.toFixed(2)}"/>`;
      }).join("")
    : "";
  const hills = [0, 1, 2, 3]
    .map((row) => {
      const base = 170 + row * 46;
      const tint = night ? 10 + row * 4 : 62 - row * 9;
      return `<path d="${ridge(chance, base, 52 - row * 9)}" fill="hsl(${(hue + row * 14) % 360} ${night ? 30 : 38}% ${tint}%)"/>`;
    })
    .join("\n  ");
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}">
  <title>${world} ${night ? "by night" : "at noon"}</title>
  <defs>
    <linearGradient id="sky" x2="0" y2="1"><stop stop-color="${sky[0]}"/><stop offset="1" stop-color="${sky[1]}"/></linearGradient>
    <radialGradient id="glow"><stop stop-color="${night ? "#fff8df" : "#fffbe8"}" stop-opacity="0.9"/><stop offset="1" stop-color="${accent}" stop-opacity="0"/></radialGradient>
  </defs>
  <rect width="${WIDTH}" height="${HEIGHT}" fill="url(#sky)"/>
  <g fill="#fff" opacity="0.85">${stars}</g>
  <circle cx="${light.x.toFixed(1)}" cy="${light.y.toFixed(1)}" r="${light.r * 3.4}" fill="url(#glow)"/>
  <circle cx="${light.x.toFixed(1)}" cy="${light.y.toFixed(1)}" r="${light.r}" fill="${night ? "#fff6d6" : "#fff7c9"}"/>
  ${hills}
  ${landmark(themeOf(world).centrepiece, night ? "#191420" : ground[0], accent, night)}
</svg>
`;
}

function ridge(chance: () => number, base: number, swing: number): string {
  let path = `M0 ${HEIGHT}V${(base + (chance() - 0.5) * swing).toFixed(1)}`;
  for (let x = 60; x <= WIDTH; x += 60) {
    const [bend, y] = [base + (chance() - 0.5) * swing * 2, base + (chance() - 0.5) * swing];
    path += `Q${x - 30} ${bend.toFixed(1)} ${x} ${y.toFixed(1)}`;
  }
  return `${path}V${HEIGHT}z`;
}

/** What the world is known for stands in front. */
function landmark(kind: string, stone: string, accent: string, night: boolean): string {
  const edge = `stroke="rgb(0 0 0 / ${night ? 0.7 : 0.35})" stroke-width="2.500"`;
  switch (kind) {
    case "fountain":
      return `<g ${edge} fill="${stone}"><ellipse cx="240" cy="318" rx="96" ry="20"/><path d="M222 312V262h36v50z"/><ellipse cx="240" cy="262" rx="48" ry="10"/></g>
  <g fill="none" stroke="#bfe6ff" stroke-width="4" stroke-linecap="round" opacity="0.9"><path d="M240 260q-4-52-44 44"/><path d="M240 260q4-52 44 44"/><path d="M240 258q-2-70-70 54"/><path d="M240 258q2-70 70 54"/></g>`;
    case "ring":
      return `<g ${edge} fill="${stone}"><path d="M110 330v-74q130-46 260 0v74z"/>${[0, 1, 2, 3, 4, 5].map((arch) => `<path d="M${130 + arch * 38} 330v-34a12 14 0 0 1 24 0v34z" fill="rgb(20 10 10 / 0.75)"/>`).join("")}</g>
  ${[0, 1, 2].map((flag) => `<path d="M${150 + flag * 90} 248v-44" stroke="#5a4632" stroke-width="4"/><path d="M${152 + flag * 90} 206l34 10-34 12z" fill="${accent}" ${edge}/>`).join("")}`;
    case "columns":
      return `<g ${edge} fill="${stone}"><path d="M120 232l120-52 120 52z"/><rect x="126" y="232" width="228" height="14"/>${[0, 1, 2, 3, 4].map((column) => `<rect x="${140 + column * 44}" y="246" width="24" height="76"/>`).join("")}<rect x="112" y="322" width="256" height="16"/></g>
  <circle cx="240" cy="214" r="9" fill="${accent}" ${edge}/>`;
    default:
      return `<g ${edge}><path d="M230 336q8-50 0-84h22q-8 40 2 84z" fill="#6b4a33"/><circle cx="204" cy="232" r="42" fill="${accent}"/><circle cx="276" cy="228" r="46" fill="${accent}"/><circle cx="240" cy="194" r="50" fill="${accent}"/></g>`;
  }
}

/** Numbers in [0, 1) that are the same for the same text (mulberry32). */
function chanceOf(text: string): () => number {
  let state = hashOf(text);
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
