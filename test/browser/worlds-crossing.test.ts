/** The way from world to world, as it is seen. */
import assert from "node:assert/strict";
import { type AddressInfo, type Socket, createServer } from "node:net";
import type { Page } from "playwright-core";
import { eventually } from "../support/eventually.ts";
import { ledgerRow } from "../support/stored.ts";
import { worlds } from "../support/running.ts";
import { assertOneWay, record, recorded } from "../support/crossing-frames.ts";
import {
  SCREENS,
  browsing,
  cable,
  gate,
  look,
  shot,
  stands,
  stepIn,
  violations,
  walk,
  walkThrough,
} from "../support/world-page.ts";
import { inTurn } from "../support/turns.ts";

inTurn(1)("the worlds' page on the way", function () {
  this.timeout(90_000);
  const at = worlds("plaza", "arena");
  const browser = browsing();

  for (const size of ["desktop", "phone"] as const) {
    it(`crosses in one: same player, same belongings, one cover, steps only forwards: ${size}`, async () => {
      const touch = size === "phone";
      const { page, complaints } = await browser.open(SCREENS[size]);
      await record(page);
      const here = await stepIn(page, at.plaza.origin, "Ada");
      const hatAtHome = await wornHat(page);
      assert.equal(new URL(hatAtHome.url).origin, at.plaza.origin);
      await collectCoin(page, touch);
      const { coins } = await look(page);
      assert.ok(coins.length > 0);
      const there = await walkThrough(page, "arena", touch);

      assert.equal(there.origin, at.arena.origin);
      assert.equal(there.playerId, here.playerId);
      assert.deepEqual([there.name, there.coins.slice(0, coins.length)], ["Ada", coins]);
      assert.equal(new URL(page.url()).origin, at.plaza.origin, "same tab, no reload");
      assert.match(
        await page.getByTestId("bar-server").innerText(),
        new RegExp(`arena[^]*${at.arena.authority}`, "iu"),
      );
      assert.equal(await page.getByTestId("bar-player").getAttribute("title"), here.playerId);
      assert.match(await page.getByTestId("bar-goal").innerText(), /Stamps of 2 of 2|all 2/u);
      const told = page.getByTestId("toast");
      await told.getByText("You are in Arena").waitFor();
      assert.match(
        await told.innerText(),
        /with you came \d+ coins?, 1 flower, 2 stamps, [\w' ]+ on your head. New: the stamp of Arena/u,
      );
      assert.equal(await told.getAttribute("aria-live"), "polite", "told aloud, too");
      await shot(page, `${size}-5-arrived`);
      const back = await gate(page, "plaza");
      const away = there.x > back.x ? 1 : -1;
      assert.equal((await look(page)).facing, away, "facing away from the gate");
      const hat = await wornHat(page);
      assert.equal(hat.hash, hatAtHome.hash, "the same hat");
      assert.equal(new URL(hat.url).origin, at.arena.origin, "served where it is worn");

      assertOneWay(await recorded(page), "plaza", "arena");
      await walkThrough(page, "plaza", touch);
      await stands(page, "plaza");
      assertOneWay(await recorded(page), "arena", "plaza");
      await eventually(() => {
        assert.equal(ledgerRow(at.plaza, here.playerId)?.holder, at.plaza.origin);
      });
      assert.deepEqual(complaints, []);
    });
  }

  it("can be turned back from after two seconds, and says where one is", async () => {
    const { page } = await browser.open();
    await record(page);
    const wire = await cable(page);
    await stepIn(page, at.plaza.origin, "Grace");
    const portal = await gate(page, "arena");
    const silent = await silentPort();
    await wire.leads(`ws://localhost:${silent.port}/`);
    const turnBack = page.getByRole("button", { name: "Turn back" });
    const step = page.locator("#passage-steps li").first();
    await walk(page, portal, { near: 0, until: () => step.isVisible() });
    const closedAt = performance.now();
    assert.equal(await turnBack.isVisible(), false, "not at once");
    await turnBack.waitFor();
    assert.ok(performance.now() - closedAt > 1_000, "it is waited for two seconds");
    await shot(page, "desktop-6-turn-back");
    assert.equal(await turnBack.evaluate((button) => button === document.activeElement), true);
    assert.deepEqual(await violations(page), [], "with the cover");
    await page.keyboard.press("Enter");
    await page.getByTestId("toast").getByText("You turned back").waitFor({ timeout: 15_000 });
    await stands(page, "plaza");
    const frames = await recorded(page);
    assert.ok(frames.every(({ name, world }) => world === undefined || name === world));
    await wire.leads(undefined);
    await silent.close();
    const { x } = await look(page);
    await walk(page, { x: x - 150, y: 760 });
    assert.equal((await walkThrough(page, "arena")).name, "Grace");
  });

  it("is given up by a player before the other server has answered", async () => {
    const { page } = await browser.open();
    await stepIn(page, at.plaza.origin, "Alan");
    await gate(page, "arena");
    at.arena.pause();
    try {
      await page.getByRole("button", { name: `Go to arena on ${at.arena.authority}` }).click();
      await page.getByRole("button", { name: "Turn back" }).click();
      await page.getByTestId("toast").getByText("You turned back").waitFor({ timeout: 4_000 });
    } finally {
      at.arena.resume();
    }
    await stands(page, "plaza");
    await gate(page, "arena");
  });

  it("fades for whoever wants less motion, on every small screen readable", async () => {
    for (const screen of ["phone", "landscape", "zoomed", "narrow"] as const) {
      const options = SCREENS[screen];
      const { page } = await browser.open({ ...options, reducedMotion: "reduce" });
      await record(page);
      await stepIn(page, at.plaza.origin, "Hedy");
      await gate(page, "arena");
      at.arena.pause();
      try {
        await page.evaluate(() => {
          document.querySelector<HTMLElement>("#gates button")?.click();
        });
        await page.getByRole("button", { name: "Turn back" }).waitFor();
        await shot(page, `${screen}-7-cover`);
        const { height } = options.viewport;
        const box = (await page.getByRole("button", { name: "Turn back" }).boundingBox())!;
        assert.ok(box.y + box.height <= height, `${screen}: the button is in view`);
        assert.deepEqual(await violations(page), [], screen);
      } finally {
        at.arena.resume();
      }
      await stands(page, "arena");
      const frames = await recorded(page);
      assert.ok(frames.some(({ cover }) => cover === "closed"));
      assert.ok(frames.every(({ grows }) => !grows));
      await page.context().close();
    }
  });

  it("goes there and back by keyboard alone, on foot and by the list", async () => {
    const { page, complaints } = await browser.open();
    await page.goto(at.plaza.origin);
    await page.getByLabel("Your name", { exact: true }).waitFor();
    await page.keyboard.type("Radia");
    await page.keyboard.press("Enter");
    await eventually(async () => assert.equal((await look(page)).name, "Radia"));
    await stands(page, "plaza");
    await walkThrough(page, "arena");
    const go = page.getByRole("button", { name: `Go to plaza on ${at.plaza.authority}` });
    await gate(page, "plaza");
    await tabTo(page, () => go.evaluate((button) => button === document.activeElement));
    await page.keyboard.press("Enter");
    await stands(page, "plaza");
    await tabTo(page, () =>
      page.locator("#talk").evaluate((button) => button === document.activeElement),
    );
    await page.keyboard.press("Enter");
    await page.keyboard.type("Hello, everybody");
    await page.keyboard.press("Enter");
    await eventually(async () => {
      const me = (await look(page)).people.find(({ name }) => name === "Radia");
      assert.equal(me?.words, "Hello, everybody");
    });
    const talk = page.locator("#talk");
    assert.equal(await talk.evaluate((button) => button === document.activeElement), true);
    await tabTo(page, () =>
      page.locator("#me").evaluate((button) => button === document.activeElement),
    );
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "Radia" }).waitFor();
    await page.keyboard.press("Escape");
    assert.equal(
      await page.locator("#me").evaluate((button) => button === document.activeElement),
      true,
    );
    assert.deepEqual(complaints, []);
  });
});

/** Tabs on until there; what has the focus is seen to have it. */
async function tabTo(page: Page, isThere: () => Promise<boolean>): Promise<void> {
  for (let presses = 0; presses < 40; presses += 1) {
    if (await isThere()) {
      const outline = await page
        .locator(":focus-visible")
        .evaluate((element) => getComputedStyle(element).outlineStyle);
      assert.equal(outline, "solid");
      return;
    }
    await page.keyboard.press("Tab");
  }
  assert.fail("it cannot be reached by the keyboard");
}

/** Where somebody listens, and never says a word. */
async function silentPort(): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}

/** The hat one wears, once it is drawn. */
async function wornHat(page: Page) {
  return eventually(async () => {
    const { hat } = await look(page);
    assert.ok(hat.shown, "the hat is drawn");
    return hat;
  });
}

/** Picks up a coin that is not behind a gate. */
async function collectCoin(page: Page, touch: boolean): Promise<void> {
  const { coins, ground, x, y, portals } = await look(page);
  const far = (to: { x: number; y: number }): number => Math.hypot(to.x - x, to.y - y);
  // Nor is a gate on the way: one walks as the keys do, aslant and then straight.
  const isApart = (portal: { x: number; y: number }, coin: { x: number; y: number }): boolean =>
    portal.x < Math.min(x, coin.x) - 80 ||
    portal.x > Math.max(x, coin.x) + 80 ||
    portal.y < Math.min(y, coin.y) - 80 ||
    portal.y > Math.max(y, coin.y) + 80;
  const [nearest] = ground
    .filter((coin) => far(coin) > 40 && coin.y > 400)
    .filter((coin) => portals.every((portal) => isApart(portal, coin)))
    .sort((a, b) => far(a) - far(b));
  assert.ok(nearest !== undefined);
  const has = async (): Promise<boolean> => (await look(page)).coins.length > coins.length;
  await walk(page, nearest, { touch, until: has });
  await eventually(async () => assert.ok(await has()));
}
