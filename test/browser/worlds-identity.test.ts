/** The menu on the player's name: who one is, in every world and on every device. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { eventually } from "../support/eventually.ts";
import { worlds } from "../support/running.ts";
import {
  SCREENS,
  browsing,
  gate,
  look,
  shot,
  stands,
  stepIn,
  violations,
  walkThrough,
} from "../support/world-page.ts";
import { inTurn } from "../support/turns.ts";

inTurn(3)("the worlds' page and who one is", function () {
  this.timeout(90_000);
  const at = worlds("plaza", "arena");
  const browser = browsing();

  it("renames at home and from abroad, and says what one carries and where one has been", async () => {
    const { page, complaints } = await browser.open();
    const { playerId } = await stepIn(page, at.plaza.origin, "Ada");
    await rename(page, "Ada L.");
    await stands(page, "plaza");
    await walkThrough(page, "arena");
    const menu = await openMenu(page, "Ada L.");
    await menu.getByText("Flower of plaza").waitFor();
    await menu.getByText("Stamp of arena").waitFor();
    await menu.getByText(`${at.plaza.authority} → ${at.arena.authority}`).waitFor();
    await menu.getByText(`signed by ${at.plaza.authority}`).waitFor();
    await menu.getByText("this takes you home").waitFor();
    await shot(page, "desktop-14-menu");
    assert.deepEqual(await violations(page), []);
    await page.keyboard.press("Escape");
    await rename(page, "Countess");
    const home = await stands(page, "plaza");
    assert.deepEqual([home.name, home.playerId], ["Countess", playerId]);
    assert.deepEqual(complaints, []);
  });

  it("is one player on another device by 24 words, and can be locked", async () => {
    const { page } = await browser.open();
    const { playerId } = await stepIn(page, at.plaza.origin, "Ada");
    const menu = await openMenu(page, "Ada");
    await menu.getByRole("button", { name: "Show its 24 words" }).click();
    await menu.getByText("Whoever has these words is you.").waitFor();
    const words = await menu.locator(".words").innerText();
    assert.equal(words.trim().split(/\s+/u).length, 24);
    await shot(page, "desktop-15-words");
    assert.deepEqual(await violations(page), []);
    await menu.getByRole("button", { name: "lock the key here" }).click();
    await menu.getByText("It is locked in this browser").waitFor();
    assert.equal(await menu.locator(".words").isVisible(), false);
    await page.context().close();

    const { page: other, complaints } = await browser.open(SCREENS.phone);
    await stepIn(other, at.plaza.origin, "Nobody");
    const there = await openMenu(other, "Nobody");
    await there.getByLabel("From another device").fill(words);
    await there.getByRole("button", { name: "Be the player of these words" }).click();
    await eventually(async () => assert.equal((await look(other)).playerId, playerId), {
      timeoutMilliseconds: 20_000,
      what: "the other device is the same player",
    });
    assert.deepEqual(complaints, []);
  });

  it("adds a device by its request", async () => {
    const { page } = await browser.open();
    const { playerId } = await stepIn(page, at.plaza.origin, "Ada");
    const { page: other } = await browser.open(SCREENS.phone);
    await stepIn(other, at.plaza.origin, "Phone");
    const asks = await openMenu(other, "Phone");
    await asks.getByRole("button", { name: "Ask to join my player" }).click();
    await asks.getByText("Show this text to the device").waitFor();
    const request = await asks.locator(".words").innerText();
    await shot(other, "phone-16-request");
    const menu = await openMenu(page, "Ada");
    await menu.getByLabel("From another device").fill(request);
    await menu.getByRole("button", { name: "Add a device" }).click();
    const question = page.getByRole("dialog", { name: "Leave that one behind?" });
    await question.waitFor();
    await shot(page, "desktop-18-leave-behind");
    await question.getByRole("button", { name: "Leave it behind" }).click();
    await menu.getByText("Done: 2 devices are you now.").waitFor();
    await asks.getByRole("button", { name: "It is added: be that player" }).click();
    await eventually(async () => assert.equal((await look(other)).playerId, playerId), {
      timeoutMilliseconds: 20_000,
      what: "the device is the same player",
    });
  });

  it("says in words why a key cannot be restored", async () => {
    const { page } = await browser.open();
    const { playerId } = await stepIn(page, at.plaza.origin, "Ada");
    const menu = await openMenu(page, "Ada");
    await menu.getByLabel("From another device").fill("these are no such words");
    await menu.getByRole("button", { name: "Be the player of these words" }).click();
    const status = menu.getByRole("status");
    await eventually(async () => assert.match(await status.innerText(), /\w/u));
    assert.doesNotMatch(await status.innerText(), /ERR_/u);
    await shot(page, "desktop-17-no-words");
    assert.equal((await look(page)).playerId, playerId);
  });

  it("leads to the page of another home, and back here with that player", async () => {
    const { page } = await browser.open();
    await stepIn(page, at.plaza.origin, "Ada");
    await gate(page, "arena");
    const menu = await openMenu(page, "Ada");
    await menu.getByLabel("I have a home elsewhere").fill(at.arena.origin);
    await menu.getByRole("button", { name: "Go there" }).click();
    await page.waitForURL((url) => url.origin === at.arena.origin);
    const here = await stands(page, "plaza");
    assert.equal(new URL(page.url()).origin, at.arena.origin, "by the page of that home");
    assert.match(here.playerId, new RegExp(`@${at.arena.authority}$`, "u"));
    assert.equal(
      new URL(page.url()).searchParams.get("to"),
      `aether://${at.plaza.authority}/plaza`,
    );
  });
});

async function openMenu(page: Page, name: string) {
  await page.getByTestId("bar-player").click();
  const menu = page.getByRole("dialog", { name });
  await menu.waitFor();
  return menu;
}

async function rename(page: Page, to: string): Promise<void> {
  const { name } = await look(page);
  const menu = await openMenu(page, name);
  await menu.getByLabel("Name", { exact: true }).fill(to);
  await menu.getByRole("button", { name: "Rename" }).click();
  await eventually(async () => assert.equal((await look(page)).name, to), {
    timeoutMilliseconds: 20_000,
    what: `one is ${to} now`,
  });
}
