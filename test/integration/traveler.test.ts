import assert from "node:assert/strict";
import { type Failure, type Leave, Traveler } from "aether-federation/client";
import { Wire } from "../chaos/proxy.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../../src/testing/test-place.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { ledgerRow, visitorRow } from "../support/stored.ts";

const SCRIPT = "test/fixtures/rooms-server.ts";

describe("Traveler", function () {
  this.timeout(90_000);
  const servers = new Servers();
  const wires: Wire[] = [];
  let home: ServerProcess;
  let away: ServerProcess;
  const stopped = new Set<ServerProcess>();

  beforeEach(async () => {
    [home, away] = (await servers.rooms("home", "away")) as [ServerProcess, ServerProcess];
  });
  afterEach(async () => {
    for (const server of stopped) signal(server, "SIGCONT");
    for (const wire of wires.splice(0)) wire.close();
    await servers.stop();
  });

  it("leaves for good during a crossing", async () => {
    const { traveler, arrivals, player } = await resident();
    traveler.enter(uri("unruly?how=1"));
    await departed(traveler);
    await traveler.leave();
    assert.equal(traveler.room, undefined);
    await eventually(() => {
      assert.equal(ledgerRow(home, player)?.transfer, undefined);
      assert.equal(ledgerRow(home, player)?.holder, home.origin);
    });
    await eventually(async () => {
      for (const server of [home, away]) assert.deepEqual(await everybodyIn(server), []);
    });
    assert.deepEqual([arrivals.length, traveler.room], [1, undefined]);
  });

  it("joins at home while a crossing is under way, and stays there", async () => {
    const { traveler, arrivals, failures, leaves, player } = await resident();
    traveler.enter(uri("unruly?how=never"));
    await eventually(() => assert.equal(visitorRow(away, player)?.held?.phase, "held"));
    const room = await traveler.join("plain");
    await eventually(async () => {
      assert.deepEqual(await everybodyIn(away), []);
      assert.equal((await everybodyIn(home)).length, 1);
    });
    assert.deepEqual([failures, leaves], [[], []]);
    assert.equal(traveler.room, room);
    assert.equal(room.connection.isOpen, true);
    assert.deepEqual(
      arrivals.map(({ origin }) => origin),
      [home.origin, home.origin],
    );
    await traveler.leave();
  });

  it("joins where it was told last when it is told twice", async () => {
    const traveler = new Traveler(home.origin);
    const first = assert.rejects(traveler.join("slow"), /called off/u);
    const second = await traveler.join("plain");
    await first;
    assert.equal(traveler.room, second);
    await eventually(async () => assert.equal((await everybodyIn(home)).length, 1));
    await traveler.leave();
  });

  it("comes home while its old host hangs, and join settles", async () => {
    const { traveler } = await resident();
    await cross(traveler, "plain");
    hang(away);
    const room = await traveler.join("plain").catch((error: unknown) => error);
    // The host that hangs still holds the player: home says so, or has it back already.
    if (room instanceof Error) assert.match(room.message, /ERR_FED_AWAY/u);
    await eventually(() => traveler.join("plain"), { timeoutMilliseconds: 20_000 });
    assert.equal(traveler.origin, home.origin);
    await traveler.leave();
  });

  it("comes home by itself from a host that says nothing any more", async () => {
    const { traveler, arrivals, leaves } = await resident(home, { silenceSeconds: 1.5 });
    await cross(traveler, "plain");
    hang(away);
    await eventually(() => assert.equal(arrivals.length, 3), { timeoutMilliseconds: 30_000 });
    assert.equal(traveler.origin, home.origin);
    assert.deepEqual(
      leaves.map(({ comesHome }) => comesHome),
      [true],
    );
    await traveler.leave();
  });

  it("does not wait for ever for a home that hangs", async () => {
    const { traveler } = await resident();
    await traveler.leave();
    hang(home);
    await assert.rejects(traveler.join("plain"), /did not answer in time/u);
  });

  it("does not wait for ever to leave a host that hangs", async () => {
    const { traveler } = await resident();
    hang(home);
    await traveler.leave();
    assert.equal(traveler.room, undefined);
  });

  it("is controlled by its client after both connections were cut for 2.5 s mid-crossing", async () => {
    const [plaza, arena] = (await behindWires("plaza", "arena")) as [Reached, Reached];
    const { traveler, player } = await resident(plaza.server);
    traveler.enter(`aether://${arena.server.authority}/unruly?how=1`);
    await departed(traveler);
    await eventually(() => {
      assert.equal(visitorRow(arena.server, player)?.held?.phase, "held");
    });
    for (const { wire } of [plaza, arena]) wire.cut();
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    for (const { wire } of [plaza, arena]) wire.mend();
    await eventually(() => assert.equal(traveler.room?.connection.isOpen, true), {
      timeoutMilliseconds: 30_000,
    });
    assert.equal(await whoIsIn(traveler), player);
    const present = await Promise.all([plaza, arena].map(({ server }) => everybodyIn(server)));
    assert.equal(present.flat().length, 1);
    await traveler.leave();
  });

  it("takes its seat when the way there was cut for a moment", async () => {
    const [plaza, arena] = (await behindWires("plaza", "arena")) as [Reached, Reached];
    const { traveler, failures } = await resident(plaza.server);
    // Cut for the client alone: the server's own calls do not come this way any more.
    traveler.onDepart(() => {
      arena.wire.cut();
      setTimeout(() => arena.wire.mend(), 2_500);
    });
    traveler.enter(`aether://${arena.server.authority}/plain`);
    await eventually(() => assert.equal(traveler.origin, arena.server.origin), {
      timeoutMilliseconds: 15_000,
    });
    assert.deepEqual(failures, []);
    await traveler.leave();
  });

  it("brings the player home by itself when its host stops, and says why", async () => {
    const { traveler, leaves, arrivals, player } = await resident();
    const recalls: unknown[] = [];
    await cross(traveler, "plain");
    traveler.onRecalled((recall) => recalls.push(recall));
    await away.kill("SIGTERM");
    await eventually(() => assert.equal(traveler.origin, home.origin), {
      timeoutMilliseconds: 30_000,
    });
    assert.equal(await whoIsIn(traveler), player);
    assert.equal(leaves.length, 1);
    assert.match(leaves[0]?.message ?? "", /^[A-Z].*\.$/u);
    assert.equal(leaves[0]?.comesHome, true);
    assert.equal(arrivals.length, 3);
    await traveler.leave();
  });

  it("waits for a home that is down, and is back when home is", async () => {
    const { traveler, player } = await resident();
    await home.kill("SIGKILL");
    await eventually(() => assert.equal(traveler.room, undefined));
    const again = servers.run(home.spec);
    await again.ready();
    await eventually(() => assert.equal(traveler.room?.connection.isOpen, true), {
      timeoutMilliseconds: 20_000,
    });
    assert.equal(await whoIsIn(traveler), player);
    await traveler.leave();
  });

  it("stays away where it is told to, and stops when it leaves", async () => {
    const { traveler, leaves } = await resident(home, { comesHome: false });
    await home.kill("SIGKILL");
    await eventually(() => assert.equal(leaves.length, 1));
    assert.equal(leaves[0]?.comesHome, false);
    const other = await resident(away);
    await away.kill("SIGKILL");
    await eventually(() => assert.equal(other.leaves.length, 1));
    await other.traveler.leave();
    const again = servers.run(away.spec);
    await again.ready();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    assert.equal(other.traveler.room, undefined);
    assert.deepEqual(await everybodyIn(again), []);
    await traveler.leave();
  });

  it("does not fight the session that superseded it", async () => {
    const storage = memory();
    const { traveler, leaves } = await resident(home, { storage });
    const recalls: { code: string; message: string }[] = [];
    traveler.onRecalled((recall) => recalls.push(recall));
    await cross(traveler, "plain");
    const other = new Traveler(home.origin, { storage });
    await other.join("plain");
    await eventually(() => assert.equal(leaves.length, 1));
    assert.deepEqual(
      recalls.map(({ code }) => code),
      ["ERR_FED_SUPERSEDED"],
    );
    assert.equal(leaves[0]?.comesHome, false);
    assert.equal(traveler.room, undefined);
    assert.equal(other.room?.connection.isOpen, true);
    await other.leave();
  });

  it("hears that it is frozen and thawed, with the reason", async () => {
    const { traveler } = await resident();
    const heard: string[] = [];
    traveler.onFrozen(({ reason, message }) => {
      heard.push(`frozen ${reason}`);
      assert.match(message, /^[A-Z].*\.$/u);
    });
    traveler.onThawed(() => heard.push("thawed"));
    traveler.onFailed(() => heard.push("failed"));
    traveler.enter(`aether://${away.authority}/locked`);
    await eventually(() => assert.deepEqual(heard, ["frozen crossing", "thawed", "failed"]));
    await traveler.leave();
  });

  /** A player of `server`, in its room. */
  async function resident(
    server: ServerProcess = home,
    options: ConstructorParameters<typeof Traveler>[1] = {},
  ) {
    const traveler = new Traveler(server.origin, { name: "Visitor", ...options });
    const arrivals: { origin: string }[] = [];
    const [failures, leaves]: [Failure[], Leave[]] = [[], []];
    traveler.onArrive((arrival) => {
      arrivals.push({ origin: arrival.origin });
      arrival.room.reconnection.enabled = false;
    });
    traveler.onFailed((failure) => failures.push(failure));
    traveler.onLeave((leave) => leaves.push(leave));
    await traveler.join("plain");
    return { traveler, arrivals, failures, leaves, player: traveler.playerId! };
  }

  const uri = (world: string): string => `aether://${away.authority}/${world}`;

  async function cross(traveler: Traveler, world: string): Promise<void> {
    traveler.enter(uri(world));
    await eventually(() => assert.equal(traveler.origin, away.origin));
  }

  function departed(traveler: Traveler): Promise<void> {
    return new Promise((resolve) => {
      const stop = traveler.onDepart(() => {
        stop();
        resolve();
      });
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

  async function everybodyIn(server: ServerProcess): Promise<string[]> {
    const lists = await Promise.all(["plain", "unruly", "slow"].map((name) => server.rooms(name)));
    return lists.flat().flatMap(({ name, clients }) => Array<string>(clients).fill(name));
  }

  function hang(server: ServerProcess): void {
    stopped.add(server);
    signal(server, "SIGSTOP");
  }

  function signal(server: ServerProcess, name: NodeJS.Signals): void {
    try {
      process.kill(server.pid, name);
    } catch {
      // It is gone already.
    }
  }

  interface Reached {
    readonly server: ServerProcess;
    readonly wire: Wire;
  }

  /** Servers that clients and peers reach through wires. */
  async function behindWires(...names: string[]): Promise<Reached[]> {
    const folder = await servers.folder();
    const specs = await Promise.all(
      names.map(async (name) => {
        const [outer, port] = [await freePort(), await freePort()];
        const origin = `http://localhost:${outer}`;
        return { name, script: SCRIPT, port, outer, origin, data: `${folder}/${name}` };
      }),
    );
    const reached = await Promise.all(
      specs.map(async ({ outer, ...spec }) => {
        const wire = await Wire.open(outer, spec.port);
        wires.push(wire);
        const flags = [
          ...["--name", spec.name, "--port", String(spec.port), "--data", spec.data],
          ...["--origin", spec.origin],
          ...specs.filter(({ name }) => name !== spec.name).flatMap((o) => ["--peer", o.origin]),
        ];
        return { wire, server: servers.run({ ...spec, flags }) };
      }),
    );
    await Promise.all(reached.map(({ server }) => server.ready()));
    for (const { server } of reached) {
      await server.knows(...specs.filter((o) => o.origin !== server.origin).map((o) => o.origin));
    }
    return reached;
  }
});

function memory(): {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
} {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
  };
}
