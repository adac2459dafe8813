import assert from "node:assert/strict";
import { nearest } from "../../src/cli/nearest.ts";
import { span } from "../../src/operator/span.ts";
import {
  columns,
  cut,
  knowsSigns,
  padded,
  plain,
  shortOrigin,
  shortened,
  width,
  wrapped,
} from "../../src/cli/terminal.ts";

describe("cli/terminal", () => {
  for (const [text, wide] of [
    ["arena.example", 13],
    ["Łukasz Żółć", 11],
    ["漢字", 4],
    ["한국어", 6],
    ["カナ", 4],
    ["ｶﾅ", 2],
    ["ＡＢ", 4],
    ["👩‍👩‍👧", 2],
    ["❤️", 2],
    ["🏳️‍🌈", 2],
    ["🇵🇱", 2],
    ["e\u0301", 1],
    ["● – … →", 7],
  ] as const) {
    it(`knows that ${JSON.stringify(text)} is ${wide} columns wide`, () => {
      assert.equal(width(text), wide);
      assert.equal(width(padded(text, 20)), 20);
    });
  }

  it("cuts at the end, through no character", () => {
    assert.equal(cut("漢字の世界", 6), "漢字…");
    assert.equal(cut("arena", 5), "arena");
    assert.equal(cut("arena", 0), "");
  });

  for (const most of [10, 17, 24, 40]) {
    it(`shortens in the middle to ${most} columns`, () => {
      const long = "key-0123456789012345678901234567890123456789@worlds.example.com";
      const short = shortened(long, most);
      assert.equal(width(short), most);
      assert.match(short, /^key.*….*com$/u);
      assert.ok(width(shortened("漢字の世界漢字の世界漢字の世界漢字の世界", most)) <= most);
    });
  }

  it("leaves an origin's scheme out where it is the usual one", () => {
    assert.equal(shortOrigin("https://arena.example", 30), "arena.example");
    assert.equal(shortOrigin("http://localhost:2567", 30), "http://localhost:2567");
  });

  it("says everything in plain letters, as wide as before", () => {
    const text = "● up  漢字 – a…b → ✖\n";
    assert.equal(plain(text), "+ up  ???? - a~b > x\n");
  });

  for (const [env, knows] of [
    [{ LANG: "C.UTF-8" }, true],
    [{ LANG: "de_DE.utf8" }, true],
    [{ LC_ALL: "C", LANG: "C.UTF-8" }, false],
    [{ LANG: "C.UTF-8", TERM: "dumb" }, false],
    [{}, false],
  ] as const) {
    it(`takes ${JSON.stringify(env)} for a terminal with${knows ? "" : "out"} signs`, () => {
      assert.equal(knowsSigns(env, "linux"), knows);
    });
  }

  it("believes the terminal, then COLUMNS, then 80", () => {
    assert.equal(columns({ columns: 100 }, { COLUMNS: "90" }), 100);
    assert.equal(columns({}, { COLUMNS: "90" }), 90);
    assert.equal(columns({}, { COLUMNS: "many" }), 80);
    assert.equal(columns({ columns: 5 }, {}), 60);
    assert.equal(columns({ columns: 5000 }, {}), 160);
  });

  it("wraps between words", () => {
    assert.equal(wrapped("one two three", 8, "  "), "one two\n  three");
  });

  it("says how long a time is in one unit", () => {
    const spans = [0, 99_000, 100_000, 3 * 3_600_000, 90 * 86_400_000].map(span);
    assert.deepEqual(spans, ["0 s", "99 s", "2 min", "3 h", "90 d"]);
  });

  it("guesses what was meant, where it is near", () => {
    const names = ["peers", "players", "keys"];
    assert.equal(nearest("peer", names), "peers");
    assert.equal(nearest("plaeyrs", names), "players");
    assert.equal(nearest("doctor", names), undefined);
    assert.equal(nearest("p".repeat(100_000), names), undefined);
  });
});
