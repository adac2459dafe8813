/** What telemetry reads of a running server whenever metrics are collected. */
import { CONDITIONS, countConditions } from "../operator/condition.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import { Attribute } from "../telemetry/names.ts";
import type { GaugeSources, Reading } from "../telemetry/telemetry.ts";
import type { FederationPeers } from "./peers.ts";

/** The store is asked who is abroad no more often, however often metrics are collected. */
const COUNT_AGAIN_MILLISECONDS = 30_000;

/** The gauges of a runtime, for as long as it runs. */
export function gaugesOf(
  runtime: FederationRuntime,
  peers: Pick<FederationPeers, "list">,
): GaugeSources {
  const { custody, clock, links } = runtime;
  const abroad = new LateCount(async () => {
    let count = 0;
    for await (const { holder } of custody.ledger.openRows()) {
      if (!custody.ledger.isHere(holder)) count += 1;
    }
    return count;
  }, clock);
  return {
    "aether.players": () => [{ value: custody.sessions.all().length }],
    "aether.visitors": () => [
      { value: custody.sessions.all().filter(({ atHome }) => !atHome).length },
    ],
    "aether.players.abroad": () => abroad.read(),
    "aether.peers": () => {
      const counts = countConditions(peers.list());
      return CONDITIONS.map((state) => ({
        value: counts[state] ?? 0,
        attributes: { [Attribute.State]: state },
      }));
    },
    "aether.links": () => [{ value: links?.size ?? 0 }],
  };
}

/** A number that takes time to count: what is read is the last one, while the next is being counted. */
class LateCount {
  readonly #count: () => Promise<number>;
  readonly #clock: FederationRuntime["clock"];
  #last: number | undefined;
  #dueAt = -Infinity;
  #busy = false;

  constructor(count: () => Promise<number>, clock: FederationRuntime["clock"]) {
    this.#count = count;
    this.#clock = clock;
    void this.#refresh();
  }

  /** No reading before the first count is there, nor while the store does not answer. */
  read(): readonly Reading[] {
    void this.#refresh();
    return this.#last === undefined ? [] : [{ value: this.#last }];
  }

  async #refresh(): Promise<void> {
    if (this.#busy || this.#clock.monotonic() < this.#dueAt) return;
    this.#busy = true;
    try {
      this.#last = await this.#count();
    } catch {
      this.#last = undefined;
    } finally {
      this.#busy = false;
      this.#dueAt = this.#clock.monotonic() + COUNT_AGAIN_MILLISECONDS;
    }
  }
}
