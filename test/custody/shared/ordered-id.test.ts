import assert from "node:assert/strict";
import { z } from "zod";
import { orderedId } from "../../../src/custody/shared/ordered-id.ts";
import { systemRandom } from "../../../src/ports.ts";

const at = (milliseconds: number): string => orderedId(systemRandom, { now: () => milliseconds });

describe("custody/shared/ordered-id", () => {
  it("is a UUID of version 7 with its moment in front", () => {
    const id = at(0x017f22e279b0);
    assert.ok(z.uuidv7().safeParse(id).success, id);
    // The moment of the example in RFC 9562, appendix A.6.
    assert.ok(id.startsWith("017f22e2-79b0-7"), id);
  });

  it("sorts by its moment", () => {
    const ids = [1, 2, 999, 1_790_000_000_000, 1_790_000_000_001].map(at);
    assert.deepEqual([...ids].sort(), ids);
  });

  it("is another one in the same moment", () => {
    assert.equal(new Set(Array.from({ length: 1000 }, () => at(5))).size, 1000);
  });

  for (const [name, milliseconds] of [
    ["before 1970", -5],
    ["beyond what a UUID has room for", 2 ** 60],
    ["between two milliseconds", 12.7],
  ] as const) {
    it(`is a UUID by a clock that stands ${name}`, () => {
      assert.ok(z.uuidv7().safeParse(at(milliseconds)).success, at(milliseconds));
    });
  }
});
