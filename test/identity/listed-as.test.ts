import assert from "node:assert/strict";
import { signDescriptor, verifyDescriptor } from "../../src/identity/descriptor.ts";
import type { ListedAs } from "../../src/identity/listed-as.ts";
import { descriptorOf, ringOf } from "../support/parties.ts";

const A = "https://a.example";
const NOW = 1_767_225_600_000;
const REFERENCE = {
  ...{ originServer: A, assetHash: `sha256-${"A".repeat(43)}=`, size: 3, mediaType: "image/png" },
};

describe("identity/listed-as, in a descriptor", () => {
  async function read(listing: unknown, allowInsecure = false) {
    const document = await descriptorOf(A, ringOf(A), NOW, { listing: listing as ListedAs });
    return verifyDescriptor(document, { now: NOW, origin: A, allowInsecure });
  }

  it("is read as it was signed", async () => {
    const world = { name: "plaza", kind: "social", picture: REFERENCE, capacity: 64 };
    const listing = { kind: "racing", picture: "https://a.example/a.png", worlds: [world] };
    const said = await read(listing);
    assert.ok(said.verified);
    assert.deepEqual(said.descriptor.listing, listing);
  });

  it("is not there where the server does not agree", async () => {
    const said = await read(undefined);
    assert.ok(said.verified);
    assert.equal(said.descriptor.listing, undefined);
    assert.ok(!("listing" in (await descriptorOf(A, ringOf(A), NOW))));
  });

  const plaza = (more: object) => ({ worlds: [{ name: "plaza", ...more }] });
  for (const [what, listing] of Object.entries({
    "a world that the server has not": { worlds: [{ name: "arena" }] },
    "a world that is there twice": { worlds: [{ name: "plaza" }, { name: "plaza" }] },
    "no worlds at all": {},
    "a picture by http": { worlds: [], picture: "http://a.example/a.png" },
    "a picture in a script": { worlds: [], picture: "javascript:alert(1)" },
    "a picture with a password": { worlds: [], picture: "https://u:p@a.example/a.png" },
    "a picture with a long address": {
      worlds: [],
      picture: `https://a.example/${"a".repeat(500)}`,
    },
    "a picture that is not as a URL is written": { worlds: [], picture: "https://A.example/a b" },
    "an asset that is no image": { worlds: [], picture: { ...REFERENCE, mediaType: "text/html" } },
    "an asset at no https origin": {
      ...{ worlds: [], picture: { ...REFERENCE, originServer: "http://a.example" } },
    },
    "a kind that cannot be shown": { worlds: [], kind: "rac\u202eing" },
    "a kind that is long": { worlds: [], kind: "k".repeat(33) },
    "room for nobody": plaza({ capacity: 0 }),
    "room for all the world": plaza({ capacity: 1e9 }),
    "room for a part of a player": plaza({ capacity: 1.5 }),
  })) {
    it(`cannot have ${what}`, async () => {
      const said = await read(listing);
      assert.ok(!said.verified);
      assert.equal(said.code, "ERR_FED_DESCRIPTOR_INVALID");
    });
  }

  it("may have an asset at http in development", async () => {
    const picture = { ...REFERENCE, originServer: "http://127.0.0.1:1" };
    assert.ok((await read({ worlds: [], picture }, true)).verified);
  });

  it("cannot be longer than 3 KiB", async () => {
    const worlds = Array.from({ length: 12 }, (_, at) => `w${at}`);
    const picture = `https://a.example/${"a".repeat(280)}`;
    const listing = { worlds: worlds.map((name) => ({ name, picture })) };
    const document = await descriptorOf(A, ringOf(A), NOW, { worlds, listing });
    const said = await verifyDescriptor(document, { now: NOW, origin: A });
    assert.ok(!said.verified);
  });

  it("is left out of a descriptor that nobody would read with it", async () => {
    const statements = Array.from({ length: 4 }, () => "r".repeat(2048));
    const picture = `https://a.example/${"a".repeat(400)}`;
    const worlds = Array.from({ length: 6 }, (_, at) => `w${at}`);
    const listing = { worlds: worlds.map((name) => ({ name, picture })) };
    const ring = { ...ringOf(A), recovery: { kid: "r".repeat(43), statements } };
    const { jws } = await signDescriptor(
      {
        ...{ origin: A, name: "A", endpoint: `${A}/federation`, protocols: ["aether/1"], listing },
        ...{
          worlds: [
            ...worlds,
            ..."abcdefghijklmnopqrstuvwxyz".split("").map((letter) => letter.repeat(60)),
          ],
        },
        validUntil: NOW / 1000 + 60,
      },
      ring,
    );
    const said = await verifyDescriptor(jws, { now: NOW, origin: A });
    assert.ok(said.verified, JSON.stringify(said));
    assert.equal(said.descriptor.listing, undefined);
  });
});
