/** Walks the player of an example world's page by its keys. */
import { eventually } from "../../test/support/eventually.ts";

/** What the page tells of itself. */
export const look = (page) => page.evaluate(() => ({ ...globalThis.aether }));

/** Walks to a place, or until `until` holds. */
export async function walk(
  page,
  to,
  until = () => Promise.resolve(false),
  timeoutMilliseconds = 25_000,
) {
  const held = new Set();
  const set = async (key, down) => {
    if (held.has(key) === down) return;
    if (down) held.add(key);
    else held.delete(key);
    await page.keyboard[down ? "down" : "up"](key);
  };
  try {
    await eventually(
      async () => {
        const { x, y } = await look(page);
        const [dx, dy] = [to.x - x, to.y - y];
        if ((await until()) || Math.hypot(dx, dy) < 16) return;
        await set("ArrowRight", dx > 10);
        await set("ArrowLeft", dx < -10);
        await set("ArrowDown", dy > 10);
        await set("ArrowUp", dy < -10);
        throw new Error(`still ${Math.round(Math.hypot(dx, dy))} away`);
      },
      { timeoutMilliseconds, what: "the player has walked there" },
    );
  } finally {
    for (const key of [...held]) await set(key, false);
  }
}

/** Picks up the nearest coin that lies in front of the gates, on this side of one; unless something is in the way. */
export async function collect(page, gate) {
  const { ground, x, y } = await look(page);
  const far = (coin) => Math.hypot(coin.x - x, coin.y - y);
  const [nearest] = ground
    .filter((coin) => coin.y > gate.y + 110 && coin.x < gate.x && far(coin) > 45)
    .sort((a, b) => far(a) - far(b));
  const isGone = async () =>
    !(await look(page)).ground.some((coin) => coin.x === nearest.x && coin.y === nearest.y);
  if (nearest !== undefined) await walk(page, nearest, isGone, 6_000).catch(() => undefined);
}
