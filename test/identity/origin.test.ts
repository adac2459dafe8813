import assert from "node:assert/strict";
import { playerIdSchema } from "../../src/custody/shared/messages.ts";
import { resolveOptions } from "../../src/federation/options.ts";
import { authorityOf, isOrigin, normalizeOrigin } from "../../src/identity/origin.ts";
import { RoutingTable } from "../../src/routing/routing-table.ts";

describe("identity/origin", () => {
  it("takes no host that a player's id could not carry", () => {
    for (const host of [
      "my_home.example",
      "a*b.example",
      `${"a".repeat(64)}.`.repeat(4) + "example.org",
    ]) {
      const origin = `https://${host}`;
      assert.equal(isOrigin(origin), false, origin);
      assert.throws(() => normalizeOrigin(origin), TypeError);
      assert.throws(() => resolveOptions({ origin, worlds: {} }), /^TypeError: origin:/u);
      assert.throws(
        () => resolveOptions({ origin: "https://a.example", worlds: {}, peers: [origin] }),
        /^TypeError: peers\[0\]:/u,
      );
    }
  });

  it("takes every other, and its players can be named", () => {
    for (const origin of [
      "https://worlds.example.com",
      "https://worlds.example.com:8443",
      "https://xn--bcher-kva.example",
      "https://192.0.2.7",
      "https://[2001:db8::7]:444",
    ]) {
      assert.equal(normalizeOrigin(origin), origin);
      assert.ok(playerIdSchema.safeParse(`ada@${authorityOf(origin)}`).success);
    }
  });

  it("leads no portal to a server that could not be called", () => {
    assert.throws(
      () =>
        new RoutingTable({ self: "https://a.example" }).addRoute({
          pattern: "aether://x/y",
          server: "https://my_home.example",
        }),
      TypeError,
    );
  });
});
