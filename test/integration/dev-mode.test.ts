import assert from "node:assert/strict";
import { type Leave, Traveler } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { ledgerRow, visitorRow } from "../support/stored.ts";

describe("a server that Colyseus' devMode restarts", function () {
  this.timeout(90_000);
  const servers = new Servers();
  let home: ServerProcess;
  let dev: ServerProcess;

  beforeEach(async () => {
    const script = "test/fixtures/rooms-server.ts";
    [home, dev] = (await servers.start([
      { name: "home", script },
      { name: "dev", script, flags: ["--dev-mode"], cwd: await servers.folder() },
    ])) as [ServerProcess, ServerProcess];
  });
  afterEach(() => servers.stop());

  for (const where of ["abroad", "at home"] as const) {
    it(`leaves a player who was there ${where} in one place, with its identity`, async () => {
      const resident = where === "at home" ? dev : home;
      const traveler = new Traveler(resident.origin);
      const leaves: Leave[] = [];
      const reconnections: string[] = [];
      traveler.onLeave((leave) => leaves.push(leave));
      traveler.onArrive(({ room, origin }) => {
        // The SDK tries a seat again in devMode, from the first moment on.
        room.reconnection.minUptime = 0;
        room.onReconnect(() => reconnections.push(origin));
      });
      await traveler.join("plain");
      const player = traveler.playerId!;
      if (where === "abroad") {
        traveler.enter(`aether://${dev.authority}/plain`);
        await eventually(() => assert.equal(traveler.origin, dev.origin));
      }
      await dev.kill("SIGTERM");
      const again = servers.run(dev.spec);
      await again.ready();
      await eventually(
        async () => {
          assert.equal(traveler.room?.connection.isOpen, true);
          assert.equal(await whoIsIn(traveler), player);
        },
        { timeoutMilliseconds: 30_000 },
      );
      assert.equal(traveler.origin, resident.origin);
      assert.deepEqual(reconnections, []);
      assert.equal(ledgerRow(resident, player)?.holder, resident.origin);
      if (where === "abroad") {
        await eventually(() => assert.equal(visitorRow(dev, player)?.held, undefined));
      }
      const places = [...(await again.rooms("plain")), ...(await home.rooms("plain"))];
      assert.equal(
        places.reduce((sum, { clients }) => sum + clients, 0),
        1,
      );
      assert.equal(leaves.length, 1);
      await traveler.leave();
    });
  }

  function whoIsIn(traveler: Traveler): Promise<string | undefined> {
    return new Promise((resolve) => {
      const stop = traveler.room!.onMessage(
        "whoami",
        ({ player }: { player: { id: string } | null }) => {
          stop();
          resolve(player?.id);
        },
      );
      traveler.room!.send("whoami");
    });
  }
});
