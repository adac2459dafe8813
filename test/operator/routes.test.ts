import assert from "node:assert/strict";
import { addRoute, explainRoute, listRoutes, removeRoute } from "../../src/operator/routes.ts";
import { KeptRoutes, MAX_KEPT_ROUTES } from "../../src/routing/kept-routes.ts";
import { RoutingTable } from "../../src/routing/routing-table.ts";
import { type MemoryDisk, MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { seededRandom } from "../support/seeded-random.ts";

const SELF = "https://self.example";
const A = "https://a.example";
const B = "https://b.example";

describe("operator/routes", () => {
  let disk: MemoryDisk;
  let errors: string[];

  beforeEach(() => {
    disk = new Map();
    errors = [];
  });

  /** A process of the server, on what is stored. */
  async function start() {
    const table = new RoutingTable({ self: SELF });
    const store = new MemoryStore(new ManualClock(), disk);
    const random = seededRandom(`${disk.size}`);
    const logger = { error: (message: string) => void errors.push(message) };
    const kept = new KeptRoutes({ store, table, self: SELF, random, logger });
    await kept.load();
    return { table, store, kept };
  }

  it("has a kept route again after a restart, and no other", async () => {
    const first = await start();
    await addRoute(
      first,
      { pattern: "aether://arena:443/*", server: A, world: "pit" },
      { persist: true },
    );
    await addRoute(first, { pattern: "*", server: B });
    assert.deepEqual(listRoutes(first), [
      { pattern: "*", server: B, priority: 0, weight: 1, world: undefined, kept: false },
      { pattern: "aether://arena/*", server: A, priority: 0, weight: 1, world: "pit", kept: true },
    ]);
    const second = await start();
    assert.deepEqual(
      listRoutes(second).map(({ pattern }) => pattern),
      ["aether://arena/*"],
    );
    assert.equal(second.table.resolve("aether://arena/x")?.world, "pit");
  });

  it("is on disk before it leads anywhere", async () => {
    const sources = await start();
    sources.store.failing = true;
    const added = addRoute(sources, { pattern: "*", server: A }, { persist: true });
    await assert.rejects(added, { code: "ERR_FED_STORE_UNAVAILABLE" });
    assert.equal(sources.table.resolve("aether://x/y"), undefined);
  });

  it("removes a route for good, in whatever spelling", async () => {
    const first = await start();
    await addRoute(first, { pattern: "aether://arena/*", server: A }, { persist: true });
    await addRoute(first, { pattern: "aether://arena/*", server: B }, { persist: true });
    assert.equal(await removeRoute(first, "aether://ARENA:443/*", `${A}/`), true);
    assert.equal(first.table.resolve("aether://arena/x")?.origin, B);
    const second = await start();
    assert.deepEqual(
      listRoutes(second).map(({ server }) => server),
      [B],
    );
    assert.equal(await removeRoute(second, "aether://other/*"), false);
  });

  it("has another process hear of what was kept and removed", async () => {
    const [one, other] = [await start(), await start()];
    await addRoute(one, { pattern: "*", server: A }, { persist: true });
    await other.kept.refresh();
    assert.equal(other.table.resolve("aether://x/y")?.origin, A);
    await removeRoute(one, "*");
    await other.kept.refresh();
    assert.equal(other.table.resolve("aether://x/y"), undefined);
  });

  for (const [what, text] of [
    ["is no JSON", "{"],
    ["has another member", '{"pattern":"*","server":"https://a.example","more":1}'],
    [
      "leads to this server itself",
      '{"pattern":"aether://self.example/*","server":"https://a.example"}',
    ],
    ["stands under another key", '{"pattern":"aether://other/*","server":"https://a.example"}'],
  ] as const) {
    it(`sets a row aside that ${what}, and uses all others`, async () => {
      await addRoute(await start(), { pattern: "aether://arena/*", server: A }, { persist: true });
      disk.set("route/* https://a.example", { value: text, expires: Infinity } as never);
      const { table } = await start();
      assert.equal(table.size, 1);
      assert.equal(table.resolve("aether://arena/x")?.origin, A);
      assert.match(errors.join("\n"), /route .* is damaged/u);
    });
  }

  it("keeps so many and no more", async () => {
    const { kept, table } = await start();
    for (let each = 0; each < MAX_KEPT_ROUTES; each += 1) {
      await kept.add({ pattern: `aether://h${each}/*`, server: A });
    }
    await assert.rejects(kept.add({ pattern: "*", server: A }), /1000 routes are kept already/u);
    assert.equal(table.size, MAX_KEPT_ROUTES);
    await kept.add({ pattern: "aether://h1/*", server: A, world: "again" });
  });

  it("keeps no route that can never match", async () => {
    const { kept } = await start();
    await assert.rejects(kept.add({ pattern: "aether://a/b c!/x", server: A }), TypeError);
    assert.equal([...disk.keys()].length, 0);
  });

  it("explains where a URI leads, in words", async () => {
    const sources = await start();
    await addRoute(sources, { pattern: "*", server: A });
    const { ways } = explainRoute(sources, "aether://x/y");
    assert.match(
      ways[0]?.text ?? "",
      /^1\. https:\/\/a\.example "y" \(\*, every URI; .*: usable$/u,
    );
  });
});
