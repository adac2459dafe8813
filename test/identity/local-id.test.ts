import assert from "node:assert/strict";
import fc from "fast-check";
import {
  disguisedAccount,
  identifyByAuthId,
  isAccountId,
  isLocalId,
  plainAccount,
} from "../../src/identity/local-id.ts";

const SECRET = new Uint8Array(32).fill(7);
const context = { options: {}, sessionId: "" };

describe("identity/local-id", () => {
  const localId = (id: string | number | bigint): string =>
    plainAccount(id) ?? disguisedAccount(id, SECRET);

  it("leaves an account's id as it is where that is a local id", () => {
    for (const id of ["ada", "Ada", "7", "a_b-c", "-1", "account-7"]) assert.equal(localId(id), id);
    assert.deepEqual([localId(7), localId(7n), localId(-1)], ["7", "7", "-1"]);
  });

  it("makes a local id of any other, which is no key's, no guest's and nobody else's", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (one, other) => {
        const [a, b] = [localId(one), localId(other)];
        assert.ok(isLocalId(a) && !/^(?:key|guest)-/u.test(a));
        assert.equal(a === b, one === other);
      }),
    );
  });

  it("keeps apart what some encodings take for one", () => {
    const alike = ["\ud800", "\ud801", "\ufffd", "é", "e\u0301", "ADA@x", "ada@x", "ada@x ", "a\0"];
    assert.equal(new Set(alike.map(localId)).size, alike.length);
  });

  it("never takes an account's id for one that it has made", () => {
    const made = localId("ada@example.com");
    assert.notEqual(localId(made), made);
  });

  it("says nothing of the account to who has not the secret", () => {
    const mail = "ada@example.com";
    assert.notEqual(disguisedAccount(mail, SECRET), disguisedAccount(mail, new Uint8Array(32)));
  });

  it("takes no number that JavaScript has rounded", () => {
    for (const id of [2 ** 53, 1.5, Number.NaN, Infinity, "", null, {}]) {
      assert.equal(isAccountId(id), false);
    }
    assert.ok(isAccountId(2 ** 53 - 1) && isAccountId(2n ** 80n));
  });

  it("identifies by auth.id, and throws for one that can be none, naming it", () => {
    assert.deepEqual(identifyByAuthId({ id: 7n }, context), { id: 7n });
    for (const auth of [undefined, null, {}, { id: null }, "ada"]) {
      assert.equal(identifyByAuthId(auth, context), undefined);
    }
    assert.throws(() => identifyByAuthId({ id: 2 ** 60 }, context), /client\.auth .* BigInt/u);
  });
});
