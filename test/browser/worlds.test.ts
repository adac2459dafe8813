import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, type Page, chromium } from "playwright-core";
import { CHROMIUM_FLAGS } from "../support/browser.ts";
import { commandAnswer } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { WORLD } from "../support/processes.ts";
import { requireProgram } from "../support/requirements.ts";
import { worlds } from "../support/running.ts";

/** What the page tells of itself. */
interface Aether {
  readonly world: string;
  readonly origin: string;
  readonly playerId: string;
  readonly name: string;
  readonly coins: readonly string[];
  readonly x: number;
  readonly y: number;
  readonly others: number;
  readonly hat: {
    readonly name: string;
    readonly hash: string;
    readonly url: string;
    readonly shown: boolean;
  };
  readonly pictures: readonly {
    readonly title: string;
    readonly owner: string;
    readonly status: string;
    readonly detail: string;
    readonly shown: boolean;
    readonly x: number;
    readonly y: number;
  }[];
  readonly ground: readonly { x: number; y: number }[];
  readonly portals: readonly { x: number; y: number; label: string; status: string }[];
}

const SIZES = [
  { size: "desktop", width: 1280, height: 800, touch: false },
  { size: "phone", width: 390, height: 844, touch: true },
] as const;
const results = fileURLToPath(new URL("../../test-results/", import.meta.url));

describe("the page in a browser", function () {
  this.timeout(90_000);
  let browser: Browser;

  before(async function () {
    const executablePath = requireProgram(this, "chromium");
    await mkdir(results, { recursive: true });
    browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
  });
  after(() => browser?.close());
  const at = worlds("plaza", "arena");

  for (const { size, width, height, touch } of SIZES) {
    describe(`at ${size} size`, () => {
      let context: BrowserContext;
      let page: Page;
      const problems: string[] = [];

      beforeEach(async () => {
        problems.length = 0;
        context = await browser.newContext({
          viewport: { width, height },
          hasTouch: touch,
          deviceScaleFactor: touch ? 2 : 1,
        });
        page = await context.newPage();
        page.on("pageerror", (error) => problems.push(error.message));
        await page.goto(at.plaza.origin);
        await page.getByLabel("Your name").fill("Ada");
        await page.keyboard.press("Enter");
        await eventually(
          async () => {
            const { portals, playerId } = await look(page);
            assert.ok(playerId !== undefined && portals[0]?.status === "up");
          },
          { timeoutMilliseconds: 20_000, what: "the player stands in the plaza" },
        );
      });
      afterEach(() => context.close());

      it("walks through a portal into the other server: same player, same belongings", async () => {
        const hatAtHome = await wornHat(page);
        assert.equal(new URL(hatAtHome.url).origin, at.plaza.origin);
        await shot(page, `${size}-1-plaza`);
        await collectCoin(page, touch);
        await collectCoin(page, touch);
        const here = await look(page);
        assert.ok(here.coins.length >= 2);
        assert.equal(here.origin, at.plaza.origin);
        const [portal] = here.portals;
        assert.ok(portal !== undefined);
        await walk(page, portal, touch, async () => (await look(page)).world === "arena");

        const there = await look(page);
        assert.equal(there.origin, at.arena.origin);
        assert.equal(there.playerId, here.playerId);
        assert.equal(there.name, "Ada");
        assert.deepEqual(there.coins.slice(0, here.coins.length), here.coins);
        assert.equal(new URL(page.url()).origin, at.plaza.origin, "same tab, no reload");
        const bar = page.getByTestId("bar-server");
        assert.match(await bar.innerText(), new RegExp(`arena[^]*${at.arena.authority}`, "iu"));
        assert.equal(
          await page.getByTestId("bar-player").getAttribute("title"),
          here.playerId,
          "the bar names the player in full",
        );
        assert.match(
          await page.getByTestId("bar-coins").innerText(),
          new RegExp(`^${there.coins.length}\\b`, "u"),
        );
        assert.match(await page.getByTestId("toast").innerText(), /You are in arena/u);
        const hat = await wornHat(page);
        assert.equal(hat.hash, hatAtHome.hash, "the same hat");
        assert.equal(
          new URL(hat.url).origin,
          at.arena.origin,
          "served by the server it is worn on",
        );
        assert.match(hat.name, /from plaza$/u);
        await shot(page, `${size}-2-arena`);
        assert.deepEqual(problems, []);
      });

      it("fits: nothing reaches beyond the screen or hides behind another", async () => {
        const boxes = await Promise.all(
          ["bar-server", "bar-player", "bar-coins"].map(async (id) => {
            const box = await page.getByTestId(id).boundingBox();
            assert.ok(box !== null);
            return { id, ...box };
          }),
        );
        for (const box of boxes) {
          assert.ok(box.x >= 0 && box.x + box.width <= width, `${box.id} fits`);
          for (const other of boxes) {
            if (other.id <= box.id) continue;
            const apart =
              box.x + box.width <= other.x ||
              other.x + other.width <= box.x ||
              box.y + box.height <= other.y ||
              other.y + other.height <= box.y;
            assert.ok(apart, `${box.id} and ${other.id} do not overlap`);
          }
        }
      });
    });
  }

  it("shows other players live, and one player in one tab only", async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const other = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const [first, second, neighbour] = [
      await context.newPage(),
      await context.newPage(),
      await other.newPage(),
    ];
    await enter(first, at.plaza.origin, "Ada");
    await enter(neighbour, at.plaza.origin, "Grace");
    await eventually(async () => {
      assert.equal((await look(first)).others, 1);
    });
    await second.goto(at.plaza.origin);
    await eventually(async () => {
      assert.equal((await look(second)).name, "Ada");
    });
    await first.getByText("You are playing somewhere else").waitFor();
    await shot(first, "desktop-3-superseded");
    await eventually(async () => {
      assert.equal((await look(neighbour)).others, 1);
    });
    await context.close();
    await other.close();
  });

  for (const { size, width, height } of SIZES) {
    it(`hangs other servers' pictures in the gallery, but not a forged one, at ${size} size`, async () => {
      const [gallery, fair, forger] = await at.servers.start([
        { name: `gallery-${size}`, script: WORLD, flags: ["--gallery"] },
        { name: `fair-${size}`, script: WORLD },
        { name: `forger-${size}`, script: WORLD, flags: ["--forge"] },
      ]);
      assert.ok(gallery !== undefined && fair !== undefined && forger !== undefined);
      const context = await browser.newContext({ viewport: { width, height } });
      const page = await context.newPage();
      await enter(page, gallery.origin, "Edsger");
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
        if (status === "hangs")
          assert.ok(shown && [fair.authority, forger.authority].includes(owner));
        else {
          assert.equal(owner, forger.authority);
          assert.equal(shown, false);
          assert.match(detail, /ERR_FED_ASSET_MISMATCH/u);
        }
      }
      const refused = pictures.find(({ status }) => status === "refused");
      assert.ok(refused !== undefined);
      await walk(page, { x: refused.x, y: refused.y + 120 }, false);
      await shot(page, `${size}-5-gallery`);
      const { items } = await commandAnswer<{ items: { origin: string }[] }>(
        gallery,
        "assets",
        "quarantine",
      );
      assert.deepEqual(
        items.map(({ origin }) => origin),
        [forger.origin],
      );
      await context.close();
    });
  }

  it("shows no hat whose bytes were changed on the way to the browser", async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    const asked: string[] = [];
    await page.route("**/federation/assets/sha256/*", async (route) => {
      asked.push(route.request().url());
      const response = await route.fetch();
      await route.fulfill({ response, body: `${await response.text()} ` });
    });
    await enter(page, at.plaza.origin, "Barbara");
    await eventually(() => {
      assert.ok(asked.length >= 2, "asked for, refused, and asked for again");
    });
    const { hat } = await look(page);
    assert.notEqual(hat.url, "");
    assert.equal(hat.shown, false);
    await context.close();
  });

  it("says why when the other server is down, and lets the player play on", async () => {
    const [gone, hall] = await at.servers.worlds("gallery", "hall");
    assert.ok(gone !== undefined && hall !== undefined);
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    await enter(page, hall.origin, "Alan");
    await gone.kill("SIGKILL");
    await eventually(
      async () => {
        assert.equal((await look(page)).portals[0]?.status, "down");
      },
      { timeoutMilliseconds: 15_000 },
    );
    const [portal] = (await look(page)).portals;
    assert.ok(portal !== undefined);
    const toast = page.getByTestId("toast");
    await walk(page, portal, false, async () => (await toast.innerText()) !== "");
    assert.match(await toast.innerText(), /You stay here[^]*ERR_FED_DESTINATION_DOWN/u);
    await shot(page, "desktop-4-down");
    const { x } = await look(page);
    await walk(page, { x: x - 200, y: portal.y }, false);
    assert.ok((await look(page)).x < x - 100, "the player walks on");
    await context.close();
  });
});

async function enter(page: Page, origin: string, name: string): Promise<void> {
  await page.goto(origin);
  await page.getByLabel("Your name").fill(name);
  await page.keyboard.press("Enter");
  await eventually(
    async () => {
      assert.equal((await look(page)).name, name);
    },
    { timeoutMilliseconds: 15_000 },
  );
}

/** The hat one wears, once it is drawn. */
async function wornHat(page: Page): Promise<Aether["hat"]> {
  return eventually(async () => {
    const { hat } = await look(page);
    assert.ok(hat.shown, "the hat is drawn");
    return hat;
  });
}

function look(page: Page): Promise<Aether> {
  return page.evaluate(() => ({ ...(globalThis as unknown as { aether: Aether }).aether }));
}

async function shot(page: Page, name: string): Promise<void> {
  // What moves on its own for ever is fine; what fades in or out has to be over.
  await page.evaluate(async () => {
    const passing = document
      .getAnimations()
      .filter(({ effect }) => effect?.getTiming().iterations !== Infinity);
    await Promise.allSettled(passing.map(({ finished }) => finished));
    await new Promise((resolve) => requestAnimationFrame(resolve));
  });
  await page.screenshot({ path: `${results}${name}.png` });
}

async function collectCoin(page: Page, touch: boolean): Promise<void> {
  const { coins, ground, x, y } = await look(page);
  // Not at one's feet already, and not behind the portal on the right.
  const apart = ground.filter((coin) => Math.hypot(coin.x - x, coin.y - y) > 40 && coin.x < 1_300);
  const nearest = apart.reduce((best, coin) =>
    Math.hypot(coin.x - x, coin.y - y) < Math.hypot(best.x - x, best.y - y) ? coin : best,
  );
  // Another coin may lie on the way.
  const isGone = async (): Promise<boolean> => {
    const now = await look(page);
    return !now.ground.some((coin) => coin.x === nearest.x && coin.y === nearest.y);
  };
  await walk(page, nearest, touch, isGone);
  await eventually(async () => {
    assert.ok((await isGone()) && (await look(page)).coins.length > coins.length);
  });
}

/** Walks by real key presses or by dragging, until there or until `until` holds. */
async function walk(
  page: Page,
  to: { x: number; y: number },
  touch: boolean,
  until: () => Promise<boolean> = () => Promise.resolve(false),
): Promise<void> {
  const steer = touch ? await finger(page) : keys(page);
  try {
    await eventually(
      async () => {
        const { x, y } = await look(page);
        const [dx, dy] = [to.x - x, to.y - y];
        if ((await until()) || Math.hypot(dx, dy) < 14) return;
        await steer.towards(dx, dy);
        throw new Error(`still ${Math.round(Math.hypot(dx, dy))} away`);
      },
      { timeoutMilliseconds: 25_000, what: "the avatar has walked there" },
    );
    await eventually(async () => {
      if (
        !(await until()) &&
        Math.hypot(to.x - (await look(page)).x, to.y - (await look(page)).y) > 60
      ) {
        throw new Error("not there");
      }
    });
  } finally {
    await steer.stop();
  }
}

interface Steering {
  towards(dx: number, dy: number): Promise<void>;
  stop(): Promise<void>;
}

function keys(page: Page): Steering {
  const held = new Set<string>();
  const set = async (key: string, down: boolean): Promise<void> => {
    if (held.has(key) === down) return;
    if (down) {
      held.add(key);
      await page.keyboard.down(key);
    } else {
      held.delete(key);
      await page.keyboard.up(key);
    }
  };
  return {
    towards: async (dx, dy) => {
      await set("ArrowRight", dx > 10);
      await set("ArrowLeft", dx < -10);
      await set("KeyS", dy > 10);
      await set("KeyW", dy < -10);
    },
    stop: async () => {
      for (const key of [...held]) await set(key, false);
    },
  };
}

async function finger(page: Page): Promise<Steering> {
  const session = await page.context().newCDPSession(page);
  const origin = { x: 195, y: 620 };
  const touch = (type: "touchStart" | "touchMove" | "touchEnd", x: number, y: number) =>
    session.send("Input.dispatchTouchEvent", {
      type,
      touchPoints: type === "touchEnd" ? [] : [{ x, y }],
    });
  await touch("touchStart", origin.x, origin.y);
  return {
    towards: async (dx, dy) => {
      const length = Math.hypot(dx, dy) || 1;
      const reach = Math.min(70, 12 + length / 2);
      await touch("touchMove", origin.x + (dx / length) * reach, origin.y + (dy / length) * reach);
    },
    stop: async () => {
      await touch("touchEnd", 0, 0).catch(() => undefined);
      await session.detach().catch(() => undefined);
    },
  };
}
