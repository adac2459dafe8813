import assert from "node:assert/strict";
import { Client } from "@colyseus/sdk";
import { PlayerKey } from "aether-federation/client";
import { operatorKey, signedPost } from "../support/operator.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { ledgerRow } from "../support/stored.ts";
import { type Transit, Visitor } from "../support/visitor.ts";

type Method = "joinOrCreate" | "join" | "joinById";

describe("a pass as the token of a direct join", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let home: ServerProcess;
  let source: ServerProcess;
  let target: ServerProcess;

  before(async () => {
    [home, source, target] = (await servers.rooms("home", "source", "target")) as [
      ServerProcess,
      ServerProcess,
      ServerProcess,
    ];
  });
  after(() => servers.stop());

  for (const method of ["joinOrCreate", "join", "joinById"] as const) {
    it(`lets a player in by ${method}, with client.auth as its FederatedPlayer`, async () => {
      const { visitor, player, pass } = await departed({ key: null });
      const host = await Visitor.login(target, { key: null });
      const room = await direct(method, pass, host.room.roomId);
      visitor.enter(room);
      const { auth, player: seen } = await visitor.whoAmI();
      assert.deepEqual(
        [auth?.["id"], auth?.["home"], auth?.["from"]],
        [player, home.origin, source.origin],
      );
      assert.deepEqual(auth, seen);
      assert.equal(ledgerRow(home, player)?.holder, target.origin);
      await Promise.all([room.leave(), host.room.leave()]);
    });
  }

  it("lets a key-holding player in with the pass for the seat and a proof for the connection", async () => {
    const { visitor, player, pass } = await departed();
    const reservation = await matchmake("plain", pass);
    assert.ok("sessionId" in reservation, JSON.stringify(reservation));
    await visitor.arrive({ transferId: "", origin: target.origin, reservation });
    assert.equal(await visitor.id(), player);
    assert.equal(ledgerRow(home, player)?.holder, target.origin);
    await visitor.room.leave();
  });

  it("asks a key-holding player for a proof, and claims nothing without", async () => {
    const { player, pass } = await departed();
    await assert.rejects(direct("joinOrCreate", pass), /ERR_FED_PROOF_REQUIRED/u);
    staysAtSource(player);
  });

  it("asks for a proof where the connection has no token at all", async () => {
    const { player, pass } = await departed();
    const reservation = await matchmake("plain", pass);
    await assert.rejects(
      new Client(target.origin).consumeSeatReservation(reservation as never),
      /ERR_FED_PROOF_REQUIRED/u,
    );
    staysAtSource(player);
  });

  it("refuses the proof of another key, and still takes the player's own", async () => {
    const { visitor, player, pass } = await departed();
    const reservation = (await matchmake("plain", pass)) as Transit["reservation"];
    const transit = { transferId: "", origin: target.origin, reservation };
    const thief = await PlayerKey.generate().prove(target.origin, reservation.sessionId);
    await assert.rejects(visitor.arrive(transit, thief), /ERR_FED_PROOF_INVALID/u);
    staysAtSource(player);
    await visitor.arrive(transit);
    assert.equal(await visitor.id(), player);
    await visitor.room.leave();
  });

  it("refuses a pass for another world than the room's", async () => {
    const { player, pass } = await departed({ key: null });
    await assert.rejects(direct("joinOrCreate", pass, "", "uncaught"), /ERR_FED_PASS_WORLD/u);
    staysAtSource(player);
  });

  it("refuses a pass for another world than that of the room joined by its id", async () => {
    const { player, pass } = await departed({ key: null });
    const host = await Visitor.login(target, { key: null, world: "uncaught" });
    await assert.rejects(direct("joinById", pass, host.room.roomId), /ERR_FED_PASS_WORLD/u);
    staysAtSource(player);
    await host.room.leave();
  });

  it("refuses a pass that has got its player in", async () => {
    const { visitor, player, pass } = await departed({ key: null });
    visitor.enter(await direct("joinOrCreate", pass));
    await assert.rejects(direct("joinOrCreate", pass), /ERR_FED_PASS_REUSED/u);
    assert.equal(await visitor.id(), player);
    await visitor.room.leave();
  });

  it("refuses a pass presented twice, and the first seat stays good", async () => {
    const { visitor, player, pass } = await departed({ key: null });
    const reservation = (await matchmake("plain", pass)) as Transit["reservation"];
    await assert.rejects(direct("joinOrCreate", pass), /ERR_FED_PASS_REUSED/u);
    await visitor.arrive({ transferId: "", origin: target.origin, reservation });
    assert.equal(await visitor.id(), player);
    await visitor.room.leave();
  });

  it("refuses a pass whose transfer was cancelled", async () => {
    const { player, pass, transferId, epoch } = await departed({ key: null });
    const cancelled = await signedPost(
      { origin: source.origin, key: await operatorKey(source) },
      `${home.origin}/federation/custody/cancel`,
      { transferId, player, epoch },
    );
    assert.equal(cancelled.status, 200);
    await assert.rejects(direct("joinOrCreate", pass), /ERR_FED_TRANSFER_CANCELLED/u);
    assert.equal(ledgerRow(home, player)?.holder, source.origin);
  });

  /** A player of `home` whom `source` holds and has sent to `target`, with the pass for it. */
  async function departed(options: { key?: null } = {}): Promise<{
    visitor: Visitor;
    player: string;
    pass: string;
    transferId: string;
    epoch: number;
  }> {
    const visitor = await Visitor.login(home, options);
    const player = await visitor.id();
    await visitor.cross(`aether://${source.authority}/plain`);
    const { epoch } = ledgerRow(home, player)!;
    const transferId = crypto.randomUUID();
    const { status, body } = await signedPost(
      { origin: source.origin, key: await operatorKey(source) },
      `${home.origin}/federation/custody/depart`,
      { transferId, player, epoch, to: target.origin, world: "plain" },
    );
    assert.equal(status, 200, JSON.stringify(body));
    return { visitor, player, pass: body["pass"] as string, transferId, epoch };
  }

  function direct(
    method: Method,
    pass: string,
    roomId = "",
    world = "plain",
  ): ReturnType<Client["joinOrCreate"]> {
    const client = new Client(target.origin);
    client.http.authToken = pass;
    return method === "joinById" ? client.joinById(roomId) : client[method](world);
  }

  /** The seat only: what the SDK does before it connects. */
  async function matchmake(
    world: string,
    pass: string,
  ): Promise<Transit["reservation"] | { error: string }> {
    const response = await fetch(`${target.origin}/matchmake/joinOrCreate/${world}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${pass}` },
      body: "{}",
    });
    return (await response.json()) as Transit["reservation"] | { error: string };
  }

  function staysAtSource(player: string): void {
    const row = ledgerRow(home, player);
    assert.equal(row?.holder, source.origin);
    assert.equal(row.transfer?.to, target.origin);
  }
});
