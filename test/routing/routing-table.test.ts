import assert from "node:assert/strict";
import fc from "fast-check";
import { parsePortalUri } from "../../src/routing/portal-uri.ts";
import { type PortalRoute, RoutingTable } from "../../src/routing/routing-table.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { judgePortalUri } from "./portal-uri-judge.ts";
import { portalText, quickRandom } from "./portal-uri-texts.ts";

const A = "https://a.example";
const B = "https://b.example";
const C = "https://c.example";

describe("routing/routing-table", () => {
  it("prefers the most specific pattern", () => {
    const table = new RoutingTable();
    const servers = {
      "*": "https://any.example",
      "aether://*.example.org/*": "https://suffix.example",
      "aether://*.eu.example.org/*": "https://longer-suffix.example",
      "aether://x.eu.example.org/*": "https://host.example",
      "aether://x.eu.example.org/pit/*": "https://prefix.example",
      "aether://x.eu.example.org/pit/deep/*": "https://longer-prefix.example",
      "aether://x.eu.example.org/pit/deep/hole": "https://path.example",
    };
    for (const [pattern, server] of Object.entries(servers)) table.addRoute({ pattern, server });
    const origin = (uri: string) => table.resolve(uri)?.origin;
    assert.equal(origin("aether://x.eu.example.org/pit/deep/hole"), "https://path.example");
    assert.equal(origin("aether://x.eu.example.org/pit/deep/x"), "https://longer-prefix.example");
    assert.equal(origin("aether://x.eu.example.org/pit/x"), "https://prefix.example");
    assert.equal(origin("aether://x.eu.example.org/pit"), "https://host.example");
    assert.equal(origin("aether://y.eu.example.org/pit"), "https://longer-suffix.example");
    assert.equal(origin("aether://y.example.org/pit"), "https://suffix.example");
    assert.equal(origin("aether://example.org/pit"), "https://any.example");
    assert.equal(table.size, 7);
  });

  it("wants a label before a suffix", () => {
    const table = new RoutingTable();
    table.addRoute({ pattern: "aether://*.example/*", server: A });
    assert.equal(table.resolve("aether://a.example/pit")?.origin, A);
    assert.equal(table.resolve("aether://example/pit"), undefined);
    assert.equal(table.resolve("aether://.example/pit"), undefined);
  });

  it("tells ports of one host apart", () => {
    const table = new RoutingTable();
    table.addRoute({ pattern: "aether://host:2567/*", server: A });
    assert.equal(table.resolve("aether://host:2567/plaza")?.origin, A);
    assert.equal(table.resolve("aether://host:2568/plaza"), undefined);
    assert.equal(table.resolve("aether://host/plaza"), undefined);
  });

  it("resolves a URI of this server to itself, whatever the routes say", () => {
    const table = new RoutingTable({ self: A, isHealthy: () => false });
    table.addRoute({ pattern: "*", server: B });
    const destination = table.resolve("aether://a.example/plaza?spawn=north");
    assert.deepEqual(destination, {
      origin: A,
      world: "plaza",
      options: { spawn: "north" },
      uri: "aether://a.example/plaza?spawn=north",
      local: true,
      pattern: undefined,
      healthy: true,
      alternatives: [],
    });
  });

  it("needs no route for a known peer", () => {
    const table = new RoutingTable({
      peerFor: (authority) => (authority === "b.example" ? B : undefined),
    });
    assert.equal(table.resolve("aether://b.example/pit")?.origin, B);
    assert.equal(table.resolve("aether://c.example/pit"), undefined);
  });

  it("sends to another world where the route says so", () => {
    const table = new RoutingTable();
    table.addRoute({ pattern: "aether://old.example/*", server: A, world: "lobby" });
    assert.equal(table.resolve("aether://old.example/pit")?.world, "lobby");
  });

  it("fails over to the next priority, and back", () => {
    const down = new Set<string>();
    const table = new RoutingTable({ isHealthy: (origin) => !down.has(origin) });
    table.addRoute({ pattern: "*", server: A, priority: 0 });
    table.addRoute({ pattern: "*", server: B, priority: 1 });
    const origin = () => table.resolve("aether://x.example/pit");
    assert.equal(origin()?.origin, A);
    assert.deepEqual(origin()?.alternatives, [B]);
    down.add(A);
    assert.equal(origin()?.origin, B);
    assert.equal(origin()?.healthy, true);
    down.add(B);
    assert.equal(origin()?.origin, A);
    assert.equal(origin()?.healthy, false);
    down.clear();
    assert.equal(origin()?.origin, A);
  });

  it("shares by weight within one priority", () => {
    const table = new RoutingTable({ random: seededRandom("weights") });
    table.addRoute({ pattern: "*", server: A, weight: 3 });
    table.addRoute({ pattern: "*", server: B, weight: 1 });
    table.addRoute({ pattern: "*", server: C, weight: 0 });
    const counts = new Map<string, number>();
    for (let draw = 0; draw < 4_000; draw += 1) {
      const { origin } = table.resolve("aether://x.example/pit")!;
      counts.set(origin, (counts.get(origin) ?? 0) + 1);
    }
    assert.equal(counts.get(C), undefined);
    const share = (counts.get(A) ?? 0) / 4_000;
    assert.ok(Math.abs(share - 0.75) < 0.04, `share ${share}`);
  });

  it("replaces a route of the same pattern and server", () => {
    const table = new RoutingTable();
    table.addRoute({ pattern: "*", server: A });
    table.addRoute({ pattern: "*", server: A, world: "lobby" });
    assert.equal(table.size, 1);
    assert.equal(table.resolve("aether://x.example/pit")?.world, "lobby");
  });

  it("removes one server of a pattern, or all", () => {
    const table = new RoutingTable();
    table.addRoute({ pattern: "aether://x.example/*", server: A });
    table.addRoute({ pattern: "aether://x.example/*", server: B });
    assert.equal(table.removeRoute("aether://x.example/*", A), true);
    assert.equal(table.removeRoute("aether://x.example/*", A), false);
    assert.equal(table.resolve("aether://x.example/pit")?.origin, B);
    assert.equal(table.removeRoute("aether://x.example/*"), true);
    assert.equal(table.resolve("aether://x.example/pit"), undefined);
    assert.deepEqual([table.size, table.routes()], [0, []]);
  });

  it("forgets where a text led when a route is added, replaced or removed", () => {
    const table = new RoutingTable();
    const text = "aether://x.example/pit";
    const lead = () => {
      const found = table.resolve(text);
      // The second time it is a known text.
      assert.deepEqual(table.resolve(text), found);
      return found === undefined ? undefined : [found.origin, found.world, found.alternatives];
    };
    assert.equal(lead(), undefined);
    table.addRoute({ pattern: "*", server: A });
    assert.deepEqual(lead(), [A, "pit", []]);
    table.addRoute({ pattern: text, server: B });
    assert.deepEqual(lead(), [B, "pit", []]);
    table.addRoute({ pattern: text, server: B, world: "lobby" });
    assert.deepEqual(lead(), [B, "lobby", []]);
    table.addRoute({ pattern: text, server: C, priority: -1 });
    assert.deepEqual(lead(), [C, "pit", [B]]);
    table.removeRoute(text, C);
    assert.deepEqual(lead(), [B, "lobby", []]);
    table.removeRoute(text);
    assert.deepEqual(lead(), [A, "pit", []]);
    table.removeRoute("*");
    assert.equal(lead(), undefined);
  });

  it("asks each time for peers and health, also for a known text", () => {
    const peers = new Map([["b.example", B]]);
    const down = new Set<string>();
    const table = new RoutingTable({
      peerFor: (authority) => peers.get(authority),
      isHealthy: (origin) => !down.has(origin),
    });
    const resolved = () => table.resolve("aether://b.example/pit");
    assert.equal(resolved()?.healthy, true);
    down.add(B);
    assert.equal(resolved()?.healthy, false);
    down.clear();
    assert.equal(resolved()?.healthy, true);
    peers.clear();
    assert.equal(resolved(), undefined);
    peers.set("b.example", C);
    assert.equal(resolved()?.origin, C);
  });

  it("tells texts apart that differ in their options only", () => {
    const table = new RoutingTable();
    table.addRoute({ pattern: "aether://x.example/pit", server: A });
    for (const spawn of ["north", "south", "north"]) {
      assert.deepEqual(table.resolve(`aether://x.example/pit?spawn=${spawn}`)?.options, { spawn });
    }
  });

  it("gives options that nobody can change for the next", () => {
    const table = new RoutingTable();
    table.addRoute({ pattern: "*", server: A });
    const text = "aether://x.example/pit?spawn=north";
    for (const spelling of [text, "aether://X.example/pit?spawn=north"]) {
      for (let turn = 0; turn < 3; turn += 1) {
        const options = table.resolve(spelling)?.options as Record<string, string>;
        assert.throws(() => (options["spawn"] = "south"), TypeError);
        assert.deepEqual(options, { spawn: "north" });
      }
    }
  });

  it("gives an answer that nobody can change for the next", () => {
    const table = new RoutingTable();
    table.addRoute({ pattern: "*", server: A });
    const text = "aether://x.example/pit";
    table.resolve(text);
    const answer = table.resolve(text) as { origin: string };
    assert.throws(() => (answer.origin = B), TypeError);
    assert.equal(table.resolve(text)?.origin, A);
  });

  it("reads on where it was when peerFor asks the table in turn", () => {
    const table: RoutingTable = new RoutingTable({
      peerFor: (authority) => {
        table.resolve("aether://elsewhere.example/another/way/out?spawn=south");
        return authority === "b.example" ? B : undefined;
      },
    });
    table.addRoute({ pattern: "aether://elsewhere.example/another/*", server: C });
    const found = table.resolve("aether://b.example/pit?spawn=north");
    assert.deepEqual([found?.origin, found?.world, found?.options], [B, "pit", { spawn: "north" }]);
  });

  it("follows the authority and path of a URI taken apart", () => {
    const table = new RoutingTable();
    table.addRoute({ pattern: "aether://x.example/pit/deep", server: A });
    const uri = { authority: "x.example", world: "pit", path: "/pit/deep", options: {}, href: "" };
    assert.equal(table.resolve(uri)?.origin, A);
  });

  it("orders many servers of one pattern, those that are down last", () => {
    const table = new RoutingTable({ isHealthy: (origin) => origin !== A });
    for (const [server, priority] of [
      [C, 2],
      [A, 0],
      [B, 1],
    ] as const) {
      table.addRoute({ pattern: "*", server, priority });
    }
    const found = table.resolve("aether://x.example/pit");
    assert.deepEqual([found?.origin, found?.alternatives], [B, [C, A]]);
  });

  for (const [why, route, message] of [
    ["a server that is no origin", { pattern: "*", server: "https://a.example/x" }, /^server/u],
    ["another scheme", { pattern: "https://a.example/*", server: A }, /^pattern/u],
    ["a star in the middle", { pattern: "aether://a.example/*/x", server: A }, /^pattern/u],
    ["a star in a segment", { pattern: "aether://a.example/x*", server: A }, /^pattern/u],
    ["a path below a suffix", { pattern: "aether://*.example/x", server: A }, /^pattern/u],
    ["a negative weight", { pattern: "*", server: A, weight: -1 }, /^weight/u],
    ["a priority that is no number", { pattern: "*", server: A, priority: NaN }, /^priority/u],
    ["a bad world", { pattern: "*", server: A, world: "a b" }, /^world/u],
  ] as const) {
    it(`refuses ${why}, naming the option`, () => {
      assert.throws(
        () => {
          new RoutingTable().addRoute(route);
        },
        { name: "TypeError", message },
      );
    });
  }

  it("holds no more than maxRoutes, and leaves nothing of what it refused", () => {
    const table = new RoutingTable({ maxRoutes: 1 });
    table.addRoute({ pattern: "*", server: A });
    assert.throws(() => {
      table.addRoute({ pattern: "aether://x.example/*", server: B });
    }, /maxRoutes/u);
    assert.equal(table.routes().length, 1);
    assert.equal(table.resolve("aether://x.example/pit")?.origin, A);
  });

  it("agrees with a plain search through all routes, whatever is added and removed", () => {
    const label = fc.constantFrom("a", "b", "c");
    const host = fc.array(label, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("."));
    const path = fc.array(label, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
    const pattern = fc.oneof(
      fc.constant("*"),
      host.map((name) => `aether://*.${name}/*`),
      host.map((name) => `aether://${name}/*`),
      fc.tuple(host, path).map(([name, at]) => `aether://${name}/${at}/*`),
      fc.tuple(host, path).map(([name, at]) => `aether://${name}/${at}`),
    );
    const change = fc.tuple(fc.constantFrom("add", "add", "remove"), pattern);
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 30 }),
        fc.array(fc.tuple(host, path), { maxLength: 12 }),
        (changes, targets) => {
          const table = new RoutingTable();
          const plain = new Map<string, PortalRoute>();
          const look = (): void => {
            for (const [name, at] of targets) {
              const found = table.resolve(`aether://${name}/${at}`)?.pattern;
              assert.equal(found, bestOf([...plain.keys()], name, at));
            }
          };
          for (const [what, each] of changes) {
            if (what === "add") {
              table.addRoute({ pattern: each, server: A });
              plain.set(each, { pattern: each, server: A });
            } else {
              assert.equal(table.removeRoute(each), plain.delete(each));
            }
            look();
          }
          assert.equal(table.size, plain.size);
          assert.equal(table.routes().length, plain.size);
          look();
        },
      ),
      { numRuns: 400 },
    );
  });

  it("finds by text, in all its spellings, what it finds by the URI taken apart", () => {
    const table = new RoutingTable({
      self: "https://self.example",
      peerFor: (authority) => (authority === "peer.example" ? "https://peer.example" : undefined),
    });
    const server = "https://to.example";
    for (let n = 0; n < 3_000; n += 1) {
      const kind = n % 3;
      const pattern =
        kind === 0
          ? `aether://w${n}.example:${n + 1}/plaza/gate`
          : kind === 1
            ? `aether://p${n}.example/pit/*`
            : `aether://*.s${n}.example/*`;
      table.addRoute({ pattern, server });
    }
    for (let n = 0; n < 3_000; n += 7) table.removeRoute(table.routes()[n % 100]?.pattern ?? "*");
    let found = 0;
    for (let n = 0; n < 3_000; n += 1) {
      for (const text of [
        `aether://w${n}.example:${n + 1}/plaza/gate`,
        `aether://w${n}.example:${n + 1}/plaza/../plaza/./gate?x=${n}`,
        `AETHER://W${n}.Example:${n + 1}/plaza/%67ate`,
        `aether://p${n}.example:443/pit/deep`,
        `aether://eu.s${n}.example/plaza`,
        `aether://peer.example/plaza${n}`,
        `aether://self.example/plaza${n}`,
        `aether://nobody${n}.example/plaza`,
        `aether://w${n}.example:${n + 1}/plaza/${"../plaza/".repeat(40)}gate`,
        `aether://p${n}.example/pit/${"deep/".repeat(60)}`,
        `aether://eu.s${n}.example/${"deep/".repeat(60)}`,
        `aether://peer.example/${"deep/".repeat(60)}`,
        `aether://self.example/${"deep/".repeat(60)}`,
      ]) {
        const parsed = parsePortalUri(text);
        const expected = parsed.ok ? table.resolve(parsed.uri) : undefined;
        assert.deepEqual(table.resolve(text), expected, text);
        if (expected !== undefined) found += 1;
      }
    }
    assert.ok(found > 10_000, `${found} found`);
  });

  it("resolves 60,000 texts as if URL had read all of each, and a plain search had looked", () => {
    const seed = process.env["PORTAL_URI_SEED"] ?? crypto.randomUUID();
    console.log(`      PORTAL_URI_SEED=${seed}`);
    const random = quickRandom(seed);
    const peers = new Map([
      ["x", "https://x"],
      ["worlds.example.com:2567", "https://worlds.example.com:2567"],
    ]);
    const tables = [
      [],
      ["aether://a.example/plaza", "aether://a.example/plaza/plaza/*", "aether://*.example/*"],
      ["aether://a.example/*", "aether://a.example:2567/plaza/*", "aether://*.com/*"],
      ["aether://[::1]/*", "aether://127.0.0.1/*", "aether://a--b.example/*", "*"],
    ].map((patterns) => {
      const table = new RoutingTable({
        self: "https://localhost",
        peerFor: (authority) => peers.get(authority),
      });
      for (const pattern of patterns) table.addRoute({ pattern, server: "https://to.example" });
      return { table, patterns };
    });
    const met = new Map<string, number>();
    for (let turn = 0; turn < 60_000; turn += 1) {
      const text = portalText(random);
      const judged = judgePortalUri(text);
      const { table, patterns } = tables[turn % tables.length]!;
      const told = `PORTAL_URI_SEED=${seed}, text ${turn}: ${JSON.stringify(text)}`;
      const found = table.resolve(text);
      let how = judged.ok ? "nobody" : "refused";
      let expected: unknown;
      if (judged.ok) {
        const { authority, path, world, options, href } = judged.uri;
        const local = authority === "localhost";
        const pattern = local ? undefined : bestOf(patterns, authority, path.slice(1));
        const direct = local ? "https://localhost" : peers.get(authority);
        const origin = pattern === undefined ? direct : "https://to.example";
        if (origin !== undefined) {
          how = pattern ?? (local ? "self" : "peer");
          const rest = { healthy: true, alternatives: [] };
          expected = { origin, world, options, uri: href, local, pattern, ...rest };
        }
      }
      assert.deepEqual(found, expected, told);
      assert.deepEqual(table.resolve(text), expected, `again: ${told}`);
      met.set(how, (met.get(how) ?? 0) + 1);
    }
    for (const [how, least] of [
      ...[["refused", 10_000] as const, ["nobody", 1_000] as const, ["self", 10] as const],
      ...[["peer", 10] as const, ["*", 1_000] as const, ["aether://a.example/*", 1_000] as const],
      ...tables.flatMap(({ patterns }) => patterns.map((pattern) => [pattern, 1] as const)),
    ]) {
      assert.ok((met.get(how) ?? 0) >= least, `${how}: ${JSON.stringify([...met])}`);
    }
  });

  it("reads no further than the authority that nothing leads to", () => {
    const asked: string[] = [];
    const table = new RoutingTable({
      peerFor: (authority) => {
        asked.push(authority);
        return undefined;
      },
    });
    table.addRoute({ pattern: "aether://a.example/plaza", server: "https://a.example" });
    assert.equal(table.resolve(`aether://nobody.example/${"a/".repeat(990)}`), undefined);
    assert.equal(table.resolve(`aether://nobody.example/${"a/".repeat(1_990)}`), undefined);
    assert.deepEqual(asked, ["nobody.example"]);
  });
});

/** The most specific pattern, found by looking at all of them. */
function bestOf(patterns: readonly string[], host: string, path: string): string | undefined {
  let best: string | undefined;
  let bestRank: readonly [number, number] = [-1, -1];
  for (const pattern of patterns) {
    const rank = rankOf(pattern, host, path);
    if (rank === undefined) continue;
    if (rank[0] > bestRank[0] || (rank[0] === bestRank[0] && rank[1] > bestRank[1])) {
      best = pattern;
      bestRank = rank;
    }
  }
  return best;
}

function rankOf(
  pattern: string,
  host: string,
  path: string,
): readonly [kind: number, length: number] | undefined {
  if (pattern === "*") return [0, 0];
  const rest = pattern.slice("aether://".length);
  const slash = rest.indexOf("/");
  const [authority, where] = [rest.slice(0, slash), rest.slice(slash + 1)];
  if (authority.startsWith("*.")) {
    const suffix = authority.slice(1);
    const name = host.replace(/:\d+$/u, "");
    return name.endsWith(suffix) && name.length > suffix.length ? [1, suffix.length] : undefined;
  }
  if (authority !== host) return undefined;
  if (where === "*") return [2, 0];
  if (!where.endsWith("/*")) return where === path ? [3, 0] : undefined;
  const prefix = where.slice(0, -1);
  return path.startsWith(prefix) ? [2, prefix.length] : undefined;
}
