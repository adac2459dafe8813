/** Going through very many in several turns of the event loop. */
import { setImmediate } from "node:timers/promises";

/** Servers that are looked at in one turn: a millisecond or two. */
export const LOOKED_AT_ONCE = 250;

/** The items one after the other; the event loop goes on after each {@link LOOKED_AT_ONCE} of them. */
export async function* inSlices<Item>(items: Iterable<Item>): AsyncGenerator<Item> {
  let count = 0;
  for (const item of items) {
    if (count > 0 && count % LOOKED_AT_ONCE === 0) await setImmediate();
    count += 1;
    yield item;
  }
}
