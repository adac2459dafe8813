import assert from "node:assert/strict";
import type { Room } from "@colyseus/sdk";
import { PlayerKey } from "aether-federation/client";
import { Wire } from "../chaos/proxy.ts";
import { eventually } from "../support/eventually.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import { playerIn } from "../support/player.ts";
import { freePort } from "../../src/testing/test-place.ts";
import { SHARED, type ServerProcess, Servers, WORLD } from "../support/processes.ts";
import { RedisServer } from "../support/redis.ts";
import { requireProgram } from "../support/requirements.ts";
import { ask, askTransit, leave, portal, sdkClient, takeSeat } from "../support/sdk.ts";

interface Where {
  readonly port: number;
  readonly player: string;
  readonly items: readonly string[];
  readonly frozen: boolean;
}

/** Two processes that are one server, and a server of one process beside it. */
describe("several processes that are one server, on Redis", function () {
  this.timeout(90_000);
  const servers = new Servers();
  let redis: RedisServer;
  let origin: string;
  let balancer: Wire;
  let one: ServerProcess;
  let two: ServerProcess;
  let plaza: ServerProcess;

  before(async function () {
    redis = await RedisServer.start(requireProgram(this, "redis-server"));
    const [door, first, second, third] = await Promise.all(
      Array.from({ length: 4 }, () => freePort()),
    );
    if (door === undefined || third === undefined) throw new Error("no port");
    origin = `http://localhost:${door}`;
    const plazaOrigin = `http://localhost:${third}`;
    const flags = ["--origin", origin, "--redis", redis.url, "--peer", plazaOrigin];
    const start = (port = 0): Promise<ServerProcess> =>
      servers.launch({ name: "shared", port, script: SHARED, flags });
    one = await start(first);
    await one.ready();
    two = await start(second);
    balancer = await Wire.open(door, first ?? 0, second ?? 0);
    plaza = await servers.launch({
      name: "plaza",
      port: third,
      script: WORLD,
      flags: ["--peer", origin],
    });
    await Promise.all([two.ready(), plaza.ready()]);
    await Promise.all([plaza.knows(origin), one.knows(plazaOrigin), two.knows(plazaOrigin)]);
  });
  after(async () => {
    balancer?.close();
    await servers.stop();
    await redis?.stop();
  });

  /** Logs a key-holder in through one particular process, whose rooms are its own. */
  async function login(key: PlayerKey, through: ServerProcess, roomName = "hall"): Promise<Room> {
    const client = sdkClient(through, await key.prove(origin));
    // A room of this very process: Colyseus would choose a fuller one elsewhere.
    const room = await client.create(roomName, { name: "Shared" });
    room.reconnection.enabled = false;
    return room;
  }

  function where(room: Room): Promise<Where> {
    return ask(room, "where");
  }

  /** A portal to a world of the server that both processes are. */
  function shared(world: string): string {
    return portal({ authority: new URL(origin).host }, world);
  }

  it("plays a player in one process only: a login in the other ends it, with what it carries", async () => {
    const key = PlayerKey.generate();
    const first = await login(key, one);
    assert.equal((await where(first)).port, one.spec.port);
    first.send("take", "sword");
    await eventually(async () => assert.deepEqual((await where(first)).items, ["sword"]));
    const ended = new Promise<string>((resolve) => {
      first.onLeave((_code, reason) => {
        resolve(reason ?? "");
      });
    });
    const second = await login(key, two);
    assert.match(await ended, /ERR_FED_SUPERSEDED/u);
    const there = await where(second);
    assert.deepEqual([there.port, there.items], [two.spec.port, ["sword"]]);
    await second.leave();
  });

  it("moves a player from a room of one process into a room of the other", async () => {
    const keeper = await login(PlayerKey.generate(), two, "yard");
    const key = PlayerKey.generate();
    const hall = await login(key, one);
    hall.send("take", "lamp");
    const { reservation } = await askTransit(hall, shared("yard"));
    const proof = await key.prove(origin, { seat: reservation.sessionId });
    const yard = await takeSeat({ origin }, reservation, proof);
    const there = await where(yard);
    assert.deepEqual([there.port, there.items], [two.spec.port, ["lamp"]]);
    await leave(yard, keeper);
  });

  it("lets visitors in through either process, and back", async () => {
    for (const through of [one, two]) {
      const host = await login(PlayerKey.generate(), through);
      const visitor = await playerIn(plaza, "Visitor");
      const { id } = visitor.at.me;
      visitor.traveler.enter(shared("hall"));
      await eventually(() => assert.equal(visitor.arrivals.length, 2));
      const { room } = visitor.arrivals[1] ?? {};
      assert.ok(room !== undefined, JSON.stringify(visitor.failures));
      assert.equal((await where(room)).player, id);
      visitor.traveler.enter(portal(plaza, "plaza"));
      await eventually(() => assert.equal(visitor.arrivals.length, 3), {
        timeoutMilliseconds: 10_000,
      });
      await leave(visitor, host);
    }
  });

  it("gives a visitor back whichever process hears that its home calls", async () => {
    for (const through of [one, two]) {
      const host = await login(PlayerKey.generate(), through);
      const storage = memoryStorage();
      const visitor = await playerIn(plaza, "Recalled", storage);
      visitor.traveler.enter(shared("hall"));
      await eventually(() => assert.equal(visitor.arrivals.length, 2));
      const elsewhere = await playerIn(plaza, "Recalled", storage);
      assert.equal(elsewhere.traveler.playerId, visitor.traveler.playerId);
      await eventually(() => assert.match(visitor.leaves[0]?.reason ?? "", /ERR_FED_SUPERSEDED/u));
      await leave(elsewhere, host);
    }
  });

  it("takes its own players back from abroad, through either process", async () => {
    const key = PlayerKey.generate();
    for (const through of [one, two, one]) {
      const hall = await login(key, through);
      const before = (await where(hall)).items;
      hall.send("take", `coin ${before.length}`);
      const { reservation } = await askTransit(hall, portal(plaza, "plaza"));
      const proof = await key.prove(plaza.origin, { seat: reservation.sessionId });
      const room = await takeSeat(plaza, reservation, proof);
      room.reconnection.enabled = false;
      const back = await login(key, through === one ? two : one);
      assert.equal((await where(back)).items.length, before.length + 1);
      await back.leave();
    }
  });

  it("keeps visitors while a process starts beside the one they play in", async () => {
    const host = await login(PlayerKey.generate(), one);
    const visitor = await playerIn(plaza, "Undisturbed");
    visitor.traveler.enter(shared("hall"));
    await eventually(() => assert.equal(visitor.arrivals.length, 2));
    const { room } = visitor.arrivals[1] ?? {};
    assert.ok(room !== undefined);
    const playedBy = (await where(room)).port === one.spec.port ? one : two;
    const other = playedBy === one ? two : one;
    await other.kill();
    const again = await servers.restart(other);
    if (other === one) one = again;
    else two = again;
    const there = await where(room);
    assert.equal(there.frozen, false);
    assert.deepEqual(visitor.leaves, []);
    await leave(visitor, host);
  });

  it("sends home the visitors of a process that dies, by the one that lives", async () => {
    const host = await login(PlayerKey.generate(), two);
    const storage = memoryStorage();
    const visitor = await playerIn(plaza, "Orphan", storage);
    const { id } = visitor.at.me;
    visitor.traveler.enter(shared("hall"));
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
      { timeoutMilliseconds: 30_000 },
    );
    const again = await servers.restart(dying);
    if (dying === one) one = again;
    else two = again;
    // It may have played in the process that died.
    if (host.connection.isOpen) await host.leave();
  });

  describe("at start", () => {
    async function outputOf(...more: string[]): Promise<string> {
      const port = await freePort();
      const flags = ["--origin", `http://localhost:${port}`, "--redis", redis.url, ...more];
      const process = await servers.launch({ name: "refused", port, script: SHARED, flags });
      return eventually(
        () => {
          assert.match(process.output, /ERR_FED|Error/u);
          return process.output;
        },
        { timeoutMilliseconds: 10_000 },
      );
    }

    it("refuses a folder that another process has, where nothing is shared", async () => {
      const port = await freePort();
      const second = servers.run({
        ...plaza.spec,
        port,
        flags: ["--name", "plaza", "--port", String(port), "--data", plaza.spec.data],
      });
      await eventually(() => assert.match(second.output, /Another process runs on the folder/u));
      await eventually(() => assert.equal(second.exitCode, 1));
      await plaza.peers();
    });

    it("refuses a store without compare-and-set", async () => {
      assert.match(await outputOf("--store", "plain"), /ERR_FED_STORE_WITHOUT_CAS/u);
    });
  });
});
