import assert from "node:assert/strict";
import { type Failure, type Leave, Traveler } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { ledgerRow, visitorRow } from "../support/stored.ts";

const SLOW_SECONDS = 14;

describe("a room whose onJoin throws, takes long or never ends", function () {
  this.timeout(90_000);
  const servers = new Servers();
  let home: ServerProcess;
  let away: ServerProcess;
  let third: ServerProcess;

  before(async () => {
    const script = "test/fixtures/rooms-server.ts";
    [home, away, third] = (await servers.start([
      { name: "home", script },
      { name: "away", script, flags: ["--join-timeout", "20"] },
      { name: "third", script, flags: ["--join-timeout", "2"] },
    ])) as [ServerProcess, ServerProcess, ServerProcess];
  });
  after(() => servers.stop());

  it("tells the player the room's own refusal, and brings it home with what it carried", async () => {
    const { traveler, failures, player } = await resident();
    traveler.enter(`aether://${away.authority}/unruly?how=throw`);
    const failure = await eventually(() => failures[0] ?? assert.fail("not told"));
    assert.equal(failure.message, "The doorkeeper does not like your hat.");
    assert.match(failure.code, /^ERR_FED_/u);
    await isAtHome(traveler, player);
    await traveler.leave();
  });

  it("plays where it was going when the room takes its time", async () => {
    const { traveler, failures, leaves, player } = await resident();
    traveler.enter(`aether://${away.authority}/unruly?how=${SLOW_SECONDS}`);
    await eventually(() => assert.equal(traveler.origin, away.origin), {
      timeoutMilliseconds: (SLOW_SECONDS + 6) * 1000,
    });
    assert.deepEqual([failures, leaves], [[], []]);
    assert.equal(ledgerRow(home, player)?.holder, away.origin);
    assert.equal((await clientsOf(away, "unruly")).length, 1);
    assert.equal(await noteOf(traveler), "souvenir");
    await traveler.leave();
  });

  it("comes home from a room that never lets it in, and leaves nobody behind", async () => {
    const { traveler, failures, player } = await resident();
    traveler.enter(`aether://${third.authority}/unruly?how=never`);
    const failure = await eventually(() => failures[0] ?? assert.fail("not told"));
    assert.equal(failure.code, "ERR_FED_TIMEOUT");
    await isAtHome(traveler, player);
    await eventually(async () => {
      assert.equal(visitorRow(third, player)?.held, undefined);
      assert.deepEqual(await clientsOf(third, "unruly"), []);
    });
    await traveler.leave();
  });

  it("is sent home at once when its client goes while the room takes its time", async () => {
    const { traveler, player } = await resident();
    traveler.enter(`aether://${away.authority}/unruly?how=never`);
    await eventually(() => assert.equal(visitorRow(away, player)?.held?.phase, "held"));
    await traveler.leave();
    await eventually(() => {
      assert.equal(ledgerRow(home, player)?.holder, home.origin);
      assert.equal(visitorRow(away, player)?.held, undefined);
    });
    await eventually(async () => assert.deepEqual(await clientsOf(away, "unruly"), []));
  });

  /** A player at home, with something in its pocket. */
  async function resident(): Promise<{
    traveler: Traveler;
    failures: Failure[];
    leaves: Leave[];
    player: string;
  }> {
    const traveler = new Traveler(home.origin, { name: "Visitor" });
    const [failures, leaves]: [Failure[], Leave[]] = [[], []];
    traveler.onFailed((failure) => failures.push(failure));
    traveler.onLeave((leave) => leaves.push(leave));
    const room = await traveler.join("plain");
    room.send("note", "souvenir");
    await noteOf(traveler);
    return { traveler, failures, leaves, player: traveler.playerId! };
  }

  async function isAtHome(traveler: Traveler, player: string): Promise<void> {
    await eventually(() => assert.equal(traveler.origin, home.origin));
    assert.equal(await noteOf(traveler), "souvenir");
    assert.equal(ledgerRow(home, player)?.holder, home.origin);
    assert.equal(ledgerRow(home, player)?.transfer, undefined);
  }

  /** What the room says the player carried when it came in, or has noted down since. */
  async function noteOf(traveler: Traveler): Promise<unknown> {
    const { room } = traveler;
    return new Promise((resolve) => {
      const stop = room!.onMessage(
        "whoami",
        ({ player }: { player: { carried?: { note?: unknown } } | null }) => {
          stop();
          resolve(player?.carried?.note);
        },
      );
      room!.send("whoami");
    });
  }

  async function clientsOf(server: ServerProcess, name: string): Promise<unknown[]> {
    return (await server.rooms(name)).filter(({ clients }) => clients > 0);
  }
});
