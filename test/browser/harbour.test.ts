/** The harbour, the example's second game: a player of another game walks in, fishes, and goes home with its catch. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type Browser, type BrowserContext, type Page, chromium } from "playwright-core";
import { Traveler } from "../../src/client/index.ts";
import { CHROMIUM_FLAGS } from "../support/browser.ts";
import { eventually } from "../support/eventually.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { requireProgram } from "../support/requirements.ts";
import { ledgerRow } from "../support/stored.ts";
import { inTurn } from "../support/turns.ts";

interface Item {
  readonly kind?: string;
  readonly name?: string;
}
interface Told {
  readonly id?: string;
  readonly carried?: { readonly inventory?: Item[]; readonly flowers?: number };
}

/** What the garden's page tells of itself. */
declare const self: {
  readonly cable?: { cut(isCut: boolean): void };
  readonly game?: {
    readonly told: Told[];
    readonly traveler?: { readonly origin?: string; enter(uri: string): void };
  };
};

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const results = join(ROOT, "test-results/");
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const SIZES = [
  { size: "desktop", width: 1280, height: 800, hasTouch: false },
  { size: "phone", width: 390, height: 844, hasTouch: true },
  { size: "landscape", width: 844, height: 390, hasTouch: true },
  { size: "narrow", width: 320, height: 640, hasTouch: true },
  // As a window of 1280 × 800 is laid out at 200 %.
  { size: "zoomed", width: 640, height: 400, hasTouch: false },
] as const;

inTurn(5)("the harbour's page", function () {
  this.timeout(90_000);
  const servers = new Servers();
  let browser: Browser;
  let pages: string;
  let garden: ServerProcess;
  let harbour: ServerProcess;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];
  const guests: Traveler[] = [];

  before(async function () {
    const executablePath = requireProgram(this, "chromium");
    pages = await mkdtemp(join(tmpdir(), "aether-pages-"));
    const [started, launched] = await Promise.all([
      servers.start([
        { name: "garden", script: "test/fixtures/games-server.ts", flags: ["--pages", pages] },
        { name: "harbour", script: "example-server/harbour/server.ts" },
      ]),
      chromium.launch({ executablePath, args: CHROMIUM_FLAGS }),
      mkdir(results, { recursive: true }),
      build({
        entryPoints: { garden: join(ROOT, "test/fixtures/games/garden-page.ts") },
        ...{ bundle: true, splitting: true, format: "esm", target: "es2022" },
        ...{ outdir: join(pages, "garden"), logLevel: "silent" },
      }),
    ]);
    [garden, harbour] = started as [ServerProcess, ServerProcess];
    browser = launched;
  });
  after(async () => {
    await browser?.close();
    await servers.stop();
    await rm(pages, { recursive: true, force: true });
  });
  afterEach(async () => {
    await Promise.all(guests.splice(0).map((guest) => guest.leave()));
    await context?.close();
  });

  const HARBOUR = (): string => `${harbour.origin}/play`;
  const GARDEN = (): string => `${garden.origin}/garden/play`;
  const rod = () => page.locator("#rod");
  const shot = (name: string) => page.screenshot({ path: `${results}harbour-${name}.png` });

  async function open(url: string, options: Parameters<Browser["newContext"]>[0] = {}) {
    context = await browser.newContext(options);
    page = await context.newPage();
    complaints = [];
    page.on("console", (message) => {
      const isOurs = message.location().url.startsWith(harbour.origin);
      if (message.type() === "error" && isOurs) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(url);
  }

  /** Waits until the player is in the garden, and says who it is and what it has. */
  const inGarden = (): Promise<Told & { id: string }> =>
    eventually(
      async () => {
        assert.equal(page.url(), GARDEN());
        const told = await page.evaluate(() => self.game?.told ?? []);
        const who = told.findLast(({ id }) => id !== undefined);
        assert.ok(who !== undefined);
        return who as Told & { id: string };
      },
      { timeoutMilliseconds: 15_000, what: "the player stands in the garden" },
    );

  const onPier = async (): Promise<void> => {
    await page.waitForURL(HARBOUR(), { timeout: 15_000 });
    await page.locator("#rod:enabled").waitFor({ timeout: 15_000 });
    await page.locator("#crew .me").waitFor();
  };

  /** From the garden into the harbour. */
  async function sail(options: Parameters<Browser["newContext"]>[0] = {}): Promise<string> {
    await open(GARDEN(), options);
    const { id } = await inGarden();
    await page.evaluate((uri) => {
      self.game?.traveler?.enter(uri);
    }, `aether://${harbour.authority}/harbour`);
    await onPier();
    return id;
  }

  /** Casts until something is caught; whoever is too slow casts again. */
  async function fish(press: () => Promise<void>): Promise<string> {
    for (let attempt = 0; attempt < 6; attempt += 1) {
      await press();
      await page.locator("#rod.bite").waitFor();
      await press();
      await page.locator("#rod:not(.bite):not(.out)").waitFor();
      const [caught] = await page.locator("#basket .fish li").allTextContents();
      if (caught !== undefined) return caught;
    }
    throw new Error("nothing was caught");
  }

  /** What a rule of WCAG 2.2 A or AA, or a good practice, finds wrong. */
  async function violations(): Promise<string[]> {
    await page.evaluate(await readFile(axe, "utf8"));
    return page.evaluate(async () => {
      const { axe: checker } = globalThis as unknown as {
        axe: {
          run(): Promise<{
            violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
          }>;
        };
      };
      const found = await checker.run();
      return found.violations.map(
        ({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ""} ${nodes[0]?.failureSummary ?? ""}`,
      );
    });
  }

  /** Nothing is cut off, nothing has to be scrolled sideways. */
  async function fits(width: number, height: number, plays = true): Promise<void> {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `${wide} px wide`);
    for (const button of await page
      .locator(plays ? "button:visible" : "dialog[open] button")
      .all()) {
      const name = await button.textContent();
      await button.scrollIntoViewIfNeeded();
      const box = (await button.boundingBox())!;
      assert.ok(box.x >= 0 && box.x + box.width <= width, `${name} within the width`);
      assert.ok(box.y >= 0 && box.y + box.height <= height, `${name} within the height`);
      assert.ok(box.height >= 44, `${name} is ${box.height} px high`);
    }
    if (!plays) return;
    await page.evaluate(() => {
      scrollTo(0, 0);
    });
    const cast = (await rod().boundingBox())!;
    assert.ok(cast.y + cast.height <= height, "the rod is in view without scrolling");
  }

  for (const { size, width, height, hasTouch } of SIZES.slice(0, 2)) {
    it(`is entered from another game, and left for home with a fish: ${size}`, async () => {
      const id = await sail({ viewport: { width, height }, hasTouch, isMobile: hasTouch });
      await page.getByText("Ada (you)").waitFor();
      await page.locator("#crew").getByText(`from ${garden.authority}`).first().waitFor();
      assert.equal(ledgerRow(garden, id)?.holder, harbour.origin);
      await shot(`${size}-arrived`);
      const caught = await fish(() => (hasTouch ? rod().tap() : rod().click()));
      await page.locator("#says").getByText(caught).waitFor();
      await page.locator("#basket").getByText("Stamp of harbour").waitFor();
      await shot(`${size}-caught`);
      const home = page.getByRole("button", { name: "Home to garden" });
      await (hasTouch ? home.tap() : home.click());
      const { id: back, carried } = await inGarden();
      assert.equal(back, id);
      assert.ok(carried?.inventory?.some(({ name }) => name === caught));
      assert.ok(carried?.inventory?.some(({ kind }) => kind === "stamp"));
      assert.deepEqual(complaints, []);
    });
  }

  for (const { size, width, height, hasTouch } of SIZES) {
    it(`fits and meets WCAG AA: ${size}`, async () => {
      const options = { viewport: { width, height }, hasTouch, isMobile: hasTouch };
      await open(HARBOUR(), options);
      const sitDown = page.getByRole("button", { name: "Sit down on the pier" });
      await sitDown.waitFor();
      await shot(`${size}-newcomer`);
      await fits(width, height, false);
      assert.deepEqual(await violations(), []);
      await sitDown.click();
      await onPier();
      await page.getByRole("button", { name: "garden open" }).waitFor();
      await fits(width, height);
      assert.deepEqual(await violations(), []);
      await shot(size);
      await page.screenshot({ path: `${results}harbour-${size}-whole.png`, fullPage: true });
      assert.deepEqual(complaints, []);
    });
  }

  it("keeps the place of a player whose page is reloaded", async () => {
    const id = await sail({ viewport: { width: 1280, height: 800 } });
    const caught = await fish(() => rod().click());
    await page.reload();
    await onPier();
    await page.locator("#basket .fish").getByText(caught).waitFor();
    await page.getByText("Ada (you)").waitFor();
    await page.locator("#crew").getByText("1 caught").waitFor();
    assert.equal(ledgerRow(garden, id)?.holder, harbour.origin);
    assert.deepEqual(complaints, []);
  });

  it("is played by keyboard alone, there and home", async () => {
    await open(HARBOUR(), { viewport: { width: 1280, height: 800 } });
    await page.getByLabel("What do they call you?").fill("Marlow");
    await page.keyboard.press("Enter");
    await onPier();
    await fish(() => page.keyboard.press("Space"));
    await page.locator("#board").getByText("Marlow from").or(page.getByText("Old boot")).waitFor();
    await page.getByRole("button", { name: "garden open" }).waitFor();
    await page.keyboard.press("Tab");
    const focused = page.locator(":focus");
    assert.match((await focused.textContent()) ?? "", /^garden open/u);
    const outline = await focused.evaluate((element) => getComputedStyle(element).outlineStyle);
    assert.equal(outline, "solid");
    await page.keyboard.press("Enter");
    const { carried } = await inGarden();
    assert.ok(carried?.inventory?.some(({ name }) => name === "Stamp of harbour"));
    await page.goBack();
    await onPier();
    await page.getByText("Marlow (you)").waitFor();
  });

  it("says steadily that the connection is lost, and that one is back", async () => {
    await open("about:blank", { viewport: { width: 1280, height: 800 } });
    await page.addInitScript(() => {
      const Real = WebSocket;
      const sockets: WebSocket[] = [];
      const cut = (isCut: boolean): void => {
        cable.isCut = isCut;
        for (const socket of sockets.splice(0)) socket.close(4010);
      };
      const cable = { isCut: false, cut };
      class Cable extends Real {
        constructor(url: string, protocols?: string[]) {
          super(cable.isCut ? "ws://localhost:9/" : url, protocols);
          sockets.push(this);
        }
      }
      Object.assign(globalThis, { cable, WebSocket: Cable });
    });
    await page.goto(HARBOUR());
    await page.getByRole("button", { name: "Sit down on the pier" }).click();
    await onPier();
    await page.evaluate(() => self.cable?.cut(true));
    const banner = page.getByRole("complementary", { name: "Connection" });
    await banner.getByText("The connection is lost.").waitFor();
    await page.locator("#rod:disabled").waitFor();
    assert.deepEqual(await violations(), []);
    await shot("lost");
    await page.evaluate(() => self.cable?.cut(false));
    await banner.getByText("You are back.").waitFor();
    await shot("back");
    await onPier();
    await banner.waitFor({ state: "hidden" });
  });

  it("tells in words why a way is closed, with the code behind details", async () => {
    await open(HARBOUR(), { viewport: { width: 390, height: 844 }, isMobile: true });
    await page.getByRole("button", { name: "Sit down on the pier" }).click();
    await onPier();
    await page.getByRole("button", { name: "garden open" }).waitFor();
    await garden.kill();
    await page.getByRole("button", { name: "garden open" }).click();
    const notice = page.getByRole("complementary", { name: "Notice" });
    await notice.getByText("You stay on the pier.").waitFor({ timeout: 40_000 });
    const code = notice.getByText(/^ERR_FED_\w+$/u);
    await code.waitFor({ state: "hidden" });
    await shot("stayed");
    assert.deepEqual(await violations(), []);
    await notice.getByText("Details").click();
    await code.waitFor();
    await notice.getByRole("button", { name: "Close" }).click();
    await notice.waitFor({ state: "hidden" });
    const closed = page.getByRole("button", { name: "garden does not answer" });
    await closed.waitFor({ timeout: 20_000 });
    await closed.click({ force: true });
    await notice.getByText("garden does not answer right now.").waitFor();
    garden = await servers.restart(garden);
    await Promise.all([garden.knows(harbour.origin), harbour.knows(garden.origin)]);
  });

  it("has many on the pier, each of whom can be read", async () => {
    const crowd = [
      "Bosun",
      "A very long name indeed",
      "Ílmarinen",
      "李雷",
      "Mate",
      "Cook",
      "Pilot",
    ];
    guests.push(...crowd.map((name) => new Traveler(harbour.origin, { name, storage: null })));
    const rooms = await Promise.all(guests.map((guest) => guest.join("harbour")));
    for (const room of rooms) {
      for (const type of ["basket", "landed"]) room.onMessage(type, () => undefined);
      room.send("cast", { any: "payload is ignored" });
    }
    await open(HARBOUR(), { viewport: { width: 1280, height: 800 } });
    await page.getByRole("button", { name: "Sit down on the pier" }).click();
    await onPier();
    for (const name of crowd) await page.locator("#crew").getByText(name).waitFor();
    await shot("crowd");
    await fits(1280, 800);
    assert.deepEqual(await violations(), []);
    await Promise.all(guests.splice(0).map((guest) => guest.leave()));
    await page.locator("#crew").getByText("Bosun").waitFor({ state: "detached" });
  });

  it("moves nothing for whoever wants less motion, and shows a bite all the same", async () => {
    await open(HARBOUR(), { viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
    await page.getByRole("button", { name: "Sit down on the pier" }).click();
    await onPier();
    await rod().click();
    await page.getByText("The float lies still").waitFor();
    await shot("waiting");
    await page.locator("#says").getByText("A bite!").waitFor();
    await shot("bite");
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  });
});
