import assert from "node:assert/strict";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { type Server, createServer } from "node:http";
import { join } from "node:path";
import { freePort } from "../../src/testing/test-place.ts";
import { commandAnswer, commandLine } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import { playerIn } from "../support/player.ts";
import type { PeerStatus, ServerProcess, ServerSpec } from "../support/processes.ts";
import { worlds } from "../support/running.ts";
import { portal } from "../support/sdk.ts";

interface MoveAnswer {
  readonly from: string;
  readonly to: string;
  readonly file: string;
}

describe("a home that moves, or dies", function () {
  this.timeout(60_000);
  const at = worlds("plaza", "arena", "gallery");
  let home: ServerProcess;
  let former: Server | undefined;
  before(() => {
    home = at.plaza;
  });
  after(() => {
    former?.closeAllConnections();
    former?.close();
  });

  /** The home again, at another port, with the data of `data`. */
  async function placeOf({ spec }: ServerProcess, data: string): Promise<ServerSpec> {
    const port = await freePort();
    const flags = [...spec.flags];
    flags[flags.indexOf("--port") + 1] = String(port);
    flags[flags.indexOf("--data") + 1] = data;
    return { ...spec, port, data, flags, origin: `http://localhost:${port}` };
  }

  /** What a web server at the old origin serves from then on. */
  async function serve(file: string, port: number): Promise<Server> {
    const text = await readFile(file, "utf8");
    const server = createServer(({ url }, response) => {
      const found = url === "/.well-known/aether-federation";
      response.writeHead(found ? 200 : 404, { "content-type": "application/json" });
      response.end(found ? text : "");
    });
    await new Promise<void>((resolve) => server.listen(port, resolve));
    return server;
  }

  /** Both peers deal with the home where it is, and with nobody where it was. */
  async function isKnown(left: string): Promise<void> {
    for (const peer of [at.arena, at.gallery]) {
      await peer.knows(home.origin);
      const origins = (await peer.peers()).map(({ origin }) => origin);
      assert.equal(origins.includes(left), false, origins.join(" "));
    }
    await home.knows(at.arena.origin, at.gallery.origin);
  }

  it("is not moved by a thief of its data while it runs, at no peer", async () => {
    await home.kill("SIGTERM");
    const stolen = join(await at.servers.folder(), "stolen");
    await cp(home.spec.data, stolen, { recursive: true });
    home = await at.servers.restart(home);
    await home.knows(at.arena.origin, at.gallery.origin);
    const spec = await placeOf(home, stolen);
    const thief = at.servers.run(spec);
    await thief.kill("SIGKILL");
    const moved = await commandLine(thief, "move", "--to", spec.origin, "--json");
    assert.equal(moved.code, 0, moved.err);
    const running = at.servers.run(spec);
    await running.ready();
    for (const peer of [at.arena, at.gallery]) {
      await eventually(() => {
        assert.match(peer.output, new RegExp(`said to have moved to ${spec.origin}`, "u"));
      });
      const peers = await peer.peers();
      assert.equal(
        peers.find(({ origin }) => origin === spec.origin),
        undefined,
      );
      await peer.knows(home.origin);
    }
    await running.kill();
  });

  it("moves while its player is abroad, who plays on and comes home with all it has", async () => {
    const player = await playerIn(home, "Ada");
    await player.at.pickUpCoin();
    await player.cross(portal(at.arena, "arena"));
    const left = home.spec;
    assert.equal(await home.kill("SIGTERM"), 0);
    const spec = await placeOf(home, left.data);
    const { from, to, file } = await commandAnswer<MoveAnswer>(home, "move", "--to", spec.origin);
    assert.deepEqual([from, to], [left.origin, spec.origin]);
    former = await serve(file, left.port);
    home = at.servers.run(spec);
    await home.ready();
    await isKnown(left.origin);

    await player.at.pickUpCoin();
    const carried = [...player.at.belongings];
    assert.ok(carried.length >= 2);
    assert.equal(player.leaves.length, 0);
    // By the name that the portal always had.
    const back = await player.cross(`aether://${new URL(left.origin).host}/plaza`);
    assert.equal(back.origin, home.origin);
    assert.deepEqual(player.at.belongings, carried);
    assert.match(player.at.me.id, new RegExp(`@${home.authority}$`, "u"));

    const [localId = ""] = player.at.me.id.split("@");
    const seen = await commandAnswer<{ crossings: readonly { verdict: string }[] }>(
      home,
      "crossings",
      localId,
    );
    assert.deepEqual(
      seen.crossings.map(({ verdict }) => verdict),
      ["verifies", "verifies"],
    );
    await player.leave();
  });

  it("comes back from its backup at another origin, by its recovery key, the old one dead", async () => {
    const storage = memoryStorage();
    const { recoveryKey } = await commandAnswer<{ recoveryKey: string }>(home, "keys", "recovery");
    await eventually(async () => {
      for (const peer of [at.arena, at.gallery]) {
        const peers = (await peer.peers()) as (PeerStatus & { recovery?: string })[];
        const known = peers.find(({ origin }) => origin === home.origin);
        assert.ok(known?.recovery !== undefined, JSON.stringify(known));
      }
    });
    const player = await playerIn(home, "Grace", storage);
    await player.at.pickUpCoin();
    const carried = [...player.at.belongings];
    await player.leave();
    const left = home;
    await left.kill("SIGTERM");
    const backup = join(await at.servers.folder(), "backup");
    await cp(left.spec.data, backup, { recursive: true });
    await rm(left.spec.data, { recursive: true });
    const spec = await placeOf(left, backup);
    const key = join(await at.servers.folder(), "recovery.txt");
    await writeFile(key, `${recoveryKey}\n`);
    const machine = at.servers.run(spec);
    await eventually(() => {
      assert.equal(machine.exitCode, 1, machine.output);
    });
    assert.match(machine.output, new RegExp(`aether-federation move --to ${spec.origin}`, "u"));
    await commandAnswer(machine, "move", "--to", spec.origin, "--recovery", key);
    home = at.servers.run(spec);
    await home.ready();
    await isKnown(left.origin);
    const again = await playerIn(home, "Grace", storage);
    assert.deepEqual(again.at.belongings, carried);
    await again.cross(portal(at.gallery, "gallery"));
    await again.leave();
  });
});
