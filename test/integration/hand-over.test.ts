import assert from "node:assert/strict";
import {
  type Failure,
  type HandOver,
  Traveler,
  type TravelerOptions,
  PlayerKey,
} from "aether-federation/client";
import { parseFragment } from "../../src/client/hand-over/fragments.ts";
import { KIT } from "../../src/client/kit.ts";
import { use } from "../../src/client/later/kit.ts";
import { eventually } from "../support/eventually.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import { rooms, running } from "../support/running.ts";
import { portal, sdkClient } from "../support/sdk.ts";
import { isBack, ledgerRow } from "../support/stored.ts";
import { Visitor } from "../support/visitor.ts";

use(KIT);

describe("a player whose page hands it over", function () {
  this.timeout(60_000);
  const at = rooms("home", "away");

  /** As a page that goes away: its connection closes, and it does not come back. */
  function goAway(visitor: Visitor, transferId: string): void {
    visitor.room.send("federation:handed-over", { transferId });
    visitor.room.connection.close();
  }

  it("is let in at the other server after the connection to its source has closed", async () => {
    const visitor = await Visitor.login(at.home);
    const id = await visitor.id();
    const transit = await visitor.transit(portal(at.away));
    goAway(visitor, transit.transferId);
    await eventually(async () => {
      assert.equal((await at.home.rooms("plain"))[0]?.clients ?? 0, 0);
    });
    assert.equal(ledgerRow(at.home, id)?.transfer?.id, transit.transferId);
    await visitor.arrive(transit);
    assert.equal(await visitor.id(), id);
    await visitor.leave();
    await isBack(at.home, id);
  });

  it("is at home again when nobody takes the seat before it lapses", async () => {
    const visitor = await Visitor.login(at.home);
    const id = await visitor.id();
    const transit = await visitor.transit(portal(at.away, "brief"));
    goAway(visitor, transit.transferId);
    await eventually(
      () => {
        assert.equal(ledgerRow(at.home, id)?.transfer, undefined);
      },
      { timeoutMilliseconds: 15_000 },
    );
    assert.equal(ledgerRow(at.home, id)?.holder, at.home.origin);
  });

  it("goes home from a visited server when nobody takes the seat of a third before it lapses", async () => {
    const visitor = await Visitor.login(at.home);
    const id = await visitor.id();
    await visitor.cross(portal(at.away));
    await visitor.note("kept");
    const transit = await visitor.transit(portal(at.home, "brief"));
    goAway(visitor, transit.transferId);
    await eventually(
      () => {
        const row = ledgerRow(at.home, id);
        assert.deepEqual([row?.transfer, row?.holder], [undefined, at.home.origin]);
      },
      { timeoutMilliseconds: 15_000 },
    );
    await isBack(at.home, id, "kept");
  });

  it("keeps a seat in another room of the same server after its connection has closed", async () => {
    const visitor = await Visitor.login(at.home);
    const id = await visitor.id();
    const transit = await visitor.transit(portal(at.home, "dropping"));
    goAway(visitor, transit.transferId);
    await eventually(async () => {
      assert.equal((await at.home.rooms("plain"))[0]?.clients ?? 0, 0);
    });
    await visitor.arrive(transit);
    assert.equal(await visitor.id(), id);
    await visitor.leave();
  });

  it("does not keep such a seat for whoever only closes its connection", async () => {
    const visitor = await Visitor.login(at.home);
    const transit = await visitor.transit(portal(at.home, "dropping"));
    goAway(visitor, crypto.randomUUID());
    await eventually(async () => {
      assert.equal((await at.home.rooms("plain"))[0]?.clients ?? 0, 0);
    });
    await assert.rejects(visitor.arrive(transit), /ERR_FED_SEAT_UNKNOWN/u);
  });
});

describe("a Traveler whose player another page goes on with", function () {
  this.timeout(60_000);
  const script = "test/fixtures/games-server.ts";
  const at = running({ garden: { script }, race: { script } });

  /** In the garden, listening. */
  async function gardener(options: TravelerOptions = {}) {
    const traveler = new Traveler(at.garden.origin, { storage: memoryStorage(), ...options });
    const handOvers: HandOver[] = [];
    const failures: Failure[] = [];
    traveler.onHandOver((handOver) => handOvers.push(handOver));
    traveler.onFailed((failure) => failures.push(failure));
    await traveler.join("garden");
    return { traveler, handOvers, failures };
  }

  const raceway = (): string => portal(at.race, "race");

  async function handedOver(options: TravelerOptions = {}) {
    const player = await gardener(options);
    player.traveler.enter(raceway());
    const handOver = await eventually(() => {
      const [first] = player.handOvers;
      assert.ok(first);
      return first;
    });
    return { ...player, handOver, id: player.traveler.playerId ?? "" };
  }

  it("is told the page, and what that page needs to know", async () => {
    const { traveler, handOver, id } = await handedOver();
    const { origin, world, to, transferId, url } = handOver;
    assert.deepEqual([origin, world, to], [at.race.origin, "race", raceway()]);
    assert.ok(url.startsWith(`${at.race.origin}/race/play#aether=`));
    const said = parseFragmentOf(url);
    assert.deepEqual([said?.home, said?.transit.transferId], [at.garden.origin, transferId]);
    assert.equal(ledgerRow(at.garden, id)?.transfer?.id, transferId);
    await traveler.leave();
  });

  it("stays when it gives the crossing up, and plays on", async () => {
    const { traveler, handOver, failures } = await handedOver();
    traveler.cancel(handOver.transferId);
    await eventually(() => {
      assert.deepEqual(
        failures.map(({ code }) => code),
        ["ERR_FED_CROSSING_ABANDONED"],
      );
    });
    assert.equal(traveler.origin, at.garden.origin);
    await traveler.leave();
  });

  it("is where it was after a reload of its page, and the crossing is given up", async () => {
    const [storage, placeStorage] = [memoryStorage(), memoryStorage()];
    const { traveler, id } = await handedOver({ storage, placeStorage });
    // As a page that goes away.
    const { room } = traveler;
    room!.reconnection.enabled = false;
    room!.connection.close();
    const after = new Traveler(at.garden.origin, { storage, placeStorage });
    const failures: Failure[] = [];
    after.onFailed((failure) => failures.push(failure));
    const again = await after.resume("garden");
    assert.equal(again.roomId, room!.roomId);
    await eventually(() => {
      assert.deepEqual(
        failures.map(({ code }) => code),
        ["ERR_FED_CROSSING_ABANDONED"],
      );
    });
    assert.equal(ledgerRow(at.garden, id)?.transfer, undefined);
    await after.leave();
  });

  it("hears that its connection is over, and does not come home, once it is there", async () => {
    const storage = memoryStorage();
    const { traveler, handOver, id } = await handedOver({ storage });
    const leaves: boolean[] = [];
    traveler.onLeave(({ comesHome }) => leaves.push(comesHome));
    // What the other page does, with the player's own key for short.
    const { transit } = parseFragmentOf(handOver.url)!;
    const key = PlayerKey.load(storage);
    const room = await sdkClient(
      at.race,
      await key.prove(at.race.origin, { seat: transit.reservation.sessionId }),
    ).consumeSeatReservation(transit.reservation);
    await eventually(() => assert.deepEqual(leaves, [false]));
    assert.equal(ledgerRow(at.garden, id)?.holder, at.race.origin);
    await room.leave();
    await isBack(at.garden, id);
  });

  it("is kept here as a guest, and hears why", async () => {
    const { traveler, failures } = await gardener({ storage: null });
    traveler.enter(raceway());
    await eventually(() => {
      assert.deepEqual(
        failures.map(({ code }) => code),
        ["ERR_FED_HAND_OVER_FAILED"],
      );
    });
    assert.match(failures[0]?.message ?? "", /^[A-Z].*\.$/u);
    assert.equal(traveler.origin, at.garden.origin);
    await traveler.leave();
  });

  it("travels without a room into the other page", async () => {
    const traveler = new Traveler(at.garden.origin, { storage: memoryStorage() });
    const urls: string[] = [];
    traveler.onHandOver(({ url }) => urls.push(url));
    const travelling = traveler.travel(raceway());
    await eventually(() => assert.equal(urls.length, 1));
    await traveler.leave();
    await assert.rejects(travelling, /called off/u);
  });

  it("is refused options that say nothing", () => {
    assert.throws(
      () => new Traveler(at.garden.origin, { confirm: "sometimes" as "never" }),
      /^TypeError: confirm must be/u,
    );
  });

  function parseFragmentOf(url: string) {
    const said = parseFragment(new URL(url).hash);
    return said?.kind === "coming" ? said : undefined;
  }
});
