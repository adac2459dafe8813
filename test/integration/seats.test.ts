import assert from "node:assert/strict";
import { Client, type Room } from "@colyseus/sdk";
import { PlayerKey } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { goodClaims, operatorKey, passOf, signedPost } from "../support/operator.ts";
import { Player } from "../support/player.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";

interface RoomCount {
  readonly name: string;
  readonly reserved: number;
  readonly clients: number;
}

describe("seats", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let plaza: ServerProcess;
  let rooms: ServerProcess;

  before(async () => {
    [plaza, rooms] = (await servers.start([
      { name: "plaza", script: "example-server/world.ts" },
      { name: "rooms", script: "test/fixtures/rooms-server.ts" },
    ])) as [ServerProcess, ServerProcess];
  });
  after(() => servers.stop());

  const uri = (kind: string): string => `aether://${rooms.authority}/${kind}`;

  async function counts(name: string): Promise<RoomCount[]> {
    const all = (await (await fetch(`${rooms.origin}/rooms`)).json()) as RoomCount[];
    return all.filter((room) => room.name === name);
  }

  async function stays(player: Player, kind: string): Promise<string> {
    const { length } = player.failures;
    player.traveler.enter(uri(kind));
    return eventually(() => {
      const failure = player.failures[length];
      assert.ok(failure !== undefined);
      return failure.code;
    });
  }

  /** A seat as a client that does not follow a transit by itself gets it. */
  async function transit(): Promise<{ room: Room; key: PlayerKey; reservation: never }> {
    const key = PlayerKey.generate();
    const client = new Client(plaza.origin);
    client.http.authToken = await key.prove(plaza.origin);
    const room = await client.joinOrCreate("plaza", { name: "Seated" });
    room.reconnection.enabled = false;
    const message = new Promise<{ reservation: never }>((resolve) => {
      room.onMessage("federation:transit", resolve);
    });
    room.send("federation:enter", { to: uri("plain") });
    return { room, key, reservation: (await message).reservation };
  }

  it("makes another room when the one there is full", async () => {
    const players = await Promise.all(
      ["One", "Two"].map(async (name) => {
        const player = new Player(plaza.origin, name);
        await player.join("plaza");
        player.traveler.enter(uri("small"));
        await eventually(() => {
          assert.equal(player.arrivals.length, 2, JSON.stringify(player.failures));
        });
        return player;
      }),
    );
    assert.deepEqual(
      (await counts("small")).map(({ clients }) => clients),
      [1, 1],
    );
    await Promise.all(players.map((player) => player.traveler.leave()));
  });

  it("keeps a player where it is when no room can be made, and leaks no seat", async () => {
    const first = new Player(plaza.origin, "First");
    await first.join("plaza");
    first.traveler.enter(uri("single"));
    await eventually(() => {
      assert.equal(first.arrivals.length, 2, JSON.stringify(first.failures));
    });
    const second = new Player(plaza.origin, "Second");
    await second.join("plaza");
    for (let each = 0; each < 5; each += 1) {
      assert.match(await stays(second, "single"), /^ERR_FED_(?:WORLD_FULL|UNAVAILABLE)$/u);
    }
    assert.deepEqual(await counts("single"), [{ name: "single", reserved: 0, clients: 1 }]);
    await second.at.pickUpCoin();
    await Promise.all([first.traveler.leave(), second.traveler.leave()]);
  });

  it("gives no seat in a room that is locked", async () => {
    const host = await new Client(rooms.origin).create("locked", {});
    const player = new Player(plaza.origin, "Locked");
    await player.join("plaza");
    player.traveler.enter(uri("locked"));
    await eventually(() => {
      assert.equal(player.arrivals.length + player.failures.length, 2);
    });
    // Another room of the kind may be made; nobody gets into the one that is locked.
    const all = await counts("locked");
    assert.ok(all.every(({ clients }) => clients <= 1));
    await player.traveler.leave();
    await host.leave();
  });

  it("keeps one seat however often it is asked for", async () => {
    const good = goodClaims(plaza, rooms, "plain");
    const from = { origin: plaza.origin, key: await operatorKey(plaza) };
    const pass = await passOf(good, from.key);
    const body = { transferId: good.xfer, pass, world: "plain" };
    const ask = (): ReturnType<typeof signedPost> =>
      signedPost(from, `${rooms.origin}/federation/reservations`, body);
    const answers = [await ask(), ...(await Promise.all([ask(), ask(), ask()]))];
    const sessions = new Set(
      answers.map((answer) => (answer.body["reservation"] as { sessionId?: string }).sessionId),
    );
    assert.ok(answers.every(({ status }) => status === 201));
    assert.equal(sessions.size, 1, JSON.stringify(answers.map(({ body }) => body)));
  });

  it("does not let in who comes after the source has taken the player back", async () => {
    const { room, key, reservation } = await transit();
    await room.leave();
    const login = new Client(plaza.origin);
    login.http.authToken = await key.prove(plaza.origin);
    const home = await login.joinOrCreate("plaza", {});
    const client = new Client(rooms.origin);
    const { sessionId } = reservation as { sessionId: string };
    client.http.authToken = await key.prove(rooms.origin, sessionId);
    await assert.rejects(
      client.consumeSeatReservation(reservation),
      /ERR_FED_(?:TRANSFER_CANCELLED|SEAT_UNKNOWN)/u,
    );
    await home.leave();
  });

  describe("with Colyseus' reconnection", () => {
    async function visit(): Promise<{ player: Player; room: Room }> {
      const player = new Player(plaza.origin, "Dropped");
      await player.join("plaza");
      player.traveler.enter(uri("reconnecting"));
      await eventually(() => {
        assert.equal(player.arrivals.length, 2, JSON.stringify(player.failures));
      });
      const room = player.arrivals[1]?.room;
      assert.ok(room !== undefined);
      room.reconnection.enabled = false;
      return { player, room };
    }

    async function whoAmI(room: Room): Promise<{ player: { id: string } | null }> {
      const answer = new Promise<{ player: { id: string } | null }>((resolve) => {
        room.onMessage("whoami", resolve);
      });
      room.send("whoami");
      return answer;
    }

    it("gives a visitor its place back, in the same custody", async () => {
      const { player, room } = await visit();
      const { id } = (await whoAmI(room)).player ?? {};
      const { reconnectionToken } = room;
      room.connection.close(4010);
      const again = await eventually(() => new Client(rooms.origin).reconnect(reconnectionToken));
      assert.equal((await whoAmI(again)).player?.id, id);
      // It can travel on: custody is still held.
      const answer = new Promise<object>((resolve) => {
        again.onMessage("federation:transit", resolve);
        again.onMessage("federation:failed", resolve);
      });
      again.send("federation:enter", { to: `aether://${plaza.authority}/plaza` });
      assert.ok("reservation" in (await answer), JSON.stringify(await answer));
      await again.leave();
      await player.traveler.leave();
    });

    it("does not let back in who was called home meanwhile", async () => {
      const { player, room } = await visit();
      const { reconnectionToken } = room;
      room.connection.close(4010);
      await player.traveler.join("plaza");
      await assert.rejects(new Client(rooms.origin).reconnect(reconnectionToken));
      await player.at.settled();
      await player.traveler.leave();
    });
  });
});
