import type { Portal } from "../view.ts";
import { gateLook } from "../gate-look.ts";
import { capital } from "../hud/element.ts";
import { disc, rounded } from "./ground.ts";

const TURN = Math.PI * 2;
const FONT = "ui-rounded, 'SF Pro Rounded', system-ui, sans-serif";
/** Letters so much larger than the world leave room for few of them. */
const SMALL_WORLD = 1.15;

/** What a gate takes of the world as it is drawn, with its sign. */
export function gateBox({ x, y }: { readonly x: number; readonly y: number }) {
  return { x: x - 58, y: y - 112, width: 116, height: 178 };
}

/**
 * Draws a gate of two pillars and an arch around a swirl.
 *
 * @param letters How much larger than the world those of its sign are.
 */
export function drawPortal(
  g: CanvasRenderingContext2D,
  portal: Portal,
  time: number,
  letters: number,
): void {
  const { hue, alive } = gateLook(portal.status);
  g.save();
  g.translate(portal.x, portal.y);
  g.fillStyle = "rgb(0 0 0 / 0.3)";
  disc(g, 0, 6, 66, 20);
  if (alive) {
    const glow = g.createRadialGradient(0, -38, 10, 0, -38, 110);
    glow.addColorStop(0, `hsl(${hue} 90% 65% / ${0.4 + Math.sin(time * 2) * 0.08})`);
    glow.addColorStop(1, `hsl(${hue} 90% 60% / 0)`);
    g.fillStyle = glow;
    disc(g, 0, -38, 110, 110);
  }
  disk(g, hue, alive, time);
  arch(g, hue, alive);
  if (!alive) boards(g);
  g.restore();
  sign(g, portal, letters);
}

function disk(g: CanvasRenderingContext2D, hue: number, alive: boolean, time: number): void {
  g.save();
  g.beginPath();
  g.ellipse(0, -40, 38, 52, 0, 0, TURN);
  g.clip();
  const fill = g.createRadialGradient(0, -40, 4, 0, -40, 56);
  if (alive) {
    fill.addColorStop(0, `hsl(${hue} 100% 92%)`);
    fill.addColorStop(0.35, `hsl(${hue} 85% 60%)`);
    fill.addColorStop(1, `hsl(${hue + 30} 75% 22%)`);
  } else {
    fill.addColorStop(0, "#55595f");
    fill.addColorStop(1, "#1d2024");
  }
  g.fillStyle = fill;
  g.fillRect(-60, -110, 120, 140);
  g.translate(0, -40);
  g.scale(0.74, 1);
  for (let arm = 0; arm < 5; arm += 1) {
    g.save();
    g.rotate((arm / 5) * TURN + (alive ? time * 1.3 : 0.4));
    g.strokeStyle = alive ? `hsl(${hue} 100% 88% / 0.55)` : "rgb(255 255 255 / 0.07)";
    g.lineWidth = 4;
    g.lineCap = "round";
    g.beginPath();
    for (let step = 0; step <= 14; step += 1) {
      const radius = 5 + step * 3.4;
      const angle = step * 0.21;
      const px = Math.cos(angle) * radius;
      const py = Math.sin(angle) * radius;
      if (step === 0) g.moveTo(px, py);
      else g.lineTo(px, py);
    }
    g.stroke();
    g.restore();
  }
  g.restore();
  if (!alive) return;
  for (let spark = 0; spark < 9; spark += 1) {
    const phase = (time * 0.5 + spark / 9) % 1;
    const angle = spark * 2.4 + time;
    g.fillStyle = `hsl(${hue} 100% 90% / ${1 - phase})`;
    disc(g, Math.cos(angle) * 34 * (1 - phase * 0.6), -34 - phase * 66, 2.4 * (1 - phase) + 0.6);
  }
}

function arch(g: CanvasRenderingContext2D, hue: number, alive: boolean): void {
  const stone = g.createLinearGradient(-54, 0, 54, 0);
  stone.addColorStop(0, "#8d8579");
  stone.addColorStop(0.5, "#d8d0c1");
  stone.addColorStop(1, "#7d7569");
  g.lineWidth = 15;
  g.strokeStyle = stone;
  g.beginPath();
  g.moveTo(-45, 4);
  g.lineTo(-45, -42);
  g.bezierCurveTo(-45, -112, 45, -112, 45, -42);
  g.lineTo(45, 4);
  g.stroke();
  g.lineWidth = 1.5;
  g.strokeStyle = "rgb(0 0 0 / 0.35)";
  g.stroke();
  for (const side of [-1, 1]) {
    g.fillStyle = stone;
    rounded(g, side * 45 - 13, -4, 26, 15, 4);
    g.fill();
    g.stroke();
  }
  g.fillStyle = alive ? `hsl(${hue} 95% 62%)` : "#5b5f66";
  g.beginPath();
  g.moveTo(0, -109);
  g.lineTo(9, -97);
  g.lineTo(0, -83);
  g.lineTo(-9, -97);
  g.closePath();
  g.fill();
  g.stroke();
}

/** Nailed up: nobody walks through. */
function boards(g: CanvasRenderingContext2D): void {
  g.save();
  g.translate(0, -38);
  for (const angle of [-0.32, 0.26]) {
    g.save();
    g.rotate(angle);
    g.fillStyle = "#7a5a3c";
    rounded(g, -52, -8, 104, 16, 3);
    g.fill();
    g.strokeStyle = "rgb(0 0 0 / 0.4)";
    g.lineWidth = 1.5;
    g.stroke();
    g.restore();
  }
  g.restore();
}

function sign(g: CanvasRenderingContext2D, portal: Portal, letters: number): void {
  const { word, alive, colour } = gateLook(portal.status);
  const name = portal.label === "" ? portal.host : portal.label;
  const title = capital(name);
  const { population } = portal;
  const state =
    alive && population !== undefined ? `${population} inside` : (word.split(":")[0] ?? word);
  // The host is in the list, too.
  const detail = letters > SMALL_WORLD ? state : `${portal.host} · ${state}`;
  g.save();
  g.translate(portal.x, portal.y + 20);
  g.scale(letters, letters);
  g.textAlign = "center";
  g.textBaseline = "middle";
  g.font = `700 19px ${FONT}`;
  const titleWidth = g.measureText(title).width;
  g.font = `500 13px ${FONT}`;
  const detailWidth = g.measureText(detail).width + 16;
  const width = Math.min(172 / letters, Math.max(titleWidth, detailWidth) + 24);
  g.fillStyle = "rgb(20 24 29 / 0.9)";
  rounded(g, -width / 2, 0, width, 46, 13);
  g.fill();
  g.fillStyle = "#fff";
  g.font = `700 19px ${FONT}`;
  g.fillText(title, 0, 15, width - 16);
  g.font = `500 13px ${FONT}`;
  g.fillStyle = "#d3dae1";
  g.fillText(detail, 7, 34, width - 30);
  g.fillStyle = colour;
  disc(g, -Math.min(width - 30, detailWidth - 16) / 2 - 5, 34, 4.4);
  g.restore();
}
