import assert from "node:assert/strict";
import { join } from "node:path";
import { announceNextKey, revokeKey, switchToNextKey } from "../../src/identity/key-rotation.ts";
import { systemRandom } from "../../src/ports.ts";
import { OwnKeys } from "../../src/runtime/own-keys.ts";
import { loadKeyRing, saveKeyRing } from "../../src/storage/key-file.ts";
import { folderOfTest } from "../support/folders.ts";
import { quietLogger } from "../support/loggers.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";

describe("runtime/own-keys", () => {
  const folder = folderOfTest();

  async function rotated(): Promise<{ keys: OwnKeys; clock: ManualClock; former: string }> {
    const clock = new ManualClock();
    const path = join(folder.path, "keys.json");
    const keys = await OwnKeys.open({
      ...{ path, origin: "https://here.example", store: new MemoryStore(clock), clock },
      ...{ adopt: undefined, random: systemRandom, logger: quietLogger() },
    });
    const former = keys.signingKey().kid;
    const ring = await loadKeyRing(path);
    assert.ok(ring !== undefined);
    const now = Math.floor(clock.now() / 1000);
    await saveKeyRing(path, switchToNextKey(announceNextKey(ring, systemRandom), now));
    assert.equal(await keys.reload(), true);
    return { keys, clock, former };
  }

  it("verifies for a while what was signed just before the keys were switched", async () => {
    const { keys, clock, former } = await rotated();
    assert.notEqual(keys.signingKey().kid, former);
    assert.notEqual(keys.verifyKey(former), undefined);
    clock.advance(200_000);
    assert.equal(keys.verifyKey(former), undefined);
  });

  it("verifies nothing by a key that was revoked", async () => {
    const { keys, clock, former } = await rotated();
    const now = Math.floor(clock.now() / 1000);
    const path = join(folder.path, "keys.json");
    await saveKeyRing(path, revokeKey(keys.ring, former, systemRandom, now));
    assert.equal(await keys.reload(), true);
    assert.equal(keys.verifyKey(former), undefined);
  });
});
