import assert from "node:assert/strict";
import type { KeyStorage } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import { type Player, RoomWatch, playerIn } from "../support/player.ts";
import { worlds } from "../support/running.ts";
import { ask, askTransit, nextMessage, portal, sdkClient, takeSeat } from "../support/sdk.ts";

describe("crossing between two live servers", function () {
  this.timeout(60_000);
  const at = worlds("plaza", "arena");

  it("takes a Traveler there and back: same id, same name, same belongings", async () => {
    const player = await playerIn(at.plaza, "Ada");
    const { id } = player.at.me;
    assert.equal(id, player.traveler.playerId);
    assert.match(id, /^key-[A-Za-z0-9_-]{43}@localhost:\d+$/u);
    await player.at.pickUpCoin();
    await player.at.pickUpCoin();
    const carried = [...player.at.belongings];
    assert.ok(carried.length >= 2);

    const there = await player.cross(portal(at.arena, "arena"));
    assert.equal(there.origin, at.arena.origin);
    assert.equal(there.world, "arena");
    assert.equal(there.from, at.plaza.origin);
    assert.deepEqual([player.at.me.id, player.at.me.name], [id, "Ada"]);
    assert.deepEqual(player.at.belongings, carried);

    await player.at.pickUpCoin();
    const more = [...player.at.belongings];
    assert.deepEqual(more.slice(0, carried.length), carried);
    assert.match(more.at(-1) ?? "", /^arena-/u);

    const back = await player.cross(portal(at.plaza, "plaza"));
    assert.equal(back.origin, at.plaza.origin);
    assert.deepEqual([player.at.me.id, player.at.me.name], [id, "Ada"]);
    assert.deepEqual(player.at.belongings, more);
    await player.leave();
  });

  /** A player of the plaza who has found a coin in the arena. */
  async function abroad(
    name: string,
  ): Promise<{ player: Player; storage: KeyStorage; carried: readonly string[] }> {
    const storage = memoryStorage();
    const player = await playerIn(at.plaza, name, storage);
    await player.cross(portal(at.arena, "arena"));
    await player.at.pickUpCoin();
    return { player, storage, carried: [...player.at.belongings] };
  }

  it("lets a player who left abroad come home with what it carried there", async () => {
    const { player, storage, carried } = await abroad("Grace");
    await player.leave();

    const again = await playerIn(at.plaza, "Grace", storage);
    assert.deepEqual(again.at.belongings, carried);
    await again.leave();
  });

  it("recalls a player who logs in at home while it plays abroad", async () => {
    const { player, storage, carried } = await abroad("Edsger");
    const left = new Promise<string>((resolve) =>
      player.traveler.onLeave(({ reason }) => {
        resolve(reason);
      }),
    );

    const home = await playerIn(at.plaza, "Edsger", storage);
    assert.match(await left, /ERR_FED_SUPERSEDED/u);
    assert.deepEqual(home.at.belongings, carried);
    await home.leave();
  });

  it("is turned back from by a client that names no crossing, however it says so", async () => {
    const room = await sdkClient(at.plaza).joinOrCreate("plaza", { name: "Alan" });
    for (const message of [undefined, null, {}, { transferId: undefined }, { transferId: null }]) {
      await askTransit(room, portal(at.arena, "arena"));
      const failed = nextMessage<{ code: string }>(room, "federation:failed");
      room.send("federation:cancel", message);
      assert.equal((await failed).code, "ERR_FED_CROSSING_ABANDONED");
    }
    let more = 0;
    room.onMessage("federation:failed", () => (more += 1));
    room.send("federation:cancel");
    await ask(room, "federation:receipt");
    assert.equal(more, 0, "nobody is on the way any more");
    await room.leave();
  });

  it("takes a plain SDK client there and back, as a guest", async () => {
    const here = new RoomWatch(await sdkClient(at.plaza).joinOrCreate("plaza", { name: "Bob" }));
    await here.settled();
    const { id } = here.me;
    assert.match(id, /^guest-[A-Za-z0-9_-]+@localhost:\d+$/u);
    await here.pickUpCoin();
    const carried = [...here.belongings];

    const there = await plainCross(here, portal(at.arena, "arena"));
    assert.deepEqual([there.me.id, there.me.name], [id, "Bob"]);
    assert.deepEqual(there.belongings, carried);

    const back = await plainCross(there, portal(at.plaza, "plaza"));
    assert.deepEqual([back.me.id, back.me.name], [id, "Bob"]);
    assert.deepEqual(back.belongings, carried);
    await back.leave();
  });

  it("goes through one portal when the player enters two at once", async () => {
    const player = await playerIn(at.plaza, "Hasty");
    const { traveler } = player;
    traveler.enter(portal(at.arena, "arena"));
    traveler.enter(portal(at.arena, "arena"));
    await eventually(() => {
      assert.equal(traveler.origin, at.arena.origin);
    });
    await player.at.settled();
    assert.equal(player.arrivals.length, 2, "home, then once there");
    assert.deepEqual([player.failures, player.leaves], [[], []]);
    await traveler.leave();
  });

  it("keeps a player where it is when the URI leads nowhere", async () => {
    const player = await playerIn(at.plaza, "Alan");
    player.traveler.enter("aether://nowhere.example/void");
    assert.equal((await player.failure()).code, "ERR_FED_NO_ROUTE");
    await player.at.pickUpCoin();
    await player.leave();
  });

  it("keeps a player where it is when the other server has no such world", async () => {
    const player = await playerIn(at.plaza, "Barbara");
    player.traveler.enter(portal(at.arena, "cellar"));
    assert.equal((await player.failure()).code, "ERR_FED_WORLD_UNKNOWN");
    await player.at.pickUpCoin();
    await player.leave();
  });
});

async function plainCross(from: RoomWatch, to: string): Promise<RoomWatch> {
  const { origin, reservation } = await askTransit(from.room, to);
  const watch = new RoomWatch(await takeSeat({ origin }, reservation));
  await watch.settled();
  return watch;
}
