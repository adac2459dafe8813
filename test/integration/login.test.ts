import assert from "node:assert/strict";
import { PlayerKey } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { ledgerRow } from "../support/stored.ts";
import { Visitor } from "../support/visitor.ts";

const FIXTURE = "test/fixtures/rooms-server.ts";

describe("logging in at home", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let recalling: ServerProcess;
  let refusing: ServerProcess;
  let away: ServerProcess;

  before(async () => {
    [recalling, refusing, away] = (await servers.start([
      { name: "recalling", script: FIXTURE },
      { name: "refusing", script: FIXTURE, flags: ["--away", "refuse"] },
      { name: "away", script: FIXTURE },
    ])) as [ServerProcess, ServerProcess, ServerProcess];
  });
  after(() => servers.stop());

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
        const visitor = await Visitor.login(recalling, {
          key: null,
          ...account(`${name}@example.org`),
        });
        const { auth, player } = await visitor.whoAmI();
        assert.deepEqual(auth, { mail: name }, "the host's own payload stays in client.auth");
        assert.equal(player?.id, `mail-${name}@${recalling.authority}`);
        assert.equal(player.name, `${name} of the mail`);
        await visitor.cross(portal(away));
        const there = await visitor.whoAmI();
        assert.equal(there.player?.id, player.id);
        assert.equal(there.player.name, player.name);
        await visitor.room.leave();
      });

      it(`knows the account again, with what it carried abroad, after ${how}`, async () => {
        const login = { key: null, ...account(`${unique()}@example.org`) };
        const first = await Visitor.login(recalling, login);
        const player = await first.id();
        await first.cross(portal(away));
        await first.note("souvenir");
        await first.room.leave();
        await isBack(recalling, player);
        const again = await Visitor.login(recalling, login);
        const { player: seen } = await again.whoAmI();
        assert.deepEqual([seen?.id, seen?.carried?.["note"]], [player, "souvenir"]);
        await again.room.leave();
      });
    }

    it("lets one in whom identify() does not know, who is nobody and cannot cross", async () => {
      const stranger = await Visitor.login(recalling, {
        key: null,
        world: "static",
        token: "stranger",
      });
      assert.deepEqual(await stranger.whoAmI(), { auth: { role: "stranger" }, player: null });
      await assert.rejects(stranger.transit(portal(away)), /ERR_FED_NOT_A_PLAYER/u);
      assert.deepEqual(await stranger.whoAmI(), { auth: { role: "stranger" }, player: null });
      await stranger.room.leave();
    });
  });

  describe("while the player is away", () => {
    it("refuses where home refuses, says for how long, and the player away plays on", async () => {
      const { visitor, key, player } = await abroad(refusing);
      const message = await rejection(Visitor.login(refusing, { key }));
      const seconds = Number(/ERR_FED_AWAY: .* (\d+) s\b/u.exec(message)?.[1]);
      assert.ok(seconds >= 1 && seconds <= 60, message);
      assert.match(message, new RegExp(away.origin, "u"));
      assert.equal(await visitor.id(), player);
      assert.equal(ledgerRow(refusing, player)?.holder, away.origin);
      await visitor.cross(portal(refusing));
      assert.equal((await visitor.whoAmI()).player?.carried?.["note"], "souvenir");
      await visitor.room.leave();
    });

    it("lets the player in again where home refused, once it has left", async () => {
      const { visitor, key, player } = await abroad(refusing);
      await assert.rejects(Visitor.login(refusing, { key }), /ERR_FED_AWAY/u);
      await visitor.room.leave();
      await isBack(refusing, player);
      const home = await Visitor.login(refusing, { key });
      const { player: seen } = await home.whoAmI();
      assert.deepEqual([seen?.id, seen?.carried?.["note"]], [player, "souvenir"]);
      await home.room.leave();
    });

    it("recalls where home recalls: the session away ends, home has what was carried", async () => {
      const { visitor, key, player } = await abroad(recalling);
      const home = await Visitor.login(recalling, { key });
      await eventually(() => {
        assert.match(visitor.leaves.at(-1) ?? "", /^ERR_FED_SUPERSEDED/u);
      });
      const { player: seen } = await home.whoAmI();
      assert.deepEqual([seen?.id, seen?.carried?.["note"]], [player, "souvenir"]);
      assert.equal(ledgerRow(recalling, player)?.holder, recalling.origin);
      await home.room.leave();
    });

    it("recalls a player in the middle of a crossing: it is at home and nowhere else", async () => {
      const { visitor, key, player } = await abroad(recalling);
      const transit = await visitor.transit(portal(refusing));
      const home = await Visitor.login(recalling, { key });
      await assert.rejects(visitor.arrive(transit), /ERR_FED_/u);
      await eventually(() => {
        assert.match(visitor.leaves.at(-1) ?? "", /^ERR_FED_SUPERSEDED/u);
      });
      const { player: seen } = await home.whoAmI();
      assert.deepEqual([seen?.id, seen?.carried?.["note"]], [player, "souvenir"]);
      await home.room.leave();
    });
  });

  describe("from a second device", () => {
    it("ends the session of the first, whose belongings the second has", async () => {
      const key = PlayerKey.generate();
      const first = await Visitor.login(recalling, { key });
      await first.note("in the pocket");
      const second = await Visitor.login(recalling, { key });
      await eventually(() => {
        assert.match(first.leaves.at(-1) ?? "", /^ERR_FED_SUPERSEDED/u);
      });
      const { player } = await second.whoAmI();
      assert.equal(player?.carried?.["note"], "in the pocket");
      await second.room.leave();
    });

    it("ends the first also where home refuses players who are away: they are not away", async () => {
      const key = PlayerKey.generate();
      const first = await Visitor.login(refusing, { key });
      const second = await Visitor.login(refusing, { key });
      await eventually(() => {
        assert.match(first.leaves.at(-1) ?? "", /^ERR_FED_SUPERSEDED/u);
      });
      await second.whoAmI();
      await second.room.leave();
    });

    it("takes the player back that has just asked to leave through a portal", async () => {
      const key = PlayerKey.generate();
      const first = await Visitor.login(recalling, { key });
      await first.note("in the pocket");
      const transit = await first.transit(portal(away));
      const second = await Visitor.login(recalling, { key });
      await assert.rejects(first.arrive(transit), /ERR_FED_/u);
      const { player } = await second.whoAmI();
      assert.equal(player?.carried?.["note"], "in the pocket");
      assert.equal(ledgerRow(recalling, player?.id ?? "")?.holder, recalling.origin);
      await second.room.leave();
    });

    it("leaves exactly one session when many come at once", async () => {
      const key = PlayerKey.generate();
      const logins = await Promise.allSettled(
        [1, 2, 3, 4].map(() => Visitor.login(recalling, { key })),
      );
      const visitors = logins.flatMap((login) =>
        login.status === "fulfilled" ? [login.value] : [],
      );
      await eventually(() => {
        assert.equal(visitors.filter(({ leaves }) => leaves.length === 0).length, 1);
      });
      const survivor = visitors.find(({ leaves }) => leaves.length === 0)!;
      await survivor.whoAmI();
      await survivor.room.leave();
    });
  });

  describe("as a guest", () => {
    it("leaves no row behind that was never away", async () => {
      const guest = await Visitor.login(recalling, { key: null });
      const player = await guest.id();
      assert.equal(ledgerRow(recalling, player), undefined);
      await guest.room.leave();
      await isForgotten(recalling, player);
    });

    it("leaves no row behind that came back before it left", async () => {
      const guest = await Visitor.login(recalling, { key: null });
      const player = await guest.id();
      await guest.cross(portal(away));
      await guest.cross(portal(recalling));
      await guest.room.leave();
      await isForgotten(recalling, player);
    });

    it("leaves no row behind that left while it was away", async () => {
      const guest = await Visitor.login(recalling, { key: null });
      const player = await guest.id();
      await guest.cross(portal(away));
      await guest.room.leave();
      await isForgotten(recalling, player);
    });

    it("leaves no row behind that was cut off while it crossed", async () => {
      const guest = await Visitor.login(recalling, { key: null });
      const player = await guest.id();
      // Its seat soon lapses.
      await guest.transit(portal(away, "brief"));
      guest.room.connection.close();
      await isForgotten(recalling, player);
    });
  });

  function portal(server: ServerProcess, world = "plain"): string {
    return `aether://${server.authority}/${world}`;
  }

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
    await visitor.cross(portal(away));
    await visitor.note("souvenir");
    return { visitor, key, player };
  }

  async function rejection(promise: Promise<unknown>): Promise<string> {
    return promise.then(
      () => assert.fail("it was let in"),
      (error: unknown) => (error as Error).message,
    );
  }

  async function isBack(home: ServerProcess, player: string): Promise<void> {
    await eventually(() => {
      assert.equal(ledgerRow(home, player)?.holder, home.origin);
    });
  }

  async function isForgotten(home: ServerProcess, player: string): Promise<void> {
    await eventually(() => {
      assert.equal(ledgerRow(home, player), undefined);
    });
  }
});
