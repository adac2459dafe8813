import type { Avatar } from "../view.ts";
import { disc, rounded } from "./ground.ts";

const TURN = Math.PI * 2;

/** Draws one avatar standing at its feet. */
export function drawAvatar(g: CanvasRenderingContext2D, avatar: Avatar, time: number): void {
  const { x, y, colour, facing, stride, crossing } = avatar;
  const bob = Math.abs(Math.sin(stride)) * 4;
  const breath = Math.sin(time * 2.2 + x) * 0.8;
  g.save();
  g.translate(x, y);
  g.fillStyle = "rgb(20 10 5 / 0.28)";
  disc(g, 0, 2, 19 - bob * 0.6, 7.5 - bob * 0.3);
  if (crossing) {
    g.globalAlpha = 0.55 + Math.sin(time * 9) * 0.2;
    ring(g, time);
  }
  legs(g, stride);
  g.translate(0, -bob);
  g.scale(facing < 0 ? -1 : 1, 1);
  body(g, colour, breath);
  if (avatar.wavesUntil > performance.now()) wave(g, colour, time);
  head(g, colour, time, x);
  hat(g, avatar.hatImage);
  g.restore();
}

function legs(g: CanvasRenderingContext2D, stride: number): void {
  const swing = Math.sin(stride) * 6;
  g.fillStyle = "#3a2d28";
  for (const [side, lift] of [
    [-6, swing],
    [6, -swing],
  ] as const) {
    g.beginPath();
    g.ellipse(side + lift * 0.35, -1 - Math.max(0, lift) * 0.5, 5.4, 4.2, 0, 0, TURN);
    g.fill();
  }
}

function body(g: CanvasRenderingContext2D, colour: string, breath: number): void {
  const fill = g.createLinearGradient(-14, -34, 16, 0);
  fill.addColorStop(0, lighter(colour, 14));
  fill.addColorStop(1, lighter(colour, -16));
  g.fillStyle = fill;
  rounded(g, -14, -31 - breath, 28, 29 + breath, 13);
  g.fill();
  g.strokeStyle = "rgb(0 0 0 / 0.28)";
  g.lineWidth = 1.6;
  g.stroke();
  g.fillStyle = "rgb(255 255 255 / 0.25)";
  g.beginPath();
  g.ellipse(-6, -20, 3.4, 7, 0.2, 0, TURN);
  g.fill();
}

function wave(g: CanvasRenderingContext2D, colour: string, time: number): void {
  g.save();
  g.translate(12, -24);
  g.rotate(-0.5 + Math.sin(time * 14) * 0.45);
  g.strokeStyle = lighter(colour, -8);
  g.lineWidth = 8;
  g.lineCap = "round";
  g.beginPath();
  g.moveTo(0, 0);
  g.lineTo(13, -20);
  g.stroke();
  g.fillStyle = lighter(colour, 24);
  disc(g, 14, -23, 6);
  g.restore();
}

function head(g: CanvasRenderingContext2D, colour: string, time: number, seed: number): void {
  g.fillStyle = lighter(colour, 24);
  g.strokeStyle = "rgb(0 0 0 / 0.28)";
  g.lineWidth = 1.6;
  g.beginPath();
  g.arc(0, -41, 14.5, 0, TURN);
  g.fill();
  g.stroke();
  const blink = (time * 0.31 + seed * 0.013) % 1 > 0.965 ? 0.15 : 1;
  g.fillStyle = "#1d1a18";
  for (const eye of [1.5, 9]) {
    g.beginPath();
    g.ellipse(eye, -42, 2.3, 3.4 * blink, 0, 0, TURN);
    g.fill();
  }
  if (blink === 1) {
    g.fillStyle = "#fff";
    disc(g, 2.2, -43.4, 0.9);
    disc(g, 9.7, -43.4, 0.9);
  }
  g.fillStyle = "rgb(230 90 90 / 0.35)";
  disc(g, -2, -36.5, 2.6, 1.7);
  disc(g, 11, -36.5, 1.8, 1.6);
}

/** A picture from the player's home server, in the place where hats are worn. */
function hat(g: CanvasRenderingContext2D, image: CanvasImageSource | undefined): void {
  if (image !== undefined) g.drawImage(image, -24, -84, 48, 48);
}

function ring(g: CanvasRenderingContext2D, time: number): void {
  g.save();
  g.strokeStyle = "rgb(255 255 255 / 0.9)";
  g.lineWidth = 3;
  g.setLineDash([10, 8]);
  g.lineDashOffset = -time * 60;
  g.beginPath();
  g.ellipse(0, 0, 28, 12, 0, 0, TURN);
  g.stroke();
  g.restore();
}

/** `hsl(h s% l%)` made lighter or darker. */
export function lighter(colour: string, by: number): string {
  const match = /^hsl\((\d+) (\d+)% (\d+)%\)$/u.exec(colour);
  if (match === null) return colour;
  const [, hue, saturation, lightness] = match;
  return `hsl(${hue} ${saturation}% ${Math.max(8, Math.min(92, Number(lightness) + by))}%)`;
}
