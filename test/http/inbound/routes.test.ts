import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { ROUTES, routeFor } from "../../../src/http/inbound/routes.ts";

const page = readFileSync(new URL("../../../docs/PROTOCOL.md", import.meta.url), "utf8");

describe("http/routes and the protocol page", () => {
  /** One line each: method, place and path, caller. */
  const entries = ROUTES.map(
    ({ method, at = "endpoint", path, caller }) => `${method} <${at}>${path} ${caller}`,
  ).sort();
  const served = new Set(entries.map((entry) => entry.slice(0, entry.lastIndexOf(" "))));

  it("agree on every call and on who may make it", () => {
    const rows = [
      ...page.matchAll(
        /^\| (GET|POST) +\| `(<(?:origin|endpoint)>\S*)` +\| (\w+) +\| (\d+) +\|$/gmu,
      ),
    ];
    const table = rows.map(([, method, path, caller]) => `${method} ${path} ${caller}`).sort();
    assert.deepEqual(entries, table);
    assert.equal(new Set(table).size, table.length);
  });

  it("agree on the section that describes each call", () => {
    const rows = page.matchAll(/^\| (?:GET|POST) +\| `(\S+)` +\| \w+ +\| (\d+) +\|$/gmu);
    for (const [, path = "", number = ""] of rows) {
      const name = path.startsWith("<endpoint>/custody/")
        ? `\`${path.slice("<endpoint>/custody/".length)}\``
        : path.replace(/\{\w+\}/u, "");
      assert.ok(
        section(Number(number)).includes(name),
        `section ${number} says nothing of ${name}`,
      );
    }
  });

  it("agree on every call that the text names", () => {
    const prose = page.replaceAll(/^\|.*$/gmu, "");
    const named = [...prose.matchAll(/`(GET|POST) (<(?:origin|endpoint)>[^`\s]*)/gu)].map(
      ([, method = "", path = ""]) => `${method} ${path}`,
    );
    assert.ok(named.length >= 9, `only ${named.length} calls are named`);
    for (const call of named.filter((name) => !name.endsWith("/custody/<call>"))) {
      const known = call.replace(/<64$/u, "{hash}").replace(/<key$/u, "{kid}");
      assert.ok(served.has(known), `${call} is no entry`);
    }
  });

  it("agree on every custody call, additions included", () => {
    const rows = [...section(6).matchAll(/^\| `(\w+)` +\| [^|]*→[^|]*\|/gmu)];
    const named = rows.map(([, call = ""]) => `POST <endpoint>/custody/${call}`).sort();
    assert.deepEqual([...served].filter((call) => call.includes("/custody/")).sort(), named);
  });
});

describe("http/routes", () => {
  it("finds an entry by its place and its whole path", () => {
    assert.equal(routeFor("endpoint", "/handshake")?.path, "/handshake");
    assert.equal(routeFor("endpoint", "/handshake/")?.path, undefined);
    assert.equal(routeFor("endpoint", "/.well-known/aether-federation"), undefined);
    assert.equal(routeFor("origin", "/handshake"), undefined);
    assert.equal(routeFor("endpoint", "/custody/steal"), undefined);
    assert.equal(routeFor("endpoint", "/__proto__"), undefined);
  });

  it("leaves everything below /assets/ to the asset server, except what is an entry itself", () => {
    const assets = ROUTES.find(({ path }) => path === "/assets/sha256/{hash}");
    for (const path of ["/assets/", "/assets/x", `/assets/sha256/${"a".repeat(64)}`]) {
      assert.equal(routeFor("endpoint", path), assets);
    }
    assert.equal(routeFor("endpoint", "/assets/prepare")?.caller, "peer");
    assert.equal(routeFor("endpoint", "/assets"), undefined);
  });

  it("holds every peer's call against a budget of that peer's own, a player's against its address", () => {
    for (const { path, caller, budget } of ROUTES) {
      if (caller === "peer") assert.ok(["safety", "crossing", "peer"].includes(budget), path);
      else assert.equal(budget, caller === "player" ? "travel" : "address", path);
    }
  });

  it("spends nothing of what keeps custody on anything else", () => {
    const safe = ROUTES.filter(({ budget }) => budget === "safety").map(({ path }) => path);
    assert.deepEqual(safe, [
      ...["claim", "cancel", "return", "returns", "renew", "departed", "revoke"].map(
        (call) => `/custody/${call}`,
      ),
      ...["/custody/pledge", "/custody/unpledge"],
      "/reservations/cancel",
    ]);
  });

  it("takes bodies with POST only", () => {
    for (const { path, method, body } of ROUTES) {
      assert.equal(body === "none", method === "GET", path);
    }
  });
});

/** The text of a numbered section of the page. */
function section(number: number): string {
  const start = page.indexOf(`\n## ${number}. `);
  const end = page.indexOf("\n## ", start + 1);
  assert.ok(start >= 0, `there is no section ${number}`);
  return page.slice(start, end < 0 ? undefined : end);
}
