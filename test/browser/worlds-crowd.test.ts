/** Many gates, and many players. */
import assert from "node:assert/strict";
import { Traveler } from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { type ServerProcess, Servers, WORLD } from "../support/processes.ts";
import {
  SCREENS,
  browsing,
  look,
  shot,
  stands,
  stepIn,
  violations,
  walk,
} from "../support/world-page.ts";
import { inTurn } from "../support/turns.ts";

const GATES = 60;
const PLAYERS = 50;

inTurn(4)("the worlds' page in a crowd", function () {
  this.timeout(90_000);
  const servers = new Servers();
  const browser = browsing();
  let hub: ServerProcess;

  before(async () => {
    // Servers that do not answer: each has a gate all the same.
    const peers = Array.from({ length: GATES }, (_, index) => `http://localhost:${1100 + index}`);
    hub = await servers.launch({
      name: "hub",
      script: WORLD,
      flags: peers.flatMap((origin) => ["--peer", origin]),
    });
    await hub.ready();
  });
  after(() => servers.stop());

  it("lays 60 gates out apart, lists them all, and can be played there", async () => {
    const { page, complaints } = await browser.open();
    await stepIn(page, hub.origin, "Ada");
    const portals = await eventually(
      async () => {
        const seen = (await look(page)).portals;
        assert.equal(seen.length, GATES);
        return seen;
      },
      { timeoutMilliseconds: 20_000 },
    );
    for (const [index, { screen }] of portals.entries()) {
      for (const other of portals.slice(index + 1)) {
        const isApart =
          Math.abs(screen.x - other.screen.x) >= screen.width ||
          Math.abs(screen.y - other.screen.y) >= screen.height;
        assert.ok(isApart, "no gate stands in another");
      }
    }
    assert.equal(await page.getByTestId("gates").locator("li").count(), GATES);
    assert.ok((await page.locator(".pointer").count()) <= 6, "few signs at the edges");
    await shot(page, "desktop-23-sixty");
    assert.deepEqual(await violations(page), []);
    await walk(page, { x: 800, y: 1080 });
    await shot(page, "desktop-24-hall");
    assert.deepEqual(complaints, []);
    const { page: phone } = await browser.open(SCREENS.narrow);
    await stepIn(phone, hub.origin, "Grace");
    await phone.getByRole("button", { name: /^Around/u }).tap();
    await phone.getByTestId("gates").locator("li").last().scrollIntoViewIfNeeded();
    await shot(phone, "narrow-24-sixty");
    assert.deepEqual(await violations(phone), []);
  });

  it("is readable with 50 players, none of whose names lies on another", async () => {
    const crowd = Array.from(
      { length: PLAYERS - 1 },
      (_, index) => new Traveler(hub.origin, { name: `Guest ${index + 1}`, storage: null }),
    );
    try {
      const rooms = await Promise.all(crowd.map((guest) => guest.join("hub")));
      const { page, complaints } = await browser.open();
      await page.goto(hub.origin);
      await page.getByLabel("Your name", { exact: true }).fill("Ada");
      await page.keyboard.press("Enter");
      await stands(page, "hub");
      rooms.forEach((room, index) => {
        for (const type of ["belongings", "stamped"]) room.onMessage(type, () => undefined);
        const angle = (index / PLAYERS) * 2 * Math.PI;
        if (index % 2 === 0) room.send("move", { dx: Math.cos(angle), dy: Math.sin(angle) });
      });
      const { people } = await eventually(
        async () => {
          const seen = await look(page);
          assert.ok(seen.people.length >= PLAYERS);
          assert.equal(seen.name, "Ada");
          return seen;
        },
        { timeoutMilliseconds: 20_000, what: "all are seen" },
      );
      await shot(page, "desktop-25-fifty");
      const list = page.getByTestId("people").locator("li");
      await eventually(async () => assert.equal(await list.count(), people.length));
      for (let round = 0; round < 10; round += 1) {
        const { tags, name } = await look(page);
        assert.ok(tags.length >= 10 && tags.some((tag) => tag.name === name));
        for (const [index, tag] of tags.entries()) {
          for (const other of tags.slice(index + 1)) {
            const isApart =
              tag.x + tag.width <= other.x ||
              other.x + other.width <= tag.x ||
              Math.abs(tag.y - other.y) >= tag.height;
            assert.ok(isApart, `${tag.name} lies on ${other.name}`);
          }
        }
        await page.evaluate(() => new Promise(requestAnimationFrame));
      }
      const { solids } = await look(page);
      const isIn = ({ x, y }: { x: number; y: number }): boolean =>
        solids.some(
          (solid) => Math.hypot((x - solid.x) / solid.rx, (y - solid.y) / solid.ry) < 0.97,
        );
      for (const room of rooms) {
        const all = (room.state as { players: Map<string, { x: number; y: number }> }).players;
        assert.ok(
          [...all.values()].every((player) => !isIn(player)),
          "nobody stands in a solid",
        );
      }
      assert.deepEqual(await violations(page), []);
      assert.deepEqual(complaints, []);
    } finally {
      await Promise.all(crowd.map((guest) => guest.leave()));
    }
  });
});
