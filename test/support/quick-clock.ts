import { type Clock, systemClock } from "../../src/ports.ts";

/** The machine's clock, so many times as fast: for real exchanges whose waits are long. */
export function quickClock(times: number): Clock {
  return {
    ...systemClock,
    monotonic: () => systemClock.monotonic() * times,
    setTimeout: (callback, milliseconds) => systemClock.setTimeout(callback, milliseconds / times),
  };
}
