import assert from "node:assert/strict";
import {
  type DiscoveredServer,
  Discovery,
  MAX_OF_ONE,
  MAX_SERVERS,
  REFRESH_MILLISECONDS,
} from "../../src/discovery/discovery.ts";
import { ListingReader } from "../../src/discovery/listing-reader.ts";
import { signServerList } from "../../src/discovery/server-list.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { ListedServers, page } from "../support/listed-servers.ts";
import { quietLogger } from "../support/loggers.ts";
import { ringOf } from "../support/parties.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { turn } from "../support/turn.ts";

const SELF = "https://self.example";
const PEER = "https://peer.example";
const A = "https://a.example";
const B = "https://b.example";
const C = "https://c.example";

describe("discovery", () => {
  let clock: ManualClock;
  let net: ListedServers;
  let trusted: string[];
  let blocked: string[];
  let met: DiscoveredServer[][];
  let discovery: Discovery;

  function make(options: { depth?: number; from?: readonly string[] } = {}): Discovery {
    const isBlocked = (origin: string): boolean => blocked.includes(origin);
    discovery = new Discovery({
      ...{ origin: SELF, depth: options.depth ?? 1, from: options.from, isBlocked, clock },
      reader: new ListingReader({ transport: net, clock, allowInsecure: false, isBlocked }),
      trusted: () => trusted,
      onIntroduced: (servers) => {
        met.push([...servers]);
        return Promise.resolve();
      },
      ...{ random: seededRandom("discovery"), logger: quietLogger() },
    });
    discovery.start();
    return discovery;
  }
  /** Until so much time has gone by, and nothing more happens. */
  async function pass(milliseconds = 1.3 * REFRESH_MILLISECONDS): Promise<void> {
    for (let gone = 0; gone < milliseconds; gone += 1_000) {
      clock.advance(1_000);
      for (let turns = 0; turns < 5; turns += 1) await turn();
    }
    for (let turns = 0; turns < 300; turns += 1) await turn();
  }
  const origins = (): string[] =>
    discovery
      .list()
      .map(({ origin }) => origin)
      .sort();

  beforeEach(() => {
    clock = new ManualClock();
    net = new ListedServers(clock);
    [trusted, blocked, met] = [[PEER], [], []];
  });
  afterEach(() => discovery.stop());

  it("knows whom a trusted peer introduces, and who does", async () => {
    net.add(PEER, { names: [A] });
    net.add(A, { names: [B] });
    net.add(B);
    make();
    await pass();
    assert.deepEqual(
      discovery
        .list()
        .map(({ origin, introducedBy, byTrusted, distance }) => [
          ...[origin, introducedBy, byTrusted, distance],
        ]),
      [[A, [PEER], true, 1]],
    );
    assert.deepEqual(discovery.introducersOf(A), [PEER]);
  });

  it("goes as deep as it may, and no deeper", async () => {
    net.add(PEER, { names: [A] });
    net.add(A, { names: [B] });
    net.add(B, { names: [C] });
    net.add(C);
    make({ depth: 2 });
    await pass();
    assert.deepEqual(origins(), [A, B]);
    assert.equal(discovery.list().find(({ origin }) => origin === B)?.byTrusted, false);
    assert.ok(!net.asked.includes(C));
  });

  it("offers to the policy those alone whom a trusted peer introduces", async () => {
    net.add(PEER, { names: [A] });
    net.add(A, { names: [B] });
    net.add(B);
    make({ depth: 2 });
    await pass();
    assert.deepEqual(
      met.at(-1)?.map(({ origin }) => origin),
      [A],
    );
  });

  it("ends where servers introduce each other in a circle", async () => {
    net.add(PEER, { names: [A, SELF, PEER] });
    net.add(A, { names: [B, PEER] });
    net.add(B, { names: [A, SELF] });
    make({ depth: 3 });
    await pass(20_000);
    assert.deepEqual(origins(), [A, B]);
    assert.equal(net.asked.filter((asked) => asked.startsWith(`${A}/`)).length, 1);
    assert.ok(!net.asked.some((asked) => asked.startsWith(SELF)));
  });

  it("forgets who is not introduced any more", async () => {
    const peer = net.add(PEER, { names: [A, B] });
    net.add(A);
    net.add(B);
    make();
    await pass();
    assert.deepEqual(origins(), [A, B]);
    peer.names = [B];
    await pass();
    assert.deepEqual(origins(), [B]);
  });

  it("forgets at once who does not agree to be listed any more, whoever names it", async () => {
    net.add(PEER, { names: [A] });
    const a = net.add(A);
    make();
    await pass();
    a.listing = undefined;
    await pass(2 * REFRESH_MILLISECONDS);
    assert.deepEqual(origins(), []);
  });

  it("remembers introductions for a while where who made them is down", async () => {
    const peer = net.add(PEER, { names: [A] });
    net.add(A);
    make();
    await pass();
    peer.isDown = true;
    await pass(5 * 60_000);
    assert.deepEqual(origins(), [A]);
    await pass(15 * 60_000);
    assert.deepEqual(origins(), []);
  });

  it("remembers for a while who is down itself", async () => {
    net.add(PEER, { names: [A] });
    const a = net.add(A);
    make();
    await pass();
    a.isDown = true;
    await pass(5 * 60_000);
    assert.deepEqual(origins(), [A]);
    await pass(15 * 60_000);
    assert.deepEqual(origins(), []);
  });

  it("knows nobody through a peer that is not trusted any more", async () => {
    net.add(PEER, { names: [A] });
    net.add(A);
    make();
    await pass();
    trusted = [];
    assert.deepEqual(discovery.introducersOf(A), []);
    assert.equal(discovery.list()[0]?.byTrusted, false);
  });

  it("neither gives nor asks who is blocked", async () => {
    net.add(PEER, { names: [A, B] });
    net.add(A);
    net.add(B);
    blocked = [A];
    make();
    await pass();
    assert.deepEqual(origins(), [B]);
    assert.ok(!net.asked.includes(A));
  });

  it("hears of a short list what a huge one beside it leaves room for", async () => {
    trusted = [PEER, C];
    const huge = Array.from({ length: 5_000 }, (_, at) => `https://s${at}.example`);
    for (const origin of huge) net.add(origin);
    net.add(PEER, { names: huge });
    net.add(C, { names: [A] });
    net.add(A);
    make();
    await pass();
    assert.ok(origins().includes(A));
    assert.equal(origins().length, MAX_OF_ONE + 1);
  });

  it("knows no more than so many, however many introduce whom", async () => {
    trusted = Array.from({ length: 8 }, (_, at) => `https://peer${at}.example`);
    for (const [at, peer] of trusted.entries()) {
      const names = Array.from({ length: 60 }, (_, each) => `https://s${at}-${each}.example`);
      net.add(peer, { names });
      for (const name of names) net.add(name);
    }
    make();
    await pass();
    assert.equal(origins().length, MAX_SERVERS);
  });

  it("ends a run that hangs, and makes the next one", async () => {
    const peer = net.add(PEER, { names: () => new Promise(() => undefined) });
    net.add(A);
    make();
    await pass(20_000);
    peer.names = [A];
    await pass();
    assert.deepEqual(origins(), [A]);
  });

  it("knows what a peer says of its own players, and not what others say of them", async () => {
    trusted = [PEER, B];
    const said = (origin: string, population: number) => ({
      ...{ origin, name: "Said", worlds: [{ name: "plaza", population }] },
    });
    net.add(PEER, { names: () => ({ servers: [said(PEER, 7)] }) });
    net.add(B, { names: () => ({ servers: [said(PEER, 999)] }) });
    make();
    await pass();
    assert.deepEqual(discovery.claimed(PEER), { plaza: 7 });
  });

  it("tells once of what has changed, and not of what has not", async () => {
    net.add(PEER, { names: [A] });
    net.add(A);
    make();
    let told = 0;
    discovery.onChange(() => (told += 1));
    await pass(4 * REFRESH_MILLISECONDS);
    assert.equal(told, 1);
  });

  it("begins where it is told to, also with a file", async () => {
    const iat = Math.floor(clock.now() / 1000);
    const { servers } = page([B]) as { servers: [] };
    const list = { iss: C, iat, exp: iat + 3600, servers };
    net.lists.set("https://f.example/list", await signServerList(list, ringOf(C).current));
    net.add(PEER, { names: [A] });
    for (const origin of [A, B, C]) net.add(origin);
    make({ from: ["https://f.example/list"] });
    await pass();
    assert.deepEqual(
      discovery
        .list()
        .map(({ origin, introducedBy, byTrusted }) => [...[origin, introducedBy, byTrusted]]),
      [[B, [C], false]],
    );
  });

  it("begins soon for a peer that has come to be trusted, ten seconds apart at the least", async () => {
    trusted = [];
    net.add(PEER, { names: [A] });
    net.add(A);
    make();
    await pass(5_000);
    trusted = [PEER];
    for (let second = 0; second < 9; second += 1) {
      discovery.look();
      await pass(1_000);
    }
    const reads = (): number => net.asked.filter((asked) => asked.startsWith(`${PEER}/`)).length;
    assert.deepEqual([origins(), reads()], [[A], 1]);
    await pass(5_000);
    discovery.look();
    await pass(5_000);
    assert.equal(reads(), 2);
  });

  it("reads a list once in a run, also of a source that another one introduces", async () => {
    for (const [origin, names] of [
      [C, [B]],
      [B, [A]],
      [A, []],
    ] as const) {
      net.add(origin, { names });
    }
    make({ depth: 3, from: [C, B] });
    await pass(10_000);
    assert.deepEqual(origins(), [A, B]);
    assert.equal(net.asked.filter((asked) => asked.startsWith(`${B}/`)).length, 1);
  });

  it("asks nobody any more once it has stopped, also in the middle of a run", async () => {
    net.add(PEER, {
      names: async (_cursor, signal) => {
        await new Promise((resolve) => {
          signal.addEventListener("abort", resolve);
        });
        return page([A]);
      },
    });
    net.add(A);
    make();
    await pass(4_000);
    await discovery.stop();
    assert.deepEqual(met, []);
    const { length } = net.asked;
    await pass(3 * REFRESH_MILLISECONDS);
    assert.equal(net.asked.length, length);
    assert.deepEqual(origins(), []);
    assert.equal(clock.pendingTimers, 0);
  });
});
