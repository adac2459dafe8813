import assert from "node:assert/strict";
import { Logins, cleanName, wishedName } from "../../src/colyseus/logins.ts";
import type { Identify } from "../../src/identity/local-id.ts";
import type { FederationRuntime } from "../../src/runtime/federation-runtime.ts";

describe("colyseus/Logins", () => {
  const context = { options: {}, sessionId: "" };
  const account = (identify: Identify): ReturnType<Logins["account"]> =>
    new Logins({ options: { identify } } as unknown as FederationRuntime).account({}, context);

  it("takes an account as the host names it", async () => {
    const known = { id: "a-1", name: "Ada Lovelace" };
    assert.deepEqual(await account(() => known), known);
    assert.deepEqual(await account(() => ({ id: "a-1" })), { id: "a-1" });
    assert.equal(await account(() => undefined), undefined);
  });

  it("says so when the host's id can be none", async () => {
    for (const id of ["", "a b", "a@b", "x".repeat(65), "guest-1", "key-1"]) {
      await assert.rejects(
        account(() => ({ id })),
        (cause: unknown) => cause instanceof TypeError && cause.message.includes("identify()"),
        id,
      );
    }
  });

  it("cuts a name that no pass could carry", async () => {
    const long = await account(() => ({ id: "a-1", name: "n".repeat(200) }));
    assert.equal(long?.name, "n".repeat(128));
    assert.deepEqual(await account(() => ({ id: "a-1", name: " \u0000 " })), { id: "a-1" });
  });
});

describe("colyseus/cleanName", () => {
  it("drops what cannot be seen, and blanks around the rest", () => {
    assert.equal(cleanName("  A\u202Ed\u0007a \n"), "Ada");
    assert.equal(wishedName({ name: "Ada\u200B" }), "Ada");
  });

  it("makes no half character, and no blank, where it cuts", () => {
    assert.equal(cleanName(`${"a".repeat(31)}😀`), "a".repeat(31));
    assert.equal(cleanName(`${"a".repeat(31)} b`), "a".repeat(31));
    assert.equal(cleanName("b".repeat(33)), "b".repeat(32));
  });

  it("takes no name for one", () => {
    for (const name of [undefined, null, 1, {}, [], "", "  ", "\u200B"]) {
      assert.equal(cleanName(name), undefined);
    }
    for (const options of [undefined, null, 1, "x", {}]) {
      assert.equal(wishedName(options), undefined);
    }
  });
});
