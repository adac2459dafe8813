import assert from "node:assert/strict";
import { PlayerKey } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { ROOMS, type ServerProcess } from "../support/processes.ts";
import { running } from "../support/running.ts";
import { portal } from "../support/sdk.ts";
import { isBack, isForgotten, ledgerRow } from "../support/stored.ts";
import { Visitor } from "../support/visitor.ts";

describe("logging in at home", function () {
  this.timeout(60_000);
  const at = running({
    recalling: { script: ROOMS },
    refusing: { script: ROOMS, flags: ["--away", "refuse"] },
    away: { script: ROOMS },
  });

  describe("with an account of the host", () => {
    const ways = [
      ["the room class's onAuth", (mail: string) => ({ world: "static", token: `mail:${mail}` })],
      [
        "the room's own onAuth",
        (mail: string) => ({ world: "instance", options: { token: `mail:${mail}` } }),
      ],
    ] as const;
    for (const [how, account] of ways) {
      it(`makes it the player that identify() says, after ${how}`, async () => {
        const name = unique();
        const visitor = await Visitor.login(at.recalling, {
          key: null,
          ...account(`${name}@example.org`),
        });
        const { auth, player } = await visitor.whoAmI();
        assert.deepEqual(auth, { mail: name }, "the host's own payload stays in client.auth");
        assert.equal(player?.id, `mail-${name}@${at.recalling.authority}`);
        assert.equal(player.name, `${name} of the mail`);
        await visitor.cross(portal(at.away));
        const there = await visitor.whoAmI();
        assert.equal(there.player?.id, player.id);
        assert.equal(there.player.name, player.name);
        await visitor.leave();
      });

      it(`knows the account again, with what it carried abroad, after ${how}`, async () => {
        const login = { key: null, ...account(`${unique()}@example.org`) };
        const first = await Visitor.login(at.recalling, login);
        const player = await first.id();
        await first.cross(portal(at.away));
        await first.note("souvenir");
        await first.leave();
        await isBack(at.recalling, player);
        const again = await Visitor.login(at.recalling, login);
        const { player: seen } = await again.whoAmI();
        assert.deepEqual([seen?.id, seen?.carried?.["note"]], [player, "souvenir"]);
        await again.leave();
      });
    }

    it("lets one in whom identify() does not know, who is nobody and cannot cross", async () => {
      const stranger = await Visitor.login(at.recalling, {
        key: null,
        world: "static",
        token: "stranger",
      });
      assert.deepEqual(await stranger.whoAmI(), { auth: { role: "stranger" }, player: null });
      await assert.rejects(stranger.transit(portal(at.away)), /ERR_FED_NOT_A_PLAYER/u);
      assert.deepEqual(await stranger.whoAmI(), { auth: { role: "stranger" }, player: null });
      await stranger.leave();
    });
  });

  describe("while the player is away", () => {
    it("refuses where home refuses, says for how long, and the player away plays on", async () => {
      const { visitor, key, player } = await abroad(at.refusing);
      const message = await rejection(Visitor.login(at.refusing, { key }));
      const seconds = Number(/ERR_FED_AWAY: .* (\d+) s\b/u.exec(message)?.[1]);
      assert.ok(seconds >= 1 && seconds <= 60, message);
      assert.match(message, new RegExp(at.away.origin, "u"));
      assert.equal(await visitor.id(), player);
      assert.equal(ledgerRow(at.refusing, player)?.holder, at.away.origin);
      await visitor.cross(portal(at.refusing));
      assert.equal((await visitor.whoAmI()).player?.carried?.["note"], "souvenir");
      await visitor.leave();
    });

    it("lets the player in again where home refused, once it has left", async () => {
      const { visitor, key, player } = await abroad(at.refusing);
      await assert.rejects(Visitor.login(at.refusing, { key }), /ERR_FED_AWAY/u);
      await visitor.leave();
      await isBack(at.refusing, player);
      const home = await Visitor.login(at.refusing, { key });
      const { player: seen } = await home.whoAmI();
      assert.deepEqual([seen?.id, seen?.carried?.["note"]], [player, "souvenir"]);
      await home.leave();
    });

    it("recalls where home recalls: the session away ends, home has what was carried", async () => {
      const { visitor, key, player } = await abroad(at.recalling);
      const home = await Visitor.login(at.recalling, { key });
      await eventually(() => {
        assert.match(visitor.leaves.at(-1) ?? "", /^ERR_FED_SUPERSEDED/u);
      });
      const { player: seen } = await home.whoAmI();
      assert.deepEqual([seen?.id, seen?.carried?.["note"]], [player, "souvenir"]);
      assert.equal(ledgerRow(at.recalling, player)?.holder, at.recalling.origin);
      await home.leave();
    });

    it("recalls a player in the middle of a crossing: it is at home and nowhere else", async () => {
      const { visitor, key, player } = await abroad(at.recalling);
      const transit = await visitor.transit(portal(at.refusing));
      const home = await Visitor.login(at.recalling, { key });
      await assert.rejects(visitor.arrive(transit), /ERR_FED_/u);
      await eventually(() => {
        assert.match(visitor.leaves.at(-1) ?? "", /^ERR_FED_SUPERSEDED/u);
      });
      const { player: seen } = await home.whoAmI();
      assert.deepEqual([seen?.id, seen?.carried?.["note"]], [player, "souvenir"]);
      await home.leave();
    });
  });

  describe("from a second device", () => {
    it("ends the session of the first, whose belongings the second has", async () => {
      const key = PlayerKey.generate();
      const first = await Visitor.login(at.recalling, { key });
      await first.note("in the pocket");
      const second = await Visitor.login(at.recalling, { key });
      await eventually(() => {
        assert.match(first.leaves.at(-1) ?? "", /^ERR_FED_SUPERSEDED/u);
      });
      const { player } = await second.whoAmI();
      assert.equal(player?.carried?.["note"], "in the pocket");
      await second.leave();
    });

    it("ends the first also where home refuses players who are away: they are not away", async () => {
      const key = PlayerKey.generate();
      const first = await Visitor.login(at.refusing, { key });
      const second = await Visitor.login(at.refusing, { key });
      await eventually(() => {
        assert.match(first.leaves.at(-1) ?? "", /^ERR_FED_SUPERSEDED/u);
      });
      await second.whoAmI();
      await second.leave();
    });

    it("takes the player back that has just asked to leave through a portal", async () => {
      const key = PlayerKey.generate();
      const first = await Visitor.login(at.recalling, { key });
      await first.note("in the pocket");
      const transit = await first.transit(portal(at.away));
      const second = await Visitor.login(at.recalling, { key });
      await assert.rejects(first.arrive(transit), /ERR_FED_/u);
      const { player } = await second.whoAmI();
      assert.equal(player?.carried?.["note"], "in the pocket");
      assert.equal(ledgerRow(at.recalling, player?.id ?? "")?.holder, at.recalling.origin);
      await second.leave();
    });

    it("leaves exactly one session when many come at once", async () => {
      const key = PlayerKey.generate();
      const logins = await Promise.allSettled(
        [1, 2, 3, 4].map(() => Visitor.login(at.recalling, { key })),
      );
      const visitors = logins.flatMap((login) =>
        login.status === "fulfilled" ? [login.value] : [],
      );
      await eventually(() => {
        assert.equal(visitors.filter(({ leaves }) => leaves.length === 0).length, 1);
      });
      const survivor = visitors.find(({ leaves }) => leaves.length === 0)!;
      await survivor.whoAmI();
      await survivor.leave();
    });
  });

  describe("as a guest", () => {
    async function login(): Promise<{ guest: Visitor; player: string }> {
      const guest = await Visitor.login(at.recalling, { key: null });
      return { guest, player: await guest.id() };
    }

    it("leaves no row behind that was never away", async () => {
      const { guest, player } = await login();
      assert.equal(ledgerRow(at.recalling, player), undefined);
      await guest.leave();
      await isForgotten(at.recalling, player);
    });

    it("leaves no row behind that came back before it left", async () => {
      const { guest, player } = await login();
      await guest.cross(portal(at.away));
      await guest.cross(portal(at.recalling));
      await guest.leave();
      await isForgotten(at.recalling, player);
    });

    it("leaves no row behind that left while it was away", async () => {
      const { guest, player } = await login();
      await guest.cross(portal(at.away));
      await guest.leave();
      await isForgotten(at.recalling, player);
    });

    it("leaves no row behind that was cut off while it crossed", async () => {
      const { guest, player } = await login();
      // Its seat soon lapses.
      await guest.transit(portal(at.away, "brief"));
      guest.room.connection.close();
      await isForgotten(at.recalling, player);
    });
  });

  function unique(): string {
    return `u${crypto.randomUUID().slice(0, 8)}`;
  }

  /** A player of `home` who is at `away` and has something with it. */
  async function abroad(
    home: ServerProcess,
  ): Promise<{ visitor: Visitor; key: PlayerKey; player: string }> {
    const key = PlayerKey.generate();
    const visitor = await Visitor.login(home, { key });
    const player = await visitor.id();
    await visitor.cross(portal(at.away));
    await visitor.note("souvenir");
    return { visitor, key, player };
  }

  async function rejection(promise: Promise<unknown>): Promise<string> {
    return promise.then(
      () => assert.fail("it was let in"),
      (error: unknown) => (error as Error).message,
    );
  }
});
