import assert from "node:assert/strict";
import { type Ending, leadsHome, reasonOf, sentenceOf } from "../../src/client/ending.ts";

const ending = (of: Partial<Ending>): Ending => ({
  ...{ code: 1006, reason: "", recall: undefined, onTheWay: false, handedOver: false },
  ...of,
});
const recall = { code: "ERR_FED_UNAVAILABLE", message: "This server is stopping." };

describe("how a stay ended", () => {
  for (const [what, of, home] of [
    ["a bare shutdown", { code: 4001 }, true],
    ["a lost connection", { code: 1006 }, true],
    ["a place that was not kept", { code: 4003 }, true],
    ["a word of the federation", { code: 4000, reason: "ERR_FED_STALE_CUSTODY: x" }, true],
    ["a recall", { code: 4000, recall }, true],
    ["a bare goodbye", { code: 4000 }, false],
    ["a room's own code", { code: 4500, reason: "kicked" }, false],
    ["a goodbye on the way", { code: 4000, reason: "You are in …", onTheWay: true }, true],
    ["somebody else", { code: 4000, reason: "ERR_FED_SUPERSEDED: x", onTheWay: true }, false],
  ] as const) {
    it(`${what} leads ${home ? "home" : "nowhere"}`, () => {
      assert.equal(leadsHome(ending(of)), home);
    });
  }

  it("has a sentence for the player, whatever the server said", () => {
    assert.equal(sentenceOf(ending({ recall })), recall.message);
    const away = { code: 4000, reason: "ERR_FED_AWAY: You are away." };
    assert.equal(sentenceOf(ending(away)), "You are away.");
    assert.equal(sentenceOf(ending({ code: 4500, reason: "Closing time." })), "Closing time.");
    assert.equal(sentenceOf(ending({ code: 4001 })), "The server has stopped.");
    assert.equal(sentenceOf(ending({})), "The connection is lost.");
  });

  it("has no words of the SDK's for the player where the connection was cut", () => {
    const reason = "Room uptime too short for reconnection.";
    assert.equal(sentenceOf(ending({ reason })), "The connection is lost.");
  });

  it("has the whole reason where the close frame had no room for it", () => {
    assert.equal(
      reasonOf(ending({ reason: "ERR_FED_UNAVAILABLE: This se", recall })),
      "ERR_FED_UNAVAILABLE: This server is stopping.",
    );
  });
});
