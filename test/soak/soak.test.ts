import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { growthOf } from "./soak.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));

describe("the soak", function () {
  this.timeout(180_000);

  it("runs for as long as it is told, loses nothing and says what each server takes", async () => {
    const output = await new Promise<string>((resolve, reject) => {
      const flags = ["--disable-warning=ExperimentalWarning", main, "--minutes", "0.2"];
      execFile(process.execPath, flags, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${stdout}\n${stderr}`));
      });
    });
    for (const what of ["lost", "duplicated", "stuck"]) {
      assert.match(output, new RegExp(`^${what} +0$`, "mu"));
    }
    assert.match(output, /^crossings +[1-9]/mu);
  });

  it("tells growth from a garbage collector's saw", () => {
    const samples = Array.from({ length: 300 }, (_, index) => {
      const saw = (index % 7) * 5;
      return { seconds: index * 2, mebibytes: 100 + saw, files: 30 + index };
    });
    assert.ok(growthOf(samples, ({ mebibytes }) => mebibytes, 16).isFlat);
    assert.ok(!growthOf(samples, ({ files }) => files, 16).isFlat);
  });
});
