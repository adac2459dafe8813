import { Keyv } from "keyv";
import { FederationError } from "../errors.ts";
import { type Clock, type Store, type Table, type TableSpec, systemClock } from "../ports.ts";
import { type CompareAndSetEngine, isCompareAndSetEngine } from "./engine.ts";
import { KeyValueTable } from "./key-value-table.ts";
import { checkTableSpec } from "./table-spec.ts";

/**
 * The {@link Store} over a Keyv, or a Keyv storage adapter, that has compare-and-set.
 *
 * It speaks to the adapter itself: compare-and-set must see the very bytes that are stored, without
 * the wrapper Keyv puts around values, and a failing read must reject, where Keyv answers undefined.
 * A Keyv's `namespace` is honoured by the engine, so that several federations can share one.
 *
 * @throws FederationError `ERR_FED_STORE_WITHOUT_CAS` when the engine lacks it: no safety rule of
 * PROTOCOL 6 can be kept on a plain key–value store.
 */
export class KeyvStore implements Store {
  readonly #engine: CompareAndSetEngine;
  readonly #clock: Clock;

  constructor(engine: unknown, options: { clock?: Clock } = {}) {
    const candidate = engine instanceof Keyv ? engine.store : engine;
    if (!isCompareAndSetEngine(candidate)) {
      throw new FederationError(
        "ERR_FED_STORE_WITHOUT_CAS",
        "The given store has no compareAndSet(): use the SQLite engine (default), the Redis engine or the PostgreSQL engine.",
      );
    }
    this.#engine = candidate;
    this.#clock = options.clock ?? systemClock;
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.#engine.get<string>(key)) as string | undefined;
  }

  async set(key: string, value: string, ttlMilliseconds?: number): Promise<void> {
    const expires = this.#expires(ttlMilliseconds);
    const written = await this.#engine.set(key, value, expires);
    if (!written) throw new FederationError("ERR_FED_STORE_UNAVAILABLE");
  }

  async delete(key: string): Promise<void> {
    await this.#engine.delete(key);
  }

  compareAndSet(
    key: string,
    expected: string | undefined,
    next: string | undefined,
    ttlMilliseconds?: number,
  ): Promise<boolean> {
    const expires = this.#expires(ttlMilliseconds);
    return this.#engine.compareAndSet(key, expected, next, expires);
  }

  entries(prefix: string): AsyncIterable<readonly [key: string, value: string]> {
    return this.#engine.entries(prefix);
  }

  table(spec: TableSpec): Table {
    checkTableSpec(spec);
    return this.#engine.table?.(spec) ?? new KeyValueTable(this.#engine, spec);
  }

  async close(): Promise<void> {
    await this.#engine.disconnect?.();
  }

  #expires(ttlMilliseconds: number | undefined): number | undefined {
    return ttlMilliseconds === undefined
      ? undefined
      : Math.ceil(this.#clock.now() + ttlMilliseconds);
  }
}
