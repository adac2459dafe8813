import assert from "node:assert/strict";
import { PlayerKey } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { ROOMS } from "../support/processes.ts";
import { running } from "../support/running.ts";
import { type Seat, portal, takeSeat } from "../support/sdk.ts";
import { isBack, ledgerRow } from "../support/stored.ts";
import { Visitor } from "../support/visitor.ts";
import { HostilePlayer, travelWith } from "./support/hostile-player.ts";

const NOT_LET_IN = /ERR_FED_JOIN_REFUSED/u;

describe("attack: into a room by another door than its own", function () {
  this.timeout(60_000);
  const at = running({
    home: { script: ROOMS },
    away: { script: ROOMS },
    members: { script: ROOMS, flags: ["--members-only"] },
  });

  for (const world of ["static", "instance"]) {
    for (const [who, key] of [
      ["a guest", null],
      ["a key", PlayerKey.generate()],
    ] as const) {
      it(`${who} goes through a local portal into ${world}`, async () => {
        const visitor = await Visitor.login(at.home, { key });
        const player = await visitor.id();
        const transit = await visitor.transit(portal(at.home, world));
        await assert.rejects(visitor.arrive(transit), NOT_LET_IN);
        await visitor.giveUp(transit);
        assert.equal(await visitor.id(), player, "it stays where it is");
        visitor.room.send("note", "still heard");
        await visitor.leave();
      });
    }

    it(`a key goes away and comes home into ${world}`, async () => {
      const visitor = await Visitor.login(at.home);
      const player = await visitor.id();
      await visitor.cross(portal(at.away));
      const transit = await visitor.transit(portal(at.home, world));
      await assert.rejects(visitor.arrive(transit), NOT_LET_IN);
      await visitor.giveUp(transit);
      assert.equal(ledgerRow(at.home, player)?.holder, at.away.origin);
      await visitor.leave();
      await isBack(at.home, player);
    });
  }

  it("an account gets through where it can say who it is, as at the room's own door", async () => {
    const token = "mail:ada@example.org";
    const login = { key: null, world: "instance", options: { token } };
    const visitor = await Visitor.login(at.home, login);
    const player = await visitor.id();
    await visitor.cross(portal(at.home, "instance", { token }));
    assert.equal(await visitor.id(), player);
    await assert.rejects(visitor.cross(portal(at.home, "instance")), NOT_LET_IN);
    await visitor.leave();
  });

  it("a visitor goes through a local portal into a world that does not admit it", async () => {
    const visitor = await Visitor.login(at.away);
    await visitor.cross(portal(at.home));
    const closed = portal(at.home, "plain", { without: "Visitor" });
    await assert.rejects(visitor.transit(closed), /ERR_FED_ADMISSION_REFUSED/u);
    await visitor.cross(portal(at.home, "uncaught"));
    await visitor.leave();
  });

  it("a key travels from a server where every room asks for more than a key", async () => {
    const player = new HostilePlayer();
    const token = await player.prove({ aud: at.members.origin, use: "travel" });
    const { body } = await travelWith(at.members, token, portal(at.away));
    assert.equal(body["code"], "ERR_FED_JOIN_REFUSED", JSON.stringify(body));
    assert.equal(ledgerRow(at.members, player.idAt(at.members)), undefined);
  });

  describe("the seat of a local portal", () => {
    it("outlives its login, and takes the next session without a key", async () => {
      const { visitor, key, seat } = await withSeat();
      const again = await Visitor.login(at.home, { key });
      const player = await again.id();
      await assert.rejects(takeSeat(at.home, seat), /ERR_FED_/u);
      const proof = await key.prove(at.home.origin, { seat: seat.sessionId });
      await assert.rejects(takeSeat(at.home, seat, proof), /ERR_FED_SEAT_UNKNOWN/u);
      assert.equal(await again.id(), player, "the second session plays on");
      assert.deepEqual(again.leaves, []);
      assert.equal(visitor.leaves.length, 1);
      await again.leave();
    });

    it("is taken by whoever saw it, while its session lasts", async () => {
      const { visitor, key, seat } = await withSeat();
      const thief = PlayerKey.generate();
      for (const token of [
        undefined,
        await thief.prove(at.home.origin, { seat: seat.sessionId }),
        await key.prove(at.home.origin),
        await key.prove(at.home.origin, { seat: "another" }),
      ]) {
        await assert.rejects(takeSeat(at.home, seat, token), /ERR_FED_PROOF_/u);
      }
      await visitor.id();
      assert.deepEqual(visitor.leaves, []);
      await visitor.leave();
    });

    it("is one of several, of which the player has taken another", async () => {
      const { visitor, seat } = await withSeat();
      const other = await visitor.transit(portal(at.home, "plain"));
      await visitor.arrive(other);
      const proof = await visitor.key!.prove(at.home.origin, { seat: seat.sessionId });
      await assert.rejects(takeSeat(at.home, seat, proof), /ERR_FED_SEAT_UNKNOWN/u);
      await visitor.id();
      await visitor.leave();
    });

    it("was given up", async () => {
      const { visitor, seat, transit } = await withSeat();
      await visitor.giveUp(transit);
      const proof = await visitor.key!.prove(at.home.origin, { seat: seat.sessionId });
      await assert.rejects(takeSeat(at.home, seat, proof), /ERR_FED_SEAT_UNKNOWN/u);
      await visitor.id();
      await visitor.leave();
    });

    it("is a visitor's, who came with a key", async () => {
      const visitor = await Visitor.login(at.away);
      await visitor.cross(portal(at.home));
      const { reservation } = await visitor.transit(portal(at.home, "uncaught"));
      await assert.rejects(takeSeat(at.home, reservation), /ERR_FED_PROOF_REQUIRED/u);
      await eventually(() => visitor.id());
      await visitor.leave();
    });

    async function withSeat(): Promise<{
      visitor: Visitor;
      key: PlayerKey;
      seat: Seat;
      transit: Awaited<ReturnType<Visitor["transit"]>>;
    }> {
      const key = PlayerKey.generate();
      const visitor = await Visitor.login(at.home, { key });
      const transit = await visitor.transit(portal(at.home, "uncaught"));
      return { visitor, key, transit, seat: transit.reservation };
    }
  });
});
