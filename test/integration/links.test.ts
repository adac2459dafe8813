import assert from "node:assert/strict";
import { eventually } from "../support/eventually.ts";
import { LinkedServer } from "../support/linked-server.ts";
import { ROOMS, type ServerProcess, Servers } from "../support/processes.ts";
import { Visitor } from "../support/visitor.ts";

describe("a link with a Colyseus server", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let peer: LinkedServer;
  let game: ServerProcess;

  beforeEach(async () => {
    peer = await LinkedServer.start();
    game = await servers.launch({ name: "game", script: ROOMS, flags: ["--peer", peer.origin] });
    await game.ready();
    await game.knows(peer.origin);
  });
  afterEach(async () => {
    await peer.stop();
    await servers.stop();
  });

  /** A call that is refused for what it asks, and heard all the same. */
  async function claim(): Promise<void> {
    const answer = await peer.peers.call(
      game.origin,
      "/custody/claim",
      { transferId: "11111111-1111-4111-8111-111111111111" },
      { timeoutMilliseconds: 2_000 },
    );
    assert.equal(answer.ok ? "" : answer.code, "ERR_FED_TRANSFER_UNKNOWN");
  }

  async function linked(): Promise<void> {
    await eventually(async () => {
      await claim();
      assert.ok(peer.links?.has(game.origin));
    });
  }

  it("goes beside its players' connections, on the same server", async () => {
    await linked();
    const visitor = await Visitor.login(game);
    assert.ok((await visitor.id()).endsWith(`@${game.authority}`));
    await claim();
    await visitor.note("still here");
    assert.deepEqual(await peer.peers.health(game.origin), { status: "pass" });
    assert.ok(peer.links?.has(game.origin));
    await visitor.leave();
  });

  it("is opened on an HTTP server of the host's own", async () => {
    const script = "test/fixtures/hosts/by-hand.ts";
    const host = await servers.launch({ name: "hand", script, flags: ["--peer", peer.origin] });
    await host.ready();
    await eventually(async () => {
      await peer.peers.call(host.origin, "/custody/claim", { transferId: "none" });
      assert.ok(peer.links?.has(host.origin));
    });
  });

  it("ends with a goodbye when the server stops, and is there again after its next start", async () => {
    await linked();
    assert.equal(await game.kill("SIGTERM"), 0);
    await eventually(() => {
      assert.equal(peer.links?.size, 0);
    });
    game = await servers.restart(game);
    await linked();
  });

  it("is given up when the server's process stands still, and opened again when it goes on", async () => {
    await linked();
    game.pause();
    try {
      await assert.rejects(claim(), /did not answer in time/u);
      assert.equal(peer.links?.has(game.origin), false);
    } finally {
      game.resume();
    }
    await eventually(claim);
    await linked();
  });

  it("is lost with a server that dies, and calls go by HTTP until there is another", async () => {
    await linked();
    await game.kill("SIGKILL");
    await eventually(() => {
      assert.equal(peer.links?.size, 0);
    });
    await assert.rejects(claim());
    game = await servers.restart(game);
    await claim();
    await linked();
  });
});
