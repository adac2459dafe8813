import assert from "node:assert/strict";
import { Client, type Room } from "@colyseus/sdk";
import { PlayerKey } from "aether-federation/client";
import type { ReceiptClaims } from "../../src/identity/receipt.ts";
import { eventually } from "../support/eventually.ts";
import { operatorKey, signedPost } from "../support/operator.ts";
import { RoomWatch } from "../support/player.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";

/**
 * A player of plaza stands in arena; arena's operator departs it to `rooms` by hand, so that the
 * test has a genuine pass to present as an auth token.
 */
describe("joining directly with a pass", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let plaza: ServerProcess;
  let arena: ServerProcess;
  let rooms: ServerProcess;

  before(async () => {
    [plaza, arena, rooms] = (await servers.start([
      { name: "plaza", script: "example-server/world.ts" },
      { name: "arena", script: "example-server/world.ts" },
      { name: "rooms", script: "test/fixtures/rooms-server.ts" },
    ])) as [ServerProcess, ServerProcess, ServerProcess];
  });
  after(() => servers.stop());

  interface Passed {
    readonly pass: string;
    readonly id: string;
    readonly visited: Room;
  }

  async function passFor(key: PlayerKey | undefined, world: string): Promise<Passed> {
    const client = new Client(plaza.origin);
    client.http.authToken = await key?.prove(plaza.origin);
    const home = await client.joinOrCreate("plaza", { name: "Direct" });
    home.reconnection.enabled = false;
    const message = new Promise<{ reservation: never }>((resolve) => {
      home.onMessage("federation:transit", resolve);
    });
    home.send("federation:enter", { to: `aether://${arena.authority}/arena` });
    const { reservation } = await message;
    const onward = new Client(arena.origin);
    const { sessionId } = reservation as { sessionId: string };
    onward.http.authToken = await key?.prove(arena.origin, sessionId);
    const visited = await onward.consumeSeatReservation(reservation);
    visited.reconnection.enabled = false;
    const watch = new RoomWatch(visited);
    await watch.settled();
    const told = new Promise<{ receipt: string }>((resolve) => {
      visited.onMessage("federation:receipt", resolve);
    });
    visited.send("federation:receipt");
    const [, payload = ""] = (await told).receipt.split(".");
    const { epoch } = JSON.parse(Buffer.from(payload, "base64url").toString()) as ReceiptClaims;
    const answer = await signedPost(
      { origin: arena.origin, key: await operatorKey(arena) },
      `${plaza.origin}/federation/custody/depart`,
      {
        transferId: crypto.randomUUID(),
        player: watch.me.id,
        epoch,
        to: rooms.origin,
        world,
      },
    );
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return { pass: String(answer.body["pass"]), id: watch.me.id, visited };
  }

  async function whoAmI(room: Room): Promise<{ auth: { id?: string; from?: string } | null }> {
    const answer = new Promise<{ auth: { id?: string; from?: string } | null }>((resolve) => {
      room.onMessage("whoami", resolve);
    });
    room.send("whoami");
    return answer;
  }

  const withToken = (token: string): Client => {
    const client = new Client(rooms.origin);
    client.http.authToken = token;
    return client;
  };

  for (const method of ["joinOrCreate", "join", "joinById"] as const) {
    it(`${method} lets the player in by the same rules`, async () => {
      const host = await new Client(rooms.origin).create("plain", {});
      const { pass, id, visited } = await passFor(undefined, "plain");
      const room = await withToken(pass)[method](method === "joinById" ? host.roomId : "plain", {});
      const { auth } = await whoAmI(room);
      assert.deepEqual([auth?.id, auth?.from], [id, arena.origin]);
      // The former holder has lost it: home has decided.
      await eventually(() => assert.equal(visited.connection.isOpen, false), {
        timeoutMilliseconds: 15_000,
      });
      await room.leave();
      await host.leave();
    });
  }

  it("a pass that is bound to a key lets nobody in without a proof", async () => {
    const key = PlayerKey.generate();
    const { pass, visited } = await passFor(key, "plain");
    await assert.rejects(
      withToken(pass).joinOrCreate("plain", {}),
      /ERR_FED_PROOF_(?:REQUIRED|INVALID)/u,
    );
    // Custody was not claimed: arena still has the player.
    assert.equal(visited.connection.isOpen, true);
    await visited.leave();
  });

  it("a pass that is bound to a key lets its owner in, who proves it for the seat", async () => {
    const key = PlayerKey.generate();
    const { pass, id } = await passFor(key, "plain");
    const response = await fetch(`${rooms.origin}/matchmake/joinOrCreate/plain`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${pass}` },
      body: "{}",
    });
    const reservation = (await response.json()) as { sessionId: string };
    const client = withToken(await key.prove(rooms.origin, reservation.sessionId));
    const room = await client.consumeSeatReservation(reservation as never);
    assert.equal((await whoAmI(room)).auth?.id, id);
    await room.leave();
  });

  it("refuses a pass for another world than the room's", async () => {
    const { pass, visited } = await passFor(undefined, "small");
    await assert.rejects(withToken(pass).joinOrCreate("plain", {}), /ERR_FED_PASS_WORLD/u);
    await visited.leave();
  });

  it("refuses a pass for another world than that of the room that is named by its id", async () => {
    const host = await new Client(rooms.origin).create("plain", {});
    const { pass, visited } = await passFor(undefined, "small");
    await assert.rejects(withToken(pass).joinById(host.roomId, {}), /ERR_FED_PASS_WORLD/u);
    await visited.leave();
    await host.leave();
  });

  it("refuses a pass that has been used", async () => {
    const { pass } = await passFor(undefined, "plain");
    const room = await withToken(pass).joinOrCreate("plain", {});
    await assert.rejects(
      withToken(pass).joinOrCreate("plain", {}),
      /ERR_FED_(?:PASS_REUSED|SEAT_BUSY)/u,
    );
    assert.ok((await whoAmI(room)).auth?.id !== undefined, "who came first plays on");
    await room.leave();
  });
});
