import assert from "node:assert/strict";
import fc from "fast-check";
import { PlayerKeys } from "aether-federation/client/keys";
import { openKey, sealKey, seedOfWords, wordsOf } from "../../../src/client/keys/sealed-key.ts";
import { memoryStorage } from "../../support/memory-storage.ts";

const HOME = "https://home.example";
const STORED = "aether-federation:player-key";
const seed = new Uint8Array(32).fill(7);
const text = Buffer.from(seed).toString("base64url");

describe("client/keys: words", () => {
  it("are 24, and are the key again", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (any) => {
        const words = wordsOf(any);
        assert.equal(words.split(" ").length, 24);
        assert.deepEqual(seedOfWords(words), new Uint8Array(any));
      }),
      { numRuns: 20 },
    );
  });

  it("are those of BIP 39's own vector", () => {
    assert.match(wordsOf(new Uint8Array(32)), /^(?:abandon ){23}art$/u);
  });

  it("may be spaced and spelt in capitals", () => {
    const words = `\n ${wordsOf(seed).toUpperCase().replaceAll(" ", "\n ")} `;
    assert.deepEqual(seedOfWords(words), seed);
  });

  for (const [what, words] of [
    ["with one too few", wordsOf(seed).split(" ").slice(1).join(" ")],
    ["of a shorter key", `${"abandon ".repeat(11)}about`],
    ["with one that is none", wordsOf(seed).replace(/^\w+/u, "aether")],
    ["with one in the place of another", wordsOf(seed).replace(/^\w+/u, "zoo")],
    ["that are none", ""],
  ] as const) {
    it(`are no key ${what}`, () => {
      assert.throws(() => seedOfWords(words), /^Error: These are not the 24 words of a key/u);
    });
  }
});

describe("client/keys: a file", () => {
  const PASSPHRASE = "correct horse";
  let file: string;
  before(async () => {
    file = await sealKey(seed, PASSPHRASE);
  });
  const altered = (change: object): string =>
    JSON.stringify({ ...(JSON.parse(file) as object), ...change });

  it("is opened by its passphrase, and shows nothing of the key", async () => {
    assert.deepEqual(await openKey(file, PASSPHRASE), seed);
    assert.ok(!file.includes(text));
  });

  it("is not opened by another", async () => {
    const opened = openKey(file, "wrong horse");
    await assert.rejects(opened, /^Error: The passphrase does not open this file/u);
  });

  it("is sealed by no short passphrase", async () => {
    await assert.rejects(sealKey(seed, "1234567"), /^TypeError: passphrase must have at least 8/u);
  });

  for (const [what, change] of [
    ["of another format", { format: "aether-key/2" }],
    ["that would take for ever", { iterations: 5_000_001 }],
    ["that anybody guesses", { iterations: 1 }],
    ["whose iv is none", { iv: "AA" }],
    ["without data", { data: undefined }],
  ] as const) {
    it(`is none ${what}`, async () => {
      await assert.rejects(openKey(altered(change), PASSPHRASE), /^Error: This is no file/u);
    });
  }

  it("is none that is cut off", async () => {
    await assert.rejects(openKey(file.slice(0, 40), PASSPHRASE), /^Error: This is no file/u);
  });
});

describe("client/keys: restoring", () => {
  it("keeps the key where a Traveler looks for it", async () => {
    const storage = memoryStorage();
    const keys = new PlayerKeys(HOME, { storage });
    await keys.restore(wordsOf(seed));
    assert.equal(storage.getItem(STORED), text);
    assert.equal(keys.words(), wordsOf(seed));
  });

  it("puts it in the place of no other unless it is told to", async () => {
    const storage = memoryStorage();
    const keys = new PlayerKeys(HOME, { storage });
    await keys.restore(wordsOf(seed));
    const other = wordsOf(new Uint8Array(32));
    await assert.rejects(keys.restore(other), /^TypeError: another key is kept here/u);
    assert.equal(storage.getItem(STORED), text);
    await keys.restore(wordsOf(seed));
    await keys.restore(other, { replace: true });
    assert.equal(keys.words(), other);
  });

  it("has nothing to show where no key is kept", () => {
    const keys = new PlayerKeys(HOME, { storage: memoryStorage() });
    assert.throws(() => keys.words(), /^TypeError: no key is kept here/u);
  });

  it("needs storage", () => {
    assert.throws(() => new PlayerKeys(HOME), /^TypeError: storage: this browser has none/u);
  });
});
