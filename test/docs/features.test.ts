import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./pages.ts";

const FEATURES = [
  ...["reconnection", "devMode", "lobby", "queue", "filterBy", "several worlds in one room"],
  ...["monitor", "playground", "Redis", "PostgreSQL", "Cloud", "serverless", "simulateLatency"],
];

describe("docs/features.md", () => {
  const page = readFileSync(join(ROOT, "docs/features.md"), "utf8");
  const rows = page.split("\n").filter((line) => /^\| (?!feature|-)/u.test(line));

  it("has every feature", () => {
    for (const feature of FEATURES) {
      assert.ok(
        rows.some((row) => row.split("|")[1]?.includes(feature)),
        feature,
      );
    }
  });

  it("names tests that there are", () => {
    for (const row of rows) {
      const [, file = "", name = ""] = /`(test\/[^`]+)`: "([^"]+)"/u.exec(row) ?? [];
      assert.ok(existsSync(join(ROOT, file)), row);
      const source = readFileSync(join(ROOT, file), "utf8");
      // A name may be made of a list in the test.
      const words = name.replace(/ (?:abroad|at home) /u, " ${where} ");
      assert.ok(source.includes(words), `${file} has no test "${name}"`);
    }
  });
});
