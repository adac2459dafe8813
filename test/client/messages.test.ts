import assert from "node:assert/strict";
import {
  parseFrozen,
  parseRecalled,
  parseTransit,
  parseUndecided,
} from "../../src/client/messages.ts";

const LONG = "x".repeat(10_000);

describe("what a server says to a client", () => {
  it("frozen: a reason and a sentence, bounded", () => {
    const frozen = { reason: "lease", message: "Your home server does not answer." };
    assert.deepEqual(parseFrozen({ ...frozen, more: 1 }), frozen);
    assert.equal(parseFrozen({ reason: "lease", message: LONG })?.message.length, 500);
    for (const wrong of [undefined, null, "x", {}, { reason: LONG, message: "" }, { reason: 1 }]) {
      assert.equal(parseFrozen(wrong), undefined);
    }
  });

  it("recalled: a code and a sentence, bounded", () => {
    const recalled = { code: "ERR_FED_UNAVAILABLE", message: "This server is stopping." };
    assert.deepEqual(parseRecalled(recalled), recalled);
    assert.equal(parseRecalled({ ...recalled, message: LONG })?.message.length, 500);
    for (const wrong of [undefined, [], { code: LONG, message: "" }, { code: "", message: "" }]) {
      assert.equal(parseRecalled(wrong), undefined);
    }
  });

  it("undecided: as failed", () => {
    const undecided = { transferId: "1", to: "aether://a/b", code: "ERR_FED_X", message: "Wait." };
    assert.deepEqual(parseUndecided(undecided), undecided);
    assert.equal(parseUndecided({ ...undecided, to: 1 }), undefined);
  });

  it("transit: with an end that is a time", () => {
    const reservation = { sessionId: "s", roomId: "r", processId: "p", name: "n" };
    const transit = {
      transferId: "1",
      to: "aether://a/b",
      origin: "https://a.example",
      reservation,
    };
    assert.equal(parseTransit({ ...transit, expiresAt: 1_790_000_000 })?.expiresAt, 1_790_000_000);
    for (const expiresAt of [NaN, Infinity, -1, "soon"]) {
      assert.equal(parseTransit({ ...transit, expiresAt }), undefined);
    }
  });
});
