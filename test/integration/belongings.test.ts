import assert from "node:assert/strict";
import { join as pathJoin } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Client, type Room } from "@colyseus/sdk";
import { PlayerKey, Traveler } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { type ServerProcess, Servers, freePort } from "../support/processes.ts";

describe("what a player owns at home", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let arena: ServerProcess;
  let home: ServerProcess;

  before(async () => {
    const folder = await servers.folder();
    const names = ["arena", "home"] as const;
    const places = await Promise.all(
      names.map(async (name) => ({ name, port: await freePort(), data: `${folder}/${name}` })),
    );
    [arena, home] = places.map(({ name, port, data }) =>
      servers.run({
        name,
        port,
        data,
        origin: `http://localhost:${port}`,
        script: name === "arena" ? "example-server/world.ts" : "test/fixtures/rooms-server.ts",
        flags: [
          ...["--name", name, "--port", String(port), "--data", data],
          ...places
            .filter((other) => other.name !== name)
            .flatMap((other) => ["--peer", `http://localhost:${other.port}`]),
        ],
      }),
    ) as [ServerProcess, ServerProcess];
    await Promise.all([arena.ready(), home.ready()]);
    await Promise.all([arena.knows(home.origin), home.knows(arena.origin)]);
  });
  after(() => servers.stop());

  async function join(at: ServerProcess, key: PlayerKey, roomName: string): Promise<Room> {
    const client = new Client(at.origin);
    client.http.authToken = await key.prove(at.origin);
    const room = await client.joinOrCreate(roomName, { name: "Twice" });
    room.reconnection.enabled = false;
    return room;
  }

  async function itemsIn(room: Room): Promise<string[]> {
    const items = new Promise<string[]>((resolve) => {
      room.onMessage("items", resolve);
    });
    room.send("tell");
    return items;
  }

  it("loses nothing to a room that is still letting the player in", async () => {
    const key = PlayerKey.generate();
    const first = await join(home, key, "slow");
    first.send("take", "sword");
    await eventually(async () => {
      assert.deepEqual(await itemsIn(first), ["sword"]);
    });
    // Each login ends the one before, most of them while the room's onJoin is under way.
    const logins = await Promise.allSettled(
      Array.from({ length: 6 }, () => join(home, key, "slow")),
    );
    assert.ok(logins.some(({ status }) => status === "fulfilled"));
    const last = await join(home, key, "slow");
    assert.deepEqual(await itemsIn(last), ["sword"]);
    await last.leave();
  });

  it("finds at once what a session that has just ended has left", async () => {
    const key = PlayerKey.generate();
    for (let each = 0; each < 5; each += 1) {
      const room = await join(home, key, "slow");
      assert.equal((await itemsIn(room)).length, each);
      const taken = itemsIn(room);
      room.send("take", `coin ${each}`);
      assert.equal((await taken).length, each);
      // No waiting for the server's side of it.
      room.connection.close();
    }
  });

  it("keeps nothing of a guest, who travels all the same", async () => {
    const rows = (): string[] => {
      const store = new DatabaseSync(pathJoin(home.spec.data, "federation.sqlite"), {
        readOnly: true,
      });
      const all = store.prepare("SELECT key FROM entries WHERE key LIKE 'custody/guest-%'").all();
      store.close();
      return all.map((row) => String(row["key"]));
    };
    assert.deepEqual(rows(), []);
    const guest = new Traveler(home.origin, { name: "Guest", storage: null });
    await guest.join("slow");
    assert.deepEqual(rows(), []);
    const arrived = new Promise<string>((resolve) => {
      guest.onArrive(({ origin }) => {
        resolve(origin);
      });
    });
    guest.enter(`aether://${arena.authority}/arena`);
    assert.equal(await arrived, arena.origin);
    assert.equal(rows().length, 1);
    assert.equal(guest.playerId, undefined);
    await guest.leave();
    await eventually(() => {
      assert.deepEqual(rows(), []);
    });
  });
});
