import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type Browser, type BrowserContext, type Page, chromium } from "playwright-core";
import { CHROMIUM_FLAGS } from "../support/browser.ts";
import { eventually } from "../support/eventually.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { requireProgram } from "../support/requirements.ts";
import { ledgerRow, visitorRow } from "../support/stored.ts";

/** The page's side: one player, and what it has heard. */
const PAGE = `
  import { Traveler } from "aether-federation/client";
  const heard = [];
  const traveler = new Traveler(location.origin, { name: "Ada" });
  for (const name of ["Arrive", "Depart", "Failed", "Leave", "Frozen", "Thawed", "Recalled",
    "Undecided", "Kept"]) {
    traveler["on" + name]?.((event) => {
      const { room, ...rest } = event ?? {};
      if (room !== undefined) room.reconnection.enabled = false;
      heard.push({ name, ...rest });
    });
  }
  globalThis.traveler = traveler;
  globalThis.heard = heard;
`;

interface Heard {
  readonly name: string;
  readonly origin?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly comesHome?: boolean;
  readonly code?: string;
  readonly lost?: readonly string[];
}

/** What the page offers, as the functions that run there see it. */
interface InPage {
  readonly heard: Heard[];
  readonly traveler: {
    readonly origin?: string;
    readonly playerId: string;
    readonly room?: {
      readonly connection: { readonly isOpen: boolean };
      send(type: string, message: unknown): void;
    };
    enter(uri: string): void;
    leave(): Promise<void>;
    join(world: string): Promise<unknown>;
  };
}
declare const self: InPage;

describe("Traveler in a browser", function () {
  this.timeout(90_000);
  const servers = new Servers();
  let browser: Browser;
  let script: string;
  let context: BrowserContext;
  let page: Page;
  let home: ServerProcess;
  let away: ServerProcess;
  let player: string;

  before(async function () {
    const executablePath = requireProgram(this, "chromium");
    browser = await chromium.launch({
      executablePath,
      args: CHROMIUM_FLAGS,
    });
    const bundle = await build({
      stdin: {
        contents: PAGE,
        resolveDir: fileURLToPath(new URL("../../", import.meta.url)),
      },
      ...{ bundle: true, write: false, format: "iife", target: "es2022", logLevel: "silent" },
    });
    script = bundle.outputFiles[0]!.text;
  });
  after(() => browser?.close());
  beforeEach(async () => {
    [home, away] = (await servers.rooms("home", "away")) as [ServerProcess, ServerProcess];
    context = await browser.newContext();
    page = await context.newPage();
    await page.goto(`${home.origin}/status`);
    await page.addScriptTag({ content: script });
    await page.evaluate(() => self.traveler.join("plain").then(() => undefined));
    player = await page.evaluate(() => self.traveler.playerId);
  });
  afterEach(async () => {
    resume(away);
    await context?.close();
    await servers.stop();
  });

  it("is at home again by itself when its server stops, and has heard why", async () => {
    await cross("plain");
    await away.kill("SIGTERM");
    await isAt(home);
    const heard = await page.evaluate(() => self.heard);
    assert.deepEqual(
      heard.map(({ name }) => name).filter((name) => name === "Arrive" || name === "Leave"),
      ["Arrive", "Arrive", "Leave", "Arrive"],
    );
    const leave = heard.find(({ name }) => name === "Leave");
    assert.equal(leave?.comesHome, true);
    assert.match(leave.message ?? "", /^[A-Z].*\.$/u);
    assert.ok(heard.some(({ name, reason }) => name === "Frozen" && reason === "crossing"));
    assert.equal(ledgerRow(home, player)?.holder, home.origin);
  });

  it("leaves for good during a crossing", async () => {
    await page.evaluate((uri) => {
      self.traveler.enter(uri);
    }, `aether://${away.authority}/unruly?how=never`);
    await eventually(() => assert.equal(visitorRow(away, player)?.held?.phase, "held"));
    await page.evaluate(() => self.traveler.leave());
    await eventually(async () => {
      assert.equal(visitorRow(away, player)?.held, undefined);
      assert.equal(ledgerRow(home, player)?.holder, home.origin);
      for (const server of [home, away]) {
        for (const name of ["plain", "unruly"]) {
          assert.ok((await server.rooms(name)).every(({ clients }) => clients === 0));
        }
      }
    });
    assert.equal(await page.evaluate(() => self.traveler.origin), undefined);
  });

  it("joins at home while its server hangs, as soon as home has it back", async () => {
    await cross("plain");
    process.kill(away.pid, "SIGSTOP");
    await eventually(
      async () => {
        const failure = await page.evaluate(() =>
          self.traveler.join("plain").then(
            () => "",
            (error: unknown) => (error as Error).message,
          ),
        );
        assert.equal(failure, "");
      },
      { timeoutMilliseconds: 30_000, what: "home has the player back" },
    );
    await isAt(home);
    // What hung finds that nobody is there any more.
    resume(away);
    await eventually(() => assert.equal(visitorRow(away, player)?.held, undefined));
    await isAt(home);
  });

  it("hears that a crossing is undecided while home's store is away, and how it ended", async () => {
    const unlock = lockStore(home);
    await page.evaluate((uri) => {
      self.traveler.enter(uri);
    }, `aether://${away.authority}/plain`);
    await eventually(
      async () => {
        assert.ok(await heardOf("Undecided"));
      },
      { timeoutMilliseconds: 20_000 },
    );
    unlock();
    await eventually(
      async () => {
        assert.ok((await heardOf("Failed")) ?? (await heardOf("Arrive", away)));
      },
      { timeoutMilliseconds: 20_000 },
    );
    await cross("plain");
  });

  it("hears at home what home did not keep", async () => {
    await page.evaluate(() => self.traveler.join("odd").then(() => undefined));
    await carry({ book: "b*20000", gold: 100 });
    await cross("odd");
    await carry({ gold: 1, statue: "s*20000" });
    await page.evaluate(() => self.traveler.leave());
    await eventually(() => page.evaluate(() => self.traveler.join("odd").then(() => undefined)));
    await eventually(async () => {
      assert.deepEqual((await heardOf("Kept"))?.lost, ["/statue"]);
    });
  });

  /** Another program has home's database locked, until the answer is called. */
  function lockStore(server: ServerProcess): () => void {
    const database = new DatabaseSync(join(server.spec.data, "federation.sqlite"));
    database.exec("BEGIN IMMEDIATE");
    return () => {
      database.exec("ROLLBACK");
      database.close();
    };
  }

  async function heardOf(name: string, at?: ServerProcess): Promise<Heard | undefined> {
    const heard = await page.evaluate(() => self.heard);
    return heard.find(
      (each) => each.name === name && (at === undefined || each.origin === at.origin),
    );
  }

  async function carry(carried: Record<string, unknown>): Promise<void> {
    await page.evaluate((told) => {
      self.traveler.room?.send("carry", told);
    }, carried);
  }

  async function cross(world: string): Promise<void> {
    await page.evaluate((uri) => {
      self.traveler.enter(uri);
    }, `aether://${away.authority}/${world}`);
    await isAt(away);
  }

  async function isAt(server: ServerProcess): Promise<void> {
    await eventually(
      async () => {
        const [origin, isOpen] = await page.evaluate(() => {
          const { traveler } = self;
          return [traveler.origin, traveler.room?.connection.isOpen] as const;
        });
        assert.deepEqual([origin, isOpen], [server.origin, true]);
      },
      { timeoutMilliseconds: 20_000 },
    );
  }

  function resume(server: ServerProcess | undefined): void {
    try {
      if (server !== undefined) process.kill(server.pid, "SIGCONT");
    } catch {
      // It is gone already.
    }
  }
});
