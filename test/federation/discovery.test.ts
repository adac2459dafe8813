import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Client, Room, definePlugins } from "@colyseus/core";
import { Traveler } from "../../src/client/traveler.ts";
import type { Destination } from "../../src/client/later/destinations.ts";
import { verifyServerList } from "../../src/discovery/server-list.ts";
import { type Federation, createFederation } from "../../src/federation/federation.ts";
import { verifyDescriptor } from "../../src/identity/descriptor.ts";
import { FederationRuntime } from "../../src/runtime/federation-runtime.ts";
import { FakePeer } from "../../src/testing/fake-peer.ts";
import { type TestPlace, testPlace } from "../../src/testing/test-place.ts";
import { quietServer } from "../fixtures/quiet-server.ts";
import { type BootedServer, boot } from "../support/boot.ts";
import { coded } from "../support/coded.ts";
import { eventually } from "../support/eventually.ts";
import { quietLogger } from "../support/loggers.ts";
import { memoryStorage } from "../support/memory-storage.ts";

let federation: Federation;

class Plaza extends Room {
  override plugins = definePlugins([federation.portals({ destinations: true })]);

  override onDrop(client: Client): void {
    this.allowReconnection(client, 5).catch(() => undefined);
  }
}

const PIT = { kind: "racing", worlds: [{ name: "pit", capacity: 8 }] };

describe("discovery between servers", function () {
  this.timeout(30_000);
  let place: TestPlace;
  /** Trusted and listed; introduces the three below, as far as they wish. */
  let peer: FakePeer;
  let stranger: FakePeer;
  let welcome: FakePeer;
  let hidden: FakePeer;
  let colyseus: BootedServer;

  before(async () => {
    place = await testPlace();
    peer = await FakePeer.start({ name: "Peer", listing: PIT });
    stranger = await FakePeer.start({ name: "Stranger", listing: PIT });
    welcome = await FakePeer.start({ name: "Welcome", listing: PIT });
    hidden = await FakePeer.start({ name: "Hidden" });
    for (const each of [stranger, welcome, hidden]) await each.connect(peer);
    federation = createFederation({
      ...place.options,
      name: "Home",
      worlds: { plaza: { room: "plaza", capacity: 16 }, back: { room: "plaza", listed: false } },
      listed: { kind: "social" },
      peers: [peer.origin, hidden.origin],
      healthCheckIntervalSeconds: 1,
      discovery: {
        depth: 1,
        trust: ({ name, introducedBy }) =>
          name === "Welcome" && introducedBy.includes(peer.origin) ? "trusted" : "pending",
      },
      logger: quietLogger(),
    });
    const server = quietServer({});
    server.define("plaza", Plaza);
    federation.attach(server);
    colyseus = await boot(server, place.port);
    await peer.connect(federation);
    await hidden.connect(federation);
  });
  afterEach(() => {
    peer.behave();
  });
  after(async () => {
    await colyseus.shutdown();
    await Promise.all([peer, stranger, welcome, hidden].map((each) => each.stop()));
    await place.remove();
  });

  const servers = (query = "") => fetch(`${federation.origin}/federation/servers${query}`);

  it("names this server and its listed peers to anybody, and nobody else", async () => {
    const response = await servers();
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("cache-control"), "public, max-age=30");
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
    const { servers: named } = (await response.json()) as {
      servers: { origin: string; name: string; worlds: object[] }[];
    };
    const [self, first] = named;
    assert.deepEqual(self, {
      ...{ origin: federation.origin, name: "Home", kind: "social", status: "online" },
      worlds: [{ name: "plaza", capacity: 16, population: 0 }],
    });
    assert.equal(first?.name, "Peer");
    assert.ok(!named.some(({ origin }) => origin === hidden.origin));
  });

  it("refuses a cursor that is none", async () => {
    const response = await servers("?cursor=nowhere");
    const { code } = (await response.json()) as { code: string };
    assert.deepEqual([response.status, code], [400, "ERR_FED_MALFORMED"]);
  });

  it("discovers whom another server introduces, and trusts nobody for it", async () => {
    const { origin, servers: found, unconfirmed } = await federation.discover(peer.origin);
    const origins = found.map((server) => server.origin).sort();
    const listed = [federation, peer, stranger, welcome].map((each) => each.origin).sort();
    assert.deepEqual([origin, origins, unconfirmed], [peer.origin, listed, []]);
    assert.equal(federation.runtime.registry.get(stranger.origin), undefined);
  });

  it("says why a server has no list", async () => {
    peer.answer("/servers", () => ({ status: 404, body: { servers: [] } }));
    await assert.rejects(federation.discover(peer.origin), coded("ERR_FED_BAD_RESPONSE"));
  });

  it("takes a source that is neither origin nor URL for a mistake", async () => {
    await assert.rejects(federation.discover("peer"), TypeError);
  });

  it("follows introductions by itself, and trusts nobody for them", async () => {
    await eventually(() => {
      const found = federation.discovered().find(({ origin }) => origin === stranger.origin);
      assert.deepEqual([found?.introducedBy, found?.byTrusted], [[peer.origin], true]);
    });
    assert.equal(federation.runtime.registry.get(stranger.origin), undefined);
    assert.equal(federation.runtime.mayGoTo(hidden.origin), true);
  });

  it("has a portal to whom a trusted peer introduces where the policy says so", async () => {
    await eventually(() => {
      assert.equal(federation.runtime.registry.get(welcome.origin)?.trust, "trusted");
    });
    assert.equal(federation.routes.resolve(welcome.portal())?.origin, welcome.origin);
  });

  it("makes a list that anybody can verify", async () => {
    const token = await federation.serverList(3600);
    const response = await fetch(`${federation.origin}/.well-known/aether-federation`);
    const now = Date.now();
    const issuer = await verifyDescriptor(await response.json(), { now, allowInsecure: true });
    assert.ok(issuer.verified);
    const said = verifyServerList(token, { issuer: issuer.descriptor, now });
    assert.ok(said.verified);
    const [self, ...others] = said.list.servers;
    assert.equal(self?.origin, federation.origin);
    assert.deepEqual(self.worlds, [{ name: "plaza", capacity: 16 }]);
    assert.ok(others.some(({ origin }) => origin === peer.origin));
    assert.ok(!others.some(({ origin }) => origin === hidden.origin));
    await assert.rejects(federation.serverList(59), TypeError);
  });

  it("tells whoever comes back after a reload where it could go, too", async () => {
    const kept = { storage: memoryStorage(), placeStorage: memoryStorage() };
    const before = new Traveler(federation.origin, { ...kept, comesHome: false });
    const { sessionId, reconnection, connection } = await before.join("plaza");
    reconnection.enabled = false;
    connection.close(4010);
    await eventually(() => assert.equal(before.room, undefined));
    const after = new Traveler(federation.origin, kept);
    assert.equal((await after.resume("plaza")).sessionId, sessionId, "the same place");
    try {
      await eventually(() => {
        assert.ok(after.destinations.some(({ origin }) => origin === peer.origin));
      });
    } finally {
      await after.leave();
    }
  });

  it("tells players where they could go, and what changes", async () => {
    const traveler = new Traveler(federation.origin, { storage: null, placeStorage: null });
    const heard: (readonly Destination[])[] = [];
    traveler.onDestinations((destinations) => heard.push(destinations));
    const at = (each: FakePeer) => heard.at(-1)?.find(({ origin }) => origin === each.origin);
    await traveler.join("plaza");
    try {
      await eventually(() => {
        const { status, mayEnter, population, ...said } = at(peer)!;
        assert.deepEqual(said, {
          ...{ uri: peer.portal(), origin: peer.origin, name: "Peer", world: "pit" },
          ...{ kind: "racing", capacity: 8 },
        });
        assert.deepEqual([status, mayEnter, population], ["up", true, undefined]);
        const { status: known, mayEnter: open } = at(stranger)!;
        assert.deepEqual([known, open], ["unknown", false]);
        assert.equal(at(hidden), undefined);
      });
      peer.refuse("*", "ERR_FED_UNAVAILABLE");
      await eventually(() => {
        assert.deepEqual([at(peer)?.status, at(peer)?.mayEnter], ["down", false]);
      });
      peer.behave();
      await eventually(() => {
        assert.deepEqual([at(peer)?.status, at(peer)?.mayEnter], ["up", true]);
      });
      assert.deepEqual(traveler.destinations, heard.at(-1));
      await eventually(async () => {
        const { servers: named } = (await (await servers()).json()) as {
          servers: { worlds: { population: number }[] }[];
        };
        assert.equal(named[0]?.worlds[0]?.population, 1);
      });
    } finally {
      await traveler.leave();
    }
  });
});

describe("discovery and this server's own network", () => {
  it("is led to no address that peers may not lead to", async () => {
    let connections = 0;
    const server = createServer((_request, response) => response.end("{}"));
    server.on("connection", () => (connections += 1));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const runtime = new FederationRuntime({ logger: quietLogger() });
    await runtime.start();
    try {
      for (const host of [
        `127.0.0.1:${port}`,
        `localhost:${port}`,
        "10.0.0.1",
        "169.254.169.254",
      ]) {
        const said = await runtime.listings.descriptor(`https://${host}`);
        assert.ok(!said.verified);
        assert.equal(said.code, "ERR_FED_FORBIDDEN_ADDRESS", host);
      }
      const file = runtime.listings.discover(`https://127.0.0.1:${port}/list.jws`);
      await assert.rejects(file, coded("ERR_FED_FORBIDDEN_ADDRESS"));
      assert.equal(connections, 0);
    } finally {
      await runtime.stop();
      server.close();
    }
  });
});
