/** A place where nobody comes. */
import assert from "node:assert/strict";
import type { SeatHost } from "../../src/custody/destination/seat-host.ts";

/** For servers that are started without Colyseus. */
export const NO_SEATS: SeatHost = {
  hasWorld: () => false,
  reserve: () => assert.fail("nobody comes"),
  isReserved: () => Promise.resolve(false),
  release: () => Promise.resolve(),
};
