/**
 * `npm run pictures`: takes the pictures of README and docs, and the one that links to a world are shown with, from the
 * running example: four servers, and a player who walks. It needs Chromium.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import "../test/support/quiet.mjs";
import { CHROMIUM_FLAGS } from "../test/support/browser.ts";
import { eventually } from "../test/support/eventually.ts";
import { Player } from "../test/support/player.ts";
import { Servers, WORLD } from "../test/support/processes.ts";
import { findProgram } from "../test/support/requirements.ts";
import { freeBlock } from "./pictures/ports.mjs";
import { crossingSheet, previewSheet } from "./pictures/sheets.mjs";
import { collect, look, walk } from "./pictures/walker.mjs";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const FOLDER = `${ROOT}docs/pictures/`;
const PREVIEW = `${ROOT}example-server/page/preview.jpg`;
const WIDE = { width: 1120, height: 700 };
/** Of a pane of the strip: what is small there cannot be read in it. */
const PANE = { width: 600, height: 600 };
const MAX_BYTES = 150_000;
const QUALITIES = [88, 82, 76, 70, 60, 50];
/** The cover takes 550 ms to grow. */
const GROWING_MILLISECONDS = 200;
const GROWN_MILLISECONDS = 540;
/** Who has walked for one picture is not in the next. */
const LEAVES = ["--grace", "0"];
const LONG = { timeoutMilliseconds: 20_000 };
const urlOf = (picture) => `data:image/png;base64,${picture.toString("base64")}`;
const dataUrls = (pictures) =>
  Object.fromEntries(Object.entries(pictures).map(([name, picture]) => [name, urlOf(picture)]));

const executablePath = findProgram("chromium");
if (executablePath === undefined) throw new Error("Chromium is needed: apt-get install chromium");
await mkdir(FOLDER, { recursive: true });

const servers = new Servers();
const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
/** The others, by name. */
const company = new Map();
try {
  const ports = await freeBlock(4);
  const [plaza, arena, , harbour] = await servers.start([
    { name: "plaza", script: WORLD, flags: LEAVES, port: ports[0] },
    { name: "arena", script: WORLD, flags: LEAVES, port: ports[1] },
    { name: "gallery", script: WORLD, flags: ["--gallery"], port: ports[2] },
    { name: "harbour", script: "example-server/harbour/server.ts", port: ports[3] },
  ]);
  await fill(plaza, arena, harbour);

  const wide = await crossing(plaza, arena, { viewport: WIDE, harbour });
  const small = await crossing(plaza, arena, { viewport: PANE });
  const preview = await crossing(plaza, arena, {
    viewport: { width: 1200, height: 630 },
    bare: true,
  });
  for (const name of ["plaza", "crossing", "arena", "harbour"]) {
    await keep(`${FOLDER}${name}.jpg`, wide[name]);
  }
  await keep(`${FOLDER}crossing-strip.jpg`, await draw(crossingSheet(dataUrls(small))));
  await keep(PREVIEW, await draw(previewSheet(dataUrls(preview))));
} finally {
  await Promise.all([...company.values()].map((player) => player.leave().catch(() => undefined)));
  await browser.close();
  await servers.stop();
}

/** Others who are there already, out of the way of whoever walks through the gate between plaza and arena. */
async function fill(plaza, arena, harbour) {
  for (const [name, home, world, aside, below] of [
    ["Grace", plaza, plaza, -110, 235],
    ["Alan", arena, plaza, -270, 165],
    ["Barbara", arena, arena, -225, 190],
    ["Edsger", plaza, arena, 40, 205],
    ["Mary", arena, harbour],
    ["Kurt", plaza, harbour],
  ]) {
    const player = new Player(home.origin, name);
    company.set(name, player);
    const { name: room } = world.spec;
    if (home === world) await player.traveler.join(room);
    else await player.traveler.travel(uriOf(world));
    if (aside === undefined) continue;
    await player.at.settled();
    const target = uriOf(world === plaza ? arena : plaza);
    const gate = await eventually(() => {
      const found = player.at.portals.find((portal) => portal.target === target);
      if (found === undefined) throw new Error("no gate yet");
      return found;
    }, LONG);
    await player.at.walkTo(gate.x + aside, gate.y + below);
  }
}

/** A player on the way from the plaza into the arena, and on into the harbour. */
async function crossing(plaza, arena, { viewport, bare = false, harbour }) {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  const pictures = {};
  const take = async (name) => {
    const parts = bare ? page.locator(".bar, .foot, .toasts, #pointers") : page.locator("no-part");
    await parts.evaluateAll((all) => {
      for (const { style } of all) style.visibility = "hidden";
    });
    pictures[name] = await page.screenshot({ type: "png" });
  };
  await page.goto(plaza.origin);
  await page.getByLabel("Your name").fill("Ada");
  await page.keyboard.press("Enter");
  await eventually(async () => {
    const { name, portals, hat } = await look(page);
    if (name !== "Ada" || !hat?.shown || portals.some(({ status }) => status !== "up")) {
      throw new Error("not all of the plaza is there");
    }
  }, LONG);
  const around = page.locator("#around-toggle");
  if ((await around.getAttribute("aria-expanded")) === "true") await around.click();
  await page.locator("#view").focus();
  const gate = (await look(page)).portals.find(({ label }) => label === "arena");
  for (let count = 0; count < 3; count += 1) await collect(page, gate);
  await walk(page, { x: gate.x - 100, y: gate.y + 120 });
  await walk(page, { x: gate.x - 100, y: gate.y + 60 });
  say("Grace", "See you over there!");
  await page.waitForTimeout(900);
  await take("plaza");

  await walk(page, gate, () => page.locator("#passage[data-state=closed]").isVisible());
  // The cover grows out of the gate, and is held for the pictures.
  const cover = (milliseconds) =>
    page.evaluate((time) => {
      for (const animation of globalThis.document.getAnimations()) {
        animation.pause();
        animation.currentTime = time;
      }
    }, milliseconds);
  await cover(GROWING_MILLISECONDS);
  await take("gate");
  await cover(GROWN_MILLISECONDS);
  await take("crossing");
  await page.evaluate(() => {
    for (const animation of globalThis.document.getAnimations()) animation.play();
  });

  await eventually(async () => {
    const { world, hat } = await look(page);
    if (world !== "arena" || !hat?.shown) throw new Error(`still in the ${world}`);
  }, LONG);
  await page.locator("#passage[data-state=open]").waitFor({ state: "attached" });
  const back = (await look(page)).portals.find(({ label }) => label === "plaza");
  await walk(page, { x: back.x - 130, y: back.y + 105 });
  say("Barbara", "Welcome, Ada!");
  await page.waitForTimeout(900);
  await take("arena");

  if (harbour !== undefined) {
    await around.click();
    const entry = page.getByTestId("gates").getByRole("listitem").filter({ hasText: "Harbour" });
    await entry.getByRole("button").first().click();
    await page.waitForURL(`${harbour.origin}/play`, { timeout: 20_000 });
    for (const name of ["Mary", "Kurt"]) company.get(name).at.room.send("cast");
    await page.locator("#rod:enabled").click();
    await page.locator("#rod.bite").waitFor({ timeout: 20_000 });
    await take("harbour");
  }
  await context.close();
  return pictures;
}

function uriOf({ authority, spec }) {
  return `aether://${authority}/${spec.name}`;
}

function say(name, text) {
  company.get(name).at.room.send("say", { text });
}

/** Draws a sheet. */
async function draw({ width, height, html }) {
  const page = await browser.newPage({ viewport: { width, height } });
  await page.setContent(html, { waitUntil: "load" });
  const picture = await page.screenshot({ type: "png" });
  await page.close();
  return picture;
}

/** Writes a picture as a JPEG, as good as its size allows. */
async function keep(file, picture) {
  const page = await browser.newPage();
  const size = { width: picture.readUInt32BE(16), height: picture.readUInt32BE(20) };
  await page.setViewportSize(size);
  await page.setContent(
    `<style>*{margin:0}img{display:block}</style><img src="${urlOf(picture)}">`,
  );
  for (const quality of QUALITIES) {
    const bytes = await page.screenshot({ type: "jpeg", quality });
    if (bytes.length > MAX_BYTES) continue;
    await writeFile(file, bytes);
    console.log(
      `${file.slice(ROOT.length)}: ${size.width} × ${size.height}, ${bytes.length} bytes`,
    );
    await page.close();
    return;
  }
  throw new Error(`${file} cannot be made smaller than ${MAX_BYTES} bytes`);
}
