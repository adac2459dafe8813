import assert from "node:assert/strict";
import type { Room } from "@colyseus/sdk";
import { Traveler } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../../src/testing/test-place.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { Visitor } from "../support/visitor.ts";

describe("what a room says its players carry", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let home: ServerProcess;
  let arena: ServerProcess;

  before(async () => {
    const folder = await servers.folder();
    const places = await Promise.all(
      ["home", "arena"].map(async (name) => ({
        ...{ name, port: await freePort(), data: `${folder}/${name}` },
      })),
    );
    [home, arena] = places.map(({ name, port, data }) =>
      servers.run({
        ...{ name, port, data, origin: `http://localhost:${port}` },
        script: "test/fixtures/rooms-server.ts",
        flags: [
          ...["--name", name, "--port", String(port), "--data", data],
          ...places
            .filter((other) => other.name !== name)
            .flatMap((other) => ["--peer", `http://localhost:${other.port}`]),
        ],
      }),
    ) as [ServerProcess, ServerProcess];
    await Promise.all([home.ready(), arena.ready()]);
    await Promise.all([home.knows(arena.origin), arena.knows(home.origin)]);
  });
  after(() => servers.stop());

  async function carry(room: Room, message: string, what: unknown): Promise<void> {
    const heard = new Promise((resolve) => {
      room.onMessage("carrying", resolve);
    });
    room.send(message, what);
    await heard;
  }

  it("keeps a player where it is while the room cannot say it, and loses nothing", async () => {
    const visitor = await Visitor.login(home, { world: "odd" });
    await carry(visitor.room, "carry", { coins: ["a"] });
    for (const bad of ["map", "promise", "private", "nan", "big", "throws"]) {
      await carry(visitor.room, "carry badly", bad);
      await assert.rejects(
        visitor.transit(`aether://${arena.authority}/odd`),
        /ERR_FED_STATE_INVALID: (?:You carry more|This world cannot say)/u,
        bad,
      );
      await assert.rejects(
        visitor.transit(`aether://${home.authority}/odd`),
        /ERR_FED_STATE_INVALID/u,
        `${bad}, to another room`,
      );
    }
    await carry(visitor.room, "carry", { coins: ["a", "b"] });
    await visitor.cross(`aether://${arena.authority}/odd`);
    assert.deepEqual((await visitor.whoAmI()).player?.carried, { coins: ["a", "b"] });

    // Abroad the same; and a leave in that state takes the last good one home.
    await carry(visitor.room, "carry", { coins: ["a", "b", "c"] });
    await carry(visitor.room, "carry badly", "map");
    await assert.rejects(
      visitor.transit(`aether://${home.authority}/odd`),
      /ERR_FED_STATE_INVALID/u,
    );
    await visitor.room.leave();
    const { key } = visitor;
    assert.ok(key !== undefined);
    const back = await eventually(() => Visitor.login(home, { world: "odd", key }));
    const carried = (await back.whoAmI()).player?.carried as { coins: string[] };
    assert.deepEqual(carried.coins.slice(0, 2), ["a", "b"]);
    await back.room.leave();
  });

  it("tells room and client at home what home did not keep", async () => {
    const storage = new Map<string, string>();
    const traveler = new Traveler(home.origin, {
      name: "Ada",
      storage: {
        getItem: (name) => storage.get(name) ?? null,
        setItem: (name, value) => void storage.set(name, value),
      },
    });
    const kept: unknown[] = [];
    const heardByRoom: unknown[] = [];
    traveler.onKept((notice) => kept.push(notice));
    traveler.onArrive(({ room }) => {
      room.onMessage("room heard", (notice) => heardByRoom.push(notice));
    });
    const room = await traveler.join("odd");
    await carry(room, "carry", { book: "b*20000", gold: 100 });
    traveler.enter(`aether://${arena.authority}/odd`);
    const abroad = await eventually(() => {
      assert.equal(traveler.origin, arena.origin);
      assert.ok(traveler.room !== undefined);
      return traveler.room;
    });
    await carry(abroad, "carry", { gold: 1, statue: "s*20000" });
    await traveler.leave();
    const notice = { from: arena.origin, kept: ["/gold"], lost: ["/statue"], more: 0 };
    await eventually(() => traveler.join("odd"));
    await eventually(() => {
      assert.deepEqual(kept, [notice]);
      assert.deepEqual(heardByRoom, [notice]);
    });
    await traveler.leave();
    await eventually(() => traveler.join("odd"));
    assert.equal(kept.length, 1, "it is told once");
    await traveler.leave();
  });
});
