import assert from "node:assert/strict";
import type { Room } from "@colyseus/sdk";
import { PlayerKey } from "aether-federation/client";
import { resolveOptions } from "../../src/federation/options.ts";
import { FederationRuntime } from "../../src/runtime/federation-runtime.ts";
import { PostgresEngine } from "../../src/storage/postgres-engine.ts";
import { Wire } from "../chaos/proxy.ts";
import { eventually } from "../support/eventually.ts";
import { folderOfTest } from "../support/folders.ts";
import { recordingLogger } from "../support/loggers.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import { playerIn } from "../support/player.ts";
import { PostgresServer } from "../support/postgres.ts";
import { freePort } from "../../src/testing/test-place.ts";
import { SHARED, type ServerProcess, Servers, WORLD } from "../support/processes.ts";
import { RedisServer } from "../support/redis.ts";
import { requireProgram } from "../support/requirements.ts";
import { ask, askTransit, leave, portal, sdkClient, takeSeat } from "../support/sdk.ts";

interface Where {
  readonly port: number;
  readonly items: readonly string[];
}

/** Two processes that are one server, and a server of one process beside it. */
describe("several processes that are one server, belongings in PostgreSQL, presence in Redis", function () {
  this.timeout(120_000);
  const folder = folderOfTest();
  const servers = new Servers();
  let redis: RedisServer;
  let postgres: PostgresServer;
  let origin: string;
  let balancer: Wire;
  let one: ServerProcess;
  let two: ServerProcess;
  let plaza: ServerProcess;

  before(async function () {
    const programs = [requireProgram(this, "redis-server"), requireProgram(this, "postgres")];
    redis = await RedisServer.start(programs[0] ?? "");
    postgres = await PostgresServer.start(programs[1] ?? "");
    const [door = 0, first = 0, second = 0, third = 0] = await Promise.all(
      Array.from({ length: 4 }, () => freePort()),
    );
    origin = `http://localhost:${door}`;
    const plazaOrigin = `http://localhost:${third}`;
    const flags = [
      ...["--origin", origin, "--redis", redis.url, "--postgres", postgres.url],
      ...["--peer", plazaOrigin],
    ];
    const start = (port: number): Promise<ServerProcess> =>
      servers.launch({ name: "shared", port, script: SHARED, flags });
    // At the same moment, over an empty database.
    [one, two] = await Promise.all([start(first), start(second)]);
    balancer = await Wire.open(door, first, second);
    plaza = await servers.launch({
      ...{ name: "plaza", port: third, script: WORLD, flags: ["--peer", origin] },
    });
    await Promise.all([one.ready(), two.ready(), plaza.ready()]);
    await Promise.all([plaza.knows(origin), one.knows(plazaOrigin), two.knows(plazaOrigin)]);
  });
  after(async () => {
    balancer?.close();
    await servers.stop();
    await postgres?.stop();
    await redis?.stop();
  });

  async function login(key: PlayerKey, through: ServerProcess): Promise<Room> {
    const room = await sdkClient(through, await key.prove(origin)).create("hall", {});
    room.reconnection.enabled = false;
    return room;
  }

  function where(room: Room): Promise<Where> {
    return ask(room, "where");
  }

  /** A portal to the hall of the server that both processes are. */
  function hall(): string {
    return portal({ authority: new URL(origin).host }, "hall");
  }

  async function again(dead: ServerProcess): Promise<void> {
    const process = await servers.restart(dead);
    if (dead === one) one = process;
    else two = process;
  }

  it("keeps no belongings in Redis", async () => {
    const room = await login(PlayerKey.generate(), one);
    await room.leave();
    assert.deepEqual(await redis.client().keys("{aether:*"), []);
    const pool = postgres.pool();
    const { rows } = await pool.query("SELECT count(*)::int AS players FROM aether.custody");
    assert.deepEqual(rows, [{ players: 1 }]);
  });

  it("takes its players back from abroad with what they carry, through either process", async () => {
    const key = PlayerKey.generate();
    for (const through of [one, two, one]) {
      const room = await login(key, through);
      const before = (await where(room)).items;
      room.send("take", `coin ${before.length}`);
      const { reservation } = await askTransit(room, portal(plaza, "plaza"));
      const proof = await key.prove(plaza.origin, { seat: reservation.sessionId });
      const abroad = await takeSeat(plaza, reservation, proof);
      abroad.reconnection.enabled = false;
      const back = await login(key, through === one ? two : one);
      assert.equal((await where(back)).items.length, before.length + 1);
      await back.leave();
    }
  });

  it("sends home the visitors of a process that dies, by the one that lives", async () => {
    const host = await login(PlayerKey.generate(), two);
    const storage = memoryStorage();
    const visitor = await playerIn(plaza, "Orphan", storage);
    const { id } = visitor.at.me;
    visitor.traveler.enter(hall());
    await eventually(() => assert.equal(visitor.arrivals.length, 2));
    const { room } = visitor.arrivals[1] ?? {};
    assert.ok(room !== undefined);
    room.reconnection.enabled = false;
    const dying = (await where(room)).port === one.spec.port ? one : two;
    await dying.kill();
    await eventually(
      async () => {
        const back = await playerIn(plaza, "Orphan", storage);
        assert.equal(back.at.me.id, id);
        await back.leave();
      },
      { timeoutMilliseconds: 40_000 },
    );
    await again(dying);
    if (host.connection.isOpen) await host.leave();
  });

  it("says at its start when PostgreSQL is not durable", async () => {
    const lines: string[] = [];
    const client = postgres.pool({ options: "-c synchronous_commit=off" });
    const runtime = new FederationRuntime(
      resolveOptions({
        ...{ origin: "https://hasty.example", worlds: {}, dataDirectory: folder.path },
        ...{
          logger: recordingLogger(lines),
          store: new PostgresEngine({ client, schema: "hasty" }),
        },
      }),
    );
    await runtime.start();
    await runtime.stop();
    assert.ok(
      lines.some((line) => line.startsWith("warn: ") && line.includes("synchronous_commit on")),
    );
  });

  it("loses nothing that was stored when PostgreSQL is killed, and goes on when it is back", async () => {
    const key = PlayerKey.generate();
    const room = await login(key, one);
    room.send("take", "sword");
    await eventually(async () => assert.deepEqual((await where(room)).items, ["sword"]));
    await leave(room);
    // What it carries is on disk once another login finds it.
    await eventually(async () => {
      const second = await login(key, two);
      const { items } = await where(second);
      await leave(second);
      assert.deepEqual(items, ["sword"]);
    });
    await postgres.kill();
    await assert.rejects(login(key, one));
    await postgres.resume();
    await eventually(
      async () => {
        const back = await login(key, one);
        const { items } = await where(back);
        await leave(back);
        assert.deepEqual(items, ["sword"]);
      },
      { timeoutMilliseconds: 40_000 },
    );
  });
});
