import assert from "node:assert/strict";
import { signDescriptor, verifyDescriptor } from "../../src/identity/descriptor.ts";
import type { Game } from "../../src/identity/game-pages.ts";
import { descriptorOf, ringOf } from "../support/parties.ts";

const A = "https://a.example";
const NOW = 1_767_225_600_000;

describe("identity/game-pages, in a descriptor", () => {
  async function read(game: unknown, allowInsecure = false) {
    const document = await descriptorOf(A, ringOf(A), NOW, { game: game as Game });
    return verifyDescriptor(document, { now: NOW, origin: A, allowInsecure });
  }

  it("is read as it was signed", async () => {
    const game = {
      ...{ client: "https://play.a.example/game?v=2", kind: "racing", wants: "aether-avatar/1" },
      picture: "https://a.example/a.png",
      worlds: [{ name: "plaza", client: `${A}/plaza/`, wants: `${A}/plaza.schema.json` }],
    };
    const said = await read(game);
    assert.ok(said.verified, JSON.stringify(said));
    assert.deepEqual(said.descriptor.game, game);
  });

  it("is not there where the server does not say", async () => {
    const said = await read(undefined);
    assert.ok(said.verified);
    assert.ok(!("game" in said.descriptor));
  });

  const page = (client: unknown): object => ({ client });
  for (const [what, game] of Object.entries({
    "a page by http": page("http://a.example/play"),
    "a page in a script": page("javascript:alert(1)"),
    "a page in data": page("data:text/html,x"),
    "a page with a user": page("https://u@a.example/play"),
    "a page with a fragment": page("https://a.example/play#x"),
    "a page with an empty fragment": page("https://a.example/play#"),
    "a page that is not as a URL is written": page("https://A.example/play"),
    "a page with a long address": page(`https://a.example/${"a".repeat(500)}`),
    "a page that is no text": page(["https://a.example/"]),
    "a page by http, of a world": { worlds: [{ name: "plaza", client: "http://a.example/" }] },
    "a wish by http": { wants: "http://a.example/schema.json" },
    "a wish in a script": { wants: "javascript:alert(1)" },
    "an empty wish": { wants: "" },
    "a wish that is long": { wants: "w".repeat(257) },
    "a kind that cannot be shown": { kind: "rac\u202eing" },
    "a picture by http": { picture: "http://a.example/a.png" },
    "a world that the server has not": { worlds: [{ name: "arena" }] },
    "a world that is there twice": { worlds: [{ name: "plaza" }, { name: "plaza" }] },
  })) {
    it(`cannot have ${what}`, async () => {
      const said = await read(game);
      assert.ok(!said.verified);
      assert.equal(said.code, "ERR_FED_DESCRIPTOR_INVALID");
    });
  }

  it("may have a page by http in development", async () => {
    assert.ok((await read(page("http://localhost:1/play"), true)).verified);
  });

  it("cannot be longer than 3 KiB", async () => {
    const worlds = Array.from({ length: 12 }, (_, at) => `w${at}`);
    const client = `https://a.example/${"a".repeat(280)}`;
    const game = { worlds: worlds.map((name) => ({ name, client })) };
    const document = await descriptorOf(A, ringOf(A), NOW, { worlds, game });
    assert.ok(!(await verifyDescriptor(document, { now: NOW, origin: A })).verified);
  });

  it("stays in a descriptor that is too long with the listing, too", async () => {
    const statements = Array.from({ length: 4 }, () => "r".repeat(2048));
    const long = `https://a.example/${"a".repeat(400)}`;
    const worlds = Array.from({ length: 6 }, (_, at) => `w${at}`);
    const descriptor = {
      ...{ origin: A, name: "A", endpoint: `${A}/federation`, protocols: ["aether/1"], worlds },
      listing: { worlds: worlds.map((name) => ({ name, picture: long })) },
      game: { worlds: worlds.map((name) => ({ name, client: long })) },
      validUntil: NOW / 1000 + 60,
    };
    const ring = { ...ringOf(A), recovery: { kid: "r".repeat(43), statements } };
    const said = await verifyDescriptor((await signDescriptor(descriptor, ring)).jws, {
      ...{ now: NOW, origin: A },
    });
    assert.ok(said.verified, JSON.stringify(said));
    assert.deepEqual(said.descriptor.game, descriptor.game);
    assert.equal(said.descriptor.listing, undefined);
  });
});
