import assert from "node:assert/strict";
import { decideTrust } from "../../src/handshake/trust-policy.ts";
import { ringOf, verifiedDescriptorOf } from "../support/parties.ts";

const A = "https://a.example";

describe("handshake/trust-policy", () => {
  const stranger = async () => (await verifiedDescriptorOf(A, ringOf(A), 0)).descriptor;

  it("open trusts, approve waits, allowlist refuses", async () => {
    const descriptor = await stranger();
    assert.equal(await decideTrust("open", descriptor, []), "trusted");
    assert.equal(await decideTrust("approve", descriptor, []), "pending");
    assert.equal(await decideTrust("allowlist", descriptor, []), "refused");
  });
  it("trusts whom the operator named, under each of them", async () => {
    const descriptor = await stranger();
    for (const policy of ["open", "approve", "allowlist"] as const) {
      assert.equal(await decideTrust(policy, descriptor, [A]), "trusted");
    }
  });
  it("asks a function, and takes nothing but a clear answer", async () => {
    const descriptor = await stranger();
    const seen: unknown[] = [];
    assert.equal(
      await decideTrust(
        (candidate) => {
          seen.push(candidate);
          return "pending";
        },
        descriptor,
        [],
      ),
      "pending",
    );
    assert.deepEqual(seen, [
      { origin: A, name: "A server", kids: [ringOf(A).current.kid], worlds: ["plaza"] },
    ]);
    for (const answer of [undefined, true, "yes", null]) {
      assert.equal(await decideTrust(() => answer as never, descriptor, []), "refused");
    }
  });
  it("refuses when the function throws", async () => {
    const fails = (): never => {
      throw new Error("no");
    };
    assert.equal(await decideTrust(fails, await stranger(), []), "refused");
  });
});
