/** How a world looks: the same name looks the same everywhere. */
export interface Theme {
  /** Ground tiles, darker to lighter. */
  readonly ground: readonly [string, string, string];
  /** Beyond the edge of the world. */
  readonly beyond: string;
  readonly edge: string;
  /** Portals, coins and highlights of the page. */
  readonly accent: string;
  readonly centrepiece: "fountain" | "ring" | "columns" | "tree" | "boat";
  readonly motto: string;
}

const THEMES: Readonly<Record<string, Theme>> = {
  plaza: {
    ground: ["#d9c3a0", "#e2cfae", "#e9d9bd"],
    beyond: "#6f8f63",
    edge: "#b0926a",
    accent: "#e0853a",
    centrepiece: "fountain",
    motto: "A sunlit square, and everybody passes through",
  },
  arena: {
    ground: ["#b4603f", "#bf6c48", "#c97a54"],
    beyond: "#3a1f1f",
    edge: "#7a3a2c",
    accent: "#ffb648",
    centrepiece: "ring",
    motto: "Red sand, loud stands",
  },
  gallery: {
    ground: ["#cfd6dc", "#dae0e5", "#e5eaee"],
    beyond: "#39454f",
    edge: "#8f9ca6",
    accent: "#4aa3c7",
    centrepiece: "columns",
    motto: "Cool marble, quiet steps",
  },
  // Another operator's game: this page knows it by its colours alone.
  harbour: {
    ground: ["#2c4a66", "#35587a", "#4a7396"],
    beyond: "#1b2c42",
    edge: "#6c5a4a",
    accent: "#f2a65a",
    centrepiece: "boat",
    motto: "Dusk on the water, and the fish bite",
  },
};

const PLAIN_GROUND: Theme["ground"] = ["#8fae7a", "#9bb986", "#a7c493"];
const GROUNDS: readonly Theme["ground"][] = [
  PLAIN_GROUND,
  ["#a996c4", "#b4a3cd", "#bfb0d6"],
  ["#86b3b0", "#93bdba", "#a0c7c4"],
  ["#c9b07e", "#d2bb8c", "#dbc69a"],
];
const ACCENTS = ["#e4572e", "#7b4fd0", "#17805f", "#c0396b"];

/** The theme of a world; any other name gets one of its own, always the same. */
export function themeOf(name: string): Theme {
  const known = THEMES[name];
  if (known !== undefined) return known;
  const hash = hashOf(name);
  return {
    ground: GROUNDS[hash % GROUNDS.length] ?? PLAIN_GROUND,
    beyond: "#4a5a4f",
    edge: "#6d7a6a",
    accent: ACCENTS[(hash >>> 4) % ACCENTS.length] ?? "#e4572e",
    centrepiece: "tree",
    motto: "A world of its own",
  };
}

/** A small, stable hash of a text (FNV-1a). */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash;
}
