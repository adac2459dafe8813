import assert from "node:assert/strict";
import { announceNextKey, revokeKey, switchToNextKey } from "../../src/identity/key-rotation.ts";
import { descriptorOf, ringOf } from "../support/parties.ts";
import { seededRandom } from "../support/seeded-random.ts";

const A = "https://a.example";

describe("identity/key-rotation", () => {
  it("announces once, switches, and keeps the old for audit", () => {
    const ring = ringOf("a");
    const announced = announceNextKey(ring, seededRandom(1));
    assert.equal(announceNextKey(announced, seededRandom(2)).next?.kid, announced.next?.kid);
    const switched = switchToNextKey(announced, 1);
    assert.equal(switched.current.kid, announced.next?.kid);
    assert.deepEqual(
      switched.retired.map(({ kid }) => kid),
      [ring.current.kid],
    );
    assert.equal(switched.next, undefined);
  });
  it("does not switch to a key nobody has seen", () => {
    assert.throws(() => switchToNextKey(ringOf("a"), 1), TypeError);
  });
  it("revokes the current key in favour of the announced one", () => {
    const announced = announceNextKey(ringOf("a"), seededRandom(1));
    const revoked = revokeKey(announced, announced.current.kid, seededRandom(2), 1);
    assert.equal(revoked.current.kid, announced.next?.kid);
  });
  it("revokes an announced key before it is used", () => {
    const announced = announceNextKey(ringOf("a"), seededRandom(1));
    const revoked = revokeKey(announced, announced.next?.kid ?? "", seededRandom(2), 1);
    assert.equal(revoked.next, undefined);
    assert.equal(revoked.current.kid, announced.current.kid);
  });
  it("revokes no key it does not use", () => {
    assert.throws(() => revokeKey(ringOf("a"), "nobody", seededRandom(1), 1), TypeError);
  });
  it("publishes what peers need to follow", async () => {
    const announced = announceNextKey(ringOf("a"), seededRandom(1));
    const { keys } = await descriptorOf(A, announced, 0);
    assert.equal(keys.length, 2);
    assert.ok(keys.every((key) => !("d" in key)));
  });
});
