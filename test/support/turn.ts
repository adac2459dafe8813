/** Lets everything that is ready to run, run; so many times over. */
export async function turn(times = 1): Promise<void> {
  for (let each = 0; each < times; each += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
