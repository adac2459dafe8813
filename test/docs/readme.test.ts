import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { ROOT, pages } from "./pages.ts";

/** What a repository's page shows without scrolling, more or less. */
const FIRST_SCREEN_LINES = 36;

describe("README.md", () => {
  const text = readFileSync(`${ROOT}README.md`, "utf8");
  const screen = text.split("\n").slice(0, FIRST_SCREEN_LINES).join("\n");

  it("begins with a sentence, a picture of the crossing, two commands and fifteen lines", () => {
    const places = [
      /^# aether-federation\n\n[A-Z][^\n]*\n[^\n]*\.\n\n/u,
      /^!\[.+\]\(docs\/pictures\/crossing-strip\.jpg\)$/mu,
      /^npm install && npm start/mu,
      /^npm install && npm test/mu,
      /^export default federation\.attach/mu,
    ].map((part) => screen.search(part));
    assert.ok(!places.includes(-1), places.join());
    assert.deepEqual(
      places,
      [...places].sort((a, b) => a - b),
    );
    const [server] = pages().find(({ name }) => name === "README.md")!.blocks;
    const lines = server!.code.split("\n").filter((line) => line.trim() !== "");
    assert.ok(lines.length <= 15, `${lines.length} lines`);
    assert.ok(!text.includes("```mermaid"), "pictures of the protocol are in docs/");
  });

  it("names a file of the example for each feature, and every file of its federation code", () => {
    const [, table = ""] = /^## Where it is in the example\n(.*?)^## /msu.exec(text) ?? [];
    const rows = table.split("\n").filter((line) => /^\| (?!feature|-)/u.test(line));
    assert.ok(rows.length >= 12, `${rows.length} features`);
    for (const row of rows) {
      const [, file = ""] = /\]\((example-server\/[^)]+)\)/u.exec(row) ?? [];
      assert.ok(file !== "" && existsSync(`${ROOT}${file}`), row);
      assert.match(row, /\]\(docs\/[^)]+\)/u);
    }
    for (const folder of ["example-server/federation", "example-server/page/federation"]) {
      for (const name of readdirSync(`${ROOT}${folder}`).filter((each) => each.endsWith(".ts"))) {
        assert.ok(table.includes(`(${folder}/${name})`), `${folder}/${name}`);
      }
    }
  });
});
