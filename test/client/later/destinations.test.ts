import assert from "node:assert/strict";
import { KIT } from "../../../src/client/kit.ts";
import {
  type Destination,
  parseDestinations,
  withChange,
} from "../../../src/client/later/destinations.ts";
import { use } from "../../../src/client/later/kit.ts";

use(KIT);
const PIT: Destination = {
  ...{ uri: "aether://a.example/pit", origin: "https://a.example", name: "A", world: "pit" },
  ...{ kind: "racing", picture: "https://a.example/a.png", population: 3, capacity: 8 },
  ...{ status: "up", mayEnter: true },
};
const said = (destination: object) =>
  parseDestinations({ whole: true, destinations: [destination], removed: [] })?.destinations[0];

describe("client/later/destinations", () => {
  it("reads what a room says", () => {
    assert.deepEqual(said(PIT), PIT);
    const picture = {
      originServer: "https://a.example",
      assetHash: "sha256-x",
      size: 1,
      mediaType: "image/png",
    };
    assert.deepEqual(said({ ...PIT, picture })?.picture, picture);
  });
  it("shows a name in one line", () => {
    assert.equal(said({ ...PIT, name: "A\u202e\nB" })?.name, "A B");
  });
  for (const picture of [
    "http://a.example/a.png",
    "javascript:alert(1)",
    `https://a/${"a".repeat(600)}`,
    7,
  ]) {
    it(`shows no picture at ${String(picture).slice(0, 24)}`, () => {
      assert.equal(said({ ...PIT, picture })?.picture, undefined);
    });
  }
  for (const change of [
    { uri: "" },
    { name: "\u200b" },
    { status: "well" },
    { mayEnter: 1 },
    { world: null },
  ]) {
    it(`leaves out one with ${JSON.stringify(change)}`, () => {
      assert.equal(said({ ...PIT, ...change }), undefined);
    });
  }
  it("leaves out counts that are none", () => {
    const { population, capacity } = said({ ...PIT, population: -1, capacity: "8" }) ?? {};
    assert.deepEqual([population, capacity], [undefined, undefined]);
  });
  for (const message of [undefined, null, 7, {}, { whole: true, destinations: {}, removed: [] }]) {
    it(`does not read ${JSON.stringify(message)}`, () => {
      assert.equal(parseDestinations(message), undefined);
    });
  }
  it("keeps no more than 128, whatever comes", () => {
    let list = withChange([], { whole: true, destinations: [], removed: [] });
    for (let message = 0; message < 5; message += 1) {
      const destinations = Array.from({ length: 300 }, (_, at) => ({
        ...PIT,
        uri: `aether://${message}-${at}/x`,
      }));
      list = withChange(list, parseDestinations({ whole: false, destinations, removed: [] })!);
      assert.equal(list.length, 128);
    }
  });
  it("changes what has changed, and takes away what is gone", () => {
    const cave = { ...PIT, uri: "aether://a.example/cave", world: "cave" };
    const first = withChange([], { whole: true, destinations: [PIT, cave], removed: [] });
    const down: Destination = { ...PIT, status: "down", mayEnter: false };
    const next = withChange(first, { whole: false, destinations: [down], removed: [cave.uri] });
    assert.deepEqual(next, [down]);
    assert.deepEqual(withChange(next, { whole: true, destinations: [cave], removed: [] }), [cave]);
  });
});
