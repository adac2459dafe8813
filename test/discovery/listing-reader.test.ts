import assert from "node:assert/strict";
import { ListingReader, MAX_INTRODUCED, MAX_PAGES } from "../../src/discovery/listing-reader.ts";
import { signServerList } from "../../src/discovery/server-list.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { coded } from "../support/coded.ts";
import { ListedServers, page } from "../support/listed-servers.ts";
import { ringOf } from "../support/parties.ts";
import { quickly } from "../support/quickly.ts";

const HUB = "https://hub.example";
const A = "https://a.example";
const B = "https://b.example";

describe("discovery/listing-reader", () => {
  let clock: ManualClock;
  let net: ListedServers;
  let blocked: string[];
  let reader: ListingReader;

  beforeEach(() => {
    clock = new ManualClock();
    net = new ListedServers(clock);
    blocked = [];
    reader = new ListingReader({
      ...{ transport: net, clock, allowInsecure: false },
      isBlocked: (origin, kid) => blocked.includes(kid ?? origin),
    });
  });

  it("gives those whom a list names as their own descriptors say", async () => {
    net.add(HUB, {
      names: () => ({
        servers: [
          {
            origin: A,
            name: "A lie",
            kind: "lie",
            status: "online",
            worlds: [
              { name: "plaza", population: 7, capacity: 1 },
              { name: "made-up", population: 9 },
            ],
          },
        ],
      }),
    });
    net.add(A, { listing: { kind: "racing", worlds: [{ name: "plaza", capacity: 64 }] } });
    const found = await reader.discover(HUB);
    assert.deepEqual(found, {
      origin: HUB,
      servers: [
        {
          ...{ origin: A, name: "A server", kind: "racing", picture: undefined, status: "online" },
          worlds: [{ name: "plaza", capacity: 64, population: 7 }],
        },
      ],
      unconfirmed: [],
      truncated: false,
    });
  });

  it("does not give who is named and does not agree to be", async () => {
    net.add(HUB, { names: [A, B] });
    net.add(A, { listing: undefined });
    net.add(B);
    const found = await reader.discover(HUB);
    assert.deepEqual(
      [found.servers.map(({ origin }) => origin), found.unconfirmed, found.truncated],
      [[B], [A], false],
    );
  });

  it("does not give who cannot be asked", async () => {
    net.add(HUB, { names: [A] });
    assert.deepEqual((await reader.discover(HUB)).unconfirmed, [A]);
  });

  it("neither asks nor gives who is blocked", async () => {
    net.add(HUB, { names: [A] });
    net.add(A);
    blocked = [A];
    assert.deepEqual((await reader.discover(HUB)).unconfirmed, [A]);
    assert.ok(!net.asked.includes(A));
  });

  it("does not give who uses a key that is blocked", async () => {
    net.add(HUB, { names: [A] });
    net.add(A);
    blocked = [ringOf(A).current.kid];
    assert.deepEqual((await reader.discover(HUB)).unconfirmed, [A]);
  });

  it("takes nothing from an origin that is another's", async () => {
    net.add(HUB, { names: [A] });
    const fetchDescriptor = net.fetchDescriptor.bind(net);
    net.fetchDescriptor = (origin) => fetchDescriptor(origin === A ? B : origin);
    net.add(B);
    assert.deepEqual((await reader.discover(HUB)).servers, []);
  });

  it("goes from page to page", async () => {
    net.add(HUB, {
      names: (cursor) => (cursor === undefined ? page([A], { next: A }) : page([B])),
    });
    net.add(A);
    net.add(B);
    const { servers, truncated } = await reader.discover(HUB);
    assert.deepEqual([servers.map(({ origin }) => origin), truncated], [[A, B], false]);
  });

  it("stops where a cursor comes again", async () => {
    let pages = 0;
    net.add(HUB, {
      names: () => {
        pages += 1;
        return page([A], { next: A });
      },
    });
    net.add(A);
    const { servers, truncated } = await reader.discover(HUB);
    assert.deepEqual([servers.length, truncated, pages], [1, true, 2]);
  });

  it("stops after some pages where each leads to another", async () => {
    let pages = 0;
    net.add(HUB, {
      names: () => {
        pages += 1;
        return page([], { next: `https://${pages}.example` });
      },
    });
    assert.equal((await reader.discover(HUB)).truncated, true);
    assert.equal(pages, MAX_PAGES);
  });

  it("looks at so many of a huge list, and asks no more", async () => {
    const names = Array.from({ length: 10_000 }, (_, at) => `https://s${at}.example`);
    net.add(HUB, { names });
    const { unconfirmed } = await reader.discover(HUB);
    assert.equal(unconfirmed.length, MAX_INTRODUCED);
    assert.equal(net.asked.filter((asked) => !asked.includes("hub")).length, MAX_INTRODUCED);
  });

  it("looks at so many of many pages, too", async () => {
    let pages = 0;
    net.add(HUB, {
      names: () => {
        pages += 1;
        const names = Array.from({ length: 100 }, (_, at) => `https://s${pages}-${at}.example`);
        return page(names, { next: names.at(-1) });
      },
    });
    const { unconfirmed, truncated } = await reader.discover(HUB);
    assert.deepEqual([unconfirmed.length, truncated, pages], [MAX_INTRODUCED, true, 2]);
  });

  it("asks a server that many lists name once a minute", async () => {
    for (let hub = 0; hub < 20; hub += 1) {
      net.add(`https://hub${hub}.example`, { names: [A] });
      await reader.discover(`https://hub${hub}.example`);
    }
    const times = (): number => net.asked.filter((asked) => asked === A).length;
    assert.equal(times(), 1);
    clock.advance(60_000);
    await reader.discover("https://hub0.example");
    assert.equal(times(), 2);
  });

  it("leaves out what is no entry, and keeps the others", async () => {
    const servers = [
      null,
      7,
      { origin: "javascript:alert(1)" },
      { origin: B, name: "\u202e", worlds: [] },
    ];
    net.add(HUB, {
      names: () => ({ servers: [...servers, ...(page([A]) as { servers: [] }).servers] }),
    });
    net.add(A);
    net.add(B);
    const found = await reader.discover(HUB);
    assert.deepEqual([found.servers.map(({ origin }) => origin), found.unconfirmed], [[A], []]);
  });

  it("clamps what is said of players", async () => {
    const worlds = [{ name: "plaza", population: 1e300 }];
    net.add(HUB, { names: () => ({ servers: [{ origin: A, name: "A", worlds }] }) });
    net.add(A);
    const { servers } = await reader.discover(HUB);
    assert.equal(servers[0]?.worlds[0]?.population, 1_000_000);
  });

  it("reads no page for ever", async () => {
    net.add(HUB, { names: () => new Promise(() => undefined) });
    await assert.rejects(quickly(clock, reader.discover(HUB)), coded("ERR_FED_TIMEOUT"));
  });

  it("keeps what came before a list broke off", async () => {
    net.add(HUB, {
      names: (cursor) =>
        cursor === undefined ? page([A], { next: A }) : new Promise(() => undefined),
    });
    net.add(A);
    const { servers, truncated } = await quickly(clock, reader.discover(HUB));
    assert.deepEqual([servers.length, truncated], [1, true]);
  });

  it("waits for nobody for ever whom a list names", async () => {
    net.add(HUB, { names: Array.from({ length: 128 }, (_, at) => `https://slow${at}.example`) });
    const fetchDescriptor = net.fetchDescriptor.bind(net);
    net.fetchDescriptor = (origin) =>
      origin === HUB ? fetchDescriptor(origin) : new Promise(() => undefined);
    const began = clock.monotonic();
    const { servers, truncated } = await quickly(clock, reader.discover(HUB));
    assert.deepEqual([servers, truncated], [[], true]);
    assert.ok(clock.monotonic() - began <= 60_000, `${clock.monotonic() - began}`);
  });

  it("says why there is no list", async () => {
    await assert.rejects(reader.discover(HUB), coded("ERR_FED_UNREACHABLE"));
    net.add(A, { names: () => "no list" });
    await assert.rejects(reader.discover(A), coded("ERR_FED_BAD_RESPONSE"));
  });

  describe("of a file", () => {
    const FILE = "https://files.example/servers.jws";
    const list = (changes: object = {}) => {
      const iat = Math.floor(clock.now() / 1000);
      const { servers } = page([HUB, A]) as { servers: [] };
      return { iss: HUB, iat, exp: iat + 3600, servers, ...changes };
    };

    beforeEach(() => {
      net.add(HUB);
      net.add(A);
    });

    it("believes its issuer's own key", async () => {
      net.lists.set(FILE, `${await signServerList(list(), ringOf(HUB).current)}\n`);
      const { origin, servers } = await reader.discover(FILE);
      assert.deepEqual([origin, servers.map((each) => each.origin)], [HUB, [HUB, A]]);
    });

    it("does not believe another's key", async () => {
      net.lists.set(FILE, await signServerList(list(), ringOf("mallory").current));
      await assert.rejects(reader.discover(FILE), coded("ERR_FED_UNKNOWN_KEY"));
    });

    it("does not take one that is out of date", async () => {
      net.lists.set(FILE, await signServerList(list(), ringOf(HUB).current));
      clock.advance(3_600_000);
      await assert.rejects(reader.discover(FILE), coded("ERR_FED_SIGNATURE_EXPIRED"));
    });

    it("does not take what is no list", async () => {
      net.lists.set(FILE, "<html>");
      await assert.rejects(reader.discover(FILE), coded("ERR_FED_BAD_RESPONSE"));
    });
  });
});
