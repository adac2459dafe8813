import type { Picture } from "../view.ts";
import { disc, rounded } from "./ground.ts";

const WIDTH = 168;
const HEIGHT = 126;
const FONT = "ui-rounded, 'SF Pro Rounded', system-ui, sans-serif";

/** Draws one picture on its easel, standing at (x, y). */
export function drawPicture(g: CanvasRenderingContext2D, picture: Picture, time: number): void {
  const { x, y, status, image } = picture;
  g.save();
  g.translate(x, y);
  g.fillStyle = "rgb(20 20 30 / 0.2)";
  disc(g, 0, 0, 78, 11);
  easel(g);
  g.translate(-WIDTH / 2, -HEIGHT - 44);
  frame(g, status === "refused" ? "#7d3838" : "#9a7434");
  if (status === "refused") refused(g);
  else if (image === undefined) coming(g, time);
  else g.drawImage(image, 0, 0, WIDTH, HEIGHT);
  g.restore();
  plaque(g, picture);
}

function easel(g: CanvasRenderingContext2D): void {
  g.strokeStyle = "#6f543a";
  g.lineWidth = 6;
  g.lineCap = "round";
  g.beginPath();
  g.moveTo(-40, -60);
  g.lineTo(-56, 0);
  g.moveTo(40, -60);
  g.lineTo(56, 0);
  g.moveTo(0, -60);
  g.lineTo(0, -8);
  g.stroke();
}

function frame(g: CanvasRenderingContext2D, colour: string): void {
  g.fillStyle = "rgb(0 0 0 / 0.25)";
  rounded(g, -9, -7, WIDTH + 22, HEIGHT + 20, 5);
  g.fill();
  g.fillStyle = colour;
  rounded(g, -11, -11, WIDTH + 22, HEIGHT + 22, 5);
  g.fill();
  g.strokeStyle = "rgb(255 255 255 / 0.35)";
  g.lineWidth = 2;
  g.strokeRect(-4, -4, WIDTH + 8, HEIGHT + 8);
}

function coming(g: CanvasRenderingContext2D, time: number): void {
  g.fillStyle = "#eceff1";
  g.fillRect(0, 0, WIDTH, HEIGHT);
  g.strokeStyle = "#9aa7b0";
  g.lineWidth = 5;
  g.beginPath();
  g.arc(WIDTH / 2, HEIGHT / 2, 16, time * 3, time * 3 + 4.2);
  g.stroke();
}

/** Not one byte of what came is shown. */
function refused(g: CanvasRenderingContext2D): void {
  g.fillStyle = "#2b2326";
  g.fillRect(0, 0, WIDTH, HEIGHT);
  g.strokeStyle = "#e0605c";
  g.lineWidth = 8;
  g.lineCap = "round";
  g.beginPath();
  g.moveTo(WIDTH / 2 - 20, 24);
  g.lineTo(WIDTH / 2 + 20, 64);
  g.moveTo(WIDTH / 2 + 20, 24);
  g.lineTo(WIDTH / 2 - 20, 64);
  g.stroke();
  g.textAlign = "center";
  g.textBaseline = "middle";
  g.fillStyle = "#fff";
  g.font = `700 16px ${FONT}`;
  g.fillText("Refused", WIDTH / 2, 88);
  g.fillStyle = "rgb(255 255 255 / 0.75)";
  g.font = `500 12px ${FONT}`;
  g.fillText("not what it claims to be", WIDTH / 2, 107);
}

function plaque(g: CanvasRenderingContext2D, { x, y, title, owner, detail }: Picture): void {
  const lines = [`of ${owner}`, ...(detail === "" ? [] : ["its operator has been told"])];
  g.textAlign = "center";
  g.textBaseline = "middle";
  g.font = `650 14px ${FONT}`;
  const widths = [g.measureText(title).width];
  g.font = `500 12px ${FONT}`;
  widths.push(...lines.map((line) => g.measureText(line).width));
  const width = Math.max(...widths) + 22;
  const height = 22 + lines.length * 16;
  g.fillStyle = "rgb(20 24 29 / 0.78)";
  rounded(g, x - width / 2, y + 12, width, height, 9);
  g.fill();
  g.fillStyle = "#fff";
  g.font = `650 14px ${FONT}`;
  g.fillText(title, x, y + 25);
  g.font = `500 12px ${FONT}`;
  lines.forEach((line, index) => {
    g.fillStyle = index === 0 ? "rgb(255 255 255 / 0.72)" : "#ffb3ae";
    g.fillText(line, x, y + 42 + index * 16);
  });
}
