/** The quick start's three files, which are those of example-server/minimal: started as the page says, and played. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { rm } from "node:fs/promises";
import { type Browser, type BrowserContext, type Page, chromium } from "playwright-core";
import { freePort } from "../../src/testing/test-place.ts";
import { CHROMIUM_FLAGS } from "../support/browser.ts";
import { eventually } from "../support/eventually.ts";
import { folderOfSuite } from "../support/folders.ts";
import { requireProgram } from "../support/requirements.ts";
import { ROOT, pages } from "./pages.ts";
import { NODE, Started, install, writeFiles } from "./reader.ts";

const MINIMAL = `${ROOT}example-server/minimal/`;
const results = `${ROOT}test-results/`;
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const text = readFileSync(`${ROOT}docs/quick-start.md`, "utf8");
const quickStart = pages().find(({ name }) => name === "docs/quick-start.md")!;
const linesOf = (...names: readonly string[]): number =>
  names
    .map((name) => readFileSync(`${MINIMAL}${name}`, "utf8").trimEnd().split("\n").length)
    .reduce((sum, lines) => sum + lines, 0);

describe("the minimal example", () => {
  for (const name of ["server.ts", "page.html", "page.ts"]) {
    it(`is what the quick start shows: ${name}`, () => {
      const shown = quickStart.blocks.filter(({ file }) => file === name).map(({ code }) => code);
      assert.deepEqual(shown, [readFileSync(`${MINIMAL}${name}`, "utf8")]);
    });
  }

  it("is a server in 80 lines and a page in 40", () => {
    assert.ok(linesOf("server.ts") <= 80, String(linesOf("server.ts")));
    const page = linesOf("page.html", "page.ts");
    assert.ok(page <= 40, String(page));
  });
});

describe("the minimal example in a browser", function () {
  this.timeout(90_000);
  const folder = folderOfSuite();
  const started: Started[] = [];
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];

  before(async function () {
    const executablePath = requireProgram(this, "chromium");
    mkdirSync(results, { recursive: true });
    browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
  });
  after(() => browser?.close());
  afterEach(async () => {
    await context?.close();
    await Promise.all(started.splice(0).map((one) => one.stop()));
  });

  /** Opens a page whose player is called so. */
  async function open(url: string, name: string): Promise<void> {
    context = await browser.newContext({ viewport: { width: 390, height: 844 } });
    page = await context.newPage();
    complaints = [];
    page.on("dialog", (dialog) => void dialog.accept(name));
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(url);
  }

  const standsIn = (world: string, port: string): Promise<void> =>
    page
      .getByRole("heading", { name: `${world} at localhost:${port}` })
      .waitFor({ timeout: 15_000 });
  const has = (who: string, what: string): Promise<void> =>
    page
      .getByRole("list", { name: "Players here" })
      .getByText(`${who} has ${what}`)
      .waitFor({ timeout: 10_000 });

  /** Presses a button as somebody without a mouse does. */
  async function press(name: string): Promise<void> {
    await page.getByRole("button", { name }).waitFor({ timeout: 20_000 });
    for (let tabs = 0; tabs < 8; tabs += 1) {
      await page.keyboard.press("Tab");
      const focused = await page.evaluate(() => document.activeElement?.textContent);
      if (focused === name) {
        await page.keyboard.press("Enter");
        return;
      }
    }
    assert.fail(`no way to "${name}" by the keyboard`);
  }

  async function violations(): Promise<string[]> {
    await page.evaluate(readFileSync(axe, "utf8"));
    return page.evaluate(async () => {
      const { axe: checker } = globalThis as unknown as {
        axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
      };
      const { violations: found } = await checker.run();
      return found.map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ""}`);
    });
  }

  /** Picks here and there, reloads there, and brings home what it has. */
  async function walk(one: string, two: string): Promise<void> {
    const arena = `aether://localhost:${two}/arena`;
    const plaza = `aether://localhost:${one}/plaza`;
    const ada = `Ada of http://localhost:${one}`;
    await open(`http://localhost:${one}`, "Ada");
    await standsIn("plaza", one);
    await has(ada, "nothing yet");
    await press("Pick a berry");
    await has(ada, "berry of plaza: 1");
    await press("Pick a berry");
    await has(ada, "berry of plaza: 2");
    await page.getByRole("button", { name: arena }).waitFor({ timeout: 20_000 });
    assert.deepEqual(await violations(), []);
    await page.screenshot({ path: `${results}minimal-1-plaza.png` });
    await press(arena);
    await standsIn("arena", two);
    await press("Pick a berry");
    await has(ada, "berry of plaza: 2, berry of arena: 1");
    await page.getByRole("button", { name: plaza }).waitFor({ timeout: 20_000 });
    assert.deepEqual(await violations(), []);
    await page.screenshot({ path: `${results}minimal-2-arena.png` });
    await page.reload();
    await standsIn("arena", two);
    await has(ada, "berry of plaza: 2, berry of arena: 1");
    await press(plaza);
    await standsIn("plaza", one);
    await has(ada, "berry of plaza: 2, berry of arena: 1");
    await page.reload();
    await standsIn("plaza", one);
    await has(ada, "berry of plaza: 2, berry of arena: 1");
    assert.deepEqual(complaints, []);
  }

  it("is walked from one server to the other and home, started as the quick start says", async () => {
    const [one, two] = (await Promise.all([freePort(), freePort()])).map(String) as [
      string,
      string,
    ];
    install(folder.path);
    writeFiles(quickStart, folder.path);
    const commands = [...text.matchAll(/^((?:[A-Z]+=\S+ )+)node server\.ts/gmu)].map(
      ([, variables = ""]) => variables.replaceAll("2567", one).replaceAll("2568", two),
    );
    assert.equal(commands.length, 2);
    for (const variables of commands) {
      const env = Object.fromEntries(
        variables
          .trim()
          .split(" ")
          .map((pair) => pair.split("=", 2) as [string, string]),
      );
      started.push(new Started(folder.path, [...NODE, "server.ts"], env));
    }
    for (const one of started) {
      await eventually(() => assert.match(one.output, /: http:\/\/localhost/u, one.output), {
        timeoutMilliseconds: 20_000,
      });
    }
    await walk(one, two);
  });

  it("is both servers by one command, and says why a player stays", async () => {
    const PORT = String(await freePort());
    const both = new Started(MINIMAL, [...NODE, "both.ts"], { PORT });
    started.push(both);
    const [one, two] = await eventually(
      () => {
        const found = ["plaza", "arena"].map(
          (world) => new RegExp(`^${world}: http://localhost:(\\d+)$`, "mu").exec(both.output)?.[1],
        );
        assert.ok(
          found.every((port) => port !== undefined),
          both.output,
        );
        return found as [string, string];
      },
      { timeoutMilliseconds: 20_000 },
    );
    try {
      await open(`http://localhost:${two}`, "Bob");
      await standsIn("arena", two);
      await page.getByRole("button", { name: `aether://localhost:${one}/plaza` }).waitFor();
      await both.stop();
      await page.getByRole("status").getByText(/\w\.$/u).waitFor({ timeout: 20_000 });
    } finally {
      for (const port of [one, two]) {
        await rm(join(MINIMAL, `.federation/${port}`), { recursive: true, force: true });
      }
    }
  });
});
