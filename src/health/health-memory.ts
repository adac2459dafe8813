/**
 * What is known of peers, beyond a restart: one row per peer in the store, written behind.
 *
 * Every minute the peers that were probed since are written, many at once, so that an engine with group commit
 * makes them one: one write per peer and minute, none where nobody was probed. Whose status has changed is written
 * within 2 s, for whoever reads beside the running server. What has not been written when a process dies is unknown time
 * later. A store that fails costs what it would have kept, and one line of the log until it answers again.
 *
 * Several processes of one server write the same rows, each what it has seen by itself: by compare-and-set, and
 * where another one has written meanwhile, the two are merged ({@link mergeRemembered}), so that neither undoes
 * the other.
 */
import type { Clock, Logger, Store, TimerHandle } from "../ports.ts";
import { type RowKind, RowReader } from "../rows/rows.ts";
import type { HealthMonitor } from "./health-monitor.ts";
import { type RememberedHealth, mergeRemembered, rememberedHealthSchema } from "./peer-record.ts";

const PREFIX = "health/";
const WRITE_MILLISECONDS = 60_000;
const CHANGE_MILLISECONDS = 2_000;
/** What has not been read by then is not waited for: peers have to be probed. */
const READ_TIMEOUT_MILLISECONDS = 3_000;
/** Nor is what is not written at a stop. */
const STOP_TIMEOUT_MILLISECONDS = 2_000;
const MAX_ATTEMPTS = 4;
/** Peers whose rows the store is asked to write together. */
const WRITTEN_AT_ONCE = 64;

const HEALTH_ROW: RowKind<RememberedHealth> = {
  what: "health of a peer",
  schema: rememberedHealthSchema,
  blocks: false,
  advice: "Its history begins anew",
};

/** Options of {@link HealthMemory}. */
export interface HealthMemoryOptions {
  readonly health: Pick<HealthMonitor, "list" | "record" | "remembered" | "on">;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether this process is the one that writes, of several that find the same. Default: it does. */
  readonly writes?: () => boolean;
}

/** Reads and writes the rows. */
export class HealthMemory {
  readonly #options: HealthMemoryOptions;
  readonly #reader: RowReader<RememberedHealth>;
  /** What the store has under each peer's key, as far as this process knows. */
  readonly #texts = new Map<string, string>();
  /** What others have written of a peer, where others write. */
  readonly #others = new Map<string, RememberedHealth>();
  /** `lastCheckedAt` of what was written last. */
  readonly #written = new Map<string, number>();
  #timer: TimerHandle | undefined;
  /** Whose status has changed, until it is written soon. */
  readonly #changed = new Set<string>();
  #soon: TimerHandle | undefined;
  #stopListening: (() => void) | undefined;
  #writing: Promise<void> | undefined;
  #failing = false;
  #stopped = false;

  constructor(options: HealthMemoryOptions) {
    this.#options = options;
    this.#reader = new RowReader(options.store, options.logger, HEALTH_ROW);
  }

  /**
   * What is remembered, by origin, in 3 s at most: whatever comes later is left out. Rows of whom `isKnown` does
   * not know are removed. Never rejects.
   */
  async read(isKnown: (origin: string) => boolean): Promise<Map<string, RememberedHealth>> {
    const found = new Map<string, RememberedHealth>();
    let over = false;
    const reading = this.#read(isKnown, (origin, row) => {
      if (!over) found.set(origin, row);
    }).catch((cause: unknown) => {
      this.#failed(cause);
    });
    await this.#within(reading, READ_TIMEOUT_MILLISECONDS);
    over = true;
    return found;
  }

  /** What is remembered of one peer; undefined: nothing, or the store does not answer. */
  async readOne(origin: string): Promise<RememberedHealth | undefined> {
    let row: RememberedHealth | undefined;
    const reading = this.#load(origin)
      .then((found) => {
        row = found;
      })
      .catch((cause: unknown) => {
        this.#failed(cause);
      });
    await this.#within(reading, READ_TIMEOUT_MILLISECONDS);
    return row;
  }

  /** Forgets a peer that is gone. */
  async forget(origin: string): Promise<void> {
    this.#texts.delete(origin);
    this.#others.delete(origin);
    this.#written.delete(origin);
    await this.#options.store.delete(`${PREFIX}${origin}`).catch((cause: unknown) => {
      this.#failed(cause);
    });
  }

  /** Begins to write. */
  start(): void {
    if (this.#stopped) return;
    this.#stopListening ??= this.#options.health.on(({ origin }) => {
      this.#hasten(origin);
    });
    this.#timer = this.#options.clock.setTimeout(() => {
      void this.write().then(() => {
        this.start();
      });
    }, WRITE_MILLISECONDS);
  }

  /** Writes what is not written yet, for 2 s at most, and ends. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopListening?.();
    for (const timer of [this.#timer, this.#soon]) {
      if (timer !== undefined) this.#options.clock.clearTimeout(timer);
    }
    await this.#within(
      (async () => {
        await this.#writing;
        // The time since the last probe was observed, too, until checks ended.
        this.#written.clear();
        await this.write();
      })(),
      STOP_TIMEOUT_MILLISECONDS,
    );
  }

  #hasten(origin: string): void {
    this.#changed.add(origin);
    this.#soon ??= this.#options.clock.setTimeout(() => {
      this.#soon = undefined;
      void this.#writeChanged();
    }, CHANGE_MILLISECONDS);
  }

  async #writeChanged(): Promise<void> {
    await this.#writing;
    if (this.#stopped) return;
    const changed = [...this.#changed];
    this.#changed.clear();
    await this.#run(changed);
  }

  /** Writes whom probes have looked at since. Never rejects; a round under way is shared. */
  write(): Promise<void> {
    return this.#run();
  }

  #run(origins?: readonly string[]): Promise<void> {
    this.#writing ??= this.#write(origins)
      .catch((cause: unknown) => {
        this.#failed(cause);
      })
      .finally(() => {
        this.#writing = undefined;
      });
    return this.#writing;
  }

  async #write(origins?: readonly string[]): Promise<void> {
    if (this.#options.writes?.() === false) return;
    const { health } = this.#options;
    const looked = origins?.flatMap((origin) => health.record(origin) ?? []) ?? health.list();
    const due = looked.flatMap(({ origin, lastCheckedAt }) => {
      const isNew = lastCheckedAt !== undefined && this.#written.get(origin) !== lastCheckedAt;
      return isNew ? [{ origin, lastCheckedAt }] : [];
    });
    // A store that fails is asked again in a minute, and not by all of the others.
    for (let at = 0; at < due.length; at += WRITTEN_AT_ONCE) {
      await Promise.all(
        due.slice(at, at + WRITTEN_AT_ONCE).map(async ({ origin, lastCheckedAt }) => {
          if (await this.#put(origin)) this.#written.set(origin, lastCheckedAt);
        }),
      );
    }
    this.#failing = false;
  }

  /** False: the peer is not watched any more, or others keep writing its row. */
  async #put(origin: string): Promise<boolean> {
    const { health, store } = this.#options;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const own = health.remembered(origin);
      if (own === undefined) return false;
      const others = this.#others.get(origin);
      const text = JSON.stringify(others === undefined ? own : mergeRemembered(others, own));
      const expected = this.#texts.get(origin);
      if (await store.compareAndSet(`${PREFIX}${origin}`, expected, text)) {
        this.#texts.set(origin, text);
        return true;
      }
      const theirs = await this.#load(origin);
      if (theirs !== undefined) this.#others.set(origin, theirs);
    }
    return false;
  }

  async #read(
    isKnown: (origin: string) => boolean,
    found: (origin: string, row: RememberedHealth) => void,
  ): Promise<void> {
    const gone: string[] = [];
    for await (const [key, text] of this.#options.store.entries(PREFIX)) {
      const origin = key.slice(PREFIX.length);
      if (!isKnown(origin)) gone.push(origin);
      else {
        const row = await this.#sound(origin, text);
        if (row !== undefined) found(origin, row);
      }
    }
    for (const origin of gone) await this.forget(origin);
  }

  async #load(origin: string): Promise<RememberedHealth | undefined> {
    const text = await this.#options.store.get(`${PREFIX}${origin}`);
    if (text !== undefined) return this.#sound(origin, text);
    this.#texts.delete(origin);
    this.#others.delete(origin);
    return undefined;
  }

  async #sound(origin: string, text: string): Promise<RememberedHealth | undefined> {
    const key = `${PREFIX}${origin}`;
    const row = this.#reader.parse(key, text);
    if (row === undefined) {
      await this.#reader.setAside(key, text);
      this.#texts.delete(origin);
      return undefined;
    }
    this.#texts.set(origin, text);
    return row;
  }

  #failed(cause: unknown): void {
    if (!this.#failing) {
      this.#options.logger.warn(
        "the health of peers cannot be stored or read now: its history has a gap after a restart",
        { cause: cause instanceof Error ? cause.message : undefined },
      );
    }
    this.#failing = true;
  }

  async #within(work: Promise<unknown>, milliseconds: number): Promise<void> {
    const { clock } = this.#options;
    let timer: TimerHandle | undefined;
    const late = new Promise<void>((resolve) => {
      timer = clock.setTimeout(resolve, milliseconds);
    });
    await Promise.race([work, late]);
    if (timer !== undefined) clock.clearTimeout(timer);
  }
}

/**
 * What is remembered of every peer, by origin, for whoever looks beside a running server: nothing is changed, and
 * what cannot be read is left out.
 */
export async function rememberedHealth(store: Store): Promise<Map<string, RememberedHealth>> {
  const found = new Map<string, RememberedHealth>();
  const reader = new RowReader(store, undefined, HEALTH_ROW);
  for await (const [key, text] of store.entries(PREFIX)) {
    const row = reader.parse(key, text);
    if (row !== undefined) found.set(key.slice(PREFIX.length), row);
  }
  return found;
}
