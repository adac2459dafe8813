/** Parts that are started and stopped in order. */

/** Something that runs between its start and its stop. */
export interface Part {
  /** Begins. */
  start?(): void | Promise<void>;
  /** Ends: nothing of it happens any more once this resolves. Harmless when it has not begun. */
  stop?(): void | Promise<void>;
}

/** Starts parts one after the other; when one fails, it and those before it are stopped, the last first. */
export async function startAll(parts: readonly Part[]): Promise<void> {
  for (const [index, part] of parts.entries()) {
    try {
      await part.start?.();
    } catch (cause) {
      await stopAll(parts.slice(0, index + 1)).catch(() => undefined);
      throw cause;
    }
  }
}

/**
 * Stops parts, the last first. All are stopped, whatever one of them does.
 *
 * @throws what the first of them threw that failed.
 */
export async function stopAll(parts: readonly Part[]): Promise<void> {
  const failures: unknown[] = [];
  for (const part of [...parts].reverse()) {
    try {
      await part.stop?.();
    } catch (cause) {
      failures.push(cause);
    }
  }
  if (failures.length > 0) throw failures[0];
}
