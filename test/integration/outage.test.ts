import assert from "node:assert/strict";
import type { KeyStorage } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import { Player, playerIn } from "../support/player.ts";
import { worldsForEach } from "../support/running.ts";
import { portal } from "../support/sdk.ts";

/** The example worlds probe each other every 3 seconds. */
const HEALTH_INTERVAL_MILLISECONDS = 3_000;

describe("a server that is killed and comes back", function () {
  this.timeout(90_000);
  const at = worldsForEach("plaza", "arena");

  /** A player of the plaza who has taken a coin to the arena. */
  async function abroad(
    name: string,
  ): Promise<{ player: Player; storage: KeyStorage; carried: readonly string[] }> {
    const storage = memoryStorage();
    const player = await playerIn(at.plaza, name, storage);
    await player.at.pickUpCoin();
    const carried = [...player.at.belongings];
    await player.cross(portal(at.arena, "arena"));
    return { player, storage, carried };
  }

  it("turns portals to down, keeps players where they are, and brings all back by itself", async () => {
    const player = await playerIn(at.plaza, "Ada");
    await player.at.pickUpCoin();
    await portalIs(player, "up");

    await at.arena.kill("SIGKILL");
    const killedAt = performance.now();
    await portalIs(player, "down", 2 * HEALTH_INTERVAL_MILLISECONDS + 1_000);
    assert.ok(performance.now() - killedAt < 2 * HEALTH_INTERVAL_MILLISECONDS + 1_000);

    player.traveler.enter(portal(at.arena, "arena"));
    const failure = await player.failure();
    assert.equal(failure.code, "ERR_FED_DESTINATION_DOWN");
    assert.notEqual(failure.message, "");
    await player.at.pickUpCoin();

    await at.servers.restart(at.arena);
    await portalIs(player, "up", 20_000);
    player.failures.length = 0;
    const carried = [...player.at.belongings];
    await player.cross(portal(at.arena, "arena"));
    assert.deepEqual(player.at.belongings, carried);
    await player.leave();
  });

  it("takes a player back whose server was killed before it noticed", async () => {
    const player = await playerIn(at.plaza, "Grace");
    await player.at.pickUpCoin();
    const carried = player.at.belongings.length;
    // Killed this very moment: health checks know nothing yet.
    await at.arena.kill("SIGKILL");
    player.traveler.enter(portal(at.arena, "arena"));
    assert.equal((await player.failure()).code, "ERR_FED_DESTINATION_DOWN");
    await player.at.pickUpCoin();
    assert.ok(player.at.belongings.length > carried);
    await player.leave();
  });

  it("gives a player back to home when the server it was on restarts", async () => {
    const { player, storage, carried } = await abroad("Edsger");
    await at.arena.kill("SIGKILL");
    await eventually(() => {
      assert.ok(player.leaves.length > 0);
    });

    const early = new Player(at.plaza.origin, "Edsger", storage);
    await assert.rejects(early.join("plaza"), /ERR_FED_AWAY/u);

    await at.servers.restart(at.arena);
    const home = new Player(at.plaza.origin, "Edsger", storage);
    await eventually(() => home.join("plaza"), { timeoutMilliseconds: 20_000 });
    assert.deepEqual(home.at.belongings, carried);
    await home.leave();
  });

  it("gives a player back when the lease of a server that never returns has run out", async () => {
    const { storage, carried } = await abroad("Barbara");
    await at.arena.kill("SIGKILL");
    const home = new Player(at.plaza.origin, "Barbara", storage);
    await assert.rejects(home.join("plaza"), /ERR_FED_AWAY/u);
    await eventually(() => home.join("plaza"), { timeoutMilliseconds: 30_000 });
    assert.deepEqual(home.at.belongings, carried);
    await home.leave();
  });

  it("keeps what players at home carry when home itself is killed", async () => {
    const { player, storage, carried } = await abroad("Alan");
    await player.cross(portal(at.plaza, "plaza"));
    await at.plaza.kill("SIGKILL");

    await at.servers.restart(at.plaza);
    const back = new Player(at.plaza.origin, "Alan", storage);
    await eventually(() => back.join("plaza"), { timeoutMilliseconds: 20_000 });
    assert.deepEqual(back.at.belongings, carried);
    await back.leave();
  });
});

async function portalIs(
  player: Player,
  status: string,
  timeoutMilliseconds = 8_000,
): Promise<void> {
  await eventually(
    () => {
      assert.equal(player.at.portals[0]?.status, status);
    },
    { timeoutMilliseconds, what: `the portal is ${status}` },
  );
}
