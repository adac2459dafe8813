/** What players of different homes do with each other. */
import assert from "node:assert/strict";
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

inTurn(3)("the worlds' page among others", function () {
  this.timeout(90_000);
  const at = worlds("plaza", "arena");
  const browser = browsing();

  /** Two players of two homes, both in the plaza. */
  async function twoInThePlaza(host: string, guest: string) {
    const { page: ada, complaints } = await browser.open();
    await stepIn(ada, at.plaza.origin, host);
    const { page: leo, complaints: others } = await browser.open(SCREENS.phone);
    await stepIn(leo, at.arena.origin, guest);
    await gate(leo, "plaza");
    await leo.goto(`${at.arena.origin}/?to=aether://${at.plaza.authority}/plaza`);
    await stands(leo, "plaza");
    await ada.getByTestId("people").getByText(guest).waitFor();
    return { ada, leo, complaints: [complaints, others] };
  }

  it("shows a visitor with its home, and what both do: a wave, a word, a gift", async () => {
    const { ada, leo, complaints } = await twoInThePlaza("Ada", "Leo");
    const board = ada.getByTestId("people");
    await board.getByText("Leo").waitFor();
    const visitor = board.locator("li", { hasText: "Leo" });
    await visitor.getByText(`from ${at.arena.authority}`).waitFor();
    await visitor.getByText("2 stamps").waitFor();

    await leo.getByRole("button", { name: "Wave" }).tap();
    const asSeen = async (page: typeof ada, name: string) =>
      (await look(page)).people.find((each) => each.name === name);
    await eventually(async () => assert.equal((await asSeen(ada, "Leo"))?.waves, true));
    await ada.getByRole("button", { name: "Say", exact: true }).click();
    assert.deepEqual(await violations(ada), [], "while one says something");
    await ada.getByLabel("What you say").fill("Welcome to the plaza");
    await ada.keyboard.press("Enter");
    await eventually(async () => {
      assert.equal((await asSeen(leo, "Ada"))?.words, "Welcome to the plaza");
    });
    await leo.getByRole("button", { name: "Wave" }).tap();
    await eventually(async () => assert.equal((await asSeen(ada, "Leo"))?.waves, true));
    await shot(ada, "desktop-19-words");
    await shot(leo, "phone-19-words");

    const [flower] = (await look(ada)).things.filter(({ kind }) => kind === "flower");
    assert.ok(flower !== undefined);
    await board.getByRole("button", { name: "Give Leo something" }).click();
    const question = ada.getByRole("dialog", { name: "What do you give Leo?" });
    await shot(ada, "desktop-20-give");
    assert.deepEqual(await violations(ada), [], "with the question");
    await question.getByRole("button", { name: "Flower of plaza" }).click();
    await ada.getByTestId("toast").getByText("Flower of plaza is Leo's now.").waitFor();
    await leo.getByTestId("toast").getByText("Ada gives you: Flower of plaza").waitFor();
    await shot(leo, "phone-20-got");
    assert.ok(
      (await look(ada)).things.every(({ id }) => id !== flower.id),
      "it has left the giver",
    );
    await walkThrough(leo, "arena", true);
    await eventually(
      async () => {
        const { things } = await look(leo);
        assert.ok(
          things.some(({ id }) => id === flower.id),
          "it waits at the other's home",
        );
      },
      { timeoutMilliseconds: 20_000 },
    );
    assert.deepEqual(complaints, [[], []]);
  });

  it("goes together, all or nobody: a party of two homes", async () => {
    const { ada: grace, leo: kurt, complaints } = await twoInThePlaza("Grace", "Kurt");
    await gate(grace, "arena");
    await grace.getByRole("button", { name: "Together to arena" }).click();
    const asked = kurt.getByTestId("company");
    await asked.getByText("Grace asks: who comes along?").waitFor();
    await shot(kurt, "phone-21-asked");
    assert.deepEqual(await violations(kurt), [], "with the question");
    await asked.getByRole("button", { name: "Come along" }).tap();
    const own = grace.getByTestId("company");
    await own.getByText("Grace, Kurt will go in a moment").waitFor();
    await shot(grace, "desktop-21-together");
    await own.getByRole("button", { name: "Set off now" }).click();
    await Promise.all([stands(grace, "arena"), stands(kurt, "arena")]);
    await eventually(async () => {
      for (const page of [grace, kurt]) {
        const names = (await look(page)).people.map(({ name }) => name);
        assert.ok(names.includes("Grace") && names.includes("Kurt"), names.join(", "));
      }
    });
    assert.deepEqual(complaints, [[], []]);
  });
});
