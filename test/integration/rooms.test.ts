import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Client, type Room } from "@colyseus/sdk";
import { Traveler } from "aether-federation/client";
import { issuePass } from "../../src/identity/pass.ts";
import { importSigningKey, type PrivateJwk } from "../../src/identity/server-keys.ts";
import { eventually } from "../support/eventually.ts";
import { Player } from "../support/player.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";

interface WhoAmI {
  readonly auth: Record<string, unknown> | null;
  readonly player: {
    id: string;
    name: string;
    home: string;
    from?: string;
    carried?: unknown;
  } | null;
}

/** How a local player gets into each kind of room, and what it must not get in without. */
const KINDS = [
  { kind: "plain", token: undefined, options: {}, open: true },
  { kind: "instance", token: undefined, options: { password: "sesame" }, open: false },
  { kind: "static", token: "host-token", options: {}, open: false },
  { kind: "uncaught", token: undefined, options: {}, open: true },
  { kind: "late", token: "host-token", options: {}, open: false },
] as const;

describe("every kind of room", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let plaza: ServerProcess;
  let rooms: ServerProcess;

  before(async () => {
    [plaza, rooms] = (await servers.start([
      { name: "plaza", script: "example-server/world.ts" },
      { name: "rooms", script: "test/fixtures/rooms-server.ts" },
    ])) as [ServerProcess, ServerProcess];
  });
  after(() => servers.stop());

  for (const { kind, token, options, open } of KINDS) {
    describe(kind, () => {
      it("lets a local player in by the host's own rules", async () => {
        const client = new Client(rooms.origin);
        client.http.authToken = token;
        const room = await client.joinOrCreate(kind, { ...options, name: "Local" });
        const { auth, player } = await whoAmI(room);
        if (open) assert.match(player?.id ?? "", /^guest-/u);
        else {
          assert.match(String(auth?.["id"]), /^account-\d$/u);
          assert.equal(player?.id, `${String(auth?.["id"])}@${rooms.authority}`);
        }
        assert.equal(player?.home, rooms.origin);
        await room.leave();
      });

      it("lets a federated player in, with client.auth as its FederatedPlayer", async () => {
        const visitor = new Player(plaza.origin, "Visitor");
        await visitor.join("plaza");
        const { id } = visitor.at.me;
        const room = await crossTo(visitor, `aether://${rooms.authority}/${kind}`);
        const { auth, player } = await whoAmI(room);
        assert.equal(auth?.["id"], id);
        assert.equal(auth?.["name"], "Visitor");
        assert.equal(auth?.["home"], plaza.origin);
        assert.equal(auth?.["from"], plaza.origin);
        assert.ok(Array.isArray((auth?.["carried"] as { coins?: unknown } | undefined)?.coins));
        assert.deepEqual(player, auth);
        await room.leave();
      });

      it("refuses a bad pass with a coded error", async () => {
        const client = new Client(rooms.origin);
        client.http.authToken = await pass({ world: kind, aud: "http://elsewhere.example" });
        await assert.rejects(client.joinOrCreate(kind, options), /ERR_FED_PASS_AUDIENCE/u);
      });

      it(open ? "lets a guest in without a token" : "refuses without a token", async () => {
        const join = new Client(rooms.origin).joinOrCreate(kind, { name: "Nobody" });
        if (open) await (await join).leave();
        else await assert.rejects(join, /onAuth failed/u);
      });
    });
  }

  it("logs a key-holding player in at a room without auth of its own", async () => {
    const traveler = new Traveler(rooms.origin, { name: "Key" });
    const room = await traveler.join("plain");
    const { auth, player } = await whoAmI(room);
    assert.equal(player?.id, traveler.playerId);
    assert.deepEqual(auth, player);
    await traveler.leave();
  });

  it("never lets a key log in where the host has auth of its own", async () => {
    for (const kind of ["static", "late", "instance"]) {
      await assert.rejects(
        new Traveler(rooms.origin, { name: "Key" }).join(kind),
        /onAuth failed/u,
      );
    }
  });

  it("keeps everybody out of the room that shows the peers", async () => {
    const client = new Client(rooms.origin);
    client.http.authToken = await pass({ world: "federation", aud: rooms.origin });
    await assert.rejects(client.joinOrCreate("federation"));
    await assert.rejects(new Client(rooms.origin).joinOrCreate("federation"));
  });

  it("shows every peer in the Colyseus monitor", async () => {
    const listed = (await (await fetch(`${plaza.origin}/monitor/api`)).json()) as {
      rooms: { name: string; roomId: string }[];
    };
    const room = listed.rooms.find(({ name }) => name === "federation");
    assert.ok(room !== undefined);
    await eventually(async () => {
      const url = `${plaza.origin}/monitor/api/room?roomId=${room.roomId}`;
      const { state } = (await (await fetch(url)).json()) as {
        state: { peers: Record<string, Record<string, unknown>> };
      };
      const peer = state.peers[rooms.origin];
      assert.equal(peer?.["status"], "online");
      assert.equal(peer["trust"], "trusted");
      assert.ok(Number(peer["roundTripMilliseconds"]) > 0);
      assert.match(String(peer["uptimeHour"]), /100 %/u);
      assert.match(String(peer["worlds"]), /plain/u);
      assert.match(String(peer["lastHandshake"]), /^\d{4}-/u);
    });
  });

  it("honours the admission policy, with its reason", async () => {
    const mallory = new Player(plaza.origin, "Mallory");
    await mallory.join("plaza");
    mallory.traveler.enter(`aether://${rooms.authority}/plain`);
    const failure = await mallory.failure();
    assert.equal(failure.code, "ERR_FED_ADMISSION_REFUSED");
    assert.match(failure.message, /not welcome/u);
    await mallory.at.pickUpCoin();
    await mallory.traveler.leave();
  });

  async function pass(claims: { world: string; aud: string }): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return issuePass(
      {
        iss: plaza.origin,
        sub: "somebody",
        iat: now,
        exp: now + 60,
        jti: crypto.randomUUID(),
        xfer: crypto.randomUUID(),
        src: plaza.origin,
        name: "Somebody",
        ...claims,
      },
      await operatorKey(plaza),
    );
  }
});

async function operatorKey(server: ServerProcess): Promise<ReturnType<typeof importSigningKey>> {
  const text = await readFile(join(server.spec.data, "keys.json"), "utf8");
  return importSigningKey((JSON.parse(text) as { current: PrivateJwk }).current);
}

async function crossTo(player: Player, uri: string): Promise<Room> {
  const count = player.arrivals.length;
  player.traveler.enter(uri);
  const arrival = await eventually(
    () => {
      const failure = player.failures.at(-1);
      if (failure !== undefined) return failure;
      const latest = player.arrivals[count];
      if (latest === undefined) throw new Error("on the way");
      return latest;
    },
    { what: "the crossing has ended" },
  );
  assert.ok("room" in arrival, `stayed: ${JSON.stringify(arrival)}`);
  return arrival.room;
}

async function whoAmI(room: Room): Promise<WhoAmI> {
  const answer = new Promise<WhoAmI>((resolve) => {
    room.onMessage("whoami", resolve);
  });
  room.send("whoami");
  return answer;
}
