import assert from "node:assert/strict";
import {
  HashMismatchAction,
  mismatchAction,
  resolveIntegrityPolicy,
} from "../../src/assets/verify/reference.ts";

const SENDER = "https://sender.example";
/** From the least an operator hears of wrong bytes to the most. */
const { Reject, Report, Quarantine } = HashMismatchAction;
const ORDER = [Reject, Report, Quarantine];

describe("attack: a sender that wishes its wrong bytes away", () => {
  for (const word of ORDER) {
    for (const wish of ORDER) {
      it(`wishes ${wish} where the operator says ${word}`, () => {
        const expected = ORDER[Math.max(ORDER.indexOf(word), ORDER.indexOf(wish))];
        for (const policy of [{ action: word }, { peers: { [SENDER]: word } }]) {
          const resolved = resolveIntegrityPolicy(policy);
          assert.equal(mismatchAction(resolved, SENDER, wish), expected);
          assert.equal(mismatchAction(resolved, SENDER), word);
        }
      });
    }
  }

  it("wishes for less where the operator's word on this peer is stricter than the default", () => {
    const policy = resolveIntegrityPolicy({ action: "reject", peers: { [SENDER]: "quarantine" } });
    assert.equal(mismatchAction(policy, SENDER, "reject"), "quarantine");
  });
});
