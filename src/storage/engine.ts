import type { KeyvStorageAdapter } from "keyv";
import type { Table, TableSpec } from "../ports.ts";

/**
 * A Keyv storage adapter that can also compare and set: what the federation needs of any engine.
 *
 * Values are plain strings; expiry (`expires`, Unix milliseconds) is the engine's own.
 */
export type CompareAndSetEngine = KeyvStorageAdapter & {
  /** As {@link Store.compareAndSet}, with an absolute expiry. */
  compareAndSet(
    key: string,
    expected: string | undefined,
    next: string | undefined,
    expires?: number,
  ): Promise<boolean>;
  /** Live entries whose key starts with `prefix`, ordered by key. */
  entries(prefix: string): AsyncIterable<readonly [key: string, value: string]>;
  /**
   * As {@link Store.table}. Left out, tables are made of compare-and-set: each write compares the whole
   * row, and takes up to three steps.
   */
  table?(spec: TableSpec): Table;
};

/** Whether a Keyv storage adapter has compare-and-set. */
export function isCompareAndSetEngine(value: unknown): value is CompareAndSetEngine {
  const candidate = value as Partial<CompareAndSetEngine> | null | undefined;
  return (
    typeof candidate?.compareAndSet === "function" &&
    typeof candidate.entries === "function" &&
    typeof candidate.get === "function"
  );
}
