import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { nodeProblem } from "../src/node-version.ts";

describe("node-version", () => {
  it("is content with what package.json names, and what came after", () => {
    for (const version of ["22.19.0", "22.20.1", "24.0.0", "26.9.0", "27.0.0-nightly2026"]) {
      assert.equal(nodeProblem(version), undefined, version);
    }
  });

  it("says of an older one what is needed", () => {
    for (const version of ["22.18.9", "22.0.0", "20.20.2", "18.0.0"]) {
      assert.match(nodeProblem(version) ?? "", /needs Node\.js 22\.19 or later, and this is \d/u);
    }
  });

  it("needs what package.json says", async () => {
    const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
    const { engines } = JSON.parse(text) as { engines: { node: string } };
    const needed = /^>=(?<version>\d+\.\d+)$/u.exec(engines.node)?.groups?.["version"] ?? "";
    assert.equal(nodeProblem(`${needed}.0`), undefined);
    const [major, minor] = needed.split(".").map(Number);
    assert.ok(nodeProblem(`${major}.${minor! - 1}.0`)?.includes(needed));
  });
});
