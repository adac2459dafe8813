import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Servers, WORLD } from "../support/processes.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

describe("testing: boot of @colyseus/testing", function () {
  this.timeout(60_000);
  const servers = new Servers();
  after(() => servers.stop());

  it("serves several files of one run, beside a development server", async () => {
    const [dev] = await servers.start([{ name: "plaza", script: WORLD }]);
    const specs = ["first", "second"].map((name) => `test/fixtures/boot/${name}.spec.ts`);
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["node_modules/mocha/bin/mocha.js", "--no-config", "--timeout", "20000", ...specs],
      { cwd: root },
    );
    assert.match(stdout, /the first file[\s\S]*the second file[\s\S]*2 passing/u);
    // It lives on as if nothing had been.
    await dev?.peers();
  });
});
