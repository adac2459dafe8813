import assert from "node:assert/strict";
import { SERVERS_PER_PAGE, ServerPages } from "../../src/discovery/server-pages.ts";
import type { ListedAs } from "../../src/identity/listed-as.ts";
import {
  type FederatedServer,
  ServerStatus,
  TrustState,
} from "../../src/registry/federated-server.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { PLAZA } from "../support/listed-servers.ts";

const SELF = "https://self.example";

interface Page {
  readonly servers: readonly { readonly origin: string; readonly worlds: readonly object[] }[];
  readonly next?: string;
}

describe("discovery/server-pages", () => {
  let clock: ManualClock;
  let peers: FederatedServer[];
  let counted: number;

  beforeEach(() => {
    clock = new ManualClock();
    peers = [];
    counted = 0;
  });
  const peer = (origin: string, changes: Partial<FederatedServer> = {}): FederatedServer => ({
    ...{ origin, name: "A peer", endpoint: `${origin}/federation`, protocols: [], worlds: [] },
    ...{ keys: [], status: ServerStatus.Online, trust: TrustState.Trusted, session: undefined },
    ...{ lastHandshakeAt: undefined, firstSeenAt: 0, listed: true, listing: PLAZA },
    descriptorValidUntil: clock.now() / 1000 + 60,
    ...changes,
  });
  const many = (count: number): FederatedServer[] =>
    Array.from({ length: count }, (_, at) =>
      peer(`https://p${String(at).padStart(4, "0")}.example`),
    );
  const make = (listing: ListedAs | undefined = PLAZA): ServerPages =>
    new ServerPages({
      ...{ origin: SELF, name: "Self", listing, clock, peers: () => peers },
      populations: () => {
        counted += 1;
        return Promise.resolve({ plaza: 5, secret: 3 });
      },
      claimed: (origin) => (origin === "https://a.example" ? { plaza: 2 } : undefined),
    });
  async function read(pages: ServerPages, cursor?: string): Promise<Page> {
    const said = await pages.page(cursor);
    assert.ok(said.ok);
    return JSON.parse(said.text) as Page;
  }
  const named = async (pages: ServerPages): Promise<string[]> =>
    (await read(pages)).servers.map(({ origin }) => origin);

  it("names this server first, with its players, then peers with theirs", async () => {
    peers = [
      peer("https://b.example"),
      peer("https://a.example", { status: ServerStatus.Offline }),
    ];
    assert.deepEqual(await read(make()), {
      servers: [
        {
          origin: SELF,
          name: "Self",
          status: "online",
          worlds: [{ name: "plaza", population: 5 }],
        },
        {
          ...{ origin: "https://a.example", name: "A peer", status: "offline" },
          worlds: [{ name: "plaza", population: 2 }],
        },
        {
          origin: "https://b.example",
          name: "A peer",
          status: "online",
          worlds: [{ name: "plaza" }],
        },
      ],
    });
  });

  it("names nobody where this server does not agree to be listed", async () => {
    peers = [peer("https://a.example")];
    const pages = new ServerPages({
      ...{ origin: SELF, name: "Self", listing: undefined, clock, peers: () => peers },
      ...{ populations: () => Promise.resolve({}), claimed: () => undefined },
    });
    assert.deepEqual(await read(pages), { servers: [] });
    assert.deepEqual(pages.standing(), []);
  });

  for (const [who, changes] of Object.entries({
    "does not agree": { listing: undefined },
    "is not trusted": { trust: TrustState.Pending },
    "is quarantined": { trust: TrustState.Quarantined },
    "is kept out by its row": { listed: false },
  } satisfies Record<string, Partial<FederatedServer>>)) {
    it(`does not name a peer that ${who}`, async () => {
      peers = [peer("https://a.example", changes)];
      assert.deepEqual(await named(make()), [SELF]);
      assert.deepEqual(
        make()
          .standing()
          .map(({ origin }) => origin),
        [SELF],
      );
    });
  }

  it("does not name a peer whose descriptor has run out", async () => {
    peers = [peer("https://a.example")];
    const pages = make();
    clock.advance(60_000);
    assert.deepEqual(await named(pages), [SELF]);
  });

  it("gives everybody once over its pages, in order", async () => {
    peers = many(100).reverse();
    const pages = make();
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page: Page = await read(pages, cursor);
      assert.ok(page.servers.length <= SERVERS_PER_PAGE);
      seen.push(...page.servers.map(({ origin }) => origin));
      cursor = page.next;
    } while (cursor !== undefined);
    assert.deepEqual(seen, [SELF, ...many(100).map(({ origin }) => origin)]);
  });

  it("goes on behind a cursor whose server is gone", async () => {
    peers = many(40);
    const { next } = await read(make());
    peers = peers.filter(({ origin }) => origin !== next);
    const { servers } = await read(make(), next);
    assert.equal(servers[0]?.origin, many(40)[31]?.origin);
  });

  it("keeps a page within 64 KiB, however much each says", async () => {
    const worlds = Array.from({ length: 30 }, (_, at) => ({
      ...{ name: `world-${at}`, picture: `https://x.example/${"p".repeat(60)}` },
    }));
    peers = many(60).map((each) => ({ ...each, listing: { worlds } }));
    const pages = make();
    let [cursor, count]: [string | undefined, number] = [undefined, 0];
    do {
      const said = await pages.page(cursor);
      assert.ok(said.ok);
      assert.ok(Buffer.byteLength(said.text) <= 64 * 1024);
      const page = JSON.parse(said.text) as Page;
      assert.ok(page.servers.length > 0);
      count += page.servers.length;
      cursor = page.next;
    } while (cursor !== undefined);
    assert.equal(count, 61);
  });

  it("refuses a cursor that is none", async () => {
    for (const cursor of ["", "x", "https://a.example/path", "../..", "https://A.example"]) {
      assert.deepEqual(await make().page(cursor), { ok: false });
    }
  });

  it("counts players and peers once in five seconds, however many ask", async () => {
    const pages = make();
    await Promise.all(Array.from({ length: 50 }, () => pages.page()));
    assert.equal(counted, 1);
    clock.advance(5_000);
    await pages.page();
    assert.equal(counted, 2);
  });

  it("answers without players where they cannot be counted", async () => {
    const pages = new ServerPages({
      ...{ origin: SELF, name: "Self", listing: PLAZA, clock, peers: () => peers },
      ...{ populations: () => Promise.reject(new Error("no")), claimed: () => undefined },
    });
    assert.deepEqual((await read(pages)).servers[0]?.worlds, [{ name: "plaza" }]);
  });
});
