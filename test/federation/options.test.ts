import assert from "node:assert/strict";
import { resolveOptions } from "../../src/federation/options.ts";
import { readRecoveryKey } from "../../src/identity/recovery.ts";
import { ringOf } from "../support/parties.ts";

describe("federation/options", () => {
  const given = { origin: "https://a.example", worlds: {} };

  it("hands a new recovery key to the host, as its operator would write it down", () => {
    const taken: string[] = [];
    const { onRecoveryKey } = resolveOptions({ ...given, onRecoveryKey: (key) => taken.push(key) });
    onRecoveryKey?.(ringOf("recovery").current);
    assert.deepEqual(
      taken.map((text) => readRecoveryKey(text)?.kid),
      [ringOf("recovery").current.kid],
    );
  });

  it("shows it on a terminal only: output may be kept in a log", () => {
    const { isTTY } = process.stdout;
    try {
      process.stdout.isTTY = false;
      assert.equal(resolveOptions(given).onRecoveryKey, undefined);
      process.stdout.isTTY = true;
      assert.ok(resolveOptions(given).onRecoveryKey !== undefined);
    } finally {
      process.stdout.isTTY = isTTY;
    }
  });

  it("takes nothing but a function", () => {
    const wrong = { ...given, onRecoveryKey: "print" } as never;
    assert.throws(() => resolveOptions(wrong), { name: "TypeError", message: /onRecoveryKey/u });
  });
});
