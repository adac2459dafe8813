import assert from "node:assert/strict";
import { PlayerKey } from "aether-federation/client";
import { Logins } from "../../src/colyseus/logins.ts";
import { isGuest } from "../../src/custody/shared/player-id.ts";
import { GUEST_PREFIX, type Identify } from "../../src/identity/local-id.ts";
import type { FederationRuntime } from "../../src/runtime/federation-runtime.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { rooms } from "../support/running.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { Visitor } from "../support/visitor.ts";
import { HostilePlayer } from "./support/hostile-player.ts";

describe("attack: to be somebody else by one's name at home", function () {
  this.timeout(60_000);
  const at = rooms("home");

  it("an account is named as a key's thumbprint, or as that key's player", async () => {
    const victim = PlayerKey.generate();
    const visitor = await Visitor.login(at.home, { key: victim });
    const { player } = await visitor.whoAmI();
    const localId = player!.id.split("@")[0]!;
    const thumbprint = await victim.thumbprint();
    const named = (id: string): ReturnType<Logins["account"]> => {
      const identify: Identify = () => ({ id });
      const store = new MemoryStore(new ManualClock());
      const runtime = { options: { identify }, store, random: seededRandom("accounts") };
      return new Logins(runtime as unknown as FederationRuntime).account(
        {},
        { options: {}, sessionId: "" },
      );
    };
    for (const id of [localId, `${GUEST_PREFIX}${thumbprint}`]) {
      assert.match((await named(id))?.id ?? "", /^account-/u, id);
    }
    const account = await named(thumbprint);
    assert.notEqual(account?.id, localId, "an account of that name is another player");
    await visitor.leave();
  });

  it("a key is ground until it begins as guests do", async () => {
    // Grinding 36 bits takes hours; what a ground key would be called does not.
    const key = new HostilePlayer();
    const visitor = await Visitor.login(at.home, {
      token: await key.prove({ aud: at.home.origin }),
    });
    const id = await visitor.id();
    assert.ok(id.endsWith(`${key.key.kid}@${at.home.authority}`), id);
    const ground = id.replace(key.key.kid, `guest-${key.key.kid.slice(6)}`);
    assert.equal(isGuest(ground), false, ground);
    await visitor.leave();
  });
});
