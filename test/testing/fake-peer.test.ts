import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { type Client, Room, definePlugins } from "@colyseus/core";
import { PlayerKey } from "../../src/client/player-key.ts";
import { type Federation, createFederation } from "../../src/federation/federation.ts";
import type { FederatedPlayer } from "../../src/colyseus/federated-player.ts";
import type { JsonValue } from "../../src/json.ts";
import { arrive } from "../../src/testing/arrive.ts";
import { FakePeer } from "../../src/testing/fake-peer.ts";
import { type TestPlace, testPlace } from "../../src/testing/test-place.ts";
import { quietServer } from "../fixtures/quiet-server.ts";
import { type BootedServer, boot } from "../support/boot.ts";
import { eventually } from "../support/eventually.ts";
import { quietLogger } from "../support/loggers.ts";
import { nextMessage } from "../support/sdk.ts";

let federation: Federation;

class Plaza extends Room {
  readonly belongings = new Map<string, JsonValue>();
  readonly greeted: (FederatedPlayer | undefined)[] = [];
  readonly options: unknown[] = [];

  override autoDispose = false;

  override plugins = definePlugins([
    federation.portals({
      carry: (client) => this.belongings.get(client.sessionId),
      allowEnter: () => true,
    }),
  ]);

  override onJoin(client: Client, options: unknown) {
    const player = this.plugins.federation.player(client);
    this.greeted.push(player);
    this.options.push(options);
    this.belongings.set(client.sessionId, player?.carried ?? { coins: 3 });
  }
}

describe("testing: a fake peer and a server under test", () => {
  let place: TestPlace;
  let peer: FakePeer;
  let colyseus: BootedServer;
  let room: Plaza;
  let banned: string | undefined;
  let mostVisitors: number;

  before(async () => {
    [place, peer] = [await testPlace(), await FakePeer.start({ worlds: ["pit", "cave"] })];
    federation = createFederation({
      ...place.options,
      worlds: { plaza: "plaza", square: "plaza" },
      peers: [peer.origin],
      logger: quietLogger(),
      maxVisitorsPerPeer: (origin) => (origin === peer.origin ? mostVisitors : 0),
      admit: ({ name }) => (name === banned ? { admit: false, reason: "banned" } : true),
    });
    const server = quietServer({});
    server.define("plaza", Plaza);
    federation.attach(server);
    colyseus = await boot(server, place.port);
    await peer.connect(federation);
  });
  beforeEach(async () => {
    banned = undefined;
    mostVisitors = Infinity;
    room = await colyseus.createRoom<Plaza>("plaza");
  });
  afterEach(() => {
    peer.behave();
    return colyseus.cleanup();
  });
  after(async () => {
    await colyseus.shutdown();
    await peer.stop();
    await place.remove();
  });

  it("shakes hands both ways, as trusted peers do", () => {
    const { trust, session, name } = federation.runtime.registry.get(peer.origin)!;
    assert.deepEqual([trust, name], ["trusted", "Fake peer"]);
    assert.ok(session !== undefined);
    assert.equal(peer.runtime.registry.get(federation.origin)?.trust, "trusted");
  });

  it("lets a player arrive in this very room with what it carries, and go home with what it has then", async () => {
    const other = await colyseus.createRoom<Plaza>("plaza");
    const ada = await arrive(room, { from: peer, name: "Ada", carried: { coins: 7, hat: "red" } });
    assert.deepEqual([room.greeted.length, other.greeted.length], [1, 0]);
    const { id, name, home, from, carried } = room.greeted[0]!;
    assert.deepEqual(
      { id, name, home, from, carried },
      {
        ...{ id: ada.player.id, name: "Ada", home: peer.origin, from: peer.origin },
        carried: { coins: 7, hat: "red" },
      },
    );
    assert.equal(await ada.player.holder(), federation.origin);
    room.belongings.set(ada.client.sessionId, { coins: 1, hat: "red" });
    assert.deepEqual(await ada.leave(), { coins: 1, hat: "red" });
    assert.equal(await ada.player.holder(), peer.origin);
  });

  it("takes the room's world by another name, and hands options on", async () => {
    const guest = await arrive(room, { from: peer, world: "square", options: { spawn: "north" } });
    assert.equal((room.options[0] as { spawn: string }).spawn, "north");
    await guest.leave();
  });

  it("lets the same player come twice", async () => {
    const first = await arrive(room, { from: peer, carried: { coins: 2 } });
    await first.leave();
    const again = await arrive(room, { from: peer, player: first.player });
    assert.equal(room.greeted[1]?.id, first.player.id);
    assert.deepEqual(room.greeted[1]?.carried, { coins: 2 });
    await again.leave();
  });

  it("proves a player's key", async () => {
    const guest = await arrive(room, { from: peer, key: PlayerKey.generate() });
    assert.equal(room.greeted.length, 1);
    await guest.leave();
  });

  it("takes so many visitors at once as it is told to, and the next once one has left", async () => {
    mostVisitors = 1;
    const ada = await arrive(room, { from: peer });
    await assert.rejects(arrive(room, { from: peer }), /ERR_FED_TOO_MANY_VISITORS/u);
    await ada.leave();
    await (await arrive(room, { from: peer })).leave();
  });

  it("says with which code a player is refused", async () => {
    banned = "Mallory";
    await assert.rejects(
      arrive(room, { from: peer, name: "Mallory" }),
      /ERR_FED_ADMISSION_REFUSED/u,
    );
    await assert.rejects(arrive(room, { from: peer, world: "nowhere" }), /ERR_FED_PASS_WORLD/u);
  });

  it("says what to do when the peer knows no server", async () => {
    const stranger = await FakePeer.start();
    await assert.rejects(arrive(room, { from: stranger }), /peer\.connect/u);
    await stranger.stop();
  });

  it("calls a player back", async () => {
    const ada = await arrive(room, { from: peer, carried: { coins: 5 } });
    const recalled = nextMessage<{ code: string }>(ada.room, "federation:recalled");
    assert.deepEqual(await ada.player.recall(), { coins: 5 });
    assert.equal((await recalled).code, "ERR_FED_SUPERSEDED");
    assert.equal(await ada.player.holder(), peer.origin);
  });

  it("sends a player through the server's own portal: seat, transit, arrival", async () => {
    const player = await peer.player("Bo", { carried: { coins: 9 } });
    const { reservation } = await player.enter(
      `aether://${new URL(federation.origin).host}/plaza?spawn=south`,
    );
    const joined = await colyseus.sdk.consumeSeatReservation(reservation as never);
    assert.equal(await player.holder(), federation.origin);
    await joined.leave();
    assert.deepEqual(await player.returned(), { coins: 9 });
  });

  it("tells why a player stays", async () => {
    const player = await peer.player("Cy");
    const to = `aether://${new URL(federation.origin).host}/nowhere`;
    await assert.rejects(player.enter(to), /ERR_FED_WORLD_UNKNOWN/u);
    await assert.rejects(player.enter("aether://elsewhere.example/w"), /connected with/u);
  });

  describe("as a destination", () => {
    /** A player at home in the server under test, in its room. */
    async function resident() {
      colyseus.sdk.http.authToken = await PlayerKey.generate().prove(federation.origin);
      const client = await colyseus.connectTo(room);
      colyseus.sdk.http.authToken = undefined;
      client.reconnection.enabled = false;
      return { client, player: room.greeted.at(-1)!.id };
    }
    const transitOf = (client: Awaited<ReturnType<typeof resident>>["client"], to: string) => {
      const transit = nextMessage<{ reservation: unknown }>(client, "federation:transit");
      client.send("federation:enter", { to });
      return transit;
    };

    it("takes a player in and sends it home with what it earned", async () => {
      const { client, player } = await resident();
      const visitor = await peer.welcome(await transitOf(client, peer.portal("cave")));
      assert.deepEqual([visitor.id, visitor.from], [player, federation.origin]);
      assert.deepEqual(visitor.carried, { coins: 3 });
      const { ledger } = federation.runtime.custody;
      const row = () => ledger.row(ledger.localId(player)!);
      assert.equal((await row())?.holder, peer.origin);
      visitor.carried = { coins: 11 };
      await visitor.leave();
      const { holder, state } = (await row())!;
      assert.deepEqual([holder, state], [federation.origin, { coins: 11 }]);
    });

    it("refuses: the player stays, and is told", async () => {
      const { client } = await resident();
      peer.refuse("/reservations", "ERR_FED_WORLD_FULL");
      const failed = nextMessage<{ code: string }>(client, "federation:failed");
      client.send("federation:enter", { to: peer.portal() });
      assert.equal((await failed).code, "ERR_FED_WORLD_FULL");
      await client.leave();
    });

    it("hangs: the player stays once the server has waited long enough", async function () {
      this.timeout(30_000);
      const { client } = await resident();
      peer.hang("/reservations");
      const failed = nextMessage<{ code: string }>(client, "federation:failed");
      client.send("federation:enter", { to: peer.portal() });
      assert.equal((await failed).code, "ERR_FED_DESTINATION_DOWN");
      assert.ok(peer.heard.some(({ path }) => path.startsWith("/reservations")));
      await client.leave();
    });

    it("lies: an answer by hand is believed to be the peer's, and refused", async () => {
      const { client } = await resident();
      peer.answer("/reservations", () => ({ status: 201, body: { reservation: "none" } }));
      const failed = nextMessage<{ code: string }>(client, "federation:failed");
      client.send("federation:enter", { to: peer.portal() });
      assert.equal((await failed).code, "ERR_FED_BAD_RESPONSE");
      await client.leave();
    });

    it("waits for a seat so long and no longer", async () => {
      const transit = { reservation: { sessionId: "none" } };
      await assert.rejects(peer.welcome(transit, { timeoutMilliseconds: 20 }), /in vain/u);
    });
  });

  it("calls the server with whatever body", async () => {
    const { status, body } = await peer.call(federation, "/custody/claim", { transferId: 1 });
    assert.deepEqual([status, body["code"]], [400, "ERR_FED_MALFORMED"]);
  });

  it("hears the calls of the server, who they are from, and what they say", async () => {
    const ada = await arrive(room, { from: peer, carried: { coins: 1 } });
    const claim = peer.heard.find(({ path }) => path === "/custody/claim");
    assert.equal(claim?.caller, federation.origin);
    await ada.leave();
    const returned = await eventually(() => {
      const call = peer.heard.findLast(({ path }) => path === "/custody/return");
      assert.equal((call?.body as { player?: string } | undefined)?.player, ada.player.id);
      return call;
    });
    assert.deepEqual((returned?.body as { state?: unknown }).state, { coins: 1 });
  });

  it("answers by hand what nobody has signed, too", async () => {
    peer.refuse("/health", "ERR_FED_UNAVAILABLE");
    const response = await fetch(`${peer.origin}/federation/health`);
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("signature"), null);
    peer.behave();
    assert.equal((await fetch(`${peer.origin}/federation/health`)).status, 200);
  });

  it("leaves no connection open that it does not answer, once it stops", async () => {
    const other = await FakePeer.start();
    other.hang();
    const unanswered = fetch(`${other.origin}/federation/health`);
    await eventually(() => assert.equal(other.heard.length, 1));
    await other.stop();
    await assert.rejects(unanswered);
  });

  it("names a path that is none", () => {
    assert.throws(() => peer.hang("custody/claim"), /path/u);
  });
});

describe("testing: a place for a server", () => {
  it("is gone afterwards", async () => {
    const place = await testPlace();
    assert.ok(existsSync(place.options.dataDirectory));
    await place.remove();
    assert.ok(!existsSync(place.options.dataDirectory));
  });

  it("keeps what a server has stored from one start to the next", async () => {
    const place = await testPlace();
    const first = place.options.store;
    await first.set("a", "1");
    await first.close();
    assert.equal(await place.options.store.get("a"), "1");
    await place.remove();
  });
});
