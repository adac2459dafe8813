import assert from "node:assert/strict";
import fc from "fast-check";
import { parsePortalUri } from "../../src/routing/portal-uri.ts";

describe("routing/portal-uri", () => {
  it("takes a URI apart", () => {
    const parsed = parsePortalUri("aether://Worlds.Example.com:2567/plaza/gate?spawn=north&x=1");
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.uri, {
      authority: "worlds.example.com:2567",
      world: "plaza",
      path: "/plaza/gate",
      options: { spawn: "north", x: "1" },
      href: "aether://worlds.example.com:2567/plaza/gate?spawn=north&x=1",
    });
  });

  for (const [authority, normal] of [
    ["localhost:2567", "localhost:2567"],
    ["example.com:443", "example.com"],
    ["example.com:80", "example.com:80"],
    ["[::1]:2567", "[::1]:2567"],
  ] as const) {
    it(`reads the authority ${authority} as ${normal}`, () => {
      const parsed = parsePortalUri(`aether://${authority}/plaza`);
      assert.ok(parsed.ok);
      assert.equal(parsed.uri.authority, normal);
    });
  }

  for (const [why, value] of [
    ["another scheme", "https://example.com/plaza"],
    ["no world", "aether://example.com/"],
    ["no path", "aether://example.com"],
    ["a user", "aether://me@example.com/plaza"],
    ["a fragment", "aether://example.com/plaza#north"],
    ["a world of other characters", "aether://example.com/pla%20za"],
    ["a world that is too long", `aether://example.com/${"a".repeat(65)}`],
    ["no host", "aether:///plaza"],
    ["a port out of range", "aether://example.com:99999/plaza"],
    ["too many characters", `aether://example.com/plaza?x=${"a".repeat(2048)}`],
    ["an option that is too long", `aether://example.com/plaza?x=${"a".repeat(257)}`],
    [
      "too many options",
      `aether://example.com/plaza?${Array.from({ length: 17 }, (_, i) => `o${i}=1`).join("&")}`,
    ],
    ["an option that would be a prototype", "aether://example.com/plaza?__proto__=1"],
    ["no string", 7],
  ] as const) {
    it(`refuses ${why}`, () => {
      assert.equal(parsePortalUri(value).ok, false);
    });
  }

  it("never throws, and reads its own output as the same", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl().map((url) => url.replace(/^https?/u, "aether")),
        ),
        (value) => {
          const parsed = parsePortalUri(value);
          if (!parsed.ok) return;
          const again = parsePortalUri(parsed.uri.href);
          assert.ok(again.ok);
          assert.deepEqual(again.uri, parsed.uri);
        },
      ),
    );
  });
});
