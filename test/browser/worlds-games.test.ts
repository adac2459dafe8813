/** Two games: the worlds', and the harbour's, each with a page of its own, which hand players over. */
import assert from "node:assert/strict";
import { eventually } from "../support/eventually.ts";
import { running } from "../support/running.ts";
import { WORLD } from "../support/processes.ts";
import {
  SCREENS,
  browsing,
  gate,
  look,
  shot,
  stands,
  stepIn,
  walk,
} from "../support/world-page.ts";
import { inTurn } from "../support/turns.ts";

inTurn(4)("the worlds' page and another game's", function () {
  this.timeout(90_000);
  const at = running({
    plaza: { script: WORLD },
    arena: { script: WORLD },
    harbour: { script: "example-server/harbour/server.ts" },
  });
  const browser = browsing();

  for (const size of ["desktop", "phone"] as const) {
    it(`walks into the harbour, fishes nothing, sails on to the arena, and goes home: ${size}`, async () => {
      const touch = size === "phone";
      const { page, complaints } = await browser.open(SCREENS[size]);
      const { playerId } = await stepIn(page, at.plaza.origin, "Ada");
      const portal = await gate(page, "harbour");
      await walk(page, portal, {
        touch,
        near: 0,
        until: () => Promise.resolve(page.url().startsWith(at.harbour.origin)),
      });
      await page.waitForURL(`${at.harbour.origin}/play`);
      await page.getByText("Ada (you)").waitFor({ timeout: 20_000 });
      await page.getByText(`from ${at.plaza.authority}`).first().waitFor();
      await shot(page, `${size}-26-harbour`);
      const press = async (name: RegExp): Promise<void> => {
        const button = page.getByRole("button", { name });
        await eventually(async () => assert.ok(await button.isEnabled()), {
          timeoutMilliseconds: 20_000,
        });
        await (touch ? button.tap() : button.click());
      };
      await press(/^arena/u);
      await page.waitForURL((url) => url.origin !== at.harbour.origin, { timeout: 20_000 });
      // Home's page has the key: it asks, as nobody has asked here for that.
      const question = page.getByRole("dialog", { name: "Go to arena?" });
      await question.waitFor({ timeout: 20_000 });
      await shot(page, `${size}-27-onward`);
      await question.getByRole("button", { name: "Go", exact: true }).click();
      const there = await stands(page, "arena");
      assert.equal(there.playerId, playerId);
      await shot(page, `${size}-28-arena`);
      const back = await gate(page, "plaza");
      await walk(page, back, {
        touch,
        near: 0,
        until: async () => (await look(page)).world === "plaza",
      });
      const home = await stands(page, "plaza");
      assert.deepEqual([home.playerId, home.stamps.length], [playerId, 2]);
      assert.deepEqual(complaints, []);
    });
  }
});
