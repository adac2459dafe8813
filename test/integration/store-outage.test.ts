import assert from "node:assert/strict";
import type { Room } from "@colyseus/sdk";
import { PlayerKey } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../../src/testing/test-place.ts";
import { SHARED, type ServerProcess, Servers, WORLD } from "../support/processes.ts";
import { RedisServer } from "../support/redis.ts";
import { requireProgram } from "../support/requirements.ts";
import { ask, askTransit, portal, sdkClient, takeSeat } from "../support/sdk.ts";

interface Where {
  readonly items: readonly string[];
  readonly frozen: boolean;
}

/** Longer than a process may be out of touch with its store. */
const LONG_OUTAGE_MILLISECONDS = 16_000;

describe("a store that is away and comes back", function () {
  this.timeout(90_000);
  const servers = new Servers();
  let redis: RedisServer;
  let hall: ServerProcess;
  let other: ServerProcess;
  let plaza: ServerProcess;

  before(async function () {
    redis = await RedisServer.start(requireProgram(this, "redis-server"));
    const ports = await Promise.all(Array.from({ length: 3 }, () => freePort()));
    const origins = ports.map((port) => `http://localhost:${port}`);
    const [first = 0, second = 0, third = 0] = ports;
    const peers = (own: number): string[] =>
      origins.filter((_, index) => index !== own).flatMap((origin) => ["--peer", origin]);
    const shared = ["--origin", origins[0] ?? "", "--redis", redis.url, ...peers(0)];
    hall = await servers.launch({ name: "hall", port: first, script: SHARED, flags: shared });
    // On a folder of its own, but with the same rooms: visitors of the hall who are at home here.
    const alone = ["--origin", origins[1] ?? "", "--alone", ...peers(1)];
    other = await servers.launch({ name: "other", port: second, script: SHARED, flags: alone });
    plaza = await servers.launch({ name: "plaza", port: third, script: WORLD, flags: peers(2) });
    await Promise.all([hall.ready(), other.ready(), plaza.ready()]);
    await Promise.all([
      hall.knows(other.origin, plaza.origin),
      other.knows(hall.origin),
      plaza.knows(hall.origin),
    ]);
  });
  after(async () => {
    await servers.stop();
    await redis?.stop();
  });

  async function outage(milliseconds: number): Promise<void> {
    await redis.kill();
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    await redis.resume();
  }

  /** Logs a key-holder in at its home, as often as it takes. */
  function login(home: ServerProcess, key: PlayerKey): Promise<Room> {
    return eventually(
      async () => {
        const room = await sdkClient(home, await key.prove(home.origin)).create("hall", {});
        room.reconnection.enabled = false;
        return room;
      },
      { timeoutMilliseconds: 40_000, what: "the player is at home" },
    );
  }

  async function take(room: Room, item: string): Promise<void> {
    room.send("take", item);
    await eventually(async () => {
      assert.ok((await ask<Where>(room, "where")).items.includes(item));
    });
  }

  it("leaves a crossing undecided until it answers, then lets the player play on", async () => {
    const key = PlayerKey.generate();
    const room = await login(hall, key);
    await take(room, "lamp");
    const told: string[] = [];
    room.onMessage("federation:undecided", () => told.push("undecided"));
    room.onMessage("federation:failed", () => told.push("failed"));
    await redis.kill();
    room.send("federation:enter", { to: portal(other, "hall") });
    await eventually(() => assert.deepEqual(told, ["undecided"]), {
      timeoutMilliseconds: 10_000,
      what: "the client hears that nobody knows",
    });
    await redis.resume();
    await eventually(() => assert.deepEqual(told, ["undecided", "failed"]), {
      timeoutMilliseconds: 20_000,
      what: "the crossing is settled",
    });
    const where = await ask<Where>(room, "where");
    assert.deepEqual(where.items, ["lamp"]);
    assert.equal(where.frozen, false);
    await room.leave();
  });

  it("loses nothing that was given just before it went for long, to players at home and to visitors", async () => {
    const [local, visitor] = [PlayerKey.generate(), PlayerKey.generate()];
    const atHome = await login(hall, local);
    const away = await login(other, visitor);
    const transit = await askTransit(away, portal(hall, "hall"));
    const { sessionId } = transit.reservation;
    const token = await visitor.prove(hall.origin, { seat: sessionId });
    const there = await takeSeat(hall, transit.reservation, token);
    there.reconnection.enabled = false;
    await take(atHome, "rope");
    await take(there, "shell");
    await outage(LONG_OUTAGE_MILLISECONDS);
    for (const [home, key, item] of [
      [hall, local, "rope"],
      [other, visitor, "shell"],
    ] as const) {
      const room = await login(home, key);
      assert.deepEqual((await ask<Where>(room, "where")).items, [item]);
      await room.leave();
    }
  });
});
