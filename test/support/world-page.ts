/** The page of the example's worlds in a real browser. */
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Page,
  chromium,
} from "playwright-core";
import { CHROMIUM_FLAGS } from "./browser.ts";
import { eventually } from "./eventually.ts";
import { requireProgram } from "./requirements.ts";

interface At {
  readonly x: number;
  readonly y: number;
}

interface Box extends At {
  readonly width: number;
  readonly height: number;
}

/** What the page tells of itself: example-server/page/look.ts. */
export interface Aether {
  readonly world: string;
  readonly origin: string;
  readonly playerId: string;
  readonly name: string;
  readonly coins: readonly string[];
  readonly things: readonly { id: string; kind: string; name: string }[];
  readonly stamps: readonly string[];
  readonly x: number;
  readonly y: number;
  readonly facing: number;
  readonly others: number;
  readonly hat: { name: string; hash: string; url: string; shown: boolean };
  readonly pictures: readonly (At & {
    title: string;
    owner: string;
    status: string;
    detail: string;
    shown: boolean;
  })[];
  readonly ground: readonly At[];
  readonly portals: readonly (At & {
    label: string;
    status: string;
    target: string;
    screen: Box;
  })[];
  readonly people: readonly { name: string; words: string; waves: boolean; crossing: boolean }[];
  readonly tags: readonly (Box & { name: string })[];
  readonly solids: readonly (At & { rx: number; ry: number })[];
  /** Of the screen, what nothing covers. */
  readonly clear: { left: number; top: number; right: number; bottom: number };
}

/** The screens that everything has to be good on. */
export const SCREENS = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: touched(390, 844),
  landscape: touched(844, 390),
  /** As a window of 1280 × 800 is laid out at 200 %. */
  zoomed: { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 },
  narrow: touched(320, 640),
} as const satisfies Record<string, BrowserContextOptions>;

function touched(width: number, height: number) {
  return { viewport: { width, height }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
}

const results = fileURLToPath(new URL("../../test-results/", import.meta.url));
const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** A page, and what it has complained about. */
export interface Tab {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of scripts and of the console. */
  readonly complaints: readonly string[];
}

/** A browser for the tests of a `describe`; what a test opens is closed after it. */
export function browsing(): { open(options?: BrowserContextOptions): Promise<Tab> } {
  let browser: Browser | undefined;
  const contexts: BrowserContext[] = [];
  before(async function () {
    const executablePath = requireProgram(this, "chromium");
    await mkdir(results, { recursive: true });
    browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
  });
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
  });
  after(() => browser?.close());
  return {
    open: async (options = SCREENS.desktop) => {
      assert.ok(browser !== undefined);
      const context = await browser.newContext(options);
      contexts.push(context);
      return tabOf(context);
    },
  };
}

/** One more tab of a browser. */
export async function tabOf(context: BrowserContext): Promise<Tab> {
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  return { page, context, complaints };
}

/** What the page tells now. */
export function look(page: Page): Promise<Aether> {
  return page.evaluate(() => ({ ...(globalThis as unknown as { aether: Aether }).aether }));
}

/** Opens a world, and is in it by that name once its gates are known. */
export async function stepIn(page: Page, url: string, name: string): Promise<Aether> {
  await page.goto(url);
  await page.getByLabel("Your name", { exact: true }).fill(name);
  await page.keyboard.press("Enter");
  await eventually(async () => assert.equal((await look(page)).name, name), {
    timeoutMilliseconds: 20_000,
    what: `${name} is in`,
  });
  return stands(page);
}

/** Waits until the player stands in a world, seen by nothing in between; any, if none is named. */
export async function stands(page: Page, world?: string): Promise<Aether> {
  return eventually(
    async () => {
      const seen = await look(page);
      assert.ok(seen.playerId !== undefined, "nobody is there");
      if (world !== undefined) {
        const told = await page.getByTestId("toast").innerText();
        assert.equal(seen.world, world, `in ${seen.world}: ${told}`);
      }
      assert.equal(await page.locator("#passage").getAttribute("data-state"), "open");
      return seen;
    },
    { timeoutMilliseconds: 25_000, what: `the player stands in ${world ?? "a world"}` },
  );
}

/** Waits until a gate has that status, and says which it is. */
export function gate(page: Page, label: string, status = "up"): Promise<Aether["portals"][number]> {
  return eventually(
    async () => {
      const { world, portals } = await look(page);
      const found = portals.find((portal) => portal.label === label);
      assert.equal(found?.status, status, `the gate from ${world} to ${label}`);
      return found;
    },
    { timeoutMilliseconds: 30_000, what: `the gate to ${label} is ${status}` },
  );
}

/** Waits until what passes is over, and keeps a picture under test-results/. */
export async function shot(page: Page, name: string): Promise<void> {
  // What moves on its own for ever is fine; what fades in or out has to be over.
  await page.evaluate(async () => {
    const passing = document
      .getAnimations()
      .filter(({ effect }) => effect?.getTiming().iterations !== Infinity);
    await Promise.allSettled(passing.map(({ finished }) => finished));
    await new Promise((resolve) => requestAnimationFrame(resolve));
  });
  await page.screenshot({ path: `${results}worlds-${name}.png` });
}

/** What any rule of axe-core finds wrong with the page as it is now. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(await readFile(axePath, "utf8"));
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        getRules(): { ruleId: string }[];
        run(options: object): Promise<{
          violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
        }>;
      };
    };
    const rules = Object.fromEntries(
      axe
        .getRules()
        .map(({ ruleId }) => [ruleId, { enabled: ruleId !== "color-contrast-enhanced" }]),
    );
    const found = await axe.run({ rules });
    return found.violations.map(
      ({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ""} ${nodes[0]?.failureSummary ?? ""}`,
    );
  });
}

/** The page's connections, to be cut and led astray; before the page is opened. */
export async function cable(page: Page): Promise<{
  /** Ends those that are open. */
  cut(): Promise<void>;
  /** Whatever is opened from now on leads there instead; undefined: where it should. */
  leads(to: string | undefined): Promise<void>;
}> {
  await page.addInitScript(() => {
    const sockets: WebSocket[] = [];
    const wire = { to: undefined as string | undefined, sockets };
    const Real = WebSocket;
    class Cable extends Real {
      constructor(url: string, protocols?: string[]) {
        super(wire.to ?? url, protocols);
        sockets.push(this);
      }
    }
    Object.assign(globalThis, { wire, WebSocket: Cable });
  });
  interface Wired {
    wire: { to: string | undefined; sockets: WebSocket[] };
  }
  return {
    cut: () =>
      page.evaluate(() => {
        for (const socket of (globalThis as unknown as Wired).wire.sockets.splice(0)) {
          socket.close(4010);
        }
      }),
    leads: (to) =>
      page.evaluate((where) => {
        (globalThis as unknown as Wired).wire.to = where;
      }, to),
  };
}

/** Walks by real key presses, or by a finger, until there or until `until` holds. */
export async function walk(
  page: Page,
  to: At,
  {
    touch = false,
    near = 14,
    until = () => Promise.resolve(false),
  }: { touch?: boolean; near?: number; until?: () => Promise<boolean> } = {},
): Promise<void> {
  const steer = touch ? await finger(page) : keys(page);
  try {
    await eventually(
      async () => {
        const { x, y } = await look(page);
        const [dx, dy] = [to.x - x, to.y - y];
        if ((await until()) || Math.hypot(dx, dy) < near) return;
        await steer.towards(dx, dy);
        throw new Error(`still ${Math.round(Math.hypot(dx, dy))} away`);
      },
      { timeoutMilliseconds: 25_000, what: "the avatar has walked there" },
    );
  } finally {
    await steer.stop();
  }
}

/** Looks in a row, 20 ms apart, in which who rests has not moved: longer than the room waits between two patches. */
const LOOKS_AT_REST = 10;

/** The player, once the room has heard that it stands still. */
export async function rests(page: Page): Promise<Aether> {
  let last = await look(page);
  let same = 0;
  await eventually(async () => {
    const before = last;
    last = await look(page);
    same = last.x === before.x && last.y === before.y ? same + 1 : 0;
    assert.ok(same >= LOOKS_AT_REST, "it walks");
  });
  return last;
}

/** Through a gate, on foot. */
export async function walkThrough(page: Page, label: string, touch = false): Promise<Aether> {
  const portal = await gate(page, label);
  await walk(page, portal, {
    touch,
    near: 0,
    until: async () => (await look(page)).world === label || page.url().includes("/play"),
  });
  return stands(page, label);
}

/** Through a gate, by the button of the list. */
export async function goThrough(page: Page, label: string): Promise<Aether> {
  await gate(page, label);
  await page.getByRole("button", { name: `Go to ${label} on` }).click();
  return stands(page, label);
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
  const { clear } = await look(page);
  const origin = { x: (clear.left + clear.right) / 2, y: clear.bottom - 70 };
  const touch = (type: "touchStart" | "touchMove" | "touchEnd", x: number, y: number) =>
    session.send("Input.dispatchTouchEvent", {
      type,
      touchPoints: type === "touchEnd" ? [] : [{ x, y }],
    });
  await touch("touchStart", origin.x, origin.y);
  let last = 0;
  let standing = 0;
  return {
    towards: async (dx, dy) => {
      standing = Math.abs(Math.hypot(dx, dy) - last) < 1 ? standing + 1 : 0;
      last = Math.hypot(dx, dy);
      if (standing > 40) {
        // The page has let go of the finger, as it does of all input when it loses the focus.
        standing = 0;
        await touch("touchEnd", 0, 0);
        await touch("touchStart", origin.x, origin.y);
      }
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
