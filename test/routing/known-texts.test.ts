import assert from "node:assert/strict";
import {
  ADMIT_ONE_IN,
  KnownTexts,
  MAX_KNOWN_LENGTH,
  MAX_KNOWN_TEXTS,
} from "../../src/routing/known-texts.ts";

/** Asks for a text as the table does. */
function ask(known: KnownTexts<string, string>, text: string): boolean {
  if (known.get(text) !== undefined) return true;
  known.note(text);
  return false;
}

const stranger = (index: number): string => `aether://x${index}.example/plaza`;

describe("routing/known-texts", () => {
  it("knows a text the second time, and what it says", () => {
    const known = new KnownTexts<string, string>();
    const text = "aether://a.example/plaza?spawn=north";
    assert.equal(ask(known, text), false);
    assert.deepEqual(known.get(text)?.uri?.options, { spawn: "north" });
  });

  it("knows that a text is refused", () => {
    const known = new KnownTexts<string, string>();
    ask(known, "aether://me@a.example/plaza");
    const again = known.get("aether://me@a.example/plaza");
    assert.ok(again !== undefined && again.uri === undefined);
  });

  it("holds no more than its places, whatever comes", () => {
    const known = new KnownTexts<string, string>();
    for (let index = 0; index < MAX_KNOWN_TEXTS * 20; index += 1) {
      ask(known, stranger(index));
      assert.ok(known.size <= MAX_KNOWN_TEXTS);
    }
    assert.equal(known.size, MAX_KNOWN_TEXTS);
  });

  it("does not keep a text that is too long", () => {
    const known = new KnownTexts<string, string>();
    const text = "aether://a.example/plaza?x=".padEnd(MAX_KNOWN_LENGTH, "a");
    ask(known, text);
    assert.equal(ask(known, text), true);
    ask(known, `${text}a`);
    assert.equal(ask(known, `${text}a`), false);
  });

  it("does not keep a text that its copy would not equal", () => {
    const known = new KnownTexts<string, string>();
    ask(known, "aether://a.example/plaza?x=☃");
    assert.equal(known.size, 0);
  });

  it("keeps what is asked for, in a flood of texts that come once", () => {
    const known = new KnownTexts<string, string>();
    const good = "aether://good.example/plaza";
    ask(known, good);
    for (let index = 0; index < MAX_KNOWN_TEXTS * 40; index += 1) {
      ask(known, stranger(index));
      if (index % MAX_KNOWN_TEXTS === 0) assert.equal(ask(known, good), true, `after ${index}`);
    }
  });

  it("lets few of a flood in: what nobody asks for meanwhile outlives many times its number", () => {
    const known = new KnownTexts<string, string>();
    for (let index = 0; index < MAX_KNOWN_TEXTS; index += 1) ask(known, stranger(index));
    for (let index = 0; index < MAX_KNOWN_TEXTS * 8; index += 1) ask(known, `${stranger(index)}/x`);
    let left = 0;
    for (let index = 0; index < MAX_KNOWN_TEXTS; index += 1) {
      if (known.get(stranger(index)) !== undefined) left += 1;
    }
    assert.ok(left >= MAX_KNOWN_TEXTS / 2 - 1, `${left} left`);
  });

  it("takes in a text that keeps coming, when all places are taken", () => {
    const known = new KnownTexts<string, string>();
    for (let index = 0; index < MAX_KNOWN_TEXTS; index += 1) ask(known, stranger(index));
    const late = "aether://late.example/plaza";
    let tries = 0;
    while (!ask(known, late)) assert.ok((tries += 1) <= ADMIT_ONE_IN, "never let in");
  });
});
