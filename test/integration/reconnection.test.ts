import assert from "node:assert/strict";
import type { Room } from "@colyseus/sdk";
import { eventually } from "../support/eventually.ts";
import { rooms } from "../support/running.ts";
import { portal, sdkClient, takeSeat } from "../support/sdk.ts";
import { isBack, isGone, ledgerRow, visitorRow } from "../support/stored.ts";
import { Visitor } from "../support/visitor.ts";

/** The close code of a network that went away. */
const NETWORK_LOST = 4010;

describe("a player whose connection is cut", function () {
  this.timeout(60_000);
  const at = rooms("home", "away", "third");

  for (const [world, hook] of [
    ["dropping", "onDrop"],
    ["leaving", "onLeave"],
    ["parting", "onLeave, without waiting for it"],
  ] as const) {
    describe(`in a room that allows the reconnection in ${hook}`, () => {
      it("is the same player when it comes back in time, and crosses as ever", async () => {
        const { visitor, player } = await abroad(world);
        const before = await visitor.whoAmI();
        await reconnect(visitor, await cut(visitor));
        const after = await visitor.whoAmI();
        assert.deepEqual(after, before);
        assert.equal(after.auth?.["id"], player);
        assert.equal(ledgerRow(at.home, player)?.holder, at.away.origin);
        assert.equal(visitorRow(at.away, player)?.held?.phase, "held");
        await visitor.note("found later");
        await visitor.cross(portal(at.home));
        assert.equal((await visitor.whoAmI()).player?.carried?.["note"], "found later");
        await visitor.leave();
      });

      it("is the same player when the SDK reconnects by itself", async () => {
        const { visitor, player } = await abroad(world);
        const { room } = visitor;
        Object.assign(room.reconnection, { enabled: true, minUptime: 0 });
        const back = new Promise<void>((resolve) => room.onReconnect(resolve));
        room.connection.close(NETWORK_LOST);
        await back;
        assert.equal(await visitor.id(), player);
        assert.equal(ledgerRow(at.home, player)?.holder, at.away.origin);
        room.reconnection.enabled = false;
        await room.leave();
        await isBack(at.home, player, "souvenir");
      });

      it("goes home with what it carried when it does not come back", async () => {
        const { visitor, player } = await abroad(world, { grace: "0.3" });
        const token = await cut(visitor);
        await isBack(at.home, player, "souvenir");
        await isGone(at.away, player);
        await assert.rejects(reconnect(visitor, token));
        const again = await Visitor.login(at.home, { key: visitor.key! });
        assert.equal((await again.whoAmI()).player?.carried?.["note"], "souvenir");
        await again.leave();
      });

      it("is recalled while it is gone: home has what it carried, the token is no good", async () => {
        const { visitor, player } = await abroad(world);
        const token = await cut(visitor);
        const again = await Visitor.login(at.home, { key: visitor.key! });
        assert.equal((await again.whoAmI()).player?.carried?.["note"], "souvenir");
        await assert.rejects(reconnect(visitor, token));
        assert.equal(ledgerRow(at.home, player)?.holder, at.home.origin);
        await again.whoAmI();
        await again.leave();
      });

      it("ends at the destination when it is cut off from the source while it crosses", async () => {
        const { visitor, player } = await abroad(world);
        const transit = await visitor.transit(portal(at.third));
        const token = await cut(visitor);
        await visitor.arrive(transit);
        const { player: seen } = await visitor.whoAmI();
        assert.deepEqual([seen?.id, seen?.carried?.["note"]], [player, "souvenir"]);
        await isGone(at.away, player);
        await assert.rejects(reconnectAs(token));
        assert.equal(ledgerRow(at.home, player)?.holder, at.third.origin);
        await visitor.leave();
      });

      it("stays at the source when it comes back there and gives the crossing up", async () => {
        const { visitor, player } = await abroad(world);
        const transit = await visitor.transit(portal(at.third));
        await reconnect(visitor, await cut(visitor));
        await visitor.giveUp(transit);
        await assert.rejects(takeSeat(at.third, transit.reservation));
        assert.equal(await visitor.id(), player);
        await visitor.note("played on");
        assert.equal(visitorRow(at.away, player)?.held?.phase, "held");
        await visitor.leave();
        await isBack(at.home, player, "played on");
      });
    });
  }

  describe("at home", () => {
    it("is the same player when it comes back in time", async () => {
      const { visitor, player } = await resident();
      await reconnect(visitor, await cut(visitor, at.home), at.home);
      assert.equal(await visitor.id(), player);
      await visitor.cross(portal(at.away));
      assert.equal((await visitor.whoAmI()).player?.carried?.["note"], "souvenir");
      await visitor.leave();
    });

    it("starts anew from a second device, and the first cannot come back", async () => {
      const { visitor, player } = await resident();
      const token = await cut(visitor, at.home);
      const again = await Visitor.login(at.home, { key: visitor.key! });
      const { player: seen } = await again.whoAmI();
      assert.deepEqual([seen?.id, seen?.carried?.["note"]], [player, "souvenir"]);
      await assert.rejects(reconnect(visitor, token, at.home));
      await again.whoAmI();
      await again.leave();
    });

    it("stays at home when it is cut off while it crosses and arrives nowhere", async () => {
      const { visitor, player } = await resident();
      await visitor.transit(portal(at.away, "brief"));
      const token = await cut(visitor, at.home);
      await eventually(() => {
        assert.equal(ledgerRow(at.home, player)?.transfer, undefined);
      });
      await isBack(at.home, player, "souvenir");
      await assert.rejects(reconnect(visitor, token, at.home));
    });
  });

  it("goes home when it is cut off while it crosses and arrives nowhere", async () => {
    const { visitor, player } = await abroad("dropping");
    // Its seat soon lapses, long before the grace.
    await visitor.transit(portal(at.third, "brief"));
    const token = await cut(visitor);
    await isBack(at.home, player, "souvenir");
    await assert.rejects(reconnect(visitor, token));
    await isGone(at.away, player);
  });

  it("goes home at once from a room that allows no reconnection", async () => {
    const { visitor, player } = await abroad("plain");
    const token = await cut(visitor);
    await isBack(at.home, player, "souvenir");
    await assert.rejects(reconnect(visitor, token));
  });

  it("does not come back with the token of somebody else's room", async () => {
    const { visitor, player } = await abroad("dropping");
    const token = await cut(visitor);
    const [roomId] = token.split(":");
    await assert.rejects(reconnectAs(`${roomId!}:guessed`));
    await reconnect(visitor, token);
    assert.equal(await visitor.id(), player);
    await visitor.leave();
  });

  /** A player of `home` in a world of `away`, with something in its pocket. */
  async function abroad(
    world: string,
    options: Record<string, string> = {},
  ): Promise<{ visitor: Visitor; player: string }> {
    const visitor = await Visitor.login(at.home);
    const player = await visitor.id();
    await visitor.cross(portal(at.away, world, options));
    await visitor.note("souvenir");
    return { visitor, player };
  }

  /** A player at home, with something in its pocket. */
  async function resident(): Promise<{ visitor: Visitor; player: string }> {
    const visitor = await Visitor.login(at.home, { world: "dropping" });
    await visitor.note("souvenir");
    return { visitor, player: await visitor.id() };
  }

  /** Cuts the connection, and waits until the server has seen it. Returns the token to come back with. */
  async function cut(visitor: Visitor, where = at.away): Promise<string> {
    const { name, roomId, reconnectionToken } = visitor.room;
    const clients = async (): Promise<number> =>
      (await where.rooms(name)).find((room) => room.roomId === roomId)?.clients ?? 0;
    const before = await clients();
    visitor.room.connection.close(NETWORK_LOST);
    await eventually(async () => {
      assert.ok((await clients()) < before);
    });
    return reconnectionToken;
  }

  async function reconnect(visitor: Visitor, token: string, where = at.away): Promise<void> {
    visitor.enter(await reconnectAs(token, where));
  }

  async function reconnectAs(token: string, where = at.away): Promise<Room> {
    return sdkClient(where).reconnect(token);
  }
});
