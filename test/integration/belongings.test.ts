import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Room } from "@colyseus/sdk";
import { PlayerKey, Traveler } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { ROOMS, WORLD } from "../support/processes.ts";
import { running } from "../support/running.ts";
import { ask, portal, sdkClient } from "../support/sdk.ts";

describe("what a player owns at home", function () {
  this.timeout(60_000);
  const at = running({ arena: { script: WORLD }, home: { script: ROOMS } });

  async function login(key: PlayerKey): Promise<Room> {
    const client = sdkClient(at.home, await key.prove(at.home.origin));
    const room = await client.joinOrCreate("slow", { name: "Twice" });
    room.reconnection.enabled = false;
    return room;
  }

  function itemsIn(room: Room): Promise<string[]> {
    return ask(room, "tell", "items");
  }

  it("loses nothing to a room that is still letting the player in", async () => {
    const key = PlayerKey.generate();
    const first = await login(key);
    first.send("take", "sword");
    await eventually(async () => {
      assert.deepEqual(await itemsIn(first), ["sword"]);
    });
    // Each login ends the one before, most of them while the room's onJoin is under way.
    const logins = await Promise.allSettled(Array.from({ length: 6 }, () => login(key)));
    assert.ok(logins.some(({ status }) => status === "fulfilled"));
    const last = await login(key);
    assert.deepEqual(await itemsIn(last), ["sword"]);
    await last.leave();
  });

  it("finds at once what a session that has just ended has left", async () => {
    const key = PlayerKey.generate();
    for (let each = 0; each < 5; each += 1) {
      const room = await login(key);
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
      const store = new DatabaseSync(join(at.home.spec.data, "federation.sqlite"), {
        readOnly: true,
      });
      const all = store.prepare("SELECT key FROM custody WHERE key LIKE 'guest-%'").all();
      store.close();
      return all.map((row) => String(row["key"]));
    };
    assert.deepEqual(rows(), []);
    const guest = new Traveler(at.home.origin, { name: "Guest", storage: null });
    await guest.join("slow");
    assert.deepEqual(rows(), []);
    const arrived = new Promise<string>((resolve) => {
      guest.onArrive(({ origin }) => {
        resolve(origin);
      });
    });
    guest.enter(portal(at.arena, "arena"));
    assert.equal(await arrived, at.arena.origin);
    assert.equal(rows().length, 1);
    assert.equal(guest.playerId, undefined);
    await guest.leave();
    await eventually(() => {
      assert.deepEqual(rows(), []);
    });
  });
});
