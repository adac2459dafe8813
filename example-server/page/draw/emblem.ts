/** The picture of a world: its centrepiece on its ground, as it is seen while one is on the way there. */
import { type Theme, themeOf } from "../../theme.ts";
import { disc } from "./ground.ts";
import { boat, centrepieceOf } from "./props.ts";

const WIDTH = 440;
const HEIGHT = 320;
const SHOWN_TIME = 3.4;

/** Draws it over the whole canvas, of 440 × 320. */
export function drawEmblem(canvas: HTMLCanvasElement, world: string): void {
  const g = canvas.getContext("2d");
  if (g === null) return;
  const theme = themeOf(world);
  g.setTransform(1, 0, 0, 1, 0, 0);
  g.clearRect(0, 0, WIDTH, HEIGHT);
  g.save();
  g.beginPath();
  g.ellipse(WIDTH / 2, HEIGHT / 2, 210, 150, 0, 0, Math.PI * 2);
  g.clip();
  ground(g, theme);
  g.translate(WIDTH / 2, 214);
  g.scale(1.05, 1.05);
  if (theme.centrepiece === "boat") boat(g, 0, 0, SHOWN_TIME);
  else for (const prop of centrepieceOf(theme)) prop.draw(g, SHOWN_TIME);
  g.restore();
  g.strokeStyle = theme.accent;
  g.lineWidth = 8;
  g.beginPath();
  g.ellipse(WIDTH / 2, HEIGHT / 2, 210, 150, 0, 0, Math.PI * 2);
  g.stroke();
}

function ground(
  g: CanvasRenderingContext2D,
  { ground: [dark, middle, light], beyond }: Theme,
): void {
  const sky = g.createLinearGradient(0, 0, 0, HEIGHT);
  sky.addColorStop(0, beyond);
  sky.addColorStop(0.42, dark);
  sky.addColorStop(0.46, middle);
  sky.addColorStop(1, light);
  g.fillStyle = sky;
  g.fillRect(0, 0, WIDTH, HEIGHT);
  g.fillStyle = "rgb(255 255 255 / 0.12)";
  disc(g, WIDTH / 2, 232, 170, 60);
}
