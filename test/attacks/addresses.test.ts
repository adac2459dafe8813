/** One server, several ways to write where it is; and addresses that hide another one. */
import assert from "node:assert/strict";
import { FederationError } from "../../src/errors.ts";
import { resolveOptions } from "../../src/federation/options.ts";
import { createGuardedFetch, isAllowedAddress } from "../../src/http/outbound/outbound-guard.ts";
import { RoutingTable } from "../../src/routing/routing-table.ts";
import { eventually } from "../support/eventually.ts";
import { A, B, twoServers } from "../support/federation.ts";

const ORIGIN = "https://worlds.example.com";
const resolve = (more: object) => resolveOptions({ origin: ORIGIN, worlds: {}, ...more });

describe("attack: addresses written in another way", () => {
  for (const written of [
    "HTTPS://Worlds.Example.COM:443/federation/",
    "https://worlds.example.com/x/../federation",
    "https://worlds.example.com/./federation",
  ]) {
    it(`endpoint ${written} is the one it means`, () => {
      assert.equal(resolve({ endpoint: written }).endpoint, `${ORIGIN}/federation`);
    });
  }

  for (const written of [
    "https://user:secret@worlds.example.com/federation",
    "https://worlds.example.com//federation",
    "https://worlds.example.com/federation//",
    "https://my_host.example.com/federation",
    "https://worlds.example.com./federation",
    "https://worlds.example.com/federation?",
    "https://worlds.example.com/federation#",
    "https://worlds.example.com/",
  ]) {
    it(`endpoint ${written} is refused at once`, () => {
      assert.throws(() => resolve({ endpoint: written }), /^TypeError: endpoint:/u);
    });
  }

  it("routes lead where peers of the same spelling are", () => {
    for (const server of ["HTTPS://ARENA.example", "https://arena.example:443/"]) {
      const options = resolve({ routes: [{ pattern: "*", server }], peers: [server] });
      assert.deepEqual(options.routes[0]?.server, options.peers[0]);
      const table = new RoutingTable();
      table.addRoute({ pattern: "aether://Arena.example:443/*", server });
      const { origin } = table.resolve("aether://arena.example/plaza") ?? {};
      assert.equal(origin, "https://arena.example");
      assert.ok(table.removeRoute("aether://arena.example/*", server));
    }
    const idn = resolve({ routes: [{ pattern: "*", server: "https://bücher.example" }] });
    assert.equal(idn.routes[0]?.server, "https://xn--bcher-kva.example");
    for (const server of [
      "https://my_host.example",
      "https://user@arena.example",
      "https://arena.example/path",
      "https://arena.example?",
      "http://arena.example",
    ]) {
      assert.throws(
        () => resolve({ routes: [{ pattern: "*", server }] }),
        /^TypeError: routes\[0\]\.server:/u,
      );
    }
  });

  it("a peer that moves its endpoint is found again without waiting for its session to end", async () => {
    const { clock, network, a, b } = twoServers();
    await a.handshake.connect(B);
    network.intercept = ({ url }) => {
      if (url.startsWith(`${B}/federation/`)) throw new FederationError("ERR_FED_UNREACHABLE");
      return undefined;
    };
    b.says = { endpoint: `${B}/moved` };
    await assert.rejects(a.peers.call(B, "/custody/renew", {}));
    await eventually(() => {
      assert.equal(a.registry.get(B)?.endpoint, `${B}/moved`);
    });
    assert.equal((await a.peers.call(B, "/custody/renew", {})).ok, true);
    b.says = { endpoint: `${B}/moved-again` };
    network.intercept = () => {
      throw new FederationError("ERR_FED_UNREACHABLE");
    };
    const asked = network.descriptorFetches(B);
    for (let call = 0; call < 5; call += 1) await assert.rejects(a.peers.health(B));
    assert.equal(network.descriptorFetches(B), asked, "it is asked once a minute");
    clock.advance(60_000);
    network.intercept = ({ url }) => {
      if (url.startsWith(`${B}/moved/`)) throw new FederationError("ERR_FED_UNREACHABLE");
      return undefined;
    };
    await assert.rejects(a.peers.health(B));
    await eventually(() => {
      assert.equal(a.registry.get(B)?.endpoint, `${B}/moved-again`);
    });
    assert.equal(network.descriptorFetches(A), 1);
  });
});

describe("attack: an address that hides another one", () => {
  const none = { allowInsecure: false, allowPrivateNetwork: false };
  const all = { allowInsecure: true, allowPrivateNetwork: true };
  const hex = (address: string): string => {
    const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  };
  const forms: Record<string, (address: string) => string> = {
    "IPv4-mapped": (address) => `::ffff:${hex(address)}`,
    NAT64: (address) => `64:ff9b::${hex(address)}`,
    "6to4": (address) => `2002:${hex(address)}::1`,
    ISATAP: (address) => `2606:4700:1:2:0:5efe:${hex(address)}`,
    "ISATAP, global": (address) => `2606:4700:1:2:200:5efe:${hex(address)}`,
  };
  for (const [name, form] of Object.entries(forms)) {
    it(`${name}: a public one is called, no other`, () => {
      assert.ok(isAllowedAddress(form("8.8.8.8"), none));
      for (const hidden of [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "0.0.0.0",
      ]) {
        assert.equal(isAllowedAddress(form(hidden), none), false, hidden);
        const mapped = name === "IPv4-mapped" && ["127.0.0.1", "10.0.0.1"].includes(hidden);
        assert.equal(isAllowedAddress(form(hidden), all), mapped, `${hidden}, with every switch`);
      }
    });
  }

  it("a translator of one's own network needs its switch, and leads to public hosts only", () => {
    assert.equal(isAllowedAddress(`64:ff9b:1::${hex("8.8.8.8")}`, none), false);
    assert.ok(isAllowedAddress(`64:ff9b:1::${hex("8.8.8.8")}`, all));
    for (const address of [
      `64:ff9b:1::${hex("10.0.0.1")}`,
      `64:ff9b:1::${hex("169.254.169.254")}`,
      "64:ff9b:1:a9fe:a9:fe00::808:808",
      "64:ff9b:2::808:808",
      "64:ff9b:0:1::808:808",
      "2001:0:808:808::",
      `::${hex("8.8.8.8")}`,
      `::ffff:0:${hex("8.8.8.8")}`,
    ]) {
      assert.equal(isAllowedAddress(address, all), false, address);
    }
  });

  it("a literal in a URL is judged as well", async () => {
    const fetch = createGuardedFetch(all);
    try {
      for (const host of ["[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2606:4700::5efe:7f00:1]"]) {
        const url = `http://${host}/`;
        await assert.rejects(fetch({ method: "GET", url, headers: {} }), {
          code: "ERR_FED_FORBIDDEN_ADDRESS",
        });
      }
    } finally {
      await fetch.close();
    }
  });
});
