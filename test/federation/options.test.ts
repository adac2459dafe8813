import assert from "node:assert/strict";
import { join } from "node:path";
import { Room } from "@colyseus/core";
import { Keyv } from "keyv";
import { createFederation } from "../../src/federation/federation.ts";
import { resolveOptions } from "../../src/federation/options.ts";
import { readRecoveryKey } from "../../src/identity/recovery.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { folderOfTest } from "../support/folders.ts";
import { ringOf } from "../support/parties.ts";

const ORIGIN = "https://a.example";
const given = { origin: ORIGIN, worlds: {} };

/** What each wrong option is answered with, word for word: it is all that its host reads. */
const WRONG: readonly (readonly [options: unknown, message: string | RegExp])[] = [
  [
    { ...given, peer: ["https://b.example"] },
    'peer: there is no such option. Did you mean "peers"?',
  ],
  [{ ...given, Worlds: {} }, 'Worlds: there is no such option. Did you mean "worlds"?'],
  [
    { ...given, allowInsecureHttp: true },
    "allowInsecureHttp: there is no such option. There are: origin, worlds, listed, game, discovery, name, endpoint, routes, peers, trust, dataDirectory, store, adopt, onRecoveryKey, allowInsecure, allowPrivateNetwork, links, maxPeers, handshakeTimeoutSeconds, moveGraceSeconds, healthCheckIntervalSeconds, leaseSeconds, stopTimeoutSeconds, joinTimeoutSeconds, maxRequestsPerMinutePerAddress, maxRequestsPerMinutePerPeer, maxCrossingsPerMinutePerPlayer, maxTravelsPerMinutePerAddress, maxSeatsPerMinutePerPeer, maxRoomsPerMinutePerPeer, maxSeatsWaitingPerPeer, maxVisitorsPerPeer, identify, admit, accept, gifts, assets, onAway, admin, status, logger",
  ],
  [
    { origin: ORIGIN },
    'worlds: expected an object of world names to room names such as { plaza: "plaza" }, but it is missing',
  ],
  [
    { ...given, worlds: ["plaza"] },
    'worlds: expected an object of world names to room names such as { plaza: "plaza" }, got an array',
  ],
  [
    { ...given, worlds: { plaza: Room } },
    'worlds.plaza: expected the name of a Colyseus room, or an object such as { room: "arena", capacity: 64 }, got a function',
  ],
  [
    { ...given, worlds: { plaza: { rom: "plaza" } } },
    'worlds.plaza.rom: there is no such option. Did you mean "room"?',
  ],
  [
    { ...given, worlds: { plaza: { room: "plaza", capacity: 0 } } },
    "worlds.plaza.capacity: expected a whole number from 1 to 1000000, got 0",
  ],
  [
    { ...given, worlds: { plaza: { room: "plaza", listed: true } } },
    "worlds.plaza.listed: expected false, as this server is not listed itself (listed), got true",
  ],
  [
    { ...given, listed: { kind: "" } },
    'listed.kind: expected one line of 1–32 characters such as "racing", got ""',
  ],
  [
    { ...given, listed: { picture: "http://a.example/a.png" } },
    'listed.picture: expected an https URL of at most 512 characters, or a reference to an image, got "http://a.example/a.png"',
  ],
  [
    { ...given, game: "https://a.example/play" },
    'game: expected an object such as { client: "https://worlds.example.com/play" }, got "https://a.example/play"',
  ],
  [
    { ...given, game: { client: "https://a.example/play#x" } },
    'game.client: expected an https URL of at most 512 characters, without user and fragment, got "https://a.example/play#x"',
  ],
  [
    { ...given, game: { client: "http://a.example/play" } },
    "game: expected at most 32 worlds and 3072 bytes in all (a client's page is not at an https origin), got an object",
  ],
  [
    { ...given, game: { wants: "" } },
    'game.wants: expected the https URL of a JSON Schema, or a name, of 1–256 characters, got ""',
  ],
  [
    { ...given, game: { worlds: { plaza: { page: "https://a.example/" } } } },
    /^game\.worlds\.plaza\.page: there is no such option\./u,
  ],
  [
    { ...given, game: { worlds: { cellar: { kind: "dark" } } } },
    "game: expected at most 32 worlds and 3072 bytes in all (cellar is none of its worlds), got an object",
  ],
  [
    { ...given, discovery: { depth: 4 } },
    "discovery.depth: expected a whole number from 0 to 3, got 4",
  ],
  [
    { ...given, discovery: { from: ["http://hub.example/list"] } },
    'discovery.from[0]: expected an origin, or an https URL of a list, got "http://hub.example/list"',
  ],
  [
    { ...given, worlds: { "the plaza": "plaza" } },
    'worlds: expected world names of 1–64 of A-Za-z0-9_-, got "the plaza"',
  ],
  [
    { worlds: {} },
    "origin: expected a URL origin such as https://worlds.example.com, but it is missing",
  ],
  [
    { ...given, origin: 2567 },
    "origin: expected a URL origin such as https://worlds.example.com, got 2567",
  ],
  [
    { ...given, origin: "https://a.example/game" },
    'origin: "https://a.example/game" must be an origin only: no path, query or user',
  ],
  [
    { ...given, trust: "all" },
    'trust: expected "open" or "approve" or "allowlist" or a function, got "all"',
  ],
  [
    { ...given, logger: {} },
    "logger: expected a logger with debug, info, warn and error, such as pino() or console, got an object",
  ],
  [
    { ...given, store: new Map() },
    "store: expected an engine with compare-and-set, such as new RedisEngine({ client }), or a Keyv around one (ERR_FED_STORE_WITHOUT_CAS), got a Map",
  ],
  [
    { ...given, store: new Keyv() },
    "store: expected an engine with compare-and-set, such as new RedisEngine({ client }), or a Keyv around one (ERR_FED_STORE_WITHOUT_CAS), got a Keyv",
  ],
  [
    { ...given, peers: "https://b.example" },
    'peers: expected an array of origins such as ["https://arena.example.org"], got "https://b.example"',
  ],
  [
    { ...given, peers: ["https://b.example", 7] },
    "peers[1]: expected a URL origin such as https://worlds.example.com, got 7",
  ],
  [
    { ...given, peers: ["https://b.example", `${ORIGIN}:443/`] },
    'peers[1]: expected another server than this one (origin), got "https://a.example"',
  ],
  [
    { ...given, peers: ["http://b.example"] },
    'peers[0]: "http://b.example" must use https: (http: is for development, with allowInsecure: true)',
  ],
  [
    { ...given, routes: [{ patern: "*", server: "https://b.example" }] },
    'routes[0].patern: there is no such option. Did you mean "pattern"?',
  ],
  [
    { ...given, routes: [{ pattern: "aether://x/*", server: "https://b.example", weight: -1 }] },
    "routes[0].weight: expected a number of at least 0, got -1",
  ],
  [
    { ...given, maxPeers: "many" },
    'maxPeers: expected a whole number from 1 to 100000, got "many"',
  ],
  ...([-1, 1.5, NaN, "many"] as const).map(
    (maxVisitorsPerPeer) =>
      [
        { ...given, maxVisitorsPerPeer },
        `maxVisitorsPerPeer: expected a whole number of at least 0, Infinity, or a function of an origin that says one, got ${typeof maxVisitorsPerPeer === "number" ? maxVisitorsPerPeer : `"${maxVisitorsPerPeer}"`}`,
      ] as const,
  ),
  [{ ...given, maxPeers: 1.5 }, "maxPeers: expected a whole number from 1 to 100000, got 1.5"],
  [{ ...given, leaseSeconds: NaN }, "leaseSeconds: expected a number from 5 to 3600, got NaN"],
  [{ ...given, allowInsecure: "yes" }, 'allowInsecure: expected true or false, got "yes"'],
  [{ ...given, name: " Plaza" }, /^name: expected one line of 1–64 characters .*, got " Plaza"$/u],
  [{ ...given, dataDirectory: "" }, 'dataDirectory: expected a text of 1–4096 characters, got ""'],
  [{ ...given, admit: true }, "admit: expected a function, got true"],
  [{ ...given, onRecoveryKey: "print" }, 'onRecoveryKey: expected a function, got "print"'],
  [{ ...given, onAway: null }, 'onAway: expected "recall" or "refuse", got null'],
  [
    { ...given, assets: { policy: { acton: "report" } } },
    'assets.policy.acton: there is no such option. Did you mean "action"?',
  ],
  [
    { ...given, assets: { policy: { mediaTypes: ["image/PNG"] } } },
    /^assets\.policy: mediaTypes: "image\/PNG" is not a media type/u,
  ],
  [{ ...given, assets: { maxBytes: 1 } }, /^assets\.maxBytes: expected a whole number from /u],
  [
    { ...given, admin: true },
    "admin: expected an object with a token of at least 32 characters or a guard such as { token: process.env.FEDERATION_ADMIN_TOKEN }; leave admin out for no admin page, got true",
  ],
  [
    { ...given, admin: { token: undefined } },
    /^admin: expected a token of at least 32 characters or a guard, and there is neither/u,
  ],
  [
    { ...given, admin: { token: "hunter2" } },
    'admin.token: expected a text of 32–1024 characters without blanks, such as "openssl rand -hex 32" makes; this one has 7',
  ],
  [
    undefined,
    'options: expected options such as { origin: "https://worlds.example.com", worlds: { plaza: "plaza" } }, but it is missing',
  ],
  [
    "https://a.example",
    'options: expected options such as { origin: "https://worlds.example.com", worlds: { plaza: "plaza" } }, got "https://a.example"',
  ],
];

describe("federation/options", () => {
  const folder = folderOfTest();

  for (const [options, message] of WRONG) {
    const what = typeof message === "string" ? message.slice(0, 100) : message.source;
    it(`says what is wrong: ${what}`, () => {
      assert.throws(() => createFederation(options as never), { name: "TypeError", message });
    });
  }

  it("shows a long value by its beginning", () => {
    const wrong = { ...given, trust: "x".repeat(100_000) } as never;
    assert.throws(
      () => resolveOptions(wrong),
      ({ message }: Error) => message.length < 300,
    );
  });

  it("takes what is undefined for what is not said", () => {
    const { maxPeers, trust } = resolveOptions({
      ...given,
      maxPeers: undefined,
      trust: undefined,
    } as never);
    assert.deepEqual([maxPeers, trust], [128, "approve"]);
  });

  it("takes a client's page as a URL is written", () => {
    const worlds = { plaza: { client: "https://PLAY.a.example/plaza" } };
    const { game } = resolveOptions({
      ...{ origin: ORIGIN, worlds: { plaza: "plaza" } },
      game: { client: "https://a.example:443", worlds },
    });
    assert.deepEqual(game, {
      client: "https://a.example/",
      worlds: [{ name: "plaza", client: "https://play.a.example/plaza" }],
    });
  });

  it("takes an engine, and a Keyv around one", () => {
    const engine = new SqliteEngine({ path: join(folder.path, "store.sqlite") });
    for (const store of [engine, new Keyv({ store: engine })]) {
      assert.equal(resolveOptions({ ...given, store }).store, store);
    }
    void engine.disconnect();
  });

  it("takes a peer that is named twice, and a route that leads home", () => {
    const options = resolveOptions({
      ...given,
      peers: ["https://b.example", "https://b.example:443"],
      routes: [{ pattern: "aether://a.old/*", server: ORIGIN }],
    });
    assert.deepEqual(options.peers, ["https://b.example", "https://b.example"]);
    assert.equal(options.routes[0]?.server, ORIGIN);
  });

  it("hands a new recovery key to the host, as its operator would write it down", () => {
    const taken: string[] = [];
    const { onRecoveryKey } = resolveOptions({ ...given, onRecoveryKey: (key) => taken.push(key) });
    onRecoveryKey?.(ringOf("recovery").current);
    assert.deepEqual(
      taken.map((text) => readRecoveryKey(text)?.kid),
      [ringOf("recovery").current.kid],
    );
  });

  it("shows it on a terminal only: output may be kept in a log", () => {
    const { isTTY } = process.stdout;
    try {
      process.stdout.isTTY = false;
      assert.equal(resolveOptions(given).onRecoveryKey, undefined);
      process.stdout.isTTY = true;
      assert.ok(resolveOptions(given).onRecoveryKey !== undefined);
    } finally {
      process.stdout.isTTY = isTTY;
    }
  });
});

describe("the options of an operator's decision", () => {
  const { peers, assets } = createFederation(given);

  it("let no peer in both ways for a misspelt one", async () => {
    await assert.rejects(peers.approve("https://b.example", { outbond: false } as never), {
      name: "TypeError",
      message: 'approve.outbond: there is no such option. Did you mean "outbound"?',
    });
  });

  it("name the type of an asset", async () => {
    await assert.rejects(assets.add(new Uint8Array(), {} as never), {
      name: "TypeError",
      message: 'add.mediaType: expected a media type such as "image/png", but it is missing',
    });
  });
});

describe("the options of portals()", () => {
  const federation = createFederation(given);
  for (const [options, message] of [
    [{ cary: () => 1 }, 'portals.cary: there is no such option. Did you mean "carry"?'],
    [{ carry: { coins: 3 } }, "portals.carry: expected a function, got an object"],
    [{ allowEnter: "yes" }, 'portals.allowEnter: expected true, false or a function, got "yes"'],
    [{ assets: "eager" }, 'portals.assets: expected "before-arrival" or "lazy", got "eager"'],
    [null, "portals: expected options such as { carry: (client) => … }, got null"],
  ] as const) {
    it(`are held against a schema, too: ${message}`, () => {
      assert.throws(() => federation.portals(options as never), { name: "TypeError", message });
    });
  }
});

describe("a party of portals()", () => {
  const portals = createFederation(given).portals();
  const [ada, bob] = [{ sessionId: "a" }, { sessionId: "b" }];
  const many = Array.from({ length: 9 }, (_, at) => ({ sessionId: String(at) }));
  for (const [what, clients] of [
    ["nobody", []],
    ["one alone", [ada]],
    ["the same client twice", [ada, ada]],
    ["more than eight", many],
    ["no list", ada],
  ] as const) {
    it(`is not made of ${what}`, () => {
      assert.throws(() => portals.party(clients as never), {
        name: "TypeError",
        message: "party: clients must be 2 to 8 clients, each once",
      });
    });
  }

  it("names the option that is wrong", () => {
    const party = portals.party([ada, bob] as never);
    assert.throws(() => void party.enter("aether://x/y", { ifSomeCannot: "some" as never }), {
      name: "TypeError",
      message: 'party.enter.ifSomeCannot: expected "nobody" or "others", got "some"',
    });
  });
});
