/** What the monitor's room shows of a runtime. */
import type { PeersSource } from "../colyseus/peers-room.ts";
import { glanceOf } from "../operator/glance.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";

/** Counting who is abroad reads the store: no more often than this. */
const COUNT_MILLISECONDS = 30_000;
const MAX_COUNTED = 1_000;

/** Looks at what is in memory, but for the players abroad, who are counted now and then, beside. */
export function glanceSource(runtime: FederationRuntime): PeersSource {
  let abroad: number | string | undefined;
  let countedAt = -Infinity;
  const count = async (): Promise<void> => {
    const { ledger } = runtime.custody;
    let found = 0;
    for await (const { holder } of ledger.openRows()) {
      if (!ledger.isHere(holder)) found += 1;
      if (found === MAX_COUNTED) break;
    }
    abroad = found === MAX_COUNTED ? `${MAX_COUNTED}+` : found;
  };
  return {
    now: () => runtime.clock.now(),
    glance: () => {
      const now = runtime.clock.monotonic();
      if (now - countedAt >= COUNT_MILLISECONDS) {
        countedAt = now;
        count().catch(() => {
          abroad = undefined;
        });
      }
      return glanceOf({
        ...{ registry: runtime.registry, health: runtime.health, named: runtime.named, abroad },
        now: runtime.clock.now(),
        visitors: runtime.custody.sessions.all().filter(({ atHome }) => !atHome).length,
      });
    },
  };
}
