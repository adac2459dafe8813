/** Files of other operators on the worlds' page: shown where they are what their hash says. */
import assert from "node:assert/strict";
import { commandAnswer } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { WORLD } from "../support/processes.ts";
import { running } from "../support/running.ts";
import { SCREENS, browsing, look, shot, stepIn, walk } from "../support/world-page.ts";
import { inTurn } from "../support/turns.ts";

inTurn(4)("the worlds' page and pictures", function () {
  this.timeout(90_000);
  const at = running({
    gallery: { script: WORLD, flags: ["--gallery"] },
    fair: { script: WORLD },
    forger: { script: WORLD, flags: ["--forge"] },
  });
  const browser = browsing();

  for (const size of ["desktop", "phone"] as const) {
    it(`hangs other servers' pictures in the gallery, but not a forged one: ${size}`, async () => {
      const { page } = await browser.open(SCREENS[size]);
      await stepIn(page, at.gallery.origin, "Edsger");
      await eventually(
        async () => {
          const { pictures } = await look(page);
          assert.equal(pictures.filter(({ shown }) => shown).length, 3);
          assert.equal(pictures.filter(({ status }) => status === "refused").length, 1);
        },
        { timeoutMilliseconds: 15_000, what: "three pictures hang, one is refused" },
      );
      const { pictures } = await look(page);
      for (const { owner, shown, status, detail } of pictures) {
        if (status === "hangs") {
          assert.ok(shown && [at.fair.authority, at.forger.authority].includes(owner));
        } else {
          assert.equal(owner, at.forger.authority);
          assert.equal(shown, false);
          assert.match(detail, /ERR_FED_ASSET_MISMATCH/u);
        }
      }
      const refused = pictures.find(({ status }) => status === "refused");
      assert.ok(refused !== undefined);
      await walk(page, { x: refused.x, y: refused.y + 90 }, { touch: size === "phone" });
      await shot(page, `${size}-22-gallery`);
      const { items } = await commandAnswer<{ items: { origin: string }[] }>(
        at.gallery,
        "assets",
        "quarantine",
      );
      assert.deepEqual(
        items.map(({ origin }) => origin),
        [at.forger.origin],
      );
    });
  }

  it("shows no hat whose bytes were changed on the way to the browser", async () => {
    const { page } = await browser.open();
    const asked: string[] = [];
    await page.route("**/federation/assets/sha256/*", async (route) => {
      asked.push(route.request().url());
      const response = await route.fetch();
      await route.fulfill({ response, body: `${await response.text()} ` });
    });
    await stepIn(page, at.fair.origin, "Barbara");
    await eventually(() => {
      assert.ok(asked.length >= 2, "asked for, refused, and asked for again");
    });
    const { hat } = await look(page);
    assert.notEqual(hat.url, "");
    assert.equal(hat.shown, false);
  });
});
