/** What a stranger sees in the first seconds, on every screen. */
import assert from "node:assert/strict";
import type { Locator, Page } from "playwright-core";
import { eventually } from "../support/eventually.ts";
import { worlds } from "../support/running.ts";
import {
  type Aether,
  SCREENS,
  browsing,
  gate,
  look,
  shot,
  stands,
  violations,
} from "../support/world-page.ts";
import { inTurn } from "../support/turns.ts";

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

inTurn(0)("the worlds' page at first sight", function () {
  this.timeout(90_000);
  const at = worlds("plaza", "arena", "gallery");
  const browser = browsing();

  it("weighs at most 120 KB for the first world, and keeps its parts for ever", async () => {
    const { page } = await browser.open();
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    const urls = new Map<string, string>();
    const parts: { path: string; cache: string | null; coding: string | null }[] = [];
    let bytes = 0;
    session.on("Network.responseReceived", ({ requestId, response }) => {
      urls.set(requestId, response.url);
      const { pathname, origin } = new URL(response.url);
      if (origin !== at.plaza.origin || !pathname.startsWith("/page/")) return;
      const headers = new Headers(response.headers);
      const [cache, coding] = [headers.get("cache-control"), headers.get("content-encoding")];
      parts.push({ path: pathname, cache, coding });
    });
    session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      if (urls.get(requestId)?.startsWith(at.plaza.origin) === true) bytes += encodedDataLength;
    });
    await page.goto(at.plaza.origin);
    await stands(page);
    await eventually(async () => assert.ok((await look(page)).hat.shown));
    assert.ok(parts.length >= 3, "script, style and icon");
    for (const { path, cache, coding } of parts) {
      assert.match(path, /-\w{8,}\./u, "named by its bytes");
      assert.match(cache ?? "", /immutable/u, path);
      // Browsers ask for Brotli by TLS only.
      assert.match(coding ?? "", /^(?:br|gzip)$/u, path);
    }
    assert.ok(bytes > 20_000 && bytes <= 120 * 1024, `${bytes} bytes`);
  });

  for (const [screen, options] of Object.entries(SCREENS)) {
    it(`shows the world, a gate, what to do, and nothing over another: ${screen}`, async () => {
      const { page, complaints } = await browser.open(options);
      const press = (on: Locator) => ("hasTouch" in options ? on.tap() : on.click());
      await page.goto(at.plaza.origin);
      const welcome = page.getByRole("form", { name: "Who are you?" });
      await welcome.waitFor();
      await stands(page);
      await gate(page, "arena");
      await shot(page, `${screen}-1-first`);
      assert.equal(await page.locator("dialog[open]").count(), 0, "no card over it");
      assert.ok((await coloursDrawn(page)) > 60, "the world is drawn");
      assertGateInView(await look(page));
      assert.match(
        await welcome.innerText(),
        /A sunlit square[^]*Collect a stamp of every world: walk through a gate[^]*No account/u,
      );
      const suggested = await page.getByLabel("Your name", { exact: true }).inputValue();
      assert.match(suggested, /^\w+ \w+$/u);
      await assertApart(page, [".chip", "#welcome"]);
      assert.deepEqual(await violations(page), [], "with the name box");

      await takeAStep(page, "hasTouch" in options);
      await welcome.waitFor({ state: "hidden" });
      assert.equal((await look(page)).name, suggested, "walking on takes the name suggested");
      assert.match(await page.getByTestId("lead").innerText(), /A sunlit square|Walk in to go/u);
      // The camera comes after.
      await eventually(async () => {
        assertGateInView(await look(page));
      });
      await shot(page, `${screen}-2-playing`);
      await assertPointersToAllOthers(page);
      await assertApart(page, [".chip", ".lead", ".deeds button"]);
      assert.deepEqual(await violations(page), [], "while one plays");

      const toggle = page.getByRole("button", { name: /^Around/u });
      const panel = page.getByRole("complementary", { name: "Around you" });
      if (!(await panel.isVisible())) await press(toggle);
      await panel.getByText(at.gallery.authority).waitFor();
      await shot(page, `${screen}-3-around`);
      await assertApart(page, [".chip", "#around"]);
      assert.deepEqual(await violations(page), [], "with the lists");
      await press(toggle);
      await panel.waitFor({ state: "hidden" });

      const me = page.getByTestId("bar-player");
      await press(me);
      const menu = page.getByRole("dialog", { name: suggested });
      await menu.waitFor();
      await shot(page, `${screen}-4-menu`);
      await assertWithin(page, menu, "the menu");
      assert.deepEqual(await violations(page), [], "with the menu");
      await press(menu.getByRole("button", { name: "Close" }));
      await menu.waitFor({ state: "hidden" });
      assert.equal(await me.evaluate((button) => button === document.activeElement), true);
      assert.deepEqual(complaints, []);
    });
  }

  it("lets the player zoom, and tells the place in title, icon and preview", async () => {
    const { page } = await browser.open();
    await page.goto(at.plaza.origin);
    const viewport = await page.locator("meta[name=viewport]").getAttribute("content");
    assert.doesNotMatch(viewport ?? "", /user-scalable|maximum-scale/u);
    assert.equal(await page.title(), `plaza · ${at.plaza.authority}`);
    for (const [selector, attribute, type] of [
      ["link[rel=icon]", "href", /svg/u],
      ["meta[property='og:image']", "content", /^image\/jpeg$/u],
    ] as const) {
      const url = await page.locator(selector).getAttribute(attribute);
      const answer = await fetch(new URL(url ?? "", at.plaza.origin));
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get("content-type") ?? "", type);
    }
  });
});

/** Colours of a few hundred places of the canvas. */
function coloursDrawn(page: Page): Promise<number> {
  return page.evaluate(() => {
    const canvas = document.getElementById("view") as HTMLCanvasElement;
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, width, height);
    const seen = new Set<number>();
    for (let index = 0; index < 400; index += 1) {
      const at = Math.floor((data.length / 4 / 400) * index) * 4;
      seen.add((data[at]! << 16) | (data[at + 1]! << 8) | data[at + 2]!);
    }
    return seen.size;
  });
}

function isInView({ screen }: Aether["portals"][number], clear: Aether["clear"]): boolean {
  return (
    screen.x >= clear.left &&
    screen.x + screen.width <= clear.right &&
    screen.y >= clear.top &&
    screen.y + screen.height <= clear.bottom
  );
}

function assertGateInView({ portals, clear }: Aether): void {
  assert.ok(
    portals.some((portal) => isInView(portal, clear)),
    `no gate in ${JSON.stringify(clear)}: ${JSON.stringify(portals.map(({ screen }) => screen))}`,
  );
}

async function takeAStep(page: Page, touch: boolean): Promise<void> {
  const { x } = await look(page);
  const isElsewhere = () =>
    eventually(async () => assert.ok(Math.abs((await look(page)).x - x) > 4, "one has walked"));
  if (!touch) {
    // The box has the focus: whoever clicks the world, or presses an arrow in it, walks.
    await page.locator("#view").click({ position: { x: 60, y: 200 } });
    await page.keyboard.down("ArrowRight");
    await isElsewhere();
    await page.keyboard.up("ArrowRight");
    return;
  }
  const session = await page.context().newCDPSession(page);
  const { clear } = await look(page);
  const from = { x: clear.right / 2, y: clear.top + 60 };
  const touches = (type: "touchStart" | "touchMove", by: number) =>
    session.send("Input.dispatchTouchEvent", {
      type,
      touchPoints: [{ x: from.x + by, y: from.y }],
    });
  await touches("touchStart", 0);
  await touches("touchMove", 50);
  await isElsewhere();
  await session.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await session.detach();
}

/** Whoever is out of sight has a sign at the edge: its name, its state and how far it is. */
async function assertPointersToAllOthers(page: Page): Promise<void> {
  await eventually(async () => {
    const { portals, clear } = await look(page);
    const signs = await page.locator(".pointer").allInnerTexts();
    for (const { screen, label } of portals) {
      const { x, y } = { x: screen.x + screen.width / 2, y: screen.y + screen.height / 2 };
      const isSeen = x > clear.left && x < clear.right && y > clear.top && y < clear.bottom;
      if (isSeen) continue;
      const sign = signs.find((text) => text.toLowerCase().includes(label));
      assert.match(sign ?? "", /open · \d+ steps/u, `a sign to ${label}`);
    }
  });
  await assertApart(page, [".chip", ".lead", ".pointer"]);
}

/** All of these are on the screen, and none lies on another. */
async function assertApart(page: Page, selectors: readonly string[]): Promise<void> {
  const { width, height } = page.viewportSize()!;
  const boxes: (Box & { what: string })[] = [];
  for (const element of await page.locator(selectors.join(",")).all()) {
    const box = (await element.isVisible()) ? await element.boundingBox() : null;
    if (box === null) continue;
    boxes.push({ ...box, what: (await element.innerText()).slice(0, 20) });
  }
  for (const [index, box] of boxes.entries()) {
    const { x, y, what } = box;
    assert.ok(x >= 0 && x + box.width <= width, `${what} is within the width`);
    assert.ok(y >= 0 && y + box.height <= height, `${what} is within the height`);
    for (const other of boxes.slice(index + 1)) {
      const apart =
        x + box.width <= other.x + 1 ||
        other.x + other.width <= x + 1 ||
        y + box.height <= other.y + 1 ||
        other.y + other.height <= y + 1;
      assert.ok(apart, `${what} lies on ${other.what}`);
    }
  }
}

async function assertWithin(page: Page, element: Locator, what: string): Promise<void> {
  const { width, height } = page.viewportSize()!;
  const box = (await element.boundingBox())!;
  assert.ok(box.x >= 0 && box.x + box.width <= width && box.y >= 0, what);
  assert.ok(box.y + box.height <= height, what);
}
