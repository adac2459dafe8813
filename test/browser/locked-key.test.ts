import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type Browser, type BrowserContext, type Page, chromium } from "playwright-core";
import type { Traveler } from "aether-federation/client";
import type { PlayerKeys } from "aether-federation/client/keys";
import { CHROMIUM_FLAGS } from "../support/browser.ts";
import { eventually } from "../support/eventually.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { requireProgram } from "../support/requirements.ts";
import { isBack, ledgerRow } from "../support/stored.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const GAMES = ["garden", "race"] as const;
const STORED = "aether-federation:player-key";
const DATABASE = "aether-federation-keys";

/** What a page loads when the player opens its settings: a bundle of its own. */
const SETTINGS = `
  import { Traveler } from "aether-federation/client";
  import { PlayerKeys } from "aether-federation/client/keys";
  globalThis.settings = { Traveler, PlayerKeys, keys: new PlayerKeys(location.origin) };
`;

/** What the pages have, as the functions that run there see it. */
declare const self: {
  readonly game?: {
    readonly told: { readonly id?: string }[];
    readonly traveler?: { readonly origin?: string; enter(uri: string): void };
  };
  readonly settings: {
    readonly keys: PlayerKeys;
    readonly PlayerKeys: typeof PlayerKeys;
    readonly Traveler: typeof Traveler;
  };
};

describe("a player's key that is locked", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let browser: Browser;
  let pages: string;
  let settings: string;
  let garden: ServerProcess;
  let race: ServerProcess;
  let contexts: BrowserContext[];
  let page: Page;

  before(async function () {
    const executablePath = requireProgram(this, "chromium");
    pages = await mkdtemp(join(tmpdir(), "aether-pages-"));
    const [started, launched, bundle] = await Promise.all([
      servers.start(
        GAMES.map((name) => ({
          ...{ name, script: "test/fixtures/games-server.ts", flags: ["--pages", pages] },
        })),
      ),
      chromium.launch({ executablePath, args: CHROMIUM_FLAGS }),
      build({
        stdin: { contents: SETTINGS, resolveDir: ROOT },
        ...{ bundle: true, write: false, format: "iife", target: "es2022", logLevel: "silent" },
      }),
      ...GAMES.map((game) =>
        build({
          entryPoints: { [game]: join(ROOT, `test/fixtures/games/${game}-page.ts`) },
          ...{ bundle: true, splitting: true, format: "esm", target: "es2022" },
          ...{ outdir: join(pages, game), logLevel: "silent" },
        }),
      ),
    ]);
    [garden, race] = started as [ServerProcess, ServerProcess];
    browser = launched;
    settings = bundle.outputFiles[0]!.text;
  });
  after(async () => {
    await browser?.close();
    await servers.stop();
    await rm(pages, { recursive: true, force: true });
  });

  let player: string;
  beforeEach(async () => {
    contexts = [];
    page = await device();
    player = await standsIn(garden);
  });
  afterEach(() => Promise.all(contexts.map((context) => context.close())));

  const play = (server: ServerProcess): string => `${server.origin}/${server.spec.name}/play`;

  /** Another browser, with its settings open. */
  async function device(): Promise<Page> {
    const context = await browser.newContext();
    contexts.push(context);
    const opened = await context.newPage();
    await opened.goto(play(garden));
    await opened.addScriptTag({ content: settings });
    return opened;
  }

  /** Waits until the player stands in a server's room, on its page, and says who it is. */
  async function standsIn(server: ServerProcess, at = page): Promise<string> {
    return eventually(
      async () => {
        assert.equal(at.url(), play(server));
        const [origin, told] = await at.evaluate(
          () => [self.game?.traveler?.origin, self.game?.told ?? []] as const,
        );
        assert.equal(origin, server.origin);
        const id = told.findLast((each) => each.id !== undefined)?.id;
        assert.ok(id !== undefined);
        return id;
      },
      { timeoutMilliseconds: 15_000, what: `the player stands in ${server.spec.name}` },
    );
  }

  /** Logs in anew: the room keeps the place of whoever was in it. */
  async function reload(at = page): Promise<string> {
    await at.evaluate(() => {
      sessionStorage.clear();
    });
    await at.reload();
    const id = await standsIn(garden, at);
    await at.addScriptTag({ content: settings });
    return id;
  }

  const enter = (server: ServerProcess): Promise<void> =>
    page.evaluate((uri) => {
      self.game?.traveler?.enter(uri);
    }, `aether://${server.authority}/${server.spec.name}`);
  const lock = (at = page): Promise<void> => at.evaluate(() => self.settings.keys.lock());
  const words = (at = page): Promise<string> => at.evaluate(() => self.settings.keys.words());
  const stored = (at = page): Promise<string | null> =>
    at.evaluate((key) => localStorage.getItem(key), STORED);
  /** The message that a call in the page rejects with. */
  const refusal = (call: () => unknown, at = page): Promise<string> =>
    at.evaluate(`Promise.resolve().then(${String(call)}).then(() => "", (error) => String(error))`);

  /** Ids of the keys that the browser has; none of them says anything to a script. */
  async function lockedKeys(at = page): Promise<string[]> {
    const keys = await at.evaluate(
      (name) =>
        new Promise<{ id: string; isOpen: boolean }[]>((resolve, reject) => {
          const opening = indexedDB.open(name);
          opening.onerror = reject;
          opening.onsuccess = () => {
            const all = opening.result
              .transaction("player-keys")
              .objectStore("player-keys")
              .getAll();
            all.onsuccess = async () => {
              opening.result.close();
              const found = [];
              for (const entry of all.result as { id: string; privateKey: CryptoKey }[]) {
                const { id, privateKey, ...more } = entry;
                const formats = ["pkcs8", "jwk", "raw"] as const;
                const tries = formats.map((format) => crypto.subtle.exportKey(format, privateKey));
                const given = (await Promise.allSettled(tries)).some(
                  ({ status }) => status === "fulfilled",
                );
                const isMore = Object.keys(more).length > 0 || privateKey.extractable;
                found.push({ id, isOpen: given || isMore });
              }
              resolve(found);
            };
          };
        }),
      DATABASE,
    );
    assert.ok(keys.every(({ isOpen }) => !isOpen));
    return keys.map(({ id }) => id);
  }

  it("is in no storage any more, gives nothing away, and is the same player", async () => {
    const seed = (await stored()) ?? "";
    assert.match(seed, /^[\w-]{43}$/u);
    await lock();
    const mark = (await stored()) ?? "";
    const [id = "", ...others] = await lockedKeys();
    assert.deepEqual([mark, others], [`locked:${id}`, []]);
    const all = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage]));
    assert.ok(!all.includes(seed));
    assert.equal(await reload(), player);
    assert.equal(await stored(), mark);
    await lock();
    assert.equal(await stored(), mark);
    assert.equal(await page.evaluate(() => self.settings.keys.isLocked), true);
  });

  it("has no words and no file any more", async () => {
    await lock();
    assert.match(
      await refusal(() => self.settings.keys.words()),
      /^TypeError: this key is locked/u,
    );
    assert.match(
      await refusal(() => self.settings.keys.file("a long passphrase")),
      /^TypeError: this key is locked/u,
    );
  });

  it("crosses to another server's page, which is let act for it, and comes home", async () => {
    await lock();
    await reload();
    await enter(race);
    assert.equal(await standsIn(race), player);
    assert.equal(ledgerRow(garden, player)?.holder, race.origin);
    await enter(garden);
    assert.equal(await standsIn(garden), player);
    await isBack(garden, player);
  });

  it("is restored from the words that were written down before, here and elsewhere", async () => {
    const paper = await words();
    await lock();
    const other = await device();
    await standsIn(garden, other);
    await other.evaluate((from) => self.settings.keys.restore(from, { replace: true }), paper);
    assert.equal(await reload(other), player);
    // The same key is no other one.
    await page.evaluate((from) => self.settings.keys.restore(from), paper);
    assert.equal(await page.evaluate(() => self.settings.keys.isLocked), false);
    assert.equal(await words(), paper);
    await lock();
    assert.equal(await reload(), player);
  });

  it("gives way to another key only where that is wished, and is forgotten then", async () => {
    await lock();
    const mark = await stored();
    const other = await device();
    const stranger = await standsIn(garden, other);
    const paper = await words(other);
    const restore = (replace: boolean): Promise<string> =>
      page.evaluate(
        ([from, isWished]) =>
          self.settings.keys.restore(from, { replace: isWished }).then(() => "", String),
        [paper, replace] as const,
      );
    assert.match(await restore(false), /^TypeError: another key is kept here/u);
    assert.equal(await stored(), mark);
    assert.equal(await restore(true), "");
    assert.deepEqual(await lockedKeys(), []);
    assert.equal(await reload(), stranger);
  });

  it("changes into another one that is locked, and says that one's words once", async () => {
    const paper = await words();
    await lock();
    const [former] = await lockedKeys();
    const rotated = await page.evaluate(() => self.settings.keys.rotate());
    assert.deepEqual(
      rotated.keys.map(({ current }) => current),
      [true],
    );
    const [fresh, ...others] = await lockedKeys();
    assert.deepEqual([await stored(), others], [`locked:${fresh}`, []]);
    assert.notEqual(fresh, former);
    assert.equal(await reload(), player);
    const other = await device();
    const restored = async (from: string): Promise<void> => {
      await other.evaluate((given) => self.settings.keys.restore(given, { replace: true }), from);
    };
    await restored(paper);
    const list = () => self.settings.keys.list().then(({ player: who }) => who);
    assert.match(await refusal(list, other), /ERR_FED_KEY_REMOVED/u);
    assert.ok(rotated.words !== undefined);
    await restored(rotated.words);
    assert.equal(await reload(other), player);
  });

  it("adds a device, is added as one, and removes one", async () => {
    await lock();
    const other = await device();
    await standsIn(garden, other);
    await lock(other);
    const request = await other.evaluate(() => self.settings.keys.request("My phone"));
    const { keys } = await page.evaluate(
      (text) => self.settings.keys.add(text, { leaveBehind: true }),
      request,
    );
    assert.deepEqual(
      keys.map(({ name, current }) => [name, current]),
      [
        [undefined, true],
        ["My phone", false],
      ],
    );
    assert.equal(await reload(other), player);
    const { keys: left } = await page.evaluate(
      (jkt) => self.settings.keys.remove(jkt),
      keys[1]!.jkt,
    );
    assert.equal(left.length, 1);
  });

  it("keeps a guest", async () => {
    const [guest, again] = await page.evaluate(async () => {
      const { PlayerKeys, Traveler } = self.settings;
      const texts = new Map<string, string>();
      const storage = {
        getItem: (key: string) => texts.get(key) ?? null,
        setItem: (key: string, value: string) => void texts.set(key, value),
      };
      const options = { placeStorage: null, comesHome: false };
      const whoIs = async (traveler: Traveler): Promise<string> => {
        const room = await traveler.join("garden");
        return new Promise((resolve) => {
          room.onMessage("who", ({ id }: { id: string }) => {
            resolve(id);
          });
          room.send("who");
        });
      };
      const visitor = new Traveler(location.origin, { ...options, storage: null });
      const id = await whoIs(visitor);
      const keys = new PlayerKeys(location.origin, { storage });
      await keys.request();
      await keys.lock();
      await keys.keepGuest(visitor.room!);
      const player = new Traveler(location.origin, { ...options, storage });
      return [id, await whoIs(player)] as const;
    });
    assert.match(guest, /^guest-/u);
    assert.equal(again, guest);
  });

  describe("and is lost by the browser", () => {
    const CLEARED = `new Promise((resolve, reject) => {
      const gone = indexedDB.deleteDatabase("${DATABASE}");
      gone.onsuccess = resolve;
      gone.onerror = reject;
    })`;

    it("is said, with what to do, and nothing is written over it; its words bring it back", async () => {
      const paper = await words();
      await lock();
      const mark = await stored();
      await page.evaluate(CLEARED);
      const errors: string[] = [];
      page.on("pageerror", ({ message }) => errors.push(message));
      await page.evaluate(() => {
        sessionStorage.clear();
      });
      await page.reload();
      await eventually(() => {
        assert.match(
          errors.join(),
          /ERR_FED_KEY_LOST: .*restore your key from its words or its file\.$/u,
        );
      });
      await page.addScriptTag({ content: settings });
      assert.match(await refusal(() => self.settings.keys.list()), /ERR_FED_KEY_LOST/u);
      assert.match(await refusal(() => self.settings.keys.rotate()), /ERR_FED_KEY_LOST/u);
      assert.match(await refusal(() => self.settings.keys.request()), /ERR_FED_KEY_LOST/u);
      assert.equal(await stored(), mark);
      await page.evaluate((from) => self.settings.keys.restore(from), paper);
      assert.equal(await reload(), player);
    });

    it("is lost, too, where something else lies in its place", async () => {
      await lock();
      await page.evaluate(
        ([name, x]) =>
          new Promise((resolve) => {
            const opening = indexedDB.open(name);
            opening.onsuccess = () => {
              const keys = opening.result.transaction("player-keys", "readwrite");
              keys.objectStore("player-keys").put({ id: x, privateKey: "no key" });
              keys.oncomplete = () => {
                opening.result.close();
                resolve(undefined);
              };
            };
          }),
        [DATABASE, ((await stored()) ?? "").replace("locked:", "")] as const,
      );
      assert.match(await refusal(() => self.settings.keys.list()), /ERR_FED_KEY_LOST/u);
    });
  });

  describe("stays as it was, and is said to, where the browser", () => {
    for (const [what, breaks] of Object.entries({
      "has no Ed25519": `crypto.subtle.importKey = () => Promise.reject(new Error("no such curve"))`,
      "has no IndexedDB": `Object.defineProperty(globalThis, "indexedDB", { value: undefined })`,
      "does not open a database": `indexedDB.open = () => ({})`,
      "keeps something else": `crypto.subtle.importKey = async () =>
        (await crypto.subtle.generateKey("Ed25519", false, ["sign"])).privateKey`,
      "does not let go of its storage": `Storage.prototype.setItem = () => { throw new Error("full") }`,
    })) {
      it(what, async () => {
        const seed = await stored();
        await page.evaluate(`{ ${breaks} }`);
        const said = await refusal(() => self.settings.keys.lock());
        assert.match(said, what.startsWith("does not let") ? /full/u : /cannot lock your key/u);
        assert.equal(await stored(), seed);
        assert.equal(await reload(), player);
      });
    }

    it("has another key by then, of another page", async () => {
      const said = await page.evaluate((key) => {
        const locking = self.settings.keys.lock();
        localStorage.setItem(key, "A".repeat(43));
        return locking.then(() => "", String);
      }, STORED);
      assert.match(said, /another key here meanwhile/u);
      assert.equal(await stored(), "A".repeat(43));
    });
  });

  it("is not got at for the moment where the database does not answer, and is kept", async () => {
    await lock();
    const mark = await stored();
    await page.evaluate("indexedDB.open = () => ({})");
    assert.match(await refusal(() => self.settings.keys.request()), /ERR_FED_UNAVAILABLE/u);
    assert.equal(await stored(), mark);
    assert.equal(await reload(), player);
  });
});
