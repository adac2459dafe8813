/** Names above the players, and what they say. */
import type { Avatar } from "../view.ts";
import { rounded } from "./ground.ts";

const FONT = "ui-rounded, 'SF Pro Rounded', system-ui, sans-serif";
const HEIGHT = 22;
const MAX_NAME_WIDTH = 150;
const MAX_WORDS_WIDTH = 220;
const LINE = 18;

/** A name that is drawn, and where. */
export interface Tag {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * One's own first, then the nearest: a name that would lie on another one is left out, and is in the list still.
 *
 * @param letters How much larger than the world they are.
 */
export function drawTags(
  g: CanvasRenderingContext2D,
  avatars: readonly Avatar[],
  letters: number,
): Tag[] {
  const me = avatars.find((avatar) => avatar.me);
  const far = (avatar: Avatar): number =>
    avatar.me || me === undefined ? -1 : Math.hypot(avatar.x - me.x, avatar.y - me.y);
  const taken: Tag[] = [];
  g.textAlign = "center";
  g.textBaseline = "middle";
  for (const avatar of [...avatars].sort((a, b) => far(a) - far(b))) {
    g.font = `600 ${14 * letters}px ${FONT}`;
    const name = fitting(g, avatar.name, MAX_NAME_WIDTH * letters);
    const width = g.measureText(name).width + 18 * letters;
    const height = HEIGHT * letters;
    const tag = { name, x: avatar.x - width / 2, y: top(avatar) - height, width, height };
    if (taken.some((other) => overlaps(tag, other))) continue;
    taken.push(tag);
    g.fillStyle = avatar.me ? "rgb(20 24 29 / 0.92)" : "rgb(20 24 29 / 0.78)";
    rounded(g, tag.x, tag.y, width, height, height / 2);
    g.fill();
    if (avatar.me) {
      g.strokeStyle = avatar.colour;
      g.lineWidth = 2;
      g.stroke();
    }
    g.fillStyle = "#fff";
    g.fillText(name, avatar.x, tag.y + height / 2 + 0.5);
  }
  return taken;
}

/** A bubble with what somebody says. */
export function drawWords(g: CanvasRenderingContext2D, avatar: Avatar, letters: number): void {
  g.save();
  g.translate(avatar.x, top(avatar) - HEIGHT * letters - 12);
  g.scale(letters, letters);
  g.font = `500 15px ${FONT}`;
  g.textAlign = "center";
  g.textBaseline = "middle";
  const lines = wrapped(g, avatar.words);
  const width = Math.max(...lines.map((line) => g.measureText(line).width)) + 24;
  const height = lines.length * LINE + 14;
  g.fillStyle = "#fffdf6";
  rounded(g, -width / 2, -height, width, height, 12);
  g.fill();
  g.beginPath();
  g.moveTo(-7, -1);
  g.lineTo(0, 8);
  g.lineTo(7, -1);
  g.fill();
  g.fillStyle = "#1b1f24";
  lines.forEach((line, index) => {
    g.fillText(line, 0, 7 - height + LINE * (index + 0.5));
  });
  g.restore();
}

function top({ y, hatImage }: Avatar): number {
  return y - (hatImage === undefined ? 57 : 81);
}

function overlaps(a: Tag, b: Tag): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && Math.abs(a.y - b.y) < a.height;
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
