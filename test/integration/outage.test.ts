import assert from "node:assert/strict";
import { eventually } from "../support/eventually.ts";
import { Player } from "../support/player.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";

/** The example worlds probe each other every 3 seconds. */
const HEALTH_INTERVAL_MILLISECONDS = 3_000;

describe("a server that is killed and comes back", function () {
  this.timeout(90_000);
  const servers = new Servers();
  let plaza: ServerProcess;
  let arena: ServerProcess;

  beforeEach(async () => {
    [plaza, arena] = (await servers.worlds("plaza", "arena")) as [ServerProcess, ServerProcess];
  });
  afterEach(() => servers.stop());

  it("turns portals to down, keeps players where they are, and brings all back by itself", async () => {
    const player = new Player(plaza.origin, "Ada");
    await player.join("plaza");
    await player.at.pickUpCoin();
    await portalIs(player, "up");

    await arena.kill("SIGKILL");
    const killedAt = performance.now();
    await portalIs(player, "down", 2 * HEALTH_INTERVAL_MILLISECONDS + 1_000);
    assert.ok(performance.now() - killedAt < 2 * HEALTH_INTERVAL_MILLISECONDS + 1_000);

    player.traveler.enter(`aether://${arena.authority}/arena`);
    const failure = await player.failure();
    assert.equal(failure.code, "ERR_FED_DESTINATION_DOWN");
    assert.notEqual(failure.message, "");
    await player.at.pickUpCoin();

    const again = servers.run(arena.spec);
    await again.ready();
    await portalIs(player, "up", 20_000);
    player.failures.length = 0;
    const carried = [...player.at.belongings];
    await player.cross(`aether://${arena.authority}/arena`);
    assert.deepEqual(player.at.belongings, carried);
    await player.traveler.leave();
  });

  it("takes a player back whose server was killed before it noticed", async () => {
    const player = new Player(plaza.origin, "Grace");
    await player.join("plaza");
    await player.at.pickUpCoin();
    // Killed this very moment: health checks know nothing yet.
    await arena.kill("SIGKILL");
    player.traveler.enter(`aether://${arena.authority}/arena`);
    assert.equal((await player.failure()).code, "ERR_FED_DESTINATION_DOWN");
    await player.at.pickUpCoin();
    assert.equal(player.at.belongings.length, 2);
    await player.traveler.leave();
  });

  it("gives a player back to home when the server it was on restarts", async () => {
    const storage = new Map<string, string>();
    const player = new Player(plaza.origin, "Edsger", storage);
    await player.join("plaza");
    await player.at.pickUpCoin();
    const carried = [...player.at.belongings];
    await player.cross(`aether://${arena.authority}/arena`);
    await arena.kill("SIGKILL");
    await eventually(() => {
      assert.ok(player.leaves.length > 0);
    });

    const early = new Player(plaza.origin, "Edsger", storage);
    await assert.rejects(early.join("plaza"), /ERR_FED_AWAY/u);

    const again = servers.run(arena.spec);
    await again.ready();
    const home = new Player(plaza.origin, "Edsger", storage);
    await eventually(() => home.join("plaza"), { timeoutMilliseconds: 20_000 });
    assert.deepEqual(home.at.belongings, carried);
    await home.traveler.leave();
  });

  it("gives a player back when the lease of a server that never returns has run out", async () => {
    const storage = new Map<string, string>();
    const player = new Player(plaza.origin, "Barbara", storage);
    await player.join("plaza");
    await player.at.pickUpCoin();
    const carried = [...player.at.belongings];
    await player.cross(`aether://${arena.authority}/arena`);
    await arena.kill("SIGKILL");
    const home = new Player(plaza.origin, "Barbara", storage);
    await assert.rejects(home.join("plaza"), /ERR_FED_AWAY/u);
    await eventually(() => home.join("plaza"), { timeoutMilliseconds: 30_000 });
    assert.deepEqual(home.at.belongings, carried);
    await home.traveler.leave();
  });

  it("keeps what players at home carry when home itself is killed", async () => {
    const storage = new Map<string, string>();
    const player = new Player(plaza.origin, "Alan", storage);
    await player.join("plaza");
    await player.at.pickUpCoin();
    const carried = [...player.at.belongings];
    await player.cross(`aether://${arena.authority}/arena`);
    await player.cross(`aether://${plaza.authority}/plaza`);
    await plaza.kill("SIGKILL");

    const again = servers.run(plaza.spec);
    await again.ready();
    const back = new Player(plaza.origin, "Alan", storage);
    await eventually(() => back.join("plaza"), { timeoutMilliseconds: 20_000 });
    assert.deepEqual(back.at.belongings, carried);
    await back.traveler.leave();
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
