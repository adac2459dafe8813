/** Names above the players, and what they say. */
import type { Avatar } from "../view.ts";
import { rounded } from "./ground.ts";

const FONT = "ui-rounded, 'SF Pro Rounded', system-ui, sans-serif";
const HEIGHT = 22;
const MAX_NAME_WIDTH = 150;
const MAX_WORDS_WIDTH = 220;
const LINE = 18;

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

/** One's own first, then the nearest: a name that would lie on another one is left out, and is in the list still. */
export function drawTags(g: CanvasRenderingContext2D, avatars: readonly Avatar[]): void {
  const me = avatars.find((avatar) => avatar.me);
  const far = ({ x, y }: Avatar): number => (me === undefined ? 0 : Math.hypot(x - me.x, y - me.y));
  const taken: Box[] = [];
  g.textAlign = "center";
  g.textBaseline = "middle";
  for (const avatar of [...avatars].sort((a, b) => far(a) - far(b))) {
    g.font = `600 14px ${FONT}`;
    const name = fitting(g, avatar.name, MAX_NAME_WIDTH);
    const width = g.measureText(name).width + 18;
    const box = { x: avatar.x - width / 2, y: top(avatar) - HEIGHT, width };
    if (taken.some((other) => overlaps(box, other))) continue;
    taken.push(box);
    g.fillStyle = avatar.me ? "rgb(20 24 29 / 0.92)" : "rgb(20 24 29 / 0.78)";
    rounded(g, box.x, box.y, width, HEIGHT, HEIGHT / 2);
    g.fill();
    if (avatar.me) {
      g.strokeStyle = avatar.colour;
      g.lineWidth = 2;
      g.stroke();
    }
    g.fillStyle = "#fff";
    g.fillText(name, avatar.x, box.y + HEIGHT / 2 + 0.5);
  }
}

/** A bubble with what somebody says. */
export function drawWords(g: CanvasRenderingContext2D, avatar: Avatar): void {
  g.font = `500 15px ${FONT}`;
  g.textAlign = "center";
  g.textBaseline = "middle";
  const lines = wrapped(g, avatar.words);
  const width = Math.max(...lines.map((line) => g.measureText(line).width)) + 24;
  const height = lines.length * LINE + 14;
  const y = top(avatar) - HEIGHT - 12 - height;
  g.fillStyle = "#fffdf6";
  rounded(g, avatar.x - width / 2, y, width, height, 12);
  g.fill();
  g.beginPath();
  g.moveTo(avatar.x - 7, y + height - 1);
  g.lineTo(avatar.x, y + height + 8);
  g.lineTo(avatar.x + 7, y + height - 1);
  g.fill();
  g.fillStyle = "#1b1f24";
  lines.forEach((line, index) => {
    g.fillText(line, avatar.x, y + 7 + LINE * (index + 0.5));
  });
}

function top({ y, hatImage }: Avatar): number {
  return y - (hatImage === undefined ? 57 : 81);
}

function overlaps(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && Math.abs(a.y - b.y) < HEIGHT;
}

function fitting(g: CanvasRenderingContext2D, text: string, width: number): string {
  if (g.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 1 && g.measureText(`${text.slice(0, end)}…`).width > width) end -= 1;
  return `${text.slice(0, end)}…`;
}

function wrapped(g: CanvasRenderingContext2D, text: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && g.measureText(longer).width > MAX_WORDS_WIDTH) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line].map((each) => fitting(g, each, MAX_WORDS_WIDTH));
}
