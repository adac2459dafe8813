import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { LINK_VECTORS, linkVectors } from "../../fixtures/link-vectors.ts";

describe("http/link/vectors", () => {
  it("are those of the protocol page", async () => {
    const text = await readFile(LINK_VECTORS, "utf8");
    assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(await linkVectors())));
  });
});
