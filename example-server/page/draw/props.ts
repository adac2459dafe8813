/** What stands about in a world, sorted with the avatars by depth. */
import { propPlaces } from "../../layout.ts";
import type { Theme } from "../../theme.ts";
import { disc, rounded } from "./ground.ts";
import { noise } from "./noise.ts";

const TURN = Math.PI * 2;

export interface Prop {
  readonly y: number;
  draw(g: CanvasRenderingContext2D, time: number): void;
}

export function propsOf(width: number, height: number, theme: Theme): Prop[] {
  return propPlaces(theme.centrepiece, { width, height }).map(({ kind, x, y, scale }, index) => {
    switch (kind) {
      case "fountain":
        return { y: y + 20, draw: (g, time) => fountain(g, x, y, time) };
      case "planter":
        return planter(x, y);
      case "lamp":
        return lamp(x, y);
      case "banner":
        return banner(x, y, theme.accent);
      case "brazier":
        return brazier(x, y);
      case "column":
        return column(x, y);
      case "frame":
        return frame(x, y, index);
      default:
        return tree(x, y, scale);
    }
  });
}

/** What stands in the middle of a world, around (0, 0). */
export function centrepieceOf({ centrepiece, accent }: Theme): Prop[] {
  switch (centrepiece) {
    case "fountain":
      return [{ y: 0, draw: (g, time) => fountain(g, 0, -8, time) }];
    case "ring":
      return [banner(-92, 6, accent), brazier(0, 20), banner(62, 6, accent)];
    case "columns":
      return [column(-88, 8), column(0, 20), column(88, 8)];
    default:
      return [tree(0, 20, 1.5)];
  }
}

/** A boat on the water: another game's. */
export function boat(g: CanvasRenderingContext2D, x: number, y: number, time: number): void {
  g.save();
  g.translate(x, y + Math.sin(time) * 3);
  g.fillStyle = "#f7d9a8";
  g.beginPath();
  g.moveTo(4, -118);
  g.lineTo(4, -22);
  g.lineTo(74, -22);
  g.closePath();
  g.fill();
  g.fillStyle = "#e8b26a";
  g.beginPath();
  g.moveTo(-4, -96);
  g.lineTo(-4, -22);
  g.lineTo(-48, -22);
  g.closePath();
  g.fill();
  g.fillStyle = "#4a2f22";
  rounded(g, -3, -124, 6, 120, 3);
  g.fill();
  g.fillStyle = "#8a4a32";
  g.beginPath();
  g.moveTo(-82, -14);
  g.lineTo(88, -14);
  g.quadraticCurveTo(70, 24, 44, 24);
  g.lineTo(-44, 24);
  g.quadraticCurveTo(-70, 20, -82, -14);
  g.fill();
  g.strokeStyle = "rgb(255 255 255 / 0.35)";
  g.lineWidth = 3;
  for (const [from, to, line] of [
    [-120, 120, 32],
    [-80, 100, 44],
    [-110, 50, 56],
  ] as const) {
    g.beginPath();
    g.moveTo(from, line);
    g.lineTo(to, line);
    g.stroke();
  }
  g.restore();
}

function fountain(g: CanvasRenderingContext2D, x: number, y: number, time: number): void {
  g.save();
  g.translate(x, y);
  g.fillStyle = "rgb(0 0 0 / 0.25)";
  disc(g, 0, 18, 118, 88);
  g.fillStyle = "#a99878";
  disc(g, 0, 8, 112, 84);
  g.fillStyle = "#cdbd9d";
  disc(g, 0, 0, 112, 84);
  g.fillStyle = "#8f7f62";
  disc(g, 0, 2, 97, 71);
  const water = g.createRadialGradient(-20, -20, 10, 0, 0, 96);
  water.addColorStop(0, "#a9e6f2");
  water.addColorStop(1, "#2f93b4");
  g.fillStyle = water;
  disc(g, 0, 4, 94, 68);
  g.lineWidth = 2;
  for (let ripple = 0; ripple < 4; ripple += 1) {
    const phase = (time * 0.35 + ripple / 4) % 1;
    g.strokeStyle = `rgb(255 255 255 / ${0.45 * (1 - phase)})`;
    g.beginPath();
    g.ellipse(0, 4, 22 + phase * 68, 15 + phase * 50, 0, 0, TURN);
    g.stroke();
  }
  g.fillStyle = "#cdbd9d";
  rounded(g, -11, -46, 22, 54, 8);
  g.fill();
  g.fillStyle = "#dccdaf";
  disc(g, 0, -46, 38, 17);
  g.fillStyle = "#54b1cd";
  disc(g, 0, -48, 31, 12);
  for (let drop = 0; drop < 26; drop += 1) {
    const phase = (time * 0.9 + noise(drop, 1, 3)) % 1;
    const angle = noise(drop, 2, 3) * TURN;
    const reach = 8 + noise(drop, 3, 3) * 42;
    const px = Math.cos(angle) * reach * phase;
    const py =
      -62 - Math.sin(phase * Math.PI) * 46 + phase * 62 + Math.sin(angle) * reach * phase * 0.4;
    g.fillStyle = `rgb(230 250 255 / ${0.9 * (1 - phase * 0.7)})`;
    disc(g, px, py, 2.6);
  }
  g.restore();
}

function planter(x: number, y: number): Prop {
  return {
    y,
    draw: (g) => {
      g.fillStyle = "rgb(0 0 0 / 0.25)";
      disc(g, x, y + 4, 50, 16);
      g.fillStyle = "#9a6b48";
      rounded(g, x - 42, y - 26, 84, 30, 8);
      g.fill();
      for (let leaf = 0; leaf < 16; leaf += 1) {
        const px = x - 36 + noise(leaf, x | 0) * 72;
        const py = y - 30 - noise(leaf, y | 0) * 22;
        g.fillStyle = leaf % 3 === 0 ? "#4f8a4b" : "#3f7440";
        disc(g, px, py, 12 + noise(leaf, 3) * 6);
      }
      for (let flower = 0; flower < 9; flower += 1) {
        g.fillStyle = ["#ff7c6b", "#ffd257", "#ffffff"][flower % 3] ?? "#fff";
        disc(g, x - 32 + noise(flower, 8, x | 0) * 64, y - 38 - noise(flower, 9) * 16, 4);
      }
    },
  };
}

function lamp(x: number, y: number): Prop {
  return {
    y,
    draw: (g, time) => {
      g.fillStyle = "rgb(0 0 0 / 0.25)";
      disc(g, x, y + 2, 16, 6);
      g.fillStyle = "#38414a";
      rounded(g, x - 3.5, y - 92, 7, 94, 3);
      g.fill();
      const glow = g.createRadialGradient(x, y - 100, 2, x, y - 100, 46);
      glow.addColorStop(0, `rgb(255 226 150 / ${0.7 + Math.sin(time * 3 + x) * 0.05})`);
      glow.addColorStop(1, "rgb(255 226 150 / 0)");
      g.fillStyle = glow;
      disc(g, x, y - 100, 46);
      g.fillStyle = "#ffe9ad";
      disc(g, x, y - 100, 10);
    },
  };
}

function banner(x: number, y: number, colour: string): Prop {
  return {
    y,
    draw: (g, time) => {
      g.fillStyle = "rgb(0 0 0 / 0.3)";
      disc(g, x, y + 2, 12, 5);
      g.fillStyle = "#54382b";
      rounded(g, x - 3, y - 108, 6, 110, 3);
      g.fill();
      g.fillStyle = colour;
      g.beginPath();
      g.moveTo(x + 3, y - 104);
      for (let step = 0; step <= 8; step += 1) {
        g.lineTo(x + 3 + step * 5.5, y - 104 + Math.sin(time * 4 + step * 0.8 + x) * 3);
      }
      for (let step = 8; step >= 0; step -= 1) {
        g.lineTo(
          x + 3 + step * 5.5,
          y - 74 + Math.sin(time * 4 + step * 0.8 + x) * 3 + (step === 8 ? -8 : 0),
        );
      }
      g.closePath();
      g.fill();
    },
  };
}

function brazier(x: number, y: number): Prop {
  return {
    y,
    draw: (g, time) => {
      const glow = g.createRadialGradient(x, y - 38, 4, x, y - 38, 100);
      glow.addColorStop(0, `rgb(255 150 50 / ${0.5 + noise((time * 12) | 0, x | 0) * 0.15})`);
      glow.addColorStop(1, "rgb(255 120 30 / 0)");
      g.fillStyle = glow;
      disc(g, x, y - 38, 100);
      g.fillStyle = "#2d2524";
      g.beginPath();
      g.moveTo(x - 24, y - 30);
      g.lineTo(x + 24, y - 30);
      g.lineTo(x + 12, y);
      g.lineTo(x - 12, y);
      g.closePath();
      g.fill();
      for (let flame = 0; flame < 12; flame += 1) {
        const phase = (time * 1.4 + noise(flame, 1, x | 0)) % 1;
        g.fillStyle = `hsl(${45 - phase * 35} 100% ${62 - phase * 20}% / ${1 - phase})`;
        disc(
          g,
          x + (noise(flame, 2) - 0.5) * 34 * (1 - phase),
          y - 32 - phase * 46,
          9 * (1 - phase) + 2,
        );
      }
    },
  };
}

function column(x: number, y: number): Prop {
  return {
    y,
    draw: (g) => {
      g.fillStyle = "rgb(20 30 40 / 0.28)";
      disc(g, x + 8, y + 3, 42, 14);
      const stone = g.createLinearGradient(x - 26, 0, x + 26, 0);
      stone.addColorStop(0, "#c3ccd4");
      stone.addColorStop(0.35, "#ffffff");
      stone.addColorStop(1, "#a2aeb9");
      g.fillStyle = stone;
      rounded(g, x - 32, y - 12, 64, 16, 5);
      g.fill();
      g.fillRect(x - 23, y - 118, 46, 108);
      rounded(g, x - 32, y - 132, 64, 17, 5);
      g.fill();
      g.strokeStyle = "rgb(90 105 120 / 0.25)";
      g.lineWidth = 2;
      for (const offset of [-13, -4, 5, 14]) {
        g.beginPath();
        g.moveTo(x + offset, y - 114);
        g.lineTo(x + offset, y - 14);
        g.stroke();
      }
    },
  };
}

function frame(x: number, y: number, seed: number): Prop {
  return {
    y: y - 60,
    draw: (g) => {
      g.fillStyle = "#b78a3c";
      rounded(g, x - 50, y - 48, 100, 78, 5);
      g.fill();
      g.save();
      rounded(g, x - 42, y - 40, 84, 62, 2);
      g.clip();
      const sky = g.createLinearGradient(0, y - 40, 0, y + 22);
      sky.addColorStop(0, `hsl(${(seed * 67) % 360} 55% 72%)`);
      sky.addColorStop(1, `hsl(${(seed * 67 + 60) % 360} 60% 48%)`);
      g.fillStyle = sky;
      g.fillRect(x - 42, y - 40, 84, 62);
      for (let hill = 0; hill < 3; hill += 1) {
        g.fillStyle = `hsl(${(seed * 67 + 120 + hill * 18) % 360} 40% ${46 - hill * 9}%)`;
        disc(
          g,
          x - 40 + noise(hill, seed) * 80,
          y + 26 + hill * 2,
          46,
          24 + noise(seed, hill) * 16,
        );
      }
      g.fillStyle = "rgb(255 240 190 / 0.9)";
      disc(g, x + (noise(seed, 5) - 0.5) * 50, y - 22, 7);
      g.restore();
    },
  };
}

function tree(x: number, y: number, size: number): Prop {
  return {
    y,
    draw: (g, time) => {
      g.fillStyle = "rgb(0 0 0 / 0.25)";
      disc(g, x, y + 2, 42 * size, 14 * size);
      g.fillStyle = "#6a4a33";
      rounded(g, x - 7 * size, y - 44 * size, 14 * size, 46 * size, 6);
      g.fill();
      for (let leaf = 0; leaf < 14; leaf += 1) {
        const sway = Math.sin(time * 1.2 + leaf) * 1.6;
        g.fillStyle = leaf < 6 ? "#3f7a46" : leaf < 11 ? "#53924f" : "#6fae5f";
        disc(
          g,
          x + (noise(leaf, 1, 2) - 0.5) * 74 * size + sway,
          y - (52 + noise(leaf, 2, 2) * 52) * size,
          (17 + noise(leaf, 3, 2) * 9) * size,
        );
      }
    },
  };
}
