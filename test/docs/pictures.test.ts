import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { ROOT } from "./pages.ts";

/** Of each picture that `npm run pictures` makes, in pixels. */
const SIZES: Readonly<Record<string, readonly [width: number, height: number]>> = {
  "docs/pictures/plaza.jpg": [1120, 700],
  "docs/pictures/crossing.jpg": [1120, 700],
  "docs/pictures/arena.jpg": [1120, 700],
  "docs/pictures/harbour.jpg": [1120, 700],
  "docs/pictures/crossing-strip.jpg": [1680, 700],
  "example-server/page/preview.jpg": [1200, 630],
};
/** A picture of one colour is smaller, one that nobody waits for is not larger. */
const [MIN_BYTES, MAX_BYTES] = [20_000, 150_000];

describe("docs: pictures of the example", () => {
  for (const [file, size] of Object.entries(SIZES)) {
    it(`has ${file}, of the right size`, () => {
      const bytes = readFileSync(`${ROOT}${file}`);
      assert.deepEqual(sizeOf(bytes), size);
      assert.ok(bytes.length > MIN_BYTES && bytes.length <= MAX_BYTES, `${bytes.length} bytes`);
    });
  }

  it("has none that the script does not make, and says when to run it", () => {
    const there = readdirSync(`${ROOT}docs/pictures`).map((name) => `docs/pictures/${name}`);
    assert.deepEqual(
      there.filter((file) => SIZES[file] === undefined),
      [],
    );
    const { scripts, files } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as {
      readonly scripts: Record<string, string>;
      readonly files: string[];
    };
    assert.ok(scripts["pictures"] !== undefined && files.includes("docs/pictures/*.jpg"));
    assert.match(readFileSync(`${ROOT}CONTRIBUTING.md`, "utf8"), /`npm run pictures`.*anew/su);
  });
});

/** Width and height of a JPEG, as its frame header says. */
function sizeOf(bytes: Buffer): [width: number, height: number] {
  assert.equal(bytes.readUInt16BE(0), 0xffd8, "a JPEG");
  for (let at = 2; at < bytes.length; at += 2 + bytes.readUInt16BE(at + 2)) {
    const marker = bytes.readUInt16BE(at);
    if (marker >= 0xffc0 && marker <= 0xffc2) {
      return [bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5)];
    }
  }
  return assert.fail("a JPEG without a frame");
}
