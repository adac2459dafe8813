import assert from "node:assert/strict";
import { Logins, cleanName, wishedName } from "../../src/colyseus/logins.ts";
import { type Identify, identifyByAuthId } from "../../src/identity/local-id.ts";
import type { FederationRuntime } from "../../src/runtime/federation-runtime.ts";
import { recordingLogger } from "../support/loggers.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { seededRandom } from "../support/seeded-random.ts";

describe("colyseus/Logins", () => {
  const context = { options: {}, sessionId: "" };
  const account = (identify: Identify): ReturnType<Logins["account"]> =>
    new Logins(runtimeWith({ identify })).account({}, context);

  it("takes an account as the host names it", async () => {
    const known = { id: "a-1", name: "Ada Lovelace" };
    assert.deepEqual(await account(() => known), known);
    assert.deepEqual(await account(() => ({ id: "a-1" })), { id: "a-1" });
    assert.equal(await account(() => undefined), undefined);
  });

  it("gives an account a local id of its own whose id can be none", async () => {
    for (const id of ["a b", "ada@example.com", "auth0|7", "x".repeat(65), "guest-1", "key-1"]) {
      assert.match((await account(() => ({ id })))?.id ?? "", /^account-[\w-]{43}$/u, id);
    }
  });

  it("says so when the host's id can be no account's", async () => {
    for (const id of ["", 2 ** 53, 1.5, Number.NaN, null, {}, true] as never[]) {
      await assert.rejects(
        account(() => ({ id })),
        (cause: unknown) => cause instanceof TypeError && cause.message.includes("identify()"),
        String(id),
      );
    }
  });

  it("warns once of a payload without an id, where nobody says who a player is", async () => {
    const logger = recordingLogger();
    const logins = new Logins(runtimeWith({ identify: identifyByAuthId, logger }));
    assert.equal(await logins.account({ mail: "ada@example.com" }, context), undefined);
    assert.equal(await logins.account({}, context), undefined);
    assert.equal(logger.lines.filter((line) => line.includes("pass identify")).length, 1);
  });

  it("cuts a name that no pass could carry", async () => {
    const long = await account(() => ({ id: "a-1", name: "n".repeat(200) }));
    assert.equal(long?.name, "n".repeat(128));
    assert.deepEqual(await account(() => ({ id: "a-1", name: " \u0000 " })), { id: "a-1" });
  });
});

function runtimeWith(options: object): FederationRuntime {
  const store = new MemoryStore(new ManualClock());
  return { options, store, random: seededRandom("accounts") } as unknown as FederationRuntime;
}

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
