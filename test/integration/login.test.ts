import assert from "node:assert/strict";
import { join as pathJoin } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Client, type Room } from "@colyseus/sdk";
import { PlayerKey, Traveler } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { Player } from "../support/player.ts";
import { type ServerProcess, Servers, freePort } from "../support/processes.ts";

describe("logging in at home", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let arena: ServerProcess;
  let recalling: ServerProcess;
  let refusing: ServerProcess;

  before(async () => {
    const folder = await servers.folder();
    const names = ["arena", "recalling", "refusing"] as const;
    const places = await Promise.all(
      names.map(async (name) => ({ name, port: await freePort(), data: `${folder}/${name}` })),
    );
    [arena, recalling, refusing] = places.map(({ name, port, data }) =>
      servers.run({
        name,
        port,
        data,
        origin: `http://localhost:${port}`,
        script: name === "arena" ? "example-server/world.ts" : "test/fixtures/rooms-server.ts",
        flags: [
          ...["--name", name, "--port", String(port), "--data", data],
          ...(name === "refusing" ? ["--away", "refuse"] : []),
          ...places
            .filter((other) => other.name !== name)
            .flatMap((other) => ["--peer", `http://localhost:${other.port}`]),
        ],
      }),
    ) as [ServerProcess, ServerProcess, ServerProcess];
    await Promise.all([arena.ready(), recalling.ready(), refusing.ready()]);
    await arena.knows(recalling.origin, refusing.origin);
    await Promise.all([recalling.knows(arena.origin), refusing.knows(arena.origin)]);
  });
  after(() => servers.stop());

  async function join(home: ServerProcess, key: PlayerKey, roomName: string): Promise<Room> {
    const client = new Client(home.origin);
    client.http.authToken = await key.prove(home.origin);
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

  describe("while away", () => {
    async function away(home: ServerProcess): Promise<[Player, Map<string, string>]> {
      const storage = new Map<string, string>();
      const player = new Player(home.origin, "Away", storage);
      await player.traveler.join("slow");
      player.traveler.enter(`aether://${arena.authority}/arena`);
      await eventually(() => {
        assert.equal(player.arrivals.length, 2, JSON.stringify(player.failures));
      });
      await player.at.settled();
      return [player, storage];
    }

    it("is refused where the operator says so, and the player plays on", async () => {
      const [player, storage] = await away(refusing);
      const other = new Player(refusing.origin, "Away", storage);
      await assert.rejects(other.traveler.join("slow"), /ERR_FED_AWAY.*in \d+ s/u);
      await player.at.pickUpCoin();
      assert.deepEqual(player.leaves, []);
      await player.traveler.leave();
      await eventually(() => other.traveler.join("slow"));
      await other.traveler.leave();
    });

    it("calls the player back otherwise", async () => {
      const [player, storage] = await away(recalling);
      const other = new Player(recalling.origin, "Away", storage);
      await other.traveler.join("slow");
      await eventually(() => {
        assert.match(player.leaves[0]?.reason ?? "", /^ERR_FED_SUPERSEDED/u);
      });
      await other.traveler.leave();
    });
  });

  it("is open to a visitor again once Colyseus' grace is over where it was dropped", async () => {
    const storage = new Map<string, string>();
    const player = new Player(refusing.origin, "Dropped", storage);
    await player.traveler.join("slow");
    player.traveler.enter(`aether://${recalling.authority}/reconnecting`);
    await eventually(() => {
      assert.equal(player.arrivals.length, 2, JSON.stringify(player.failures));
    });
    const room = player.arrivals[1]?.room;
    assert.ok(room !== undefined);
    room.reconnection.enabled = false;
    room.connection.close(4010);
    const back = new Player(refusing.origin, "Dropped", storage);
    await assert.rejects(back.traveler.join("slow"), /ERR_FED_AWAY/u);
    await eventually(() => back.traveler.join("slow"), { timeoutMilliseconds: 12_000 });
    await back.traveler.leave();
  });

  it("ends the session of the player's other device", async () => {
    const key = PlayerKey.generate();
    const first = await join(recalling, key, "plain");
    const ended = new Promise<string>((resolve) => {
      first.onLeave((_code, reason) => {
        resolve(reason ?? "");
      });
    });
    const second = await join(recalling, key, "plain");
    assert.match(await ended, /^ERR_FED_SUPERSEDED/u);
    await second.leave();
  });

  it("loses nothing to a room that is still letting the player in", async () => {
    const key = PlayerKey.generate();
    const first = await join(recalling, key, "slow");
    first.send("take", "sword");
    await eventually(async () => {
      assert.deepEqual(await itemsIn(first), ["sword"]);
    });
    // Each login ends the one before, most of them while the room's onJoin is under way.
    const logins = await Promise.allSettled(
      Array.from({ length: 6 }, () => join(recalling, key, "slow")),
    );
    assert.ok(logins.some(({ status }) => status === "fulfilled"));
    const last = await join(recalling, key, "slow");
    assert.deepEqual(await itemsIn(last), ["sword"]);
    await last.leave();
  });

  it("finds at once what a session that has just ended has left", async () => {
    const key = PlayerKey.generate();
    for (let each = 0; each < 5; each += 1) {
      const room = await join(recalling, key, "slow");
      assert.equal((await itemsIn(room)).length, each);
      const taken = itemsIn(room);
      room.send("take", `coin ${each}`);
      assert.equal((await taken).length, each);
      // No waiting for the server's side of it.
      room.connection.close();
    }
  });

  it("maps the host's own account to a player, who travels under it", async () => {
    const client = new Client(recalling.origin);
    client.http.authToken = "host-token";
    const room = await client.joinOrCreate("static", { name: "Account" });
    const who = new Promise<{ player: { id: string } }>((resolve) => {
      room.onMessage("whoami", resolve);
    });
    room.send("whoami");
    assert.equal((await who).player.id, `account-8@${recalling.authority}`);
    await room.leave();
  });

  it("keeps nothing of a guest, who travels all the same", async () => {
    const rows = (): string[] => {
      const store = new DatabaseSync(pathJoin(recalling.spec.data, "federation.sqlite"), {
        readOnly: true,
      });
      const all = store.prepare("SELECT key FROM entries WHERE key LIKE 'custody/guest-%'").all();
      store.close();
      return all.map((row) => String(row["key"]));
    };
    assert.deepEqual(rows(), []);
    const guest = new Traveler(recalling.origin, { name: "Guest", storage: null });
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
