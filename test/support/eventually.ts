/** Repeats `check` until it does not throw; throws its last error when the time is up. */
export async function eventually<T>(
  check: () => T | Promise<T>,
  options: { timeoutMilliseconds?: number; what?: string } = {},
): Promise<T> {
  const { timeoutMilliseconds = 8_000, what = "it happens" } = options;
  const giveUpAt = performance.now() + timeoutMilliseconds;
  for (;;) {
    try {
      return await check();
    } catch (cause) {
      if (performance.now() > giveUpAt) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new Error(`waited ${timeoutMilliseconds} ms until ${what}: ${why}`, { cause });
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
