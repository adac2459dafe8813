import assert from "node:assert/strict";
import { eventually } from "../support/eventually.ts";
import { type Answer, callAs, goodClaims, operatorKey, passOf } from "../support/operator.ts";
import type { RoomStatus } from "../support/processes.ts";
import { rooms } from "../support/running.ts";
import { leave, portal } from "../support/sdk.ts";
import { ledgerRow } from "../support/stored.ts";
import { Visitor } from "../support/visitor.ts";

describe("seats", function () {
  this.timeout(60_000);
  const at = rooms("home", "away", "third");

  it("makes another room when the first is full", async () => {
    const of = crypto.randomUUID();
    const [first, second] = [await Visitor.login(at.home), await Visitor.login(at.home)];
    const rooms = [
      await first.cross(portal(at.away, "small", { of })),
      await second.cross(portal(at.away, "small", { of })),
    ].map(({ roomId }) => roomId);
    assert.notEqual(rooms[0], rooms[1]);
    await leave(first, second);
  });

  it("makes rooms enough when several players come at once", async () => {
    const of = crypto.randomUUID();
    const visitors = await Promise.all([1, 2, 3, 4].map(() => Visitor.login(at.home)));
    const rooms = await Promise.all(
      visitors.map((visitor) => visitor.cross(portal(at.away, "small", { of }))),
    );
    assert.equal(new Set(rooms.map(({ roomId }) => roomId)).size, 4);
    await leave(...visitors);
  });

  it("makes rooms enough when many seats are asked for while one place is left", async () => {
    const of = crypto.randomUUID();
    const host = await Visitor.login(at.away, { world: "small", options: { of, size: "2" } });
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => reserve("small", { of, size: "2" })),
    );
    assert.deepEqual(
      answers.map(({ status, body }) => body["code"] ?? status),
      answers.map(() => 201),
    );
    const rooms = answers.map(({ body }) => (body["reservation"] as { roomId: string }).roomId);
    assert.ok(rooms.includes(host.room.roomId));
    for (const room of await at.away.rooms("small")) {
      assert.ok(room.clients + room.reserved <= 2, JSON.stringify(room));
    }
    await leave(host);
  });

  it("keeps a player at the source when the only room is full", async () => {
    const of = crypto.randomUUID();
    const [first, second] = [await Visitor.login(at.home), await Visitor.login(at.home)];
    await first.cross(portal(at.away, "single", { of }));
    await assert.rejects(second.transit(portal(at.away, "single", { of })), /ERR_FED_UNAVAILABLE/u);
    await playsAtHome(second);
    await first.whoAmI();
    await leave(first, second);
  });

  it("gives the place to the next player once it is free", async () => {
    const of = crypto.randomUUID();
    const [first, second] = [await Visitor.login(at.home), await Visitor.login(at.home)];
    await first.cross(portal(at.away, "single", { of }));
    await assert.rejects(second.transit(portal(at.away, "single", { of })), /ERR_FED_UNAVAILABLE/u);
    await first.leave();
    await eventually(() => second.cross(portal(at.away, "single", { of })));
    assert.equal((await second.whoAmI()).player?.home, at.home.origin);
    await leave(second);
  });

  it("keeps a player at the source when the world is locked", async () => {
    const visitor = await Visitor.login(at.home);
    await assert.rejects(visitor.transit(portal(at.away, "locked")), /ERR_FED_WORLD_LOCKED/u);
    await playsAtHome(visitor);
    await leave(visitor);
  });

  it("keeps no seat of crossings that were given up", async () => {
    const { visitor, host, to } = await beforeBriefRoom();
    for (let times = 0; times < 5; times += 1) {
      await visitor.giveUp(await visitor.transit(to));
    }
    await keepsNoSeat(host);
    await visitor.cross(to);
    await leave(visitor, host);
  });

  it("keeps no seat of clients that were refused", async () => {
    const { visitor, host, to } = await beforeBriefRoom();
    for (let times = 0; times < 5; times += 1) {
      const transit = await visitor.transit(to);
      await assert.rejects(visitor.arrive(transit, "garbage"), /ERR_FED_PROOF_INVALID/u);
      await visitor.giveUp(transit);
    }
    await keepsNoSeat(host);
    await leave(visitor, host);
  });

  it("reserves one seat however often one transfer asks", async () => {
    const claims = goodClaims(at.home, at.away, "small");
    const answers = [];
    for (let times = 0; times < 3; times += 1) {
      answers.push(await reserve("small", { of: claims.xfer, size: "2" }, claims));
    }
    assert.deepEqual(
      answers.map(({ status }) => status),
      [201, 201, 201],
    );
    const { roomId } = answers[0]!.body["reservation"] as { roomId: string };
    const room = (await at.away.rooms("small")).find((other) => other.roomId === roomId);
    assert.equal(room?.reserved, 1);
  });

  it("does not let a player in by a seat that was given up, and it plays on at the source", async () => {
    const visitor = await Visitor.login(at.home);
    const transit = await visitor.transit(portal(at.away));
    await visitor.giveUp(transit);
    await playsAtHome(visitor);
    const { room } = visitor;
    await assert.rejects(visitor.arrive(transit), /ERR_FED_(?:SEAT_UNKNOWN|TRANSFER_CANCELLED)/u);
    assert.equal(visitor.room, room);
    await playsAtHome(visitor);
    await leave(visitor);
  });

  it("does not let a player in by a seat whose time ran out, and it plays on at the source", async () => {
    const { visitor, host, to } = await beforeBriefRoom();
    const transit = await visitor.transit(to);
    await eventually(async () => {
      assert.equal((await roomOf(host)).reserved, 0);
    });
    await assert.rejects(visitor.arrive(transit));
    await eventually(() => {
      assert.equal(visitor.failures.at(-1)?.code, "ERR_FED_CROSSING_EXPIRED");
    });
    await playsAtHome(visitor);
    await leave(visitor, host);
  });

  it("lets nobody but the source free a seat", async () => {
    const visitor = await Visitor.login(at.home);
    const transit = await visitor.transit(portal(at.away));
    const { transferId } = transit;
    const { status } = await callAs(at.third, at.away, "/reservations/cancel", { transferId });
    assert.equal(status, 200);
    await visitor.arrive(transit);
    await visitor.whoAmI();
    await leave(visitor);
  });

  it("takes a seat once: the second client with the same reservation is refused", async () => {
    const visitor = await Visitor.login(at.home);
    const player = await visitor.id();
    const transit = await visitor.transit(portal(at.away));
    const room = await visitor.arrive(transit);
    await assert.rejects(visitor.arrive(transit));
    assert.equal(visitor.room, room);
    assert.equal(await visitor.id(), player);
    await leave(visitor);
  });

  it("takes a seat once when two clients come at the same time", async () => {
    const visitor = await Visitor.login(at.home);
    const player = await visitor.id();
    const transit = await visitor.transit(portal(at.away));
    const ends = await Promise.allSettled([visitor.arrive(transit), visitor.arrive(transit)]);
    assert.deepEqual(ends.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    assert.equal(await visitor.id(), player);
    assert.equal(ledgerRow(at.home, player)?.holder, at.away.origin);
    await leave(visitor);
  });

  /** A seat as `home` would ask for it, for anybody. */
  async function reserve(
    world: string,
    options: Record<string, string>,
    claims = goodClaims(at.home, at.away, world),
  ): Promise<Answer> {
    const pass = await passOf(claims, await operatorKey(at.home));
    const asked = { transferId: claims.xfer, pass, world, options };
    return callAs(at.home, at.away, "/reservations", asked);
  }

  /** A player at home, and a room of seats that soon lapse, with a host in it. */
  async function beforeBriefRoom(): Promise<{ visitor: Visitor; host: Visitor; to: string }> {
    const of = crypto.randomUUID();
    const visitor = await Visitor.login(at.home);
    // A player in the room keeps it open: seats that were kept would be seen.
    const host = await Visitor.login(at.away, { world: "brief", options: { of } });
    return { visitor, host, to: portal(at.away, "brief", { of }) };
  }

  async function keepsNoSeat(host: Visitor): Promise<void> {
    await eventually(async () => {
      const { clients, reserved, counted } = await roomOf(host);
      assert.deepEqual({ clients, reserved, counted }, { clients: 1, reserved: 0, counted: 1 });
    });
  }

  async function playsAtHome(visitor: Visitor): Promise<void> {
    const player = await visitor.id();
    const row = ledgerRow(at.home, player);
    assert.deepEqual([row?.holder, row?.transfer], [at.home.origin, undefined]);
  }

  async function roomOf({ room }: Visitor): Promise<RoomStatus> {
    const rooms = await at.away.rooms(room.name);
    return rooms.find(({ roomId }) => roomId === room.roomId)!;
  }
});
