import { FederationError } from "../errors.ts";
import type { Clock } from "../ports.ts";

/**
 * Work that ends after so long, or with `outer`: it is told by its signal, and nobody waits for it any longer.
 *
 * @throws FederationError `ERR_FED_TIMEOUT`, and what the work throws.
 */
export async function within<Result>(
  clock: Pick<Clock, "setTimeout" | "clearTimeout">,
  milliseconds: number,
  outer: AbortSignal | undefined,
  work: (ends: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const abort = new AbortController();
  const end = (): void => {
    abort.abort();
  };
  const timer = clock.setTimeout(end, milliseconds);
  outer?.addEventListener("abort", end, { once: true });
  const ended = new Promise<never>((_, reject) => {
    abort.signal.addEventListener(
      "abort",
      () => {
        reject(new FederationError("ERR_FED_TIMEOUT"));
      },
      { once: true },
    );
  });
  if (outer?.aborted === true) end();
  try {
    return await Promise.race([work(abort.signal), ended]);
  } finally {
    clock.clearTimeout(timer);
    outer?.removeEventListener("abort", end);
  }
}
