import assert from "node:assert/strict";
import fc from "fast-check";
import { AUTHORITY_START, Places, readAuthority } from "../../src/routing/plain-uri.ts";
import { parsePortalUri } from "../../src/routing/portal-uri.ts";
import { judgePortalUri } from "./portal-uri-judge.ts";
import { portalText, quickRandom } from "./portal-uri-texts.ts";

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

  it("says what URL says of 100,000 texts", () => {
    const seed = process.env["PORTAL_URI_SEED"] ?? crypto.randomUUID();
    console.log(`      PORTAL_URI_SEED=${seed}`);
    const random = quickRandom(seed);
    const met = new Map<string, number>();
    const places = new Places();
    for (let turn = 0; turn < 100_000; turn += 1) {
      const text = portalText(random);
      const judged = judgePortalUri(text);
      const parsed = parsePortalUri(text);
      const told = `PORTAL_URI_SEED=${seed}, text ${turn}: ${JSON.stringify(text)}`;
      if (judged.ok) assert.deepEqual(parsed, judged, told);
      else assert.equal(parsed.ok, false, told);
      const peeked = readAuthority(text, places);
      if (typeof peeked === "string") assert.equal(judged.ok, false, told);
      else if (judged.ok && peeked) {
        const authority = text.slice(AUTHORITY_START, places.authorityEnd);
        assert.equal(authority, judged.uri.authority, told);
        met.set("peeked", (met.get("peeked") ?? 0) + 1);
      }
      const verdict = judged.ok ? "read" : judged.reason.replace(/".*"/su, "…");
      met.set(verdict, (met.get(verdict) ?? 0) + 1);
    }
    // A generator that draws only one side judges nothing.
    assert.ok((met.get("read") ?? 0) > 10_000, JSON.stringify([...met]));
    assert.ok((met.get("peeked") ?? 0) > 5_000, JSON.stringify([...met]));
    assert.equal(met.size, 11, JSON.stringify([...met]));
  });
});
