import assert from "node:assert/strict";
import { Client, type Room } from "@colyseus/sdk";
import { eventually } from "../support/eventually.ts";
import { Player, RoomWatch } from "../support/player.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";

describe("crossing between two live servers", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let plaza: ServerProcess;
  let arena: ServerProcess;

  before(async () => {
    [plaza, arena] = (await servers.worlds("plaza", "arena")) as [ServerProcess, ServerProcess];
  });
  after(() => servers.stop());

  it("takes a Traveler there and back: same id, same name, same belongings", async () => {
    const player = new Player(plaza.origin, "Ada");
    await player.join("plaza");
    const { id } = player.at.me;
    assert.equal(id, player.traveler.playerId);
    assert.match(id, /^[A-Za-z0-9_-]{43}@localhost:\d+$/u);
    await player.at.pickUpCoin();
    await player.at.pickUpCoin();
    const carried = [...player.at.belongings];
    assert.equal(carried.length, 2);

    const there = await player.cross(`aether://${arena.authority}/arena`);
    assert.equal(there.origin, arena.origin);
    assert.equal(there.world, "arena");
    assert.equal(there.from, plaza.origin);
    assert.deepEqual([player.at.me.id, player.at.me.name], [id, "Ada"]);
    assert.deepEqual(player.at.belongings, carried);

    await player.at.pickUpCoin();
    const more = [...player.at.belongings];
    assert.deepEqual(more.slice(0, 2), carried);
    assert.match(more[2] ?? "", /^arena-/u);

    const back = await player.cross(`aether://${plaza.authority}/plaza`);
    assert.equal(back.origin, plaza.origin);
    assert.deepEqual([player.at.me.id, player.at.me.name], [id, "Ada"]);
    assert.deepEqual(player.at.belongings, more);
    await player.traveler.leave();
  });

  it("lets a player who left abroad come home with what it carried there", async () => {
    const storage = new Map<string, string>();
    const player = new Player(plaza.origin, "Grace", storage);
    await player.join("plaza");
    await player.cross(`aether://${arena.authority}/arena`);
    await player.at.pickUpCoin();
    const carried = [...player.at.belongings];
    await player.traveler.leave();

    const again = new Player(plaza.origin, "Grace", storage);
    await again.join("plaza");
    assert.deepEqual(again.at.belongings, carried);
    await again.traveler.leave();
  });

  it("recalls a player who logs in at home while it plays abroad", async () => {
    const storage = new Map<string, string>();
    const abroad = new Player(plaza.origin, "Edsger", storage);
    await abroad.join("plaza");
    await abroad.cross(`aether://${arena.authority}/arena`);
    await abroad.at.pickUpCoin();
    const carried = [...abroad.at.belongings];
    const left = new Promise<string>((resolve) =>
      abroad.traveler.onLeave(({ reason }) => {
        resolve(reason);
      }),
    );

    const home = new Player(plaza.origin, "Edsger", storage);
    await home.join("plaza");
    assert.match(await left, /ERR_FED_SUPERSEDED/u);
    assert.deepEqual(home.at.belongings, carried);
    await home.traveler.leave();
  });

  it("takes a plain SDK client there and back, as a guest", async () => {
    const here = await plainJoin(plaza.origin, "plaza", "Bob");
    await here.settled();
    const { id } = here.me;
    assert.match(id, /^guest-[A-Za-z0-9_-]+@localhost:\d+$/u);
    await here.pickUpCoin();
    const carried = [...here.belongings];

    const there = await plainCross(here.room, `aether://${arena.authority}/arena`);
    assert.deepEqual([there.me.id, there.me.name], [id, "Bob"]);
    assert.deepEqual(there.belongings, carried);

    const back = await plainCross(there.room, `aether://${plaza.authority}/plaza`);
    assert.deepEqual([back.me.id, back.me.name], [id, "Bob"]);
    assert.deepEqual(back.belongings, carried);
    await back.room.leave();
  });

  it("goes through one portal when the player enters two at once", async () => {
    const player = new Player(plaza.origin, "Hasty");
    const { traveler } = player;
    await player.join("plaza");
    traveler.enter(`aether://${arena.authority}/arena`);
    traveler.enter(`aether://${arena.authority}/arena`);
    await eventually(() => {
      assert.equal(traveler.origin, arena.origin);
    });
    await player.at.settled();
    assert.equal(player.arrivals.length, 2, "home, then once there");
    assert.deepEqual([player.failures, player.leaves], [[], []]);
    await traveler.leave();
  });

  it("keeps a player where it is when the URI leads nowhere", async () => {
    const player = new Player(plaza.origin, "Alan");
    await player.join("plaza");
    player.traveler.enter("aether://nowhere.example/void");
    assert.equal((await player.failure()).code, "ERR_FED_NO_ROUTE");
    await player.at.pickUpCoin();
    await player.traveler.leave();
  });

  it("keeps a player where it is when the other server has no such world", async () => {
    const player = new Player(plaza.origin, "Barbara");
    await player.join("plaza");
    player.traveler.enter(`aether://${arena.authority}/cellar`);
    assert.equal((await player.failure()).code, "ERR_FED_WORLD_UNKNOWN");
    await player.at.pickUpCoin();
    await player.traveler.leave();
  });
});

async function plainJoin(origin: string, world: string, name: string): Promise<RoomWatch> {
  return new RoomWatch(await new Client(origin).joinOrCreate(world, { name }));
}

async function plainCross(room: Room, to: string): Promise<RoomWatch> {
  const transit = new Promise<{ origin: string; reservation: never }>((resolve) => {
    room.onMessage("federation:transit", resolve);
  });
  room.send("federation:enter", { to });
  const { origin, reservation } = await transit;
  const watch = new RoomWatch(await new Client(origin).consumeSeatReservation(reservation));
  await watch.settled();
  return watch;
}
