/** The ground of a world, drawn once. */
import { SQUARE } from "../../layout.ts";
import type { Theme } from "../../theme.ts";
import { noise } from "./noise.ts";

const MARGIN = 260;

export interface Ground {
  readonly image: HTMLCanvasElement;
  /** How far the picture reaches beyond the world on every side. */
  readonly margin: number;
}

export function drawGround(width: number, height: number, theme: Theme, scale: number): Ground {
  const image = document.createElement("canvas");
  image.width = (width + 2 * MARGIN) * scale;
  image.height = (height + 2 * MARGIN) * scale;
  const g = image.getContext("2d");
  if (g === null) return { image, margin: MARGIN };
  g.scale(scale, scale);
  g.translate(MARGIN, MARGIN);
  beyond(g, width, height, theme);
  g.save();
  g.shadowColor = "rgb(0 0 0 / 0.45)";
  g.shadowBlur = 40;
  g.shadowOffsetY = 14;
  g.fillStyle = theme.edge;
  rounded(g, -26, -26, width + 52, height + 52, 46);
  g.fill();
  g.restore();
  g.save();
  rounded(g, 0, 0, width, height, 26);
  g.clip();
  if (theme.centrepiece === "ring") sand(g, width, height, theme);
  else if (theme.centrepiece === "columns") marble(g, width, height, theme);
  else stones(g, width, height, theme);
  vignette(g, width, height);
  g.restore();
  rim(g, width, height);
  return { image, margin: MARGIN };
}

function beyond(g: CanvasRenderingContext2D, width: number, height: number, theme: Theme): void {
  g.fillStyle = theme.beyond;
  g.fillRect(-MARGIN, -MARGIN, width + 2 * MARGIN, height + 2 * MARGIN);
  for (let index = 0; index < 900; index += 1) {
    const x = noise(index, 1) * (width + 2 * MARGIN) - MARGIN;
    const y = noise(index, 2) * (height + 2 * MARGIN) - MARGIN;
    const size = 6 + noise(index, 3) * 26;
    g.fillStyle = noise(index, 4) > 0.5 ? "rgb(255 255 255 / 0.045)" : "rgb(0 0 0 / 0.06)";
    g.beginPath();
    g.ellipse(x, y, size, size * 0.6, 0, 0, Math.PI * 2);
    g.fill();
  }
}

/** Paving in running bond: rows of stones of uneven width. */
function stones(g: CanvasRenderingContext2D, width: number, height: number, theme: Theme): void {
  g.fillStyle = theme.ground[0];
  g.fillRect(0, 0, width, height);
  const row = 50;
  for (let y = 0, line = 0; y < height; y += row, line += 1) {
    for (let x = -noise(line, 9) * 80, stone = 0; x < width; stone += 1) {
      const length = 62 + noise(line, stone, 5) * 62;
      const shade = noise(line, stone, 6);
      g.fillStyle = theme.ground[shade < 0.34 ? 0 : shade < 0.72 ? 1 : 2];
      rounded(g, x + 1.5, y + 1.5, length - 3, row - 3, 7);
      g.fill();
      g.fillStyle = "rgb(255 255 255 / 0.16)";
      g.fillRect(x + 7, y + 3, length - 14, 1.5);
      g.fillStyle = "rgb(0 0 0 / 0.07)";
      g.fillRect(x + 7, y + row - 5, length - 14, 2);
      x += length;
    }
  }
  const x = width / 2;
  const y = SQUARE.height / 2;
  for (const [radius, colour] of [
    [178, "rgb(0 0 0 / 0.10)"],
    [170, theme.ground[2]],
    [150, theme.ground[0]],
    [143, theme.ground[1]],
  ] as const) {
    g.fillStyle = colour;
    disc(g, x, y, radius, radius * 0.82);
  }
}

function sand(g: CanvasRenderingContext2D, width: number, height: number, theme: Theme): void {
  const x = width / 2;
  const y = SQUARE.height / 2;
  const light = g.createRadialGradient(x, y, 40, x, y, width * 0.62);
  light.addColorStop(0, theme.ground[2]);
  light.addColorStop(0.6, theme.ground[1]);
  light.addColorStop(1, theme.ground[0]);
  g.fillStyle = light;
  g.fillRect(0, 0, width, height);
  for (let index = 0; index < 5200; index += 1) {
    g.fillStyle = noise(index, 1, 7) > 0.5 ? "rgb(255 230 190 / 0.13)" : "rgb(60 15 5 / 0.11)";
    const size = 1 + noise(index, 2, 7) * 2.6;
    g.fillRect(noise(index, 3, 7) * width, noise(index, 4, 7) * height, size, size * 0.7);
  }
  g.lineCap = "round";
  for (let index = 0; index < 46; index += 1) {
    const radius = 150 + noise(index, 5, 8) * 620;
    const start = noise(index, 6, 8) * Math.PI * 2;
    g.strokeStyle = "rgb(70 20 8 / 0.12)";
    g.lineWidth = 2 + noise(index, 7, 8) * 3;
    g.beginPath();
    g.ellipse(x, y, radius, radius * 0.62, 0, start, start + 0.25 + noise(index, 8, 8) * 0.7);
    g.stroke();
  }
  for (const [radius, line, colour] of [
    [330, 16, "rgb(255 236 205 / 0.75)"],
    [330, 3, "rgb(120 40 20 / 0.5)"],
    [120, 9, "rgb(255 236 205 / 0.6)"],
  ] as const) {
    g.strokeStyle = colour;
    g.lineWidth = line;
    g.beginPath();
    g.ellipse(x, y, radius, radius * 0.72, 0, 0, Math.PI * 2);
    g.stroke();
  }
}

function marble(g: CanvasRenderingContext2D, width: number, height: number, theme: Theme): void {
  const size = 100;
  for (let row = 0; row * size < height; row += 1) {
    for (let column = 0; column * size < width; column += 1) {
      g.fillStyle = theme.ground[(row + column) % 2 === 0 ? 0 : 2];
      g.fillRect(column * size, row * size, size, size);
      const x = column * size;
      const y = row * size;
      g.save();
      g.beginPath();
      g.rect(x, y, size, size);
      g.clip();
      for (let vein = 0; vein < 3; vein += 1) {
        g.strokeStyle = `rgb(90 110 130 / ${0.06 + noise(row, column, vein) * 0.12})`;
        g.lineWidth = 0.8 + noise(row, column, vein + 4) * 1.6;
        g.beginPath();
        g.moveTo(x + noise(row, column, vein + 8) * size, y - 4);
        g.bezierCurveTo(
          x + noise(row, column, vein + 12) * size,
          y + 30,
          x + noise(row, column, vein + 16) * size,
          y + 70,
          x + noise(row, column, vein + 20) * size,
          y + size + 4,
        );
        g.stroke();
      }
      g.fillStyle = "rgb(255 255 255 / 0.35)";
      g.fillRect(x, y, size, 1.5);
      g.fillRect(x, y, 1.5, size);
      g.restore();
    }
  }
  g.save();
  g.globalAlpha = 0.9;
  g.fillStyle = "#2f5f7c";
  rounded(g, width / 2 - 90, 60, 180, SQUARE.height - 120, 18);
  g.fill();
  g.strokeStyle = "#d8b45a";
  g.lineWidth = 5;
  rounded(g, width / 2 - 78, 72, 156, SQUARE.height - 144, 12);
  g.stroke();
  g.restore();
}

function vignette(g: CanvasRenderingContext2D, width: number, height: number): void {
  const shade = g.createRadialGradient(
    width / 2,
    height / 2,
    height * 0.35,
    width / 2,
    height / 2,
    width * 0.62,
  );
  shade.addColorStop(0, "rgb(255 245 220 / 0.10)");
  shade.addColorStop(1, "rgb(20 10 30 / 0.24)");
  g.fillStyle = shade;
  g.fillRect(0, 0, width, height);
}

function rim(g: CanvasRenderingContext2D, width: number, height: number): void {
  g.lineWidth = 4;
  g.strokeStyle = "rgb(255 255 255 / 0.22)";
  rounded(g, -2, -2, width + 4, height + 4, 28);
  g.stroke();
}

export function rounded(
  g: CanvasRenderingContext2D,
  x: number,
  y: number,
  width: number,
  height: number,
  radius: number,
): void {
  g.beginPath();
  g.roundRect(x, y, width, height, radius);
}

export function disc(
  g: CanvasRenderingContext2D,
  x: number,
  y: number,
  radiusX: number,
  radiusY: number = radiusX,
): void {
  g.beginPath();
  g.ellipse(x, y, radiusX, radiusY, 0, 0, Math.PI * 2);
  g.fill();
}
