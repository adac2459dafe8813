import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

const NODE_20 = { node: "20.20.2" };

/** What each lacks of what is used here. */
const OLDER_COLYSEUS = {
  "0.17": { "@colyseus/core": ["RoomPlugin"], "@colyseus/schema": ["t", "StreamSchema"] },
  "0.16": {
    "@colyseus/core": ["RoomPlugin", "CloseCode"],
    "@colyseus/schema": ["t", "StreamSchema"],
  },
};

describe("with versions that are too old", function () {
  this.timeout(30_000);

  for (const entry of ["aether-federation", "aether-federation/testing"]) {
    it(`${entry} says which Node.js it needs, before anything else fails`, () => {
      const { stderr, status } = run(NODE_20, ["--input-type=module", "-e", `import "${entry}"`]);
      assert.notEqual(status, 0);
      assert.match(stderr, /Error: aether-federation needs Node\.js 22\.19 or later/u);
    });

    for (const [version, lacking] of Object.entries(OLDER_COLYSEUS)) {
      it(`${entry} says which Colyseus it needs, where it is ${version}`, () => {
        const program = ["--input-type=module", "-e", `import "${entry}"`];
        const { stderr, status } = run(lacking, program);
        assert.notEqual(status, 0);
        assert.match(stderr, /Error: aether-federation needs Colyseus 0\.18, .*npm install/u);
      });
    }
  }

  it("the command line says it in one line", () => {
    const { stderr, status } = run(NODE_20, ["dist/cli/main.js", "keys", "show"]);
    assert.equal(status, 1);
    assert.match(stderr, /^aether-federation needs Node\.js 22\.19 or later[^\n]*\n$/u);
  });
});

/** Runs a program in a process that is older than this one. */
function run(older: object, program: readonly string[]) {
  return spawnSync(process.execPath, ["--import", "./test/fixtures/older.mjs", ...program], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, OLDER: JSON.stringify(older) },
  });
}
