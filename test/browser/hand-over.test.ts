import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type Browser, type BrowserContext, type Page, chromium } from "playwright-core";
import { CHROMIUM_FLAGS } from "../support/browser.ts";
import { eventually } from "../support/eventually.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { requireProgram } from "../support/requirements.ts";
import { isBack, ledgerRow } from "../support/stored.ts";

interface Told {
  readonly id?: string;
  readonly carried?: Record<string, number>;
  readonly code?: string;
}

/** What each page tells of itself, as the functions that run there see it. */
declare const self: {
  readonly game?: {
    readonly told: Told[];
    readonly traveler?: {
      readonly origin?: string;
      readonly room?: { send(type: string, message?: unknown): void };
      enter(uri: string): void;
    };
  };
};

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const GAMES = ["garden", "race", "quiz"] as const;
const SIZES = [
  { size: "desktop", width: 1280, height: 800, touch: false },
  { size: "phone", width: 390, height: 844, touch: true },
] as const;

describe("a player that walks from one game's page into another's", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let browser: Browser;
  let pages: string;
  let garden: ServerProcess;
  let race: ServerProcess;
  let quiz: ServerProcess;
  let context: BrowserContext;
  let page: Page;

  before(async function () {
    const executablePath = requireProgram(this, "chromium");
    pages = await mkdtemp(join(tmpdir(), "aether-pages-"));
    // Each page has a bundle of its own; no two of them share a file.
    const [started, launched] = await Promise.all([
      servers.start(
        GAMES.map((name) => ({
          ...{ name, script: "test/fixtures/games-server.ts", flags: ["--pages", pages] },
        })),
      ),
      chromium.launch({ executablePath, args: CHROMIUM_FLAGS }),
      ...GAMES.map((game) =>
        build({
          entryPoints: { [game]: join(ROOT, `test/fixtures/games/${game}-page.ts`) },
          ...{ bundle: true, splitting: true, format: "esm", target: "es2022" },
          ...{ outdir: join(pages, game), logLevel: "silent" },
        }),
      ),
    ]);
    browser = launched;
    [garden, race, quiz] = started as [ServerProcess, ServerProcess, ServerProcess];
  });
  after(async () => {
    await browser?.close();
    await servers.stop();
    await rm(pages, { recursive: true, force: true });
  });

  async function open(viewport: { width: number; height: number }, hasTouch = false) {
    context = await browser.newContext({ viewport, hasTouch });
    page = await context.newPage();
    await page.goto(play(garden));
    return standsIn(garden);
  }
  afterEach(() => context?.close());

  const play = (server: ServerProcess): string => `${server.origin}/${server.spec.name}/play`;

  /** Waits until the player stands in a server's room, on that server's own page, and says who it is. */
  async function standsIn(server: ServerProcess, times = 1): Promise<Told & { id: string }> {
    return eventually(
      async () => {
        assert.equal(page.url(), play(server), "no page's address says more than where it is");
        const [origin, told] = await page.evaluate(
          () => [self.game?.traveler?.origin, self.game?.told ?? []] as const,
        );
        assert.equal(origin, server.origin);
        const who = told.filter(({ id }) => id !== undefined);
        assert.ok(who.length >= times);
        return who.at(-1) as Told & { id: string };
      },
      { timeoutMilliseconds: 15_000, what: `the player stands in ${server.spec.name}` },
    );
  }

  const enter = (server: ServerProcess): Promise<void> =>
    page.evaluate((uri) => {
      self.game?.traveler?.enter(uri);
    }, `aether://${server.authority}/${server.spec.name}`);

  const send = (type: string, message?: unknown): Promise<void> =>
    page.evaluate(
      ([what, said]) => {
        self.game?.traveler?.room?.send(what as string, said);
      },
      [type, message],
    );

  const failures = (): Promise<(string | undefined)[]> =>
    page.evaluate(() => (self.game?.told ?? []).map(({ code }) => code).filter(Boolean));

  for (const { size, width, height, touch } of SIZES) {
    it(`goes on to a third and home with what it has, at ${size} size`, async () => {
      const { id } = await open({ width, height }, touch);
      const plant = page.getByRole("button", { name: "Plant a flower" });
      for (const count of [1, 2]) {
        await (touch ? plant.tap() : plant.click());
        await page.getByText(`${count} flowers`).waitFor();
      }
      await enter(race);
      assert.deepEqual(await standsIn(race), { id, carried: { flowers: 2 } });
      assert.equal(ledgerRow(garden, id)?.holder, race.origin);
      await send("throttle");
      await page.getByText("lap 1").waitFor();
      await enter(quiz);
      // A visited server sends it to a third: its own home's page asks, in its own words.
      const dialog = page.getByRole("dialog", { name: `Go to ${quiz.authority}?` });
      await dialog.waitFor();
      assert.equal(new URL(page.url()).origin, garden.origin);
      const go = dialog.getByRole("button", { name: "Go" });
      const box = (await go.boundingBox())!;
      assert.ok(box.height >= 44 && box.width >= 44 && box.x + box.width <= width);
      await (touch ? go.tap() : page.keyboard.press("Enter"));
      assert.deepEqual(await standsIn(quiz), { id, carried: { flowers: 2, laps: 1 } });
      await page.getByLabel("Answer").fill("four");
      await page.keyboard.press("Enter");
      await page.getByText("4 points").waitFor();
      await enter(garden);
      const back = await standsIn(garden);
      assert.equal(back.id, id);
      assert.deepEqual(back.carried, { flowers: 2, laps: 1, score: 4 });
      assert.equal(ledgerRow(garden, id)?.holder, garden.origin);
    });
  }

  describe("and is met by the browser's own buttons", () => {
    beforeEach(async () => {
      player = (await open({ width: 900, height: 700 })).id;
    });
    let player: string;

    const isAtHome = async (): Promise<void> => {
      assert.equal((await standsIn(garden)).id, player);
      await isBack(garden, player);
    };

    it("plays on after a reload, where the room keeps its place", async () => {
      await enter(race);
      await standsIn(race);
      await send("throttle");
      await page.getByText("lap 1").waitFor();
      await page.reload();
      assert.equal((await standsIn(race)).id, player);
      await page.getByText("lap 1").waitFor();
    });

    it("goes home by a reload, where the room keeps none", async () => {
      await enter(quiz);
      await standsIn(quiz);
      await page.reload();
      await isAtHome();
    });

    it("goes home by going back, and is not sent forth again", async () => {
      await enter(race);
      await standsIn(race);
      await page.goBack();
      await isAtHome();
    });

    it("goes home by going back from a third to the second", async () => {
      await enter(race);
      await standsIn(race);
      await enter(quiz);
      await page.getByRole("button", { name: "Go" }).click();
      await standsIn(quiz);
      await page.goBack();
      await isAtHome();
    });

    it("stays where it was by going back while it is asked", async () => {
      await enter(race);
      await standsIn(race);
      await enter(quiz);
      await page.getByRole("dialog").waitFor();
      await page.goBack();
      await eventually(async () => {
        assert.deepEqual(await failures(), ["ERR_FED_CROSSING_ABANDONED"]);
      });
      // Frozen until then, it was not heard.
      await send("license");
      assert.equal((await standsIn(race)).id, player);
      await eventually(() => assert.equal(ledgerRow(garden, player)?.transfer, undefined));
    });

    it("is at home by a reload while it is asked, and when it says no", async () => {
      await enter(race);
      await standsIn(race);
      await enter(quiz);
      await page.getByRole("dialog").waitFor();
      await page.reload();
      await isAtHome();
      assert.deepEqual(await failures(), []);
      await enter(race);
      await standsIn(race);
      await enter(quiz);
      await page.getByRole("button", { name: "Stay" }).click();
      await isAtHome();
      assert.deepEqual(await failures(), ["ERR_FED_CROSSING_ABANDONED"]);
    });

    it("goes on by a reload on the way", async () => {
      // The page of its home does not come, once.
      let times = 1;
      await context.route(`${play(garden)}*`, (route) =>
        route.request().isNavigationRequest() && times-- > 0 ? route.abort() : route.continue(),
      );
      await enter(race);
      await eventually(() => {
        assert.ok(times === 0 && page.url().startsWith("chrome-error:"));
      });
      // With an answer that its home did not give, on top of it.
      const forged = { delegation: "ey.ey.x", state: "s".repeat(22) };
      const said = Buffer.from(JSON.stringify(forged)).toString("base64url");
      await page.goto(`${play(race)}#aether-granted=${said}`);
      assert.equal((await standsIn(race)).id, player);
    });

    it("is brought home by its page when the other server stops", async () => {
      await enter(race);
      await standsIn(race);
      await race.kill("SIGTERM");
      await isAtHome();
      race = await servers.restart(race);
      await Promise.all([garden.knows(race.origin), race.knows(garden.origin, quiz.origin)]);
    });
  });

  describe("into the hands of a page that means harm", () => {
    it("leaves nothing there to act for it elsewhere, and is not sent on silently", async () => {
      const seen: string[] = [];
      const { id } = await open({ width: 900, height: 700 });
      page.on("request", (request) => {
        seen.push(`${request.url()} ${request.headers()["referer"] ?? ""}`);
      });
      const key = await page.evaluate(() => localStorage.getItem("aether-federation:player-key"));
      assert.match(key ?? "", /^[\w-]{43}$/u);
      await enter(race);
      await standsIn(race);
      assert.ok(seen.some((request) => request.startsWith(play(garden))));
      for (const request of seen) {
        assert.ok(
          !/aether[-=]|delegation|#/u.test(request.replaceAll("aether-federation", "")),
          request,
        );
      }
      const there = await page.evaluate(async () => ({
        url: location.href,
        referrer: document.referrer,
        state: JSON.stringify(history.state),
        local: JSON.stringify(Object.entries(localStorage)),
        session: JSON.stringify(Object.entries(sessionStorage)),
        isKeyHidden: await new Promise((resolve) => {
          const opening = indexedDB.open("aether-federation");
          opening.onsuccess = () => {
            const all = opening.result
              .transaction("delegate-keys")
              .objectStore("delegate-keys")
              .getAll();
            all.onsuccess = () => {
              const [kept] = all.result as { pair: CryptoKeyPair }[];
              crypto.subtle.exportKey("pkcs8", kept!.pair.privateKey).then(
                () => resolve(false),
                () => resolve(true),
              );
            };
          };
        }),
      }));
      for (const text of Object.values(there)) {
        assert.ok(!String(text).includes(key!), "the player's own key is at home alone");
        // A JWS: neither a delegation nor a proof is left anywhere.
        assert.ok(!/ey[\w-]+\.ey[\w-]+\./u.test(String(text)));
      }
      assert.equal(there.isKeyHidden, true);
      assert.equal(there.url, play(race));
      assert.ok(!there.referrer.includes("#"));
      assert.equal(ledgerRow(garden, id)?.holder, race.origin);
      // Its server sends the player to a third by itself: the player is asked, at home.
      await send("exile", `aether://${quiz.authority}/quiz`);
      await page.getByRole("dialog", { name: `Go to ${quiz.authority}?` }).waitFor();
    });

    it("gives it nothing without a crossing, for whatever page it asks", async () => {
      const { id } = await open({ width: 900, height: 700 });
      const ask = (returnTo: string, to = race.origin): string =>
        Buffer.from(
          JSON.stringify({
            ...{ to, transferId: crypto.randomUUID(), sid: "seat", returnTo },
            jwk: { kty: "OKP", crv: "Ed25519", x: "A".repeat(43) },
            ...{ state: "s".repeat(22), expiresAt: Math.floor(Date.now() / 1000) + 30 },
          }),
        ).toString("base64url");
      const urls: string[] = [];
      page.on("framenavigated", (frame) => urls.push(frame.url()));
      for (const [fragment, code] of [
        [`aether-ask=${ask(play(race))}`, "ERR_FED_TRANSFER_UNKNOWN"],
        [`aether-ask=${ask("https://evil.example/")}`, "ERR_FED_TRANSFER_UNKNOWN"],
        ["aether-ask=e30", "ERR_FED_HAND_OVER_FAILED"],
        ["aether-granted=e30", "ERR_FED_HAND_OVER_FAILED"],
        ["aether=bm90IEpTT04", "ERR_FED_HAND_OVER_FAILED"],
      ] as const) {
        await page.goto("about:blank");
        await page.goto(`${play(garden)}#${fragment}`);
        assert.equal((await standsIn(garden)).id, id);
        assert.deepEqual(await failures(), [code]);
      }
      assert.ok(urls.every((url) => !url.includes("granted=ey")));
    });
  });
});
