import assert from "node:assert/strict";
import { RoutingTable } from "../../src/routing/routing-table.ts";

const [A, B, C, D] = ["a", "b", "c", "d"].map((name) => `https://${name}.example`) as [
  string,
  string,
  string,
  string,
];

describe("routing/routing-table, patterns and the URIs they are meant for", () => {
  for (const [pattern, uri] of [
    ["aether://arena:443/*", "aether://arena/pit"],
    ["aether://arena/*", "aether://arena:0443/pit"],
    ["aether://arena:02567/*", "aether://arena:2567/pit"],
    ["aether://ARENA/pit/%7Ex", "aether://arena/pit/~x"],
    ["aether://arena/pit/~x/*", "aether://arena/pit/%7ex/deep"],
    ["aether://arena/pit/%c3%a4", "aether://arena/pit/ä"],
    ["aether://bücher.example/*", "aether://xn--bcher-kva.example/pit"],
    ["aether://*.bücher.example/*", "aether://www.xn--bcher-kva.example/pit"],
    ["aether://[0:0::1]:443/*", "aether://[::1]/pit"],
    ["aether://[::FFFF:127.0.0.1]/pit", "aether://[::ffff:7f00:1]/pit"],
    ["aether://127.1/*", "aether://127.0.0.1/pit"],
    ["aether://arena/a/../pit", "aether://arena/pit"],
  ] as const) {
    it(`${pattern} meets ${uri}`, () => {
      const table = new RoutingTable();
      table.addRoute({ pattern, server: A });
      assert.equal(table.resolve(uri)?.origin, A);
      assert.equal(table.ways(uri)[0]?.origin, A);
      assert.equal(table.removeRoute(uri.endsWith("~x") ? uri : pattern), true);
    });
  }

  for (const [what, pattern] of [
    ["no world", "aether://arena/pla%20za/*"],
    ["a world that is too long", `aether://arena/${"x".repeat(65)}/*`],
    ["a port out of range", "aether://arena:65536/*"],
    ["an address that is none", "aether://[::g]/*"],
    ["a path that is too long once it is escaped", `aether://arena/pit/${"ä".repeat(600)}`],
    ["a user", "aether://user@arena/*"],
    ["a suffix of an address", "aether://*.0.0.1/*"],
    ["a suffix with a port", "aether://*.example:443/*"],
    ["a suffix of no host", "aether://*.exa mple/*"],
    ["nothing in a segment", "aether://arena//pit"],
  ] as const) {
    it(`refuses ${what}, naming the pattern`, () => {
      assert.throws(
        () => {
          new RoutingTable().addRoute({ pattern, server: A });
        },
        (error: Error) =>
          error instanceof TypeError && error.message.includes(pattern.slice(0, 100)),
      );
    });
  }

  it("refuses a pattern of this server's own URIs", () => {
    const table = new RoutingTable({ self: A });
    assert.throws(() => {
      table.addRoute({ pattern: "aether://a.example:443/pit", server: B });
    }, /lead to this server itself/u);
  });

  it("takes two spellings of a pattern for one", () => {
    const table = new RoutingTable();
    table.addRoute({ pattern: "aether://arena:443/*", server: A, world: "old" });
    table.addRoute({ pattern: "aether://ARENA/", server: A, world: "new" });
    assert.deepEqual(table.routes(), [{ pattern: "aether://arena/*", server: A, world: "new" }]);
  });
});

describe("routing/routing-table, every way of a URI", () => {
  const URI = "aether://x.eu.example/pit/deep";
  let down: Set<string>;
  let table: RoutingTable;

  beforeEach(() => {
    down = new Set();
    table = new RoutingTable({
      isHealthy: (origin) => !down.has(origin),
      whyNot: (origin) => (down.has(origin) ? "it is blocked" : undefined),
    });
    table.addRoute({ pattern: "*", server: D });
    table.addRoute({ pattern: "aether://*.example/*", server: C });
    table.addRoute({ pattern: "aether://*.eu.example/*", server: B });
    table.addRoute({
      pattern: "aether://x.eu.example/pit/*",
      server: B,
      world: "pit2",
      priority: 1,
    });
    table.addRoute({ pattern: "aether://x.eu.example/pit/*", server: A });
    table.addRoute({ pattern: "aether://other.example/*", server: "https://e.example" });
  });

  const ways = (most?: number): string[] =>
    table.ways(URI, most).map(({ origin, world }) => `${origin} ${world}`);

  it("is the pattern's servers by priority, then those of less specific patterns", () => {
    assert.deepEqual(ways(), [`${A} pit`, `${B} pit2`, `${B} pit`, `${C} pit`, `${D} pit`]);
    assert.deepEqual(
      table.explain(URI).ways.map(({ by, origin }) => `${by} ${origin}`),
      [`prefix ${A}`, `prefix ${B}`, `suffix ${B}`, `suffix ${C}`, `any ${D}`],
    );
  });

  it("begins with what is resolved, also where that is down", () => {
    down.add(A);
    assert.equal(ways()[0], `${B} pit2`);
    down.add(B);
    assert.equal(ways()[0], `${table.resolve(URI)?.origin ?? ""} pit`);
  });

  it("names no more than it is asked for", () => {
    assert.equal(ways(2).length, 2);
  });

  it("names a server once for a world", () => {
    table.addRoute({ pattern: "aether://*.eu.example/*", server: A });
    assert.equal(new Set(ways()).size, ways().length);
  });

  it("says why one cannot be used, as data and in words", () => {
    down.add(A);
    const way = table.explain(URI).ways.find(({ origin }) => origin === A);
    assert.deepEqual(
      [way?.state, way?.why, way?.pattern],
      ["unusable", "it is blocked", "aether://x.eu.example/pit/*"],
    );
    assert.match(way?.text ?? "", /^2\. .*: not used, it is blocked$/u);
  });

  it("is a peer only where no route matches", () => {
    const alone = new RoutingTable({ peerFor: () => A });
    assert.deepEqual(
      alone.explain(URI).ways.map(({ by }) => by),
      ["peer"],
    );
    alone.addRoute({ pattern: "*", server: B });
    assert.deepEqual(
      alone.ways(URI).map(({ origin }) => origin),
      [B],
    );
  });

  it("is this server alone for its own URIs", () => {
    const own = new RoutingTable({ self: "https://x.eu.example" });
    own.addRoute({ pattern: "*", server: B });
    assert.deepEqual(
      own.explain(URI).ways.map(({ by, state }) => [by, state]),
      [["self", "usable"]],
    );
    assert.equal(own.ways(URI).length, 1);
  });

  it("is none for a text that is no portal URI, and says what is wrong", () => {
    const said = table.explain("aether://x");
    assert.ok(!said.ok);
    assert.match(said.reason, /world/u);
    assert.deepEqual(table.ways("aether://x"), []);
  });
});
