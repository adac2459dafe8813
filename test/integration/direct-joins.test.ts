import assert from "node:assert/strict";
import type { Room } from "@colyseus/sdk";
import { PlayerKey } from "aether-federation/client";
import { callAs } from "../support/operator.ts";
import { rooms } from "../support/running.ts";
import { type Seat, askSeat, leave, portal, sdkClient, takeSeat } from "../support/sdk.ts";
import { ledgerRow } from "../support/stored.ts";
import { Visitor } from "../support/visitor.ts";

type Method = "joinOrCreate" | "join" | "joinById";

describe("a pass as the token of a direct join", function () {
  this.timeout(60_000);
  const at = rooms("home", "source", "target");

  for (const method of ["joinOrCreate", "join", "joinById"] as const) {
    it(`lets a player in by ${method}, with client.auth as its FederatedPlayer`, async () => {
      const { visitor, player, pass } = await departed({ key: null });
      const host = await Visitor.login(at.target, { key: null });
      const room = await direct(method, pass, host.room.roomId);
      visitor.enter(room);
      const { auth, player: seen } = await visitor.whoAmI();
      assert.deepEqual(
        [auth?.["id"], auth?.["home"], auth?.["from"]],
        [player, at.home.origin, at.source.origin],
      );
      assert.deepEqual(auth, seen);
      assert.equal(ledgerRow(at.home, player)?.holder, at.target.origin);
      await leave(room, host);
    });
  }

  it("lets a key-holding player in with the pass for the seat and a proof for the connection", async () => {
    const { visitor, player, pass } = await departed();
    const reservation = await askSeat(at.target, "plain", pass);
    assert.ok("sessionId" in reservation, JSON.stringify(reservation));
    await visitor.arrive({ transferId: "", origin: at.target.origin, reservation });
    assert.equal(await visitor.id(), player);
    assert.equal(ledgerRow(at.home, player)?.holder, at.target.origin);
    await visitor.leave();
  });

  it("asks a key-holding player for a proof, and claims nothing without", async () => {
    const { player, pass } = await departed();
    await assert.rejects(direct("joinOrCreate", pass), /ERR_FED_PROOF_REQUIRED/u);
    staysAtSource(player);
  });

  it("asks for a proof where the connection has no token at all", async () => {
    const { player, pass } = await departed();
    const reservation = await askSeat(at.target, "plain", pass);
    await assert.rejects(takeSeat(at.target, reservation), /ERR_FED_PROOF_REQUIRED/u);
    staysAtSource(player);
  });

  it("refuses the proof of another key, and still takes the player's own", async () => {
    const { visitor, player, pass } = await departed();
    const reservation = (await askSeat(at.target, "plain", pass)) as Seat;
    const transit = { transferId: "", origin: at.target.origin, reservation };
    const thief = await PlayerKey.generate().prove(at.target.origin, {
      seat: reservation.sessionId,
    });
    await assert.rejects(visitor.arrive(transit, thief), /ERR_FED_PROOF_INVALID/u);
    staysAtSource(player);
    await visitor.arrive(transit);
    assert.equal(await visitor.id(), player);
    await visitor.leave();
  });

  it("refuses a pass for another world than the room's", async () => {
    const { player, pass } = await departed({ key: null });
    await assert.rejects(direct("joinOrCreate", pass, "", "uncaught"), /ERR_FED_PASS_WORLD/u);
    staysAtSource(player);
  });

  it("refuses a pass for another world than that of the room joined by its id", async () => {
    const { player, pass } = await departed({ key: null });
    const host = await Visitor.login(at.target, { key: null, world: "uncaught" });
    await assert.rejects(direct("joinById", pass, host.room.roomId), /ERR_FED_PASS_WORLD/u);
    staysAtSource(player);
    await host.leave();
  });

  it("refuses a pass that has got its player in", async () => {
    const { visitor, player, pass } = await departed({ key: null });
    visitor.enter(await direct("joinOrCreate", pass));
    await assert.rejects(direct("joinOrCreate", pass), /ERR_FED_PASS_REUSED/u);
    assert.equal(await visitor.id(), player);
    await visitor.leave();
  });

  it("refuses a pass presented twice, and the first seat stays good", async () => {
    const { visitor, player, pass } = await departed({ key: null });
    const reservation = (await askSeat(at.target, "plain", pass)) as Seat;
    await assert.rejects(direct("joinOrCreate", pass), /ERR_FED_PASS_REUSED/u);
    await visitor.arrive({ transferId: "", origin: at.target.origin, reservation });
    assert.equal(await visitor.id(), player);
    await visitor.leave();
  });

  it("refuses a pass whose transfer was cancelled", async () => {
    const { player, pass, transferId, epoch } = await departed({ key: null });
    const cancel = { transferId, player, epoch };
    assert.equal((await callAs(at.source, at.home, "/custody/cancel", cancel)).status, 200);
    await assert.rejects(direct("joinOrCreate", pass), /ERR_FED_TRANSFER_CANCELLED/u);
    assert.equal(ledgerRow(at.home, player)?.holder, at.source.origin);
  });

  /** A player of `home` whom `source` holds and has sent to `target`, with the pass for it. */
  async function departed(options: { key?: null } = {}): Promise<{
    visitor: Visitor;
    player: string;
    pass: string;
    transferId: string;
    epoch: number;
  }> {
    const visitor = await Visitor.login(at.home, options);
    const player = await visitor.id();
    await visitor.cross(portal(at.source));
    const { epoch } = ledgerRow(at.home, player)!;
    const transferId = crypto.randomUUID();
    const depart = { transferId, player, epoch, to: at.target.origin, world: "plain" };
    const { status, body } = await callAs(at.source, at.home, "/custody/depart", depart);
    assert.equal(status, 200, JSON.stringify(body));
    return { visitor, player, pass: body["pass"] as string, transferId, epoch };
  }

  function direct(method: Method, pass: string, roomId = "", world = "plain"): Promise<Room> {
    const client = sdkClient(at.target, pass);
    return method === "joinById" ? client.joinById(roomId) : client[method](world);
  }

  function staysAtSource(player: string): void {
    const row = ledgerRow(at.home, player);
    assert.equal(row?.holder, at.source.origin);
    assert.equal(row.transfer?.to, at.target.origin);
  }
});
