import assert from "node:assert/strict";
import type { Room } from "@colyseus/sdk";
import { eventually } from "../support/eventually.ts";
import { ROOMS } from "../support/processes.ts";
import { running } from "../support/running.ts";
import { ask, nextMessage, portal, sdkClient, takeSeat } from "../support/sdk.ts";
import { isBack, ledgerRow } from "../support/stored.ts";
import { Visitor } from "../support/visitor.ts";

const FEATURES = "test/fixtures/features-server.ts";

/** What a room of the fixture says of one of its clients. */
interface Where {
  readonly roomId: string;
  readonly map?: string;
  readonly player: string | null;
  readonly items: readonly string[];
}

describe("Colyseus' features on a federated server", function () {
  this.timeout(60_000);
  const at = running({ home: { script: ROOMS }, here: { script: FEATURES } });

  /** A player of another server's, in a world of this one. */
  async function visiting(world: string, options: Readonly<Record<string, string>> = {}) {
    const visitor = await Visitor.login(at.home);
    await visitor.note("souvenir");
    const player = await visitor.id();
    await visitor.cross(portal(at.here, world, options));
    return { visitor, player };
  }
  const where = (room: Room): Promise<Where> => ask(room, "where");

  it("filterBy: a portal's options choose the room, as a join's do", async () => {
    const { visitor: forest } = await visiting("arena", { map: "forest" });
    const { visitor: other } = await visiting("arena", { map: "forest" });
    const { visitor: desert } = await visiting("arena", { map: "desert" });
    const [one, two, three] = await Promise.all(
      [forest, other, desert].map((visitor) => where(visitor.room)),
    );
    assert.equal(one!.roomId, two!.roomId);
    assert.notEqual(one!.roomId, three!.roomId);
    assert.deepEqual([one!.map, three!.map], ["forest", "desert"]);
    await Promise.all([forest, other, desert].map((visitor) => visitor.leave()));
  });

  it("several worlds in one room: each name leads there", async () => {
    const { visitor: one } = await visiting("arena", { map: "shared" });
    const { visitor: other } = await visiting("pit", { map: "shared" });
    assert.equal((await where(one.room)).roomId, (await where(other.room)).roomId);
    await one.cross(portal(at.home));
    assert.equal((await one.whoAmI()).player?.home, at.home.origin);
    await Promise.all([one.leave(), other.leave()]);
  });

  it("lobby: shows rooms that visitors play in, and a player of the lobby crosses", async () => {
    const { visitor: playing } = await visiting("arena", { map: "listed" });
    const { roomId } = await where(playing.room);
    const lobby = await sdkClient(at.here).joinOrCreate("lobby");
    const listed = await nextMessage<{ roomId: string; clients: number }[]>(lobby, "rooms");
    assert.equal(listed.find((room) => room.roomId === roomId)?.clients, 1);
    await lobby.leave();

    const { visitor, player } = await visiting("lobby");
    assert.equal(ledgerRow(at.home, player)?.holder, at.here.origin);
    await visitor.cross(portal(at.home));
    assert.equal(await visitor.id(), player);
    await Promise.all([visitor.leave(), playing.leave()]);
  });

  it("queue: matches players, who are nobody's players in their match, and lose nothing", async () => {
    const queued = await Promise.all([visiting("queue"), visiting("queue")]);
    const matches = await Promise.all(
      queued.map(async ({ visitor }) => {
        const seat = await nextMessage(visitor.room, "seat");
        const match = await takeSeat(at.here, seat);
        visitor.room.send("confirm");
        return match;
      }),
    );
    const [one, other] = await Promise.all(matches.map(where));
    assert.equal(one!.roomId, other!.roomId);
    assert.deepEqual([one!.player, other!.player], [null, null]);
    for (const { player } of queued) await isBack(at.home, player, "souvenir");
    await Promise.all(matches.map((room) => room.leave()));
  });

  it("playground: is there, and says what rooms there are", async () => {
    const page = await fetch(`${at.here.origin}/`);
    assert.equal(page.status, 200);
    assert.match(page.headers.get("content-type") ?? "", /html/u);
    const well = await fetch(`${at.here.origin}/.well-known/aether-federation`);
    assert.equal(well.status, 200, "and the federation answers ahead of it");
  });

  it("monitor: lists the rooms of visitors, and the peers", async () => {
    const { visitor } = await visiting("arena", { map: "watched" });
    const { roomId } = await where(visitor.room);
    const api = await fetch(`${at.here.origin}/monitor/api`);
    const text = await api.text();
    assert.ok(text.includes(roomId), text);
    assert.match(text, /federation/u);
    await visitor.leave();
  });
});

describe("simulateLatency on a federated server", function () {
  this.timeout(60_000);
  const at = running({
    home: { script: ROOMS },
    here: { script: FEATURES, flags: ["--latency", "250"] },
  });

  it("makes crossings slow, and loses nothing", async () => {
    const visitor = await Visitor.login(at.home);
    await visitor.note("souvenir");
    const player = await visitor.id();
    await visitor.cross(portal(at.here, "arena"));
    const asked = performance.now();
    assert.equal((await ask<Where>(visitor.room, "where")).player, player);
    assert.ok(performance.now() - asked >= 200, "messages are late");
    await visitor.cross(portal(at.home));
    await visitor.leave();
    await isBack(at.home, player, "souvenir");
    await eventually(() => {
      assert.equal(ledgerRow(at.home, player)?.holder, at.home.origin);
    });
  });
});
