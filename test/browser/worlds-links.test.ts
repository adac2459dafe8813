/** The address is the place: to be kept, shared and reloaded. */
import assert from "node:assert/strict";
import { eventually } from "../support/eventually.ts";
import { worlds } from "../support/running.ts";
import {
  browsing,
  gate,
  look,
  rests,
  shot,
  stands,
  stepIn,
  walk,
  walkThrough,
} from "../support/world-page.ts";
import { inTurn } from "../support/turns.ts";

inTurn(2)("the worlds' page and its address", function () {
  this.timeout(90_000);
  const at = worlds("plaza", "arena");
  const browser = browsing();

  it("follows the place, also after a reload and by Back", async () => {
    const { page, complaints } = await browser.open();
    const { playerId } = await stepIn(page, at.plaza.origin, "Ada");
    assert.equal(page.url(), `${at.plaza.origin}/`);
    await walkThrough(page, "arena");
    const abroad = `${at.plaza.origin}/?to=aether://${at.arena.authority}/arena`;
    assert.equal(page.url(), abroad);
    assert.equal(await page.title(), `arena · ${at.arena.authority}`);
    const { x, y } = await look(page);
    await walk(page, { x: x + 100, y });
    const before = await rests(page);
    await page.reload();
    const after = await stands(page, "arena");
    assert.equal(after.playerId, playerId);
    assert.ok(Math.hypot(after.x - before.x, after.y - before.y) < 40, "on the same spot");
    assert.equal(
      await page.getByTestId("toast").innerText(),
      "",
      "nothing is lost, nothing is said",
    );
    assert.equal(page.url(), abroad);
    await gate(page, "plaza");
    await page.goBack();
    await stands(page, "plaza");
    assert.equal(page.url(), `${at.plaza.origin}/`);
    await gate(page, "arena");
    await page.goForward();
    await stands(page, "arena");
    assert.equal(page.url(), abroad);
    assert.deepEqual(complaints, []);
  });

  it("is copied by Invite, and takes a friend there", async () => {
    const { page, context } = await browser.open();
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await stepIn(page, at.plaza.origin, "Ada");
    await walkThrough(page, "arena");
    await page.getByRole("button", { name: "Invite" }).click();
    await page.getByTestId("toast").getByText("The link is copied").waitFor();
    await shot(page, "desktop-13-invite");
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(link, page.url());
    const { page: friends, complaints } = await browser.open();
    await friends.goto(link);
    const there = await stands(friends, "arena");
    assert.equal(there.origin, at.arena.origin);
    await eventually(async () => {
      const { people } = await look(friends);
      assert.ok(
        people.some(({ name }) => name === "Ada"),
        "beside who has invited it",
      );
    });
    const people = friends.getByTestId("people");
    await people.getByText(`from ${at.plaza.authority}`).first().waitFor();
    assert.deepEqual(complaints, []);
  });
});
