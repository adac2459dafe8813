import assert from "node:assert/strict";
import type { Room } from "@colyseus/sdk";
import { type KeyStorage, PlayerKey, Traveler } from "aether-federation/client";
import { PlayerKeys } from "aether-federation/client/keys";
import { eventually } from "../support/eventually.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import { RoomWatch } from "../support/player.ts";
import { worlds } from "../support/running.ts";
import { portal } from "../support/sdk.ts";

describe("a player's keys", function () {
  this.timeout(60_000);
  const at = worlds("plaza", "arena");
  const leaving: Traveler[] = [];
  afterEach(async () => {
    await Promise.all(leaving.splice(0).map((traveler) => traveler.leave()));
  });

  function device(storage: KeyStorage | null = memoryStorage()): {
    readonly traveler: Traveler;
    readonly keys: PlayerKeys;
    readonly join: () => Promise<RoomWatch>;
  } {
    const options = { storage, placeStorage: null, comesHome: false };
    const traveler = new Traveler(at.plaza.origin, options);
    leaving.push(traveler);
    const keys = new PlayerKeys(at.plaza.origin, { storage: storage ?? memoryStorage() });
    const join = async (): Promise<RoomWatch> => {
      const watch = new RoomWatch((await traveler.join("plaza")) as Room);
      await watch.settled();
      return watch;
    };
    return { traveler, keys, join };
  }

  it("lets a second device be the same player, with what it has", async () => {
    const [laptop, phone] = [device(), device()];
    const there = await laptop.join();
    await there.pickUpCoin();
    const { belongings } = there;
    const { player, keys } = await laptop.keys.add(await phone.keys.request("My phone"));
    assert.equal(player, there.me.id);
    assert.deepEqual(
      keys.map(({ name, current }) => [name, current]),
      [
        [undefined, true],
        ["My phone", false],
      ],
    );
    await laptop.traveler.leave();
    const here = await phone.join();
    assert.equal(here.me.id, player);
    assert.deepEqual(here.belongings, belongings);
  });

  it("lets the second device cross with its own key", async () => {
    const [laptop, phone] = [device(), device()];
    await laptop.keys.add(await phone.keys.request());
    const { id } = (await phone.join()).me;
    const abroad = new RoomWatch(await phone.traveler.travel(portal(at.arena, "arena")));
    await abroad.settled();
    assert.equal(abroad.me.id, id);
    assert.equal((await laptop.keys.list()).player, id);
  });

  it("ends what a device plays that is removed, and lets it in no more", async () => {
    const [laptop, phone] = [device(), device()];
    await laptop.keys.add(await phone.keys.request());
    await phone.join();
    const ended = new Promise<string>((resolve) => {
      phone.traveler.onLeave(({ reason }) => {
        resolve(reason);
      });
    });
    const [, lost] = (await laptop.keys.list()).keys;
    assert.equal((await laptop.keys.remove(lost?.jkt ?? "")).keys.length, 1);
    assert.match(await ended, /ERR_FED_KEY_REMOVED/u);
    await assert.rejects(phone.traveler.join("plaza"), /ERR_FED_KEY_REMOVED/u);
    await assert.rejects(phone.keys.list(), /ERR_FED_KEY_REMOVED/u);
    const travel = phone.traveler.travel(portal(at.arena, "arena"));
    await assert.rejects(travel, /ERR_FED_KEY_REMOVED/u);
    await laptop.join();
  });

  it("calls a device back that is removed while it is abroad", async () => {
    const [laptop, phone] = [device(), device()];
    await laptop.keys.add(await phone.keys.request());
    await phone.traveler.travel(portal(at.arena, "arena"));
    const ended = new Promise<void>((resolve) => {
      phone.traveler.onLeave(() => {
        resolve();
      });
    });
    const [, lost] = (await laptop.keys.list()).keys;
    await laptop.keys.remove(lost?.jkt ?? "");
    await ended;
    await eventually(() => laptop.join());
  });

  it("changes its key, and not who it is", async () => {
    const storage = memoryStorage();
    const before = device(storage);
    const { id } = (await before.join()).me;
    await before.traveler.leave();
    const { keys } = await before.keys.rotate();
    assert.deepEqual(
      keys.map(({ current }) => current),
      [true],
    );
    await assert.rejects(before.traveler.join("plaza"), /ERR_FED_KEY_REMOVED/u);
    assert.equal((await device(storage).join()).me.id, id);
  });

  it("is not taken over by whoever has the words of a key that was removed", async () => {
    const [laptop, thief] = [device(), device()];
    await laptop.join();
    const words = laptop.keys.words();
    await laptop.keys.rotate();
    await thief.keys.restore(words, { replace: true });
    await assert.rejects(thief.keys.list(), /ERR_FED_KEY_REMOVED/u);
  });

  it("takes a device that has played as somebody of its own only when that is left behind", async () => {
    const [laptop, phone] = [device(), device()];
    await laptop.keys.list();
    await phone.join();
    await phone.traveler.leave();
    const request = await phone.keys.request();
    await assert.rejects(laptop.keys.add(request), /ERR_FED_KEY_IN_USE/u);
    const { keys } = await laptop.keys.add(request, { leaveBehind: true });
    assert.equal(keys.length, 2);
    const { player } = await laptop.keys.list();
    assert.equal((await phone.join()).me.id, player);
  });

  it("does not take a device of another player", async () => {
    const [ada, bob, phone] = [device(), device(), device()];
    await bob.keys.add(await phone.keys.request());
    const taking = ada.keys.add(await phone.keys.request(), { leaveBehind: true });
    await assert.rejects(taking, /ERR_FED_KEY_IN_USE/u);
  });

  it("gives a guest a key, with what it has", async () => {
    const storage = memoryStorage();
    const guest = device(null);
    const watch = await guest.join();
    const { id } = watch.me;
    assert.match(id, /^guest-/u);
    await watch.pickUpCoin();
    const { belongings } = watch;
    await new PlayerKeys(at.plaza.origin, { storage }).keepGuest(watch.room);
    await guest.traveler.leave();
    for (let visit = 0; visit < 2; visit += 1) {
      const again = device(storage);
      const here = await again.join();
      assert.equal(here.me.id, id);
      assert.deepEqual(here.belongings, belongings);
      await again.traveler.leave();
    }
    const abroad = device(storage);
    const there = new RoomWatch(await abroad.traveler.travel(portal(at.arena, "arena")));
    await there.settled();
    assert.deepEqual(there.belongings, belongings);
    // Home by a portal, as any player: nothing is forgotten as a guest's would be.
    const home = new Promise<void>((resolve) => {
      abroad.traveler.onArrive(({ atHome }) => {
        if (atHome) resolve();
      });
    });
    abroad.traveler.enter(portal(at.plaza, "plaza"));
    await home;
    await abroad.traveler.leave();
    await eventually(async () => {
      assert.deepEqual((await device(storage).join()).belongings, belongings);
    });
  });

  it("gives a guest no key that is a player already", async () => {
    const storage = memoryStorage();
    await device(storage).join();
    const guest = await device(null).join();
    const keeping = new PlayerKeys(at.plaza.origin, { storage }).keepGuest(guest.room);
    await assert.rejects(keeping, /ERR_FED_KEY_IN_USE/u);
  });

  describe("POST /player/keys", () => {
    const key = PlayerKey.generate();
    const post = async (token: string | undefined, body: unknown): Promise<string> => {
      const response = await fetch(`${at.plaza.origin}/federation/player/keys`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
      const { code } = (await response.json()) as { code?: string };
      return code ?? String(response.status);
    };
    const prove = (use: "keys" | "login" = "keys"): Promise<string> =>
      key.prove(at.plaza.origin, use);

    it("refuses a proof that it has heard", async () => {
      const proof = await prove();
      assert.equal(await post(proof, {}), "200");
      assert.equal(await post(proof, {}), "ERR_FED_PROOF_REPLAYED");
    });

    it("refuses a proof for something else", async () => {
      assert.equal(await post(await prove("login"), {}), "ERR_FED_PROOF_INVALID");
    });

    it("refuses whoever proves nothing", async () => {
      assert.equal(await post(undefined, {}), "ERR_FED_PROOF_REQUIRED");
    });

    it("refuses a device's request that is none", async () => {
      assert.equal(await post(await prove(), { add: await prove() }), "ERR_FED_PROOF_INVALID");
    });

    for (const body of ["{", { add: 7 }, { remove: "x" }, { add: "a", remove: "b" }, { is: 1 }]) {
      it(`refuses ${JSON.stringify(body)}`, async () => {
        assert.equal(await post(await prove(), body), "ERR_FED_MALFORMED");
      });
    }
  });
});
