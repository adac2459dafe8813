import assert from "node:assert/strict";
import { Client, type Room } from "@colyseus/sdk";
import { eventually } from "../support/eventually.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { ledgerRow, visitorRow } from "../support/stored.ts";
import { Visitor } from "../support/visitor.ts";

/** The close code of a network that went away. */
const NETWORK_LOST = 4010;

describe("a player whose connection is cut", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let home: ServerProcess;
  let away: ServerProcess;
  let third: ServerProcess;

  before(async () => {
    [home, away, third] = (await servers.rooms("home", "away", "third")) as [
      ServerProcess,
      ServerProcess,
      ServerProcess,
    ];
  });
  after(() => servers.stop());

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
        assert.equal(ledgerRow(home, player)?.holder, away.origin);
        assert.equal(visitorRow(away, player)?.held?.phase, "held");
        await visitor.note("found later");
        await visitor.cross(portal(home));
        assert.equal((await visitor.whoAmI()).player?.carried?.["note"], "found later");
        await visitor.room.leave();
      });

      it("is the same player when the SDK reconnects by itself", async () => {
        const { visitor, player } = await abroad(world);
        const { room } = visitor;
        Object.assign(room.reconnection, { enabled: true, minUptime: 0 });
        const back = new Promise<void>((resolve) => room.onReconnect(resolve));
        room.connection.close(NETWORK_LOST);
        await back;
        assert.equal(await visitor.id(), player);
        assert.equal(ledgerRow(home, player)?.holder, away.origin);
        room.reconnection.enabled = false;
        await room.leave();
        await isHome(player, "souvenir");
      });

      it("goes home with what it carried when it does not come back", async () => {
        const { visitor, player } = await abroad(world, "?grace=0.3");
        const token = await cut(visitor);
        await isHome(player, "souvenir");
        await isGone(player);
        await assert.rejects(reconnect(visitor, token));
        const again = await Visitor.login(home, { key: visitor.key! });
        assert.equal((await again.whoAmI()).player?.carried?.["note"], "souvenir");
        await again.room.leave();
      });

      it("is recalled while it is gone: home has what it carried, the token is no good", async () => {
        const { visitor, player } = await abroad(world);
        const token = await cut(visitor);
        const again = await Visitor.login(home, { key: visitor.key! });
        assert.equal((await again.whoAmI()).player?.carried?.["note"], "souvenir");
        await assert.rejects(reconnect(visitor, token));
        assert.equal(ledgerRow(home, player)?.holder, home.origin);
        await again.whoAmI();
        await again.room.leave();
      });

      it("ends at the destination when it is cut off from the source while it crosses", async () => {
        const { visitor, player } = await abroad(world);
        const transit = await visitor.transit(`aether://${third.authority}/plain`);
        const token = await cut(visitor);
        await visitor.arrive(transit);
        const { player: seen } = await visitor.whoAmI();
        assert.deepEqual([seen?.id, seen?.carried?.["note"]], [player, "souvenir"]);
        await isGone(player);
        await assert.rejects(reconnectAs(token));
        assert.equal(ledgerRow(home, player)?.holder, third.origin);
        await visitor.room.leave();
      });

      it("stays at the source when it comes back there and gives the crossing up", async () => {
        const { visitor, player } = await abroad(world);
        const transit = await visitor.transit(`aether://${third.authority}/plain`);
        await reconnect(visitor, await cut(visitor));
        await visitor.giveUp(transit);
        await assert.rejects(
          new Client(third.origin).consumeSeatReservation(transit.reservation as never),
        );
        assert.equal(await visitor.id(), player);
        await visitor.note("played on");
        assert.equal(visitorRow(away, player)?.held?.phase, "held");
        await visitor.room.leave();
        await isHome(player, "played on");
      });
    });
  }

  describe("at home", () => {
    it("is the same player when it comes back in time", async () => {
      const { visitor, player } = await resident();
      await reconnect(visitor, await cut(visitor, home), home);
      assert.equal(await visitor.id(), player);
      await visitor.cross(portal(away));
      assert.equal((await visitor.whoAmI()).player?.carried?.["note"], "souvenir");
      await visitor.room.leave();
    });

    it("starts anew from a second device, and the first cannot come back", async () => {
      const { visitor, player } = await resident();
      const token = await cut(visitor, home);
      const again = await Visitor.login(home, { key: visitor.key! });
      const { player: seen } = await again.whoAmI();
      assert.deepEqual([seen?.id, seen?.carried?.["note"]], [player, "souvenir"]);
      await assert.rejects(reconnect(visitor, token, home));
      await again.whoAmI();
      await again.room.leave();
    });

    it("stays at home when it is cut off while it crosses and arrives nowhere", async () => {
      const { visitor, player } = await resident();
      await visitor.transit(portal(away, "brief"));
      const token = await cut(visitor, home);
      await eventually(() => {
        assert.equal(ledgerRow(home, player)?.transfer, undefined);
      });
      await isHome(player, "souvenir");
      await assert.rejects(reconnect(visitor, token, home));
    });
  });

  it("goes home when it is cut off while it crosses and arrives nowhere", async () => {
    const { visitor, player } = await abroad("dropping");
    // Its seat soon lapses, long before the grace.
    await visitor.transit(`aether://${third.authority}/brief`);
    const token = await cut(visitor);
    await isHome(player, "souvenir");
    await assert.rejects(reconnect(visitor, token));
    await isGone(player);
  });

  it("goes home at once from a room that allows no reconnection", async () => {
    const { visitor, player } = await abroad("plain");
    const token = await cut(visitor);
    await isHome(player, "souvenir");
    await assert.rejects(reconnect(visitor, token));
  });

  it("does not come back with the token of somebody else's room", async () => {
    const { visitor, player } = await abroad("dropping");
    const token = await cut(visitor);
    const [roomId] = token.split(":");
    await assert.rejects(reconnectAs(`${roomId!}:guessed`));
    await reconnect(visitor, token);
    assert.equal(await visitor.id(), player);
    await visitor.room.leave();
  });

  /** A player of `home` in a world of `away`, with something in its pocket. */
  async function abroad(world: string, query = ""): Promise<{ visitor: Visitor; player: string }> {
    const visitor = await Visitor.login(home);
    const player = await visitor.id();
    await visitor.cross(`${portal(away, world)}${query}`);
    await visitor.note("souvenir");
    return { visitor, player };
  }

  /** A player at home, with something in its pocket. */
  async function resident(): Promise<{ visitor: Visitor; player: string }> {
    const visitor = await Visitor.login(home, { world: "dropping" });
    await visitor.note("souvenir");
    return { visitor, player: await visitor.id() };
  }

  function portal(server: ServerProcess, world = "plain"): string {
    return `aether://${server.authority}/${world}`;
  }

  /** Cuts the connection, and waits until the server has seen it. Returns the token to come back with. */
  async function cut(visitor: Visitor, at = away): Promise<string> {
    const { name, roomId, reconnectionToken } = visitor.room;
    const clients = async (): Promise<number> =>
      (await at.rooms(name)).find((room) => room.roomId === roomId)?.clients ?? 0;
    const before = await clients();
    visitor.room.connection.close(NETWORK_LOST);
    await eventually(async () => {
      assert.ok((await clients()) < before);
    });
    return reconnectionToken;
  }

  async function reconnect(visitor: Visitor, token: string, at = away): Promise<void> {
    visitor.enter(await reconnectAs(token, at));
  }

  async function reconnectAs(token: string, at = away): Promise<Room> {
    return new Client(at.origin).reconnect(token);
  }

  /** `away` has nothing to do with the player any more. */
  async function isGone(player: string): Promise<void> {
    await eventually(() => {
      assert.equal(visitorRow(away, player), undefined);
    });
  }

  async function isHome(player: string, note: string): Promise<void> {
    await eventually(() => {
      const row = ledgerRow(home, player);
      assert.equal(row?.holder, home.origin);
      assert.equal((row.state as { note?: string } | undefined)?.note, note);
    });
  }
});
