import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Room } from "@colyseus/sdk";
import { Traveler, onGift } from "aether-federation/client";
import { isIn, solidsOf } from "../../example-server/layout.ts";
import { eventually } from "../support/eventually.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import { type Player, playerIn } from "../support/player.ts";
import type { RoomStatus, ServerProcess } from "../support/processes.ts";
import { running } from "../support/running.ts";
import { leave, nextMessage, portal } from "../support/sdk.ts";
import { WORLD } from "../support/processes.ts";

/** The close code of a page that is reloaded. */
const GONE_AWAY = 4010;
const WAITING = 20;

interface Told {
  readonly coins: readonly string[];
  readonly inventory: readonly { id: string; kind?: string; name?: string }[];
  readonly stamps: readonly string[];
  readonly visited: readonly string[];
  readonly flower?: { id: string; name: string };
}
interface Together {
  readonly id: string;
  readonly members?: readonly string[];
  readonly over?: boolean;
  readonly message?: string;
}

describe("the example's worlds", function () {
  this.timeout(60_000);
  const at = running({
    plaza: { script: WORLD },
    arena: { script: WORLD },
    gallery: { script: WORLD, flags: ["--gallery", "--grace", "0"] },
  });
  const to = (server: ServerProcess): string => portal(server, server.spec.name);

  it("give one stamp of each world, which stay when the player is home again", async () => {
    const ada = await playerIn(at.plaza, "Ada");
    assert.deepEqual(await stampsOf(ada), ["plaza"]);
    const stamped = heardOnArrival<{ name: string; count: number; of: number }>(ada, "stamped");
    await ada.cross(to(at.arena));
    assert.deepEqual(await stamped, { name: "arena", count: 2, of: 3 });
    await ada.cross(to(at.gallery));
    assert.deepEqual(await stampsOf(ada), ["plaza", "arena", "gallery"]);
    await ada.cross(to(at.plaza));
    assert.deepEqual((await stampsOf(ada)).sort(), ["arena", "gallery", "plaza"]);
    const { stamps, visited } = await told(ada);
    assert.equal(stamps[1], `stamp:${at.arena.authority}/arena`);
    assert.equal(visited[1], `${at.arena.authority}/arena`);
    const state = stateOf(ada).players.get(ada.at.room.sessionId);
    assert.equal(state?.stamps, 3);
    await ada.leave();
  });

  it("give a newcomer at home a flower, once, which it can give away, and no stamp", async () => {
    const [ada, bob] = [await playerIn(at.plaza, "Ada"), await playerIn(at.arena, "Bob")];
    onGift(ada.traveler, () => true);
    await Promise.all([ada.cross(to(at.gallery)), bob.cross(to(at.gallery))]);
    const before = await told(ada);
    assert.equal(before.flower?.name, "Flower of plaza");
    const { room } = ada.at;
    const [stamp = ""] = before.stamps;
    const bobsSession = bob.at.room.sessionId;
    for (const [item, whom] of [
      [stamp, bobsSession],
      ["no such thing", bobsSession],
      [before.flower.id, "nobody"],
      [before.flower.id, room.sessionId],
      [7, { to: bobsSession }],
    ]) {
      room.send("give", { item, to: whom });
    }
    const given = nextMessage<object>(room, "gift");
    const got = nextMessage<object>(bob.at.room, "gift");
    room.send("give", { item: before.flower.id, to: bobsSession });
    const flower = { item: before.flower.id, name: "Flower of plaza" };
    assert.deepEqual(await given, { kind: "given", ...flower, to: "Bob" });
    assert.deepEqual(await got, { kind: "got", ...flower, from: "Ada", later: true });
    const { flower: left, stamps } = await told(ada);
    assert.equal(left, undefined);
    assert.ok(stamps.includes(stamp));
    await ada.cross(to(at.plaza));
    assert.equal((await told(ada)).flower, undefined);
    await bob.cross(to(at.arena));
    await bob.traveler.join("arena");
    const flowers = (await told(bob)).inventory.filter(({ kind }) => kind === "flower");
    assert.deepEqual(flowers.map(({ name }) => name).sort(), [
      "Flower of arena",
      "Flower of plaza",
    ]);
    await leave(ada, bob);
  });

  it("tell the giver why a gift was not given", async () => {
    const [ada, bob] = [await playerIn(at.plaza, "Ada"), await playerIn(at.plaza, "Bob")];
    onGift(ada.traveler, () => false);
    const { flower } = await told(ada);
    const kept = nextMessage<{ kind: string; message: string }>(ada.at.room, "gift");
    ada.at.room.send("give", { item: flower?.id, to: bob.at.room.sessionId });
    const { kind, message } = await kept;
    assert.deepEqual([kind, message], ["kept", "You did not agree."]);
    assert.deepEqual((await told(ada)).flower, flower);
    await leave(ada, bob);
  });

  it("show what players say in one line, and a wave, once a second", async () => {
    const [ada, bob] = [await playerIn(at.plaza, "Ada"), await playerIn(at.plaza, "Bob")];
    const heard: unknown[] = [];
    for (const type of ["said", "waved"]) {
      bob.at.room.onMessage(type, (message: object) => heard.push({ type, ...message }));
    }
    const { room } = ada.at;
    for (const text of ["", "  ", "\u200b", 7, null, { text: "x" }]) room.send("say", { text });
    room.send("say");
    room.send("say", { text: `  one\n\ttwo \u202e${"x".repeat(200)}` });
    for (let count = 0; count < 20; count += 1) {
      room.send("say", { text: "again" });
      room.send("wave", {});
    }
    const from = room.sessionId;
    const said = { type: "said", from, text: `one two ${"x".repeat(72)}` };
    await eventually(() => assert.deepEqual(heard, [said, { type: "waved", from }]));
    await sleep(1_100);
    room.send("say", { text: "again" });
    await eventually(() => assert.equal(heard.length, 3));
    await leave(ada, bob);
  });

  it("send those who come along together, all into one room", async () => {
    const [ada, bob, cyd] = await Promise.all(
      ["Ada", "Bob", "Cyd"].map((name) => playerIn(at.plaza, name)),
    );
    assert.ok(ada !== undefined && bob !== undefined && cyd !== undefined);
    const called = nextMessage<object & { id: string }>(bob.at.room, "gathering");
    ada.at.room.send("gather", { to: "aether://nowhere.example/pit" });
    ada.at.room.send("gather", { to: to(at.arena) });
    const { id, ...gathering } = await called;
    assert.deepEqual(gathering, { by: "Ada", to: to(at.arena), label: "arena", seconds: 8 });
    const joined: Together[] = [];
    ada.at.room.onMessage("together", (message: Together) => joined.push(message));
    bob.at.room.send("along", { id });
    await eventually(() => {
      assert.deepEqual(joined.at(-1), { id, members: ["Ada", "Bob"] });
    });
    // Only who called may say that they go.
    bob.at.room.send("set-off", { id });
    cyd.at.room.send("set-off", { id });
    ada.at.room.send("set-off", { id });
    await eventually(() => {
      for (const each of [ada, bob]) assert.equal(each.traveler.origin, at.arena.origin);
    });
    assert.equal(ada.at.room.roomId, bob.at.room.roomId);
    assert.equal(cyd.traveler.origin, at.plaza.origin);
    await leave(ada, bob, cyd);
  });

  it("dissolve a party whose caller leaves, and let one who is alone go alone", async () => {
    const [ada, bob] = [await playerIn(at.plaza, "Ada"), await playerIn(at.plaza, "Bob")];
    const called = nextMessage<{ id: string }>(bob.at.room, "gathering");
    ada.at.room.send("gather", { to: to(at.arena) });
    const { id } = await called;
    const messages: Together[] = [];
    bob.at.room.onMessage("together", (message: Together) => messages.push(message));
    bob.at.room.send("along", { id });
    await eventually(() => assert.equal(messages.length, 1));
    await ada.leave();
    await eventually(() => {
      assert.deepEqual(messages.at(-1), { id, over: true, message: "Ada has left." });
    });
    const own = nextMessage<Together>(bob.at.room, "together");
    bob.at.room.send("gather", { to: to(at.arena) });
    bob.at.room.send("set-off", { id: (await own).id });
    await eventually(() => assert.equal(bob.traveler.origin, at.arena.origin));
    await bob.leave();
  });

  it("keep the place of a player who reloads abroad", async () => {
    const storage = memoryStorage();
    const placeStorage = memoryStorage();
    const options = { name: "Ada", storage, placeStorage, comesHome: false };
    const before = new Traveler(at.plaza.origin, options);
    await before.join("plaza");
    before.enter(to(at.arena));
    await eventually(() => assert.equal(before.origin, at.arena.origin));
    const { room } = before;
    assert.ok(room !== undefined);
    room.reconnection.enabled = false;
    const { sessionId } = room;
    room.connection.close(GONE_AWAY);
    const after = new Traveler(at.plaza.origin, options);
    await after.resume("plaza");
    assert.equal(after.origin, at.arena.origin);
    assert.equal(after.room?.sessionId, sessionId);
    const { stamps } = await toldIn(after.room);
    assert.equal(stamps.length, 2);
    await after.leave();
  });

  it("keep no place where they are told so", async () => {
    const ada = await playerIn(at.plaza, "Ada");
    await ada.cross(to(at.gallery));
    ada.at.room.connection.close(GONE_AWAY);
    const bob = await playerIn(at.gallery, "Bob");
    await eventually(() => assert.equal(stateOf(bob).players.size, 1));
    await leave(ada, bob);
  });

  it("have coins only on free ground, and tell which game is behind a gate", async () => {
    const ada = await playerIn(at.plaza, "Ada");
    const { coins, portals, width, height } = stateOf(ada);
    assert.ok(coins.size > 0);
    for (const coin of coins.values()) {
      assert.ok(!solidsOf("fountain", { width, height }).some((solid) => isIn(coin, solid, 20)));
      for (const { x, y } of portals.values()) {
        assert.ok(Math.hypot(coin.x - x, coin.y - y) > 80);
      }
    }
    await eventually(() => {
      assert.deepEqual(
        [...portals.values()].map(({ kind }) => kind),
        ["a walk", "a walk"],
      );
    });
    await ada.leave();
  });

  it("let nobody walk through the fountain, only around it", async () => {
    const ada = await playerIn(at.plaza, "Ada");
    const solids = solidsOf("fountain", { width: 1600, height: 1000 });
    let isInside = false;
    ada.at.room.onStateChange(() => {
      isInside ||= solids.some((solid) => isIn(ada.at.me, solid));
    });
    await ada.at.walkTo(800, 330);
    assert.equal(isInside, false);
    await ada.leave();
  });

  it("survive whatever is sent to them", async () => {
    const ada = await playerIn(at.plaza, "Ada");
    const bob = await playerIn(at.plaza, "Bob");
    const types = ["move", "wave", "say", "give", "gather", "along", "set-off", "belongings"];
    const long = "x".repeat(500);
    for (const type of types) {
      for (const message of [undefined, null, 7, long, [], [long], { id: long, to: long }]) {
        ada.at.room.send(type, message);
      }
      for (const strange of [{}, [], null, NaN, -1e300, "__proto__", long]) {
        const names = ["dx", "dy", "text", "item", "to", "id"];
        ada.at.room.send(type, Object.fromEntries(names.map((name) => [name, strange])));
      }
    }
    await bob.at.walkTo(700, 800);
    await ada.at.walkTo(860, 800);
    await leave(ada, bob);
  });

  const alone = [
    ["lonely", WORLD],
    ["harbour", "example-server/harbour/server.ts"],
  ] as const;
  for (const [name, script] of alone)
    it(`have one room: ${name}, after a restart at which players wait`, async () => {
      const own = await at.servers.start([{ name, script }]);
      let [lonely] = own;
      assert.ok(lonely !== undefined);
      const { origin } = lonely;
      await lonely.kill("SIGKILL");
      const rooms: Room[] = [];
      const waiting = Array.from({ length: WAITING }, async (_, index) => {
        const traveler = new Traveler(origin, { name: `Player ${index}`, comesHome: false });
        for (;;) {
          const room = await traveler.join(name).catch(() => undefined);
          if (room !== undefined) return rooms.push(room);
          await sleep(5);
        }
      });
      lonely = await at.servers.restart(lonely);
      await Promise.all(waiting);
      // What is made at the start has been made by then.
      await sleep(1_000);
      const all: RoomStatus[] = await lonely.rooms(name);
      assert.deepEqual(
        all.map(({ clients }) => clients),
        [WAITING],
      );
      assert.equal(new Set(rooms.map(({ roomId }) => roomId)).size, 1);
      await lonely.kill();
    });
});

interface State {
  readonly width: number;
  readonly height: number;
  readonly players: ReadonlyMap<string, { readonly stamps: number }>;
  readonly coins: ReadonlyMap<string, { readonly x: number; readonly y: number }>;
  readonly portals: ReadonlyMap<string, { x: number; y: number; kind: string }>;
}

function stateOf({ at }: Player): State {
  return at.room.state as State;
}

async function stampsOf(player: Player): Promise<string[]> {
  const { stamps } = await told(player);
  return stamps.map((stamp) => stamp.split("/").at(-1) ?? "");
}

function told(player: Player): Promise<Told> {
  return toldIn(player.traveler.room);
}

/** What the room says that the player has; it says so once a second. */
async function toldIn(room: Room | undefined): Promise<Told> {
  assert.ok(room !== undefined);
  const answer = nextMessage<Told>(room, "belongings");
  const timer = setInterval(() => {
    room.send("belongings", {});
  }, 300);
  room.send("belongings", {});
  return answer.finally(() => {
    clearInterval(timer);
  });
}

/** The next message of the room that the player arrives in. */
function heardOnArrival<Message>(player: Player, type: string): Promise<Message> {
  return new Promise((resolve) => {
    player.traveler.onArrive(({ room }) => {
      room.onMessage(type, resolve);
    });
  });
}
