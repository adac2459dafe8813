import assert from "node:assert/strict";
import {
  type PinnedKey,
  hasActiveKey,
  pinAll,
  repin,
  repinApproved,
  verifyingKey,
  vouches,
} from "../../src/registry/pinned-keys.ts";
import { ringOf } from "../support/parties.ts";

describe("registry/pinned-keys", () => {
  const jwk = (name: string) => ringOf(name).current.jwk;
  const kid = (name: string): string => jwk(name).kid;
  const pinned: readonly PinnedKey[] = pinAll([jwk("first")], 1000);
  const rotated = repin(pinned, [jwk("second")], { now: 2000 });

  it("keep when a key was first seen, however often it is published", () => {
    assert.deepEqual(repin(pinned, [jwk("first")], { now: 2000 }), pinned);
  });

  it("retire what is published no more, once", () => {
    assert.deepEqual(rotated, [
      { jwk: jwk("first"), pinnedAt: 1000, retiredAt: 2000 },
      { jwk: jwk("second"), pinnedAt: 2000 },
    ]);
    const later = repin(rotated, [jwk("third")], { now: 3000 });
    assert.deepEqual(
      later.map(({ retiredAt }) => retiredAt),
      [2000, 3000, undefined],
    );
  });

  it("let a retired key verify for the life of a pass, and vouch for nothing", () => {
    assert.equal(verifyingKey(rotated, kid("first"), 2149)?.kid, kid("first"));
    assert.equal(verifyingKey(rotated, kid("first"), 2150), undefined);
    assert.equal(verifyingKey(rotated, kid("third"), 2000), undefined);
    assert.equal(vouches(rotated, kid("first")), false);
    assert.equal(vouches(rotated, kid("second")), true);
  });

  it("give the keys before an approved change no grace", () => {
    const approved = repinApproved(pinned, [jwk("second")], 2000);
    assert.equal(verifyingKey(approved, kid("first"), 2000), undefined);
    assert.equal(verifyingKey(approved, kid("second"), 2000)?.kid, kid("second"));
  });

  it("speak for nobody when all are retired", () => {
    assert.equal(hasActiveKey(pinned), true);
    assert.equal(hasActiveKey(repin(pinned, [], { now: 2000 })), false);
    assert.equal(hasActiveKey([]), false);
  });

  it("are bounded, the oldest of the retired giving way", () => {
    let keys = pinned;
    for (let round = 0; round < 40; round += 1) {
      keys = repin(keys, [jwk(`round ${round}`)], { now: 2000 + round });
    }
    assert.equal(keys.length, 33);
    assert.equal(keys[0]?.jwk.kid, kid("round 7"));
  });
});
