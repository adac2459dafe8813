import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, type Page, chromium } from "playwright-core";
import { CHROMIUM_FLAGS } from "../support/browser.ts";
import { eventually } from "../support/eventually.ts";
import { HealthCrowd } from "../support/health-crowd.ts";
import { type ServerProcess, Servers, WORLD } from "../support/processes.ts";
import { requireProgram } from "../support/requirements.ts";

const TOKEN = "the-token-of-an-operator-in-a-test-0123456789";
const PEERS = 60;
const results = fileURLToPath(new URL("../../test-results/", import.meta.url));
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const LOOKS = [
  { name: "desktop-light", width: 1280, height: 800, colorScheme: "light" },
  { name: "desktop-dark", width: 1280, height: 800, colorScheme: "dark" },
  { name: "phone-light", width: 390, height: 844, colorScheme: "light" },
  { name: "phone-dark", width: 390, height: 844, colorScheme: "dark" },
] as const;

describe("the admin and status pages in a browser", function () {
  this.timeout(90_000);
  let browser: Browser;
  let crowd: HealthCrowd;
  let server: ServerProcess;
  const servers = new Servers();
  const contexts: BrowserContext[] = [];
  /** Requests that left for another origin than the server's. */
  const strayed: string[] = [];

  const open = async (
    path: string,
    look: Partial<(typeof LOOKS)[number]> = {},
    token: string | null = TOKEN,
  ): Promise<Page> => {
    const { width = 1280, height = 800, colorScheme = "light" } = look;
    const context = await browser.newContext({ viewport: { width, height }, colorScheme });
    contexts.push(context);
    context.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (origin !== server.origin && protocol !== "data:") strayed.push(request.url());
    });
    const page = await context.newPage();
    if (token !== null) {
      await page.addInitScript((kept) => {
        sessionStorage.setItem("aether-admin-token", kept);
      }, token);
    }
    await page.goto(`${server.origin}/federation${path}`);
    return page;
  };
  const rows = (page: Page) => page.locator("#peers tbody tr");
  const row = (page: Page, origin: string) => page.locator(`tr[id="peer-${origin}"]`);
  /** What a rule of WCAG 2.2 A or AA finds wrong. */
  const violations = async (page: Page): Promise<string[]> => {
    await page.evaluate(await readFile(axe, "utf8"));
    return page.evaluate(async () => {
      const { axe: checker } = globalThis as unknown as {
        axe: {
          run(options: object): Promise<{
            violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
          }>;
        };
      };
      const found = await checker.run({
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
      });
      return found.violations.map(
        ({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ""} ${nodes[0]?.failureSummary ?? ""}`,
      );
    });
  };

  before(async function () {
    const executablePath = requireProgram(this, "chromium");
    await mkdir(results, { recursive: true });
    crowd = await HealthCrowd.open(PEERS);
    const [first] = await servers.start([
      { name: "plaza", script: WORLD, env: { FEDERATION_ADMIN_TOKEN: TOKEN } },
    ]);
    assert.ok(first !== undefined);
    await first.kill("SIGTERM");
    await crowd.befriend(first.spec.data, (index) =>
      index === 7 ? "<img src=x onerror=alert(1)>" : `World ${index + 1} of sixty`,
    );
    server = await servers.restart(first);
    browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
  });
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    assert.deepEqual(strayed.splice(0), []);
  });
  after(async () => {
    await browser?.close();
    await servers.stop();
    await crowd?.close();
  });

  it("shows 60 peers within two screens, the worst first", async () => {
    const page = await open("/admin");
    await eventually(async () => {
      assert.equal(await rows(page).count(), PEERS);
      assert.equal(await page.locator(".state.up").count(), PEERS);
    });
    const height = await page.evaluate(() => {
      const table = document.querySelector("#peers");
      return (table?.getBoundingClientRect().bottom ?? 0) + scrollY;
    });
    assert.ok(height <= 2 * 800, `the last peer ends at ${height} px`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 1280, `${wide} px wide`);
  });

  describe("with a peer that is down", () => {
    const gone = (): string => crowd.origins[2] ?? "";
    before(async () => {
      crowd.down.add(gone());
      const page = await open("/admin");
      await row(page, gone()).locator(".state.down").waitFor({ timeout: 30_000 });
    });
    after(() => {
      crowd.down.delete(gone());
    });

    for (const look of LOOKS) {
      it(`meets WCAG AA and fits: ${look.name}`, async () => {
        const page = await open("/admin", look);
        await row(page, gone()).locator(".state.down").waitFor();
        assert.deepEqual(await violations(page), []);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= look.width, `${wide} px wide`);
        await page.screenshot({ path: `${results}admin-${look.name}.png` });
        await page.locator("#peers tbody tr button").first().click();
        await page.locator("dialog[open]").waitFor();
        assert.deepEqual(await violations(page), []);
        await page.screenshot({ path: `${results}admin-peer-${look.name}.png` });
        const status = await open("/status", look, null);
        assert.deepEqual(await violations(status), []);
        await status.screenshot({ path: `${results}status-${look.name}.png` });
      });
    }
  });

  it("shows a peer that goes down, why, and that it is back", async () => {
    const page = await open("/admin");
    const [, origin = ""] = crowd.origins;
    await row(page, origin).locator(".state.up").waitFor();
    crowd.down.add(origin);
    await row(page, origin).locator(".state.down").waitFor({ timeout: 30_000 });
    assert.match((await rows(page).first().getAttribute("id")) ?? "", /127\.0\.1\.2:/u);
    assert.match(await row(page, origin).innerText(), /connection/u);
    assert.match(await page.locator("#troubles").innerText(), /1 peer does not answer/u);
    crowd.down.delete(origin);
    await row(page, origin).locator(".state.up").waitFor({ timeout: 60_000 });
  });

  it("finds peers by what they are called, and by their state", async () => {
    const page = await open("/admin");
    await row(page, crowd.origins[11] ?? "").waitFor();
    await page.getByRole("searchbox").fill("world 12 of");
    await eventually(async () => {
      assert.equal(await rows(page).count(), 1);
    });
    await page.getByRole("searchbox").fill("");
    await page.getByRole("button", { name: /^up/u }).click();
    await eventually(async () => {
      assert.equal(await rows(page).count(), PEERS);
    });
  });

  it("shows what a hostile peer is called as text", async () => {
    const page = await open("/admin");
    const hostile = row(page, crowd.origins[7] ?? "");
    await hostile.waitFor();
    assert.match(await hostile.innerText(), /<img src=x/u);
    assert.equal(await page.locator("main img").count(), 0);
    const status = await open("/status", {}, null);
    assert.equal(await status.locator("img").count(), 0);
  });

  it("blocks, unblocks and approves a peer once it was asked twice, and writes it down", async () => {
    const page = await open("/admin");
    const origin = crowd.origins[20] ?? "";
    await row(page, origin).getByRole("button").click();
    await page.getByRole("button", { name: "Block …" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await row(page, origin).getByRole("button").click();
    await page.getByRole("button", { name: "Block …" }).click();
    await page.getByRole("button", { name: "Block", exact: true }).click();
    await page.getByText(/is blocked; known servers that it matches: 1/u).waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    await row(page, origin).locator(".state.blocked").waitFor();
    const audit = await readFile(`${server.spec.data}/audit.jsonl`, "utf8");
    assert.match(audit, new RegExp(`"by":"operator","what":"block","subject":"${origin}"`, "u"));

    await row(page, origin).getByRole("button").click();
    await page.getByRole("button", { name: "Unblock …" }).click();
    await page.getByRole("button", { name: "Unblock", exact: true }).click();
    await page.getByText(/waits for your approval/u).waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    await row(page, origin).locator(".state.pending").waitFor();
    await row(page, origin).getByRole("button").click();
    await page.getByRole("button", { name: "Approve …" }).click();
    await page.getByRole("button", { name: "Approve", exact: true }).click();
    await page.getByText("Choose at least one.").waitFor();
    await page.getByRole("checkbox").check();
    await page.getByRole("button", { name: "Approve", exact: true }).click();
    await page.getByText(/is trusted/u).waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    await row(page, origin).locator(".state.up").waitFor();
  });

  it("asks for the token, and says when it is wrong", async () => {
    const page = await open("/admin", {}, null);
    await page.getByLabel("Admin token").fill("a".repeat(40));
    await page.getByRole("button", { name: "Show this server" }).click();
    await page.getByText(/not the token/u).waitFor();
    assert.deepEqual(await violations(page), []);
    await page.screenshot({ path: `${results}admin-sign-in.png` });
    await page.getByLabel("Admin token").fill(TOKEN);
    await page.getByRole("button", { name: "Show this server" }).click();
    await rows(page).first().waitFor();
  });

  it("says that the server does not answer, and how old what is shown is", async () => {
    const page = await open("/admin");
    await rows(page).first().waitFor();
    await page.route("**/admin/data*", (route) => route.abort());
    await page.getByText(/does not answer .*What you see is/u).waitFor({ timeout: 20_000 });
  });

  it("says on the public page who is up, and nothing that is not for everybody", async () => {
    const page = await open("/status", {}, null);
    assert.match(await page.locator("h1").innerText(), /plaza is up/u);
    const json = await (await fetch(`${server.origin}/federation/status.json`)).text();
    assert.doesNotMatch(json, /trust|keys|refusal|player|cause/u);
  });
});
