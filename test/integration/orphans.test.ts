import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { commandAnswer } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { rooms } from "../support/running.ts";
import { portal } from "../support/sdk.ts";
import { silentFor } from "../support/silent-peer.ts";
import { visitorRow } from "../support/stored.ts";
import { Visitor } from "../support/visitor.ts";

describe("a home that is gone without a trace", function () {
  this.timeout(30_000);
  const at = rooms("home", "arena");

  it("leaves its player to the server that it visited, as that one's own, by its key", async () => {
    const { home } = at;
    const visitor = await Visitor.login(home);
    const { key } = visitor;
    assert.ok(key !== undefined);
    await visitor.cross(portal(at.arena, "plain"));
    await visitor.note("a sword");
    const formerId = await visitor.id();
    await home.kill("SIGKILL");
    await rm(home.spec.data, { recursive: true });
    await visitor.leave();
    await eventually(() => {
      assert.equal(visitorRow(at.arena, formerId)?.held.phase, "returning");
    });

    // Forty days later.
    await at.arena.kill("SIGTERM");
    const engine = new SqliteEngine({ path: join(at.arena.spec.data, "federation.sqlite") });
    const store = new KeyvStore(engine);
    const health = JSON.stringify(silentFor(40, { now: Date.now() }));
    await store.set(`health/${home.origin}`, health);
    await store.close();
    const arena = await at.servers.restart(at.arena);
    const { orphans } = await commandAnswer<{ orphans: { player: string }[] }>(
      arena,
      ...["players", "orphans"],
    );
    assert.deepEqual(
      orphans.map(({ player }) => player),
      [formerId],
    );
    await commandAnswer(arena, "players", "adopt", formerId, "--yes");

    const again = await Visitor.login(arena, { key });
    const { auth, player } = await again.whoAmI();
    assert.equal(player?.id, `key-${await key.thumbprint()}@${new URL(arena.origin).host}`);
    assert.equal(player.home, arena.origin);
    assert.equal(player.carried?.["note"], "a sword");
    assert.deepEqual(player.orphanOf, [formerId]);
    assert.deepEqual(auth?.["orphanOf"], [formerId]);
    const other = await Visitor.login(arena);
    assert.equal((await other.whoAmI()).player?.orphanOf, undefined);
    await Promise.all([again.leave(), other.leave()]);
  });
});
