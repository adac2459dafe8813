import assert from "node:assert/strict";
import { MAX_REFERENCES, referencesIn } from "../../../src/assets/verify/references-in.ts";
import type { JsonValue } from "../../../src/json.ts";
import { hexOf, sriOf } from "../../support/assets.ts";

function reference(name: string): Record<string, JsonValue> {
  return {
    originServer: "https://near.example",
    assetHash: sriOf(name),
    size: 10,
    mediaType: "image/png",
  };
}

describe("assets/referencesIn", () => {
  it("finds references wherever they stand, in their order", () => {
    const [hat, coat, map] = [reference("hat"), reference("coat"), reference("map")];
    const carried = { wears: { head: hat, body: [coat] }, bag: [{ kind: "paper", picture: map }] };
    assert.deepEqual(referencesIn(carried), [hat, coat, map]);
    assert.deepEqual(referencesIn(hat), [hat]);
  });

  it("names each hash once, however it is written", () => {
    const hat = reference("hat");
    const inHex = { ...hat, assetHash: hexOf("hat") };
    assert.deepEqual(referencesIn([hat, inHex, { ...hat, size: 11 }]), [hat]);
  });

  it("passes over what only looks like one", () => {
    const hat = reference("hat");
    const alike: JsonValue[] = [
      { ...hat, assetHash: "md5-XUFAKrxLKna5cZ2REBfFkg==" },
      { ...hat, size: -1 },
      { ...hat, originServer: "not a url" },
      { ...hat, extra: 1 },
      { assetHash: null },
    ];
    assert.deepEqual(referencesIn(alike), []);
    for (const value of [undefined, null, true, 1, "sha256-x", [], {}]) {
      assert.deepEqual(referencesIn(value), []);
    }
  });

  it("takes what a server of other limits may take", () => {
    const film = { ...reference("film"), size: 2 ** 40, mediaType: "image/svg+xml" };
    assert.deepEqual(referencesIn(film), [film]);
    const local = { ...film, originServer: "http://localhost:2567" };
    assert.deepEqual(referencesIn(local), [local]);
  });

  it(`leaves out what comes after ${MAX_REFERENCES}`, () => {
    const many = Array.from({ length: MAX_REFERENCES + 1 }, (_, index) => reference(`${index}`));
    assert.deepEqual(referencesIn(many), many.slice(0, MAX_REFERENCES));
  });
});
