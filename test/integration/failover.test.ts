import assert from "node:assert/strict";
import { Room, definePlugins } from "@colyseus/core";
import { type Departure, type Failure, Traveler } from "../../src/client/index.ts";
import type { CrossingOutcome } from "../../src/custody/source/crossings.ts";
import { type Federation, createFederation } from "../../src/federation/federation.ts";
import type { Carried } from "../../src/colyseus/portals.ts";
import { arrive } from "../../src/testing/arrive.ts";
import { FakePeer } from "../../src/testing/fake-peer.ts";
import { type TestPlace, testPlace } from "../../src/testing/test-place.ts";
import { quietServer } from "../fixtures/quiet-server.ts";
import { type BootedServer, boot } from "../support/boot.ts";
import { eventually } from "../support/eventually.ts";
import { quietLogger } from "../support/loggers.ts";
import { memoryStorage } from "../support/memory-storage.ts";

const PORTAL = "aether://pits.example/pit";
const WEARS = `sha256-${Buffer.alloc(32, 7).toString("base64")}`;

let federation: Federation;

class Plaza extends Room {
  override autoDispose = false;
  carries: Carried;
  override plugins = definePlugins([
    federation.portals({ carry: () => this.carries, allowEnter: true }),
  ]);
}

describe("portals that lead to several servers", function () {
  this.timeout(30_000);
  let place: TestPlace;
  /** Has no pit, has one, and is home of visitors. */
  let [cave, pit, home]: FakePeer[] = [];
  let colyseus: BootedServer;
  let room: Plaza;
  let traveler: Traveler;
  let departures: Departure[];
  let failures: Failure[];
  let outcomes: CrossingOutcome[];
  let stop: () => void;

  before(async () => {
    place = await testPlace();
    [cave, pit, home] = await Promise.all([
      FakePeer.start({ worlds: ["cave"] }),
      FakePeer.start({ worlds: ["pit"] }),
      FakePeer.start(),
    ]);
    const peers = [cave, pit, home].map((peer) => peer?.origin ?? "");
    federation = createFederation({
      ...place.options,
      worlds: { plaza: "plaza" },
      peers,
      logger: quietLogger(),
    });
    const server = quietServer({});
    server.define("plaza", Plaza);
    federation.attach(server);
    colyseus = await boot(server, place.port);
    for (const peer of [cave, pit, home]) await peer?.connect(federation);
  });
  beforeEach(async () => {
    room = await colyseus.createRoom<Plaza>("plaza");
    [departures, failures, outcomes] = [[], [], []];
    stop = federation.on("crossing", ({ outcome }) => void outcomes.push(outcome));
    traveler = new Traveler(place.origin, { storage: memoryStorage(), comesHome: false });
    traveler.onDepart((departure) => void departures.push(departure));
    traveler.onFailed((failure) => void failures.push(failure));
    await traveler.join("plaza");
  });
  afterEach(async () => {
    stop();
    await traveler.leave();
    for (const { pattern } of federation.routes.routes()) federation.routes.removeRoute(pattern);
    for (const peer of [cave, pit, home]) peer?.behave();
    await colyseus.cleanup();
  });
  after(async () => {
    await colyseus.shutdown();
    for (const peer of [cave, pit, home]) await peer?.stop();
    await place.remove();
  });

  const origin = (peer: FakePeer | undefined): string => peer?.origin ?? "";

  it("lead to the next where the first lacks the world, without a word of it to the player", async () => {
    federation.routes.addRoute({ pattern: "aether://pits.example/*", server: origin(cave) });
    federation.routes.addRoute({ pattern: "*", server: origin(pit) });
    traveler.enter(PORTAL);
    await eventually(() => {
      assert.equal(departures[0]?.origin, pit?.origin);
    });
    assert.deepEqual([departures[0]?.to, failures], [PORTAL, []]);
    // Nobody really plays at a fake peer, so the player turns round; the record says who was asked.
    traveler.cancel(departures[0]?.transferId ?? "");
    await eventually(() => {
      assert.equal(outcomes.length, 1);
    });
    const [outcome] = outcomes;
    assert.deepEqual(
      outcome?.kind === "undecided"
        ? []
        : outcome?.tried?.map((each) => [each.destination, each.code]),
      [[cave?.origin, "ERR_FED_WORLD_UNKNOWN"]],
    );
  });

  it("lead to the next where the first is known to be down, and say so", async () => {
    federation.routes.addRoute({
      pattern: "aether://pits.example/*",
      server: "https://down.example",
    });
    federation.routes.addRoute({ pattern: "*", server: origin(pit) });
    traveler.enter(PORTAL);
    await eventually(() => {
      assert.equal(departures[0]?.origin, pit?.origin);
    });
    traveler.cancel(departures[0]?.transferId ?? "");
    await eventually(() => {
      assert.equal(outcomes.length, 1);
    });
    const { text } = federation.routes.explain(PORTAL).ways[0] ?? {};
    assert.match(text ?? "", /down\.example .*: not used, it is not known yet$/u);
  });

  it("tell the player once where none takes it", async () => {
    federation.routes.addRoute({ pattern: "aether://pits.example/*", server: origin(cave) });
    federation.routes.addRoute({ pattern: "*", server: origin(home), world: "nowhere" });
    traveler.enter(PORTAL);
    await eventually(() => {
      assert.deepEqual(
        failures.map(({ code }) => code),
        ["ERR_FED_WORLD_UNKNOWN"],
      );
    });
    assert.deepEqual(departures, []);
  });

  it("lead to a room of this very server in the end", async () => {
    federation.routes.addRoute({ pattern: "aether://pits.example/*", server: origin(cave) });
    federation.routes.addRoute({ pattern: "*", server: place.origin, world: "plaza" });
    const arrived = new Promise<string>((resolve) => {
      traveler.onArrive((arrival) => {
        resolve(arrival.origin);
      });
    });
    const before = traveler.room?.sessionId;
    traveler.enter(PORTAL);
    assert.equal(await arrived, place.origin);
    assert.notEqual(traveler.room?.sessionId, before);
    assert.deepEqual(failures, []);
  });

  describe("asked about before anybody goes", () => {
    it("say that the player may enter, where, and what it would lose or lack", async () => {
      federation.routes.addRoute({ pattern: "aether://pits.example/*", server: origin(cave) });
      federation.routes.addRoute({ pattern: "*", server: origin(pit) });
      const wears = {
        assetHash: WEARS,
        size: 1,
        mediaType: "image/png",
        originServer: origin(home),
      };
      room.carries = { hat: wears };
      const said = await traveler.canEnter(PORTAL);
      assert.deepEqual(said, {
        ...{ to: PORTAL, mayEnter: "yes", destination: pit?.origin, world: "pit", room: "unknown" },
        ...{ losses: [], missingAssets: 1, code: undefined, message: undefined },
      });
      assert.deepEqual([departures, failures], [[], []]);
    });

    it("say why not", async () => {
      federation.routes.addRoute({ pattern: "*", server: origin(cave) });
      const said = await traveler.canEnter(PORTAL);
      assert.deepEqual([said.mayEnter, said.code], ["no", "ERR_FED_WORLD_UNKNOWN"]);
      assert.equal((await traveler.canEnter("aether://x")).code, "ERR_FED_NO_ROUTE");
    });

    it("keep two questions of one player apart", async () => {
      const uris = [pit, cave].map((peer) => peer?.portal("pit") ?? "");
      const said = await Promise.all(uris.map((uri) => traveler.canEnter(uri)));
      assert.deepEqual(
        said.map(({ to, mayEnter }) => [to, mayEnter]),
        [
          [uris[0], "yes"],
          [uris[1], "no"],
        ],
      );
    });

    it("are unknown for a visitor: its home is another server", async () => {
      assert.ok(home !== undefined && pit !== undefined);
      const guest = await arrive(room, { from: home, name: "Bea" });
      const client = room.clients.at(-1);
      assert.ok(client !== undefined);
      const said = await room.plugins.federation.canEnter(client, pit.portal("pit"));
      assert.equal(said.mayEnter, "unknown");
      await guest.leave();
    });
  });

  it("are kept for the next start, and removed for good", async () => {
    await federation.keepRoute({ pattern: "aether://kept.example/*", server: origin(pit) });
    assert.equal(federation.routes.resolve("aether://kept.example/pit")?.origin, pit?.origin);
    assert.equal(federation.runtime.keptRoutes.list().length, 1);
    assert.equal(await federation.removeRoute("aether://kept.example/*"), true);
    assert.deepEqual(federation.runtime.keptRoutes.list(), []);
  });
});
