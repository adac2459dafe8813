import assert from "node:assert/strict";
import type { Overview } from "../../src/operator/overview.ts";
import { freePort } from "../../src/testing/test-place.ts";
import { commandLine } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { playerIn } from "../support/player.ts";
import { type ServerProcess, WORLD } from "../support/processes.ts";
import { running } from "../support/running.ts";
import { portal } from "../support/sdk.ts";

/** A session is 5 s old before anything is told in it. */
const SOON = { timeoutMilliseconds: 20_000 };
const TOKEN = "the-token-of-an-operator-in-a-test-0123456789";
const never = `http://localhost:${await freePort()}`;
const world = {
  ...{ script: WORLD, env: { FEDERATION_ADMIN_TOKEN: TOKEN } },
  flags: ["--peer", never],
};

/** What the operator of a server sees on its page. */
async function seen(server: ServerProcess): Promise<Overview> {
  const response = await fetch(`${server.origin}/federation/admin/data`, {
    headers: { "Aether-Admin": "1", Authorization: `Bearer ${TOKEN}` },
  });
  assert.equal(response.status, 200);
  return (await response.json()) as Overview;
}

async function rowOf(server: ServerProcess, of: string) {
  const row = (await seen(server)).peers.rows.find(({ origin }) => origin === of);
  assert.ok(row !== undefined, `${of} is listed`);
  return row;
}

describe("what an operator sees of running servers", function () {
  this.timeout(90_000);
  const at = running({ plaza: world, arena: world });

  it("lists whom the configuration names and nobody has reached, with why and the next try", async () => {
    await eventually(async () => {
      const row = await rowOf(at.plaza, never);
      assert.deepEqual([row.condition, row.why], ["unmet", "connection refused"]);
      assert.ok((row.nextCheckAt ?? 0) > Date.now() - 1_000);
      assert.equal(row.mend?.command, `npx aether-federation doctor ${never}`);
    });
  });

  it("says what both sides trust each other for, and tells both operators what goes one way", async () => {
    const both = { inbound: true, outbound: true };
    for (const [one, other] of [
      [at.plaza, at.arena],
      [at.arena, at.plaza],
    ] as const) {
      await eventually(async () => {
        const { theirTrust: { at: _at, ...said } = {}, condition } = await rowOf(one, other.origin);
        assert.deepEqual([said, condition], [both, "up"]);
      }, SOON);
    }
    const done = await commandLine(
      at.arena,
      ...["peers", "approve", at.plaza.origin, "--outbound-only"],
    );
    assert.equal(done.code, 0, done.err);
    await eventually(async () => {
      const { theirTrust, why } = await rowOf(at.plaza, at.arena.origin);
      assert.deepEqual([theirTrust?.inbound, theirTrust?.outbound], [false, true]);
      assert.equal(why, "it lets none of our players in");
      assert.match(
        at.plaza.output,
        new RegExp(
          `${at.arena.origin} lets none of this server's players in.*approve ${at.plaza.origin}`,
          "u",
        ),
      );
      assert.match(
        at.arena.output,
        new RegExp(
          `${at.plaza.origin} lets its players come, and none is let in here.*approve ${at.plaza.origin}`,
          "u",
        ),
      );
    }, SOON);
    assert.equal(at.plaza.output.split("lets none of this server's players in").length, 2);
    const mended = await commandLine(at.arena, "peers", "approve", at.plaza.origin);
    assert.equal(mended.code, 0, mended.err);
    await eventually(async () => {
      assert.equal((await rowOf(at.plaza, at.arena.origin)).theirTrust?.inbound, true);
    }, SOON);
  });

  it("shows who is abroad, and calls a player back", async () => {
    const player = await playerIn(at.plaza, "Grace");
    const { id } = player.at.me;
    await player.cross(portal(at.arena, "arena"));
    await eventually(async () => {
      const { abroad, crossings } = await seen(at.plaza);
      assert.deepEqual(abroad.rows, [
        { player: id, name: "Grace", at: at.arena.origin, state: "" },
      ]);
      assert.equal(crossings.recent.rows[0]?.outcome, "arrived");
      assert.deepEqual((await seen(at.arena)).visitors.rows, [
        { player: id, name: "Grace", at: at.plaza.origin, state: "held" },
      ]);
    });
    const called = await fetch(`${at.plaza.origin}/federation/admin/act`, {
      method: "POST",
      headers: {
        "Aether-Admin": "1",
        Authorization: `Bearer ${TOKEN}`,
        "Content-Type": "application/json",
      },
      body: JSON.stringify({ action: "recall", player: id }),
    });
    assert.deepEqual(await called.json(), { done: `${id} is at home.` });
    await eventually(async () => {
      assert.deepEqual((await seen(at.plaza)).abroad.rows, []);
      assert.deepEqual((await seen(at.arena)).visitors.rows, []);
    });
    await player.leave();
  });
});

describe("what an operator sees of servers that end", function () {
  this.timeout(90_000);
  const at = running({ plaza: world, arena: world }, "test");

  it("sees at once that a peer is dead which a crossing has found dead, and why it failed", async () => {
    const player = await playerIn(at.plaza, "Ada");
    await at.arena.kill("SIGKILL");
    player.traveler.enter(portal(at.arena, "arena"));
    const { code } = await player.failure();
    await eventually(async () => {
      const overview = await seen(at.plaza);
      const row = overview.peers.rows.find(({ origin }) => origin === at.arena.origin);
      assert.equal(row?.condition, "down");
      assert.match(row.why ?? "", /^connection (refused|lost)$/u);
      assert.deepEqual(
        overview.crossings.failed.rows.map((each) => [each.player, each.code]),
        [[player.at.me.id, code]],
      );
      assert.equal(overview.crossings.counts[code], 1);
    });
    await player.leave();
  });

  it("goes on with the history of a peer after a restart", async () => {
    const observed = async (server: ServerProcess): Promise<number> =>
      (await rowOf(server, at.arena.origin)).uptime.hour.observedMilliseconds;
    await eventually(async () => {
      assert.ok((await observed(at.plaza)) > 2_000);
    });
    const before = await observed(at.plaza);
    await at.plaza.kill("SIGTERM");
    const again = await at.servers.restart(at.plaza);
    assert.ok((await observed(again)) >= before, "what was observed is remembered");
  });
});
