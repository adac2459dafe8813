/** Work that many ask for at once, done as often as it can be done one after the other. */

/**
 * Lets whoever asks wait for a run of `work` that begins after it has asked: one run at a time, and one that
 * waits, whoever asks. Rejects when that run does.
 */
export function nextRun(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const run = (): Promise<void> => {
    next = undefined;
    running = work().finally(() => {
      running = undefined;
    });
    return running;
  };
  return () => {
    if (running === undefined) return run();
    next ??= running.then(run, run);
    return next;
  };
}
