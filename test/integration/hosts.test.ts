import assert from "node:assert/strict";
import { Traveler } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { fetchJson } from "../support/fetch-json.ts";
import { ROOMS, type ServerProcess, Servers } from "../support/processes.ts";
import { ask, portal } from "../support/sdk.ts";

const hostScript = (name: string): string => `test/fixtures/hosts/${name}.ts`;

/** Every shape that a host has, as its documentation shows it. */
const SHAPES = {
  starter: "defineServer() and listen() of @colyseus/tools",
  config: "config({ … }) of @colyseus/tools",
  bare: "new Server() without Express",
  "own-app": "an Express app of the host's own on the HTTP server",
  serverless: "serverless()",
  reloaded: "Vite's dev server",
} as const;

/** A player of the host goes to the peer and comes back, with what it was given. */
async function thereAndBack(host: ServerProcess, peer: ServerProcess): Promise<void> {
  const traveler = new Traveler(host.origin, { name: "Ada" });
  const failed: string[] = [];
  traveler.onFailed(({ code, message }) => failed.push(`${code}: ${message}`));
  const isAt = (server: ServerProcess): Promise<void> =>
    eventually(() => {
      assert.equal(traveler.origin, server.origin, failed.join(", "));
    });
  try {
    await traveler.join("plain");
    traveler.room?.send("take", "lamp");
    const player = traveler.playerId;
    traveler.enter(portal(peer));
    await isAt(peer);
    traveler.enter(portal(host));
    await isAt(host);
    assert.deepEqual(await ask(traveler.room!, "items"), ["lamp"]);
    assert.equal(traveler.playerId, player);
  } finally {
    await traveler.leave();
  }
}

describe("a host of any shape", function () {
  this.timeout(60_000);
  const servers = new Servers();
  afterEach(() => servers.stop());

  /** A host, and a server that it knows. */
  async function hostAndPeer(name: string): Promise<[host: ServerProcess, peer: ServerProcess]> {
    const [host, peer] = await servers.start([
      { name, script: hostScript(name) },
      { name: "peer", script: ROOMS },
    ]);
    return [host!, peer!];
  }

  for (const [name, what] of Object.entries(SHAPES)) {
    it(`is federated: ${what}`, async () => {
      const [host, peer] = await hostAndPeer(name);
      await thereAndBack(host, peer);
      const refusal = await fetch(`${host.origin}/federation/nothing`);
      assert.equal(refusal.status, 404);
      assert.equal(refusal.headers.get("content-type"), "application/problem+json");
      await eventually(() => assert.match(host.output, /is federated as http:\/\/localhost/u));
      assert.equal(host.output.split("is federated as").length, 2, "said once");
      assert.doesNotMatch(host.output, /recovery key|ERR_HTTP_HEADERS_SENT/u);
    });
  }

  it("answers by hand on a plain HTTP server, and hands on what is not the federation's", async () => {
    const host = await servers.launch({ name: "hand", script: hostScript("by-hand") });
    await host.ready();
    const { origin } = await fetchJson<{ origin: string }>(
      `${host.origin}/.well-known/aether-federation`,
    );
    assert.equal(origin, host.origin);
    const preflight = await fetch(`${host.origin}/federation/travel`, { method: "OPTIONS" });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get("access-control-allow-origin"), "*");
    const other = await fetch(`${host.origin}/federations`);
    assert.deepEqual([other.status, await other.json()], [404, "no such page"]);
  });

  it("keeps its own app as it is: body parser, trust proxy, and its words for what is not there", async () => {
    const [host] = await hostAndPeer("own-app");
    const echo = await fetch(`${host.origin}/echo`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"said":1}',
    });
    assert.deepEqual(await echo.json(), { said: 1 });
    const headers = { "x-forwarded-for": "203.0.113.7" };
    const { ip } = (await (await fetch(`${host.origin}/whence`, { headers })).json()) as object & {
      ip: string;
    };
    assert.equal(ip, "203.0.113.7");
    const missing = await fetch(`${host.origin}/nowhere`);
    assert.equal(await missing.text(), "nothing of the host's is here");
  });

  it("keeps Colyseus' own words for what is not there, where it has no Express", async () => {
    const host = await servers.launch({ name: "bare", script: hostScript("bare") });
    await host.ready();
    const missing = await fetch(`${host.origin}/nowhere`);
    assert.equal(missing.status, 404);
    assert.doesNotMatch(await missing.text(), /Cannot GET/u);
  });

  it("takes the code of a reload, and the players of the former go on", async () => {
    const [host, peer] = await hostAndPeer("reloaded");
    const { load: first } = await fetchJson<{ load: number }>(`${host.origin}/status`);
    for (const expected of [first + 1, first + 2]) {
      await fetch(`${host.origin}/reload`);
      await eventually(async () => {
        const { load } = await fetchJson<{ load: number }>(`${host.origin}/status`);
        assert.equal(load, expected);
      });
      await host.knows(peer.origin);
    }
    await thereAndBack(host, peer);
    assert.doesNotMatch(host.output, /another federation/u);
  });

  it("takes the code of the reload after one that failed", async () => {
    const script = hostScript("reloaded");
    const flags = ["--fault", "broken-reload"];
    const host = await servers.launch({ name: "reloaded", script, flags });
    await host.ready();
    await fetch(`${host.origin}/reload`);
    await eventually(() => assert.match(host.output, /a mistake in a reload/u));
    await fetch(`${host.origin}/reload`);
    await eventually(async () => {
      assert.equal((await fetchJson<{ load: number }>(`${host.origin}/status`)).load, 3);
      assert.ok((await fetch(`${host.origin}/federation/health`)).ok);
    });
  });

  it("starts once where listen() is called twice, as Colyseus Cloud does", async () => {
    const script = hostScript("bare");
    const host = await servers.launch({ name: "bare", script, flags: ["--fault", "twice"] });
    await host.ready();
    await eventually(() => assert.match(host.output, /is federated as/u));
    assert.equal(host.output.split("is federated as").length, 2);
  });

  for (const [fault, said] of [
    ["forgotten", /worlds: plain.* is not attached.*federation\.attach\(server\)/u],
    ["late", /attach\(server\) was called after server\.listen\(\)|listens already/u],
    ["no-room", /worlds\.attic: no room "loft" is defined/u],
    ["own-federation-room", /"federation" is this server's own: .* as "federation-peers"/u],
  ] as const) {
    it(`says at start what is wrong: ${fault}`, async () => {
      const script = hostScript("bare");
      const host = await servers.launch({ name: "bare", script, flags: ["--fault", fault] });
      await eventually(() => assert.match(host.output, said));
    });
  }

  for (const fault of ["before", "after"] as const) {
    it(`stops its federation where the host's callback ${fault} shutting down throws`, async () => {
      const script = hostScript("bare");
      const host = await servers.launch({ name: "bare", script, flags: ["--fault", fault] });
      await host.ready();
      await host.kill("SIGTERM");
      assert.match(host.output, /the host's own failure/u);
      // The folder's lock is given back: nothing of the run before is in the way.
      const again = await servers.restart(host);
      assert.doesNotMatch(again.output, /Another process/u);
    });
  }
});
