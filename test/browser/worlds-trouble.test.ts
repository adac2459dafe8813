/** What goes wrong, in a player's words: nothing with a code in it, but behind "Details". */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { eventually } from "../support/eventually.ts";
import { worlds } from "../support/running.ts";
import {
  SCREENS,
  browsing,
  cable,
  gate,
  look,
  shot,
  stands,
  stepIn,
  tabOf,
  violations,
  walk,
} from "../support/world-page.ts";
import { inTurn } from "../support/turns.ts";

inTurn(2)("the worlds' page in trouble", function () {
  this.timeout(90_000);
  const at = worlds("plaza", "arena");
  const browser = browsing();

  it("keeps one steady word on a lost connection, with the time left, and says that one is back", async () => {
    for (const screen of ["desktop", "phone", "landscape"] as const) {
      const { page } = await browser.open(SCREENS[screen]);
      const wire = await cable(page);
      const { x, y } = await stepIn(page, at.plaza.origin, "Alan");
      await said(page);
      await wire.leads("ws://localhost:9/");
      await wire.cut();
      const banner = page.getByRole("status", { name: "Connection" });
      await banner.getByText("The connection is lost").waitFor();
      await banner.getByText("What you carry is safe.").waitFor();
      assert.match(await banner.innerText(), /\b(?:20|1\d) s left/u);
      await shot(page, `${screen}-8-lost`);
      await assertOnScreen(page, "#trouble");
      assert.deepEqual(await violations(page), [], screen);
      await banner.getByText(/\b1[0-8] s left/u).waitFor({ timeout: 9_000 });
      await wire.leads(undefined);
      await banner.getByText("You are back.").waitFor({ timeout: 15_000 });
      await shot(page, `${screen}-9-back`);
      const back = await stands(page, "plaza");
      assert.ok(Math.hypot(back.x - x, back.y - y) < 10, "at the same place");
      if (screen === "desktop") await banner.waitFor({ state: "hidden" });
      const titles = (await said(page)).filter(({ where }) => where !== "lead");
      assert.deepEqual(
        titles.map(({ text }) => text.slice(0, 22)),
        ["The connection is lost", "You are back."],
        "said once, and nothing else",
      );
      await page.context().close();
    }
  });

  it("shows a gate whose server died as closed, in words, and lets nobody through", async () => {
    const [gone, hall] = await at.servers.worlds("gallery", "hall");
    assert.ok(gone !== undefined && hall !== undefined);
    const { page, complaints } = await browser.open();
    await stepIn(page, hall.origin, "Alan");
    const portal = await gate(page, "gallery");
    await gone.kill("SIGKILL");
    // By an address, whatever the world has heard of it: a gate is a wall by then.
    await page.evaluate((uri) => {
      history.pushState(null, "", `/?to=${uri}`);
      dispatchEvent(new PopStateEvent("popstate"));
    }, `aether://${gone.authority}/gallery`);
    await page.getByTestId("toast").getByText("You stay here").waitFor();
    const toast = page.getByTestId("toast");
    assert.match(await toast.innerText(), /You stay here\n*Gallery: \S/u);
    const code = toast.locator("details code");
    await code.waitFor({ state: "hidden" });
    await shot(page, "desktop-10-stays");
    assert.deepEqual(await violations(page), []);
    await toast.getByText("Details").click();
    assert.match(await code.innerText(), /^ERR_FED_\w+$/u);

    await gate(page, "gallery", "down");
    await walk(page, { x: portal.x - 150, y: portal.y + 60 });
    const go = page.getByRole("button", { name: `Go to gallery on ${gone.authority}` });
    await eventually(async () => assert.equal(await go.isDisabled(), true));
    await page.getByTestId("gates").getByText("closed: its server is down").waitFor();
    await page.getByTestId("lead").getByText("Gallery is closed: its server is down.").waitFor();
    await page.keyboard.down("ArrowRight");
    await page.keyboard.down("ArrowUp");
    await eventually(async () => assert.ok((await look(page)).y < portal.y - 60));
    await page.keyboard.up("ArrowUp");
    await page.keyboard.up("ArrowRight");
    await shot(page, "desktop-11-closed");
    assert.equal((await look(page)).world, "hall");
    assert.equal(await toast.getByText("is down").count(), 0, "not told at every bump");
    assert.deepEqual(complaints, []);
    assert.deepEqual(await codesOutsideDetails(page), []);
  });

  it("tells why another server does not take one in, and who that is", async () => {
    const [fort, hall] = await at.servers.worlds("fort", "hall2");
    assert.ok(fort !== undefined && hall !== undefined);
    const { page } = await browser.open();
    await stepIn(page, hall.origin, "Alan");
    const { target } = await gate(page, "fort");
    await page.goto(`${hall.origin}/?to=${target.replace("/fort", "/cellar")}`);
    await page.getByTestId("toast").getByText("You stay here").waitFor({ timeout: 20_000 });
    assert.match(await page.getByTestId("toast").innerText(), /Cellar: \S/u);
    await stands(page, "hall2");
    assert.equal(page.url(), `${hall.origin}/`, "the address says where one is");
    assert.deepEqual(await codesOutsideDetails(page), []);
  });

  it("plays one player in one tab: in the other, Escape does nothing, and its button does", async () => {
    const { page: first, context } = await browser.open();
    const { page: second } = await tabOf(context);
    await stepIn(first, at.plaza.origin, "Ada");
    await second.goto(at.plaza.origin);
    await stands(second);
    const dialog = first.getByRole("dialog", { name: "You are playing somewhere else" });
    await dialog.waitFor();
    await shot(first, "desktop-12-elsewhere");
    assert.deepEqual(await violations(first), []);
    await first.keyboard.press("Escape");
    await first.keyboard.press("Escape");
    await first.bringToFront();
    await first.keyboard.press("Escape");
    const { x } = await look(second);
    await second.bringToFront();
    await second.keyboard.down("ArrowRight");
    await eventually(async () => assert.ok((await look(second)).x > x + 30, "the other plays on"));
    await second.keyboard.up("ArrowRight");
    assert.ok(await dialog.isVisible());
    await first.bringToFront();
    await first.getByRole("button", { name: "Play here instead" }).click();
    await dialog.waitFor({ state: "hidden" });
    await stands(first, "plaza");
    await second.getByRole("dialog", { name: "You are playing somewhere else" }).waitFor();
  });
});

/** What was told since the last time. */
async function said(page: Page): Promise<{ where: string; text: string }[]> {
  return page.evaluate(() => {
    const kept = globalThis as unknown as { told?: { where: string; text: string }[] };
    if (kept.told !== undefined) return kept.told.splice(0);
    const told: { where: string; text: string }[] = [];
    kept.told = told;
    const note = (where: string, element: Element | null): void => {
      const text = element?.textContent ?? "";
      const title = element?.querySelector("b, strong")?.textContent ?? text;
      if (title !== "" && told.findLast((each) => each.where === where)?.text !== title) {
        told.push({ where, text: title });
      }
    };
    for (const [where, selector] of [
      ["trouble", "#trouble"],
      ["toast", ".toasts"],
    ] as const) {
      const element = document.querySelector(selector)!;
      new MutationObserver(() => {
        note(where, element);
      }).observe(element, { childList: true, subtree: true });
    }
    return [];
  });
}

async function assertOnScreen(page: Page, selector: string): Promise<void> {
  const { width, height } = page.viewportSize()!;
  const box = (await page.locator(selector).boundingBox())!;
  assert.ok(box.x >= 0 && box.x + box.width <= width, selector);
  assert.ok(box.y >= 0 && box.y + box.height <= height, selector);
}

/** Codes that a player reads without asking for them. */
function codesOutsideDetails(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const copy = document.body.cloneNode(true) as HTMLElement;
    for (const hidden of copy.querySelectorAll("details, script")) hidden.remove();
    return copy.textContent.match(/ERR_\w+/gu) ?? [];
  });
}
