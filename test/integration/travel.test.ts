import assert from "node:assert/strict";
import { PlayerKey, Traveler } from "aether-federation/client";
import { verifyReceipt } from "../../src/identity/receipt.ts";
import { importVerifyKey } from "../../src/identity/ed25519.ts";
import { commandAnswer } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import { operatorKey } from "../support/operator.ts";
import { type Player, RoomWatch, playerIn } from "../support/player.ts";
import type { ServerProcess } from "../support/processes.ts";
import { worlds } from "../support/running.ts";
import { askTransit, portal, sdkClient } from "../support/sdk.ts";

describe("travel without a room, after a reload, and what is kept of it", function () {
  this.timeout(60_000);
  const at = worlds("plaza", "arena");

  const arenaUri = (): string => portal(at.arena, "arena");

  async function post(
    token: string | undefined,
    body: unknown,
  ): Promise<{ status: number; code?: unknown }> {
    const response = await fetch(`${at.plaza.origin}/federation/travel`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    return { status: response.status, ...((await response.json()) as { code?: unknown }) };
  }

  describe("POST /travel", () => {
    it("takes a player through a portal without a room at home", async () => {
      const traveler = new Traveler(at.plaza.origin, { name: "Roomless" });
      const watch = new RoomWatch(await traveler.travel(arenaUri()));
      await watch.settled();
      assert.equal(watch.me.name, "Roomless");
      assert.equal(watch.me.id, traveler.playerId);
      assert.equal(traveler.origin, at.arena.origin);
      await watch.pickUpCoin();
      const { belongings } = watch;
      await traveler.leave();
      // What was found there has come home.
      await eventually(async () => {
        const home = new RoomWatch(await traveler.join("plaza"));
        await home.settled();
        assert.deepEqual(home.belongings, belongings);
      });
      await traveler.leave();
    });

    it("refuses where no portal leads, with a code", async () => {
      const traveler = new Traveler(at.plaza.origin);
      await assert.rejects(
        traveler.travel("aether://nowhere.example/x"),
        /^Error: ERR_FED_NO_ROUTE/u,
      );
    });

    it("refuses an unknown world of the other server, and the player can play at home", async () => {
      const traveler = new Traveler(at.plaza.origin);
      const uri = portal(at.arena, "cellar");
      await assert.rejects(traveler.travel(uri), /^Error: ERR_FED_WORLD_UNKNOWN/u);
      await traveler.join("plaza");
      await traveler.leave();
    });

    it("refuses a request without a login", async () => {
      const { status, code } = await post(undefined, { to: arenaUri() });
      assert.deepEqual([status, code], [403, "ERR_FED_PROOF_REQUIRED"]);
    });

    it("refuses a login of another server", async () => {
      const token = await PlayerKey.generate().prove(at.arena.origin, "travel");
      const { status, code } = await post(token, { to: arenaUri() });
      assert.deepEqual([status, code], [403, "ERR_FED_PROOF_INVALID"]);
    });

    it("refuses a token that is no login", async () => {
      const { status, code } = await post("garbage", { to: arenaUri() });
      assert.deepEqual([status, code], [403, "ERR_FED_PROOF_INVALID"]);
    });

    it("refuses a login that is used twice", async () => {
      const token = await PlayerKey.generate().prove(at.plaza.origin, "travel");
      assert.equal((await post(token, { to: arenaUri() })).status, 200);
      const { status, code } = await post(token, { to: arenaUri() });
      assert.deepEqual([status, code], [403, "ERR_FED_PROOF_REPLAYED"]);
    });

    for (const [what, body] of [
      ["no JSON", "{"],
      ["another shape", { to: 1 }],
      ["unknown members", { to: "aether://x.example/y", more: true }],
    ] as const) {
      it(`refuses a body that is ${what}`, async () => {
        const { status, code } = await post(
          await PlayerKey.generate().prove(at.plaza.origin, "travel"),
          body,
        );
        assert.deepEqual([status, code], [400, "ERR_FED_MALFORMED"]);
      });
    }
  });

  describe("resume", () => {
    it("goes on into the room that a crossing was leading to when the page was reloaded", async () => {
      // The page that goes away is a plain client: it learns of its seat and does nothing with it.
      const keys = memoryStorage();
      const client = sdkClient(at.plaza, await PlayerKey.load(keys).prove(at.plaza.origin));
      const old = await client.joinOrCreate("plaza", { name: "Reloaded" });
      const transit = askTransit(old, arenaUri());
      const places = memoryStorage();
      const place = { home: at.plaza.origin, origin: at.plaza.origin, world: "plaza" };
      const { reconnectionToken } = old;
      places.setItem(
        "aether-federation:place",
        JSON.stringify({ ...place, reconnectionToken, transit: await transit }),
      );
      old.reconnection.enabled = false;
      old.connection.close();
      const traveler = new Traveler(at.plaza.origin, { storage: keys, placeStorage: places });
      const arrivals: unknown[] = [];
      traveler.onArrive(({ from }) => arrivals.push(from));
      const watch = new RoomWatch(await traveler.resume("plaza"));
      await watch.settled();
      assert.equal(traveler.origin, at.arena.origin);
      assert.deepEqual([watch.me.id, watch.me.name], [traveler.playerId, "Reloaded"]);
      assert.deepEqual(arrivals, [at.plaza.origin]);
      await traveler.leave();
    });

    it("joins at home when the room does not keep places", async () => {
      const [keys, places] = [memoryStorage(), memoryStorage()];
      const options = { storage: keys, placeStorage: places };
      // The page that goes away brings nobody home.
      const before = new Traveler(at.plaza.origin, { ...options, comesHome: false });
      const room = await before.join("plaza");
      room.reconnection.enabled = false;
      room.connection.close();
      const after = new Traveler(at.plaza.origin, options);
      await after.resume("plaza");
      assert.equal(after.origin, at.plaza.origin);
      assert.equal(after.playerId, before.playerId);
      await after.leave();
    });

    it("joins at home the first time", async () => {
      const traveler = new Traveler(at.plaza.origin, { placeStorage: memoryStorage() });
      await traveler.resume("plaza");
      assert.equal(traveler.room?.name, "plaza");
      await traveler.leave();
    });

    it("joins at home when what is kept makes no sense", async () => {
      const places = memoryStorage();
      places.setItem("aether-federation:place", '{"home": 1');
      const traveler = new Traveler(at.plaza.origin, { placeStorage: places });
      await traveler.resume("plaza");
      await traveler.leave();
    });
  });

  describe("receipts, history and preview", () => {
    let player: Player;
    let transferId: string;
    before(async () => {
      player = await playerIn(at.plaza, "Documented");
      ({ transferId = "" } = await player.cross(arenaUri()));
    });
    after(() => player.leave());

    it("hands the player home's signed receipt", async () => {
      const receipt = await player.traveler.receipt();
      const key = importVerifyKey((await operatorKey(at.plaza)).jwk);
      const verified = await verifyReceipt(receipt, () => key);
      assert.ok(verified.verified, JSON.stringify(verified));
      const { claims } = verified;
      assert.deepEqual(
        [claims.iss, claims.xfer, claims.player, claims.from, claims.to],
        [at.plaza.origin, transferId, player.at.me.id, at.plaza.origin, at.arena.origin],
      );
    });

    for (const end of ["home", "destination"] as const) {
      it(`lets the operator of the ${end} look the crossing up`, async () => {
        const server = end === "home" ? at.plaza : at.arena;
        const found = await eventually(async () => {
          const crossings = await crossingsOf(server, transferId);
          assert.equal(crossings.length, 1);
          return crossings[0];
        });
        assert.equal(found?.to, at.arena.origin);
        assert.equal(found.receipt, await player.traveler.receipt());
      });
    }

    it("keeps a player's history at home", async () => {
      const crossings = await crossingsOf(at.plaza, player.at.me.id);
      assert.deepEqual(
        crossings.map((crossing) => crossing.transferId),
        [transferId],
      );
    });

    it("says that nothing would be lost, where home takes everything", async () => {
      await player.at.pickUpCoin();
      assert.deepEqual(await player.traveler.preview(), []);
    });
  });
});

interface Crossing {
  readonly transferId: string;
  readonly to: string;
  readonly receipt: string;
}

async function crossingsOf(server: ServerProcess, subject: string): Promise<Crossing[]> {
  const { crossings } = await commandAnswer<{ crossings: Crossing[] }>(
    server,
    "crossings",
    subject,
  );
  return crossings;
}
