import assert from "node:assert/strict";
import { commandAnswer, commandLine } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { currentKid } from "../support/operator.ts";
import { type Player, playerIn } from "../support/player.ts";
import { type ServerProcess, WORLD } from "../support/processes.ts";
import { worldsForEach } from "../support/running.ts";
import { portal } from "../support/sdk.ts";

describe("a server that another one does not let in any more", function () {
  this.timeout(60_000);
  const at = worldsForEach("plaza", "arena");

  /** Tries to cross until the other server is what refuses. */
  async function refusal(player: Player): Promise<{ code: string; message: string }> {
    player.failures.length = 0;
    player.traveler.enter(portal(at.arena, "arena"));
    return player.failure();
  }
  const refusedBy = async (server: ServerProcess): Promise<string | null | undefined> => {
    const { peers } = await commandAnswer<{ peers: { refusal: string | null }[] }>(
      ...[server, "peers", "list"],
    );
    return peers[0]?.refusal;
  };

  it("hears so, its players in plain words, and both operators with what mends it", async () => {
    const player = await playerIn(at.plaza, "Ada");
    const old = await currentKid(at.plaza);
    await commandLine(at.plaza, "keys", "revoke", old);
    await eventually(async () => {
      assert.equal((await at.arena.peers())[0]?.trust, "quarantined");
    });
    const current = await currentKid(at.plaza);
    const approve = `npx aether-federation peers approve ${at.plaza.origin}`;
    assert.ok(at.arena.output.includes(approve), "the arena's operator reads what to do");
    assert.match(at.arena.output, new RegExp(`quarantined.*${current}`, "u"));

    const { code, message } = await refusal(player);
    assert.match(code, /^ERR_FED_(?:NOT_TRUSTED|UNKNOWN_KEY)$/u);
    assert.match(message, /does not let players of this one in/u);
    await eventually(() => {
      assert.ok(at.plaza.output.includes(`${approve} --key ${current}`), "and so does the plaza's");
    });
    assert.match((await refusedBy(at.plaza)) ?? "", /^ERR_FED_(?:NOT_TRUSTED|UNKNOWN_KEY)$/u);
    const table = await commandLine(at.plaza, "peers", "list");
    assert.match(table.out, /refused .*\n +(?:pending there|it does not know this server's key)/u);

    await commandLine(at.arena, "peers", "approve", at.plaza.origin, "--key", current);
    // The running server takes a decision over within a second: asked before that, it refuses again.
    await eventually(async () => {
      assert.equal((await at.arena.peers())[0]?.trust, "trusted");
    });
    await commandLine(at.plaza, "peers", "retry", at.arena.origin);
    await eventually(async () => {
      assert.equal(await refusedBy(at.plaza), null);
    });
    await player.leave();
  });

  it("hears that it is blocked, once, however many players try", async () => {
    const player = await playerIn(at.plaza, "Grace");
    await commandLine(at.arena, "peers", "block", at.plaza.origin);
    await eventually(async () => {
      assert.equal((await at.arena.peers())[0]?.trust, "blocked");
    });
    for (let round = 0; round < 3; round += 1) {
      const { code, message } = await refusal(player);
      assert.equal(code, "ERR_FED_BLOCKED");
      assert.match(message, /does not take players from this one/u);
    }
    const lines = at.plaza.output
      .split("\n")
      .filter((line) => line.includes("refuses this server"));
    assert.equal(lines.length, 1, at.plaza.output);
    assert.match(lines[0] ?? "", /ERR_FED_BLOCKED.*peers unblock/u);
    await player.leave();
  });

  it("hears that it waits for the other's operator", async () => {
    const flags = ["--peer", at.arena.origin];
    const late = await at.servers.launch({ name: "late", script: WORLD, flags });
    await late.ready();
    await eventually(async () => {
      assert.equal(await refusedBy(late), "ERR_FED_NOT_TRUSTED");
    });
    const approve = `npx aether-federation peers approve ${late.origin}`;
    assert.ok(late.output.includes(`${approve} --key ${await currentKid(late)}`));
    assert.ok(at.arena.output.includes(`waits for you: ${approve}`));
    const player = await playerIn(late, "Barbara");
    player.traveler.enter(portal(at.arena, "arena"));
    const { code, message } = await player.failure();
    assert.equal(code, "ERR_FED_NOT_TRUSTED");
    assert.match(message, /does not let players of this one in/u);
    await player.leave();
  });
});
