import assert from "node:assert/strict";
import type { GiftOutcome } from "aether-federation";
import { type GiftProposal, Traveler, onGift } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import { rooms } from "../support/running.ts";
import { nextMessage, portal } from "../support/sdk.ts";
import { whoAmI } from "../support/visitor.ts";

const SWORD = { id: "sword", name: "Sting" };

describe("gifts between players of different homes", function () {
  this.timeout(60_000);
  const at = rooms("plaza", "north", "arena");
  let ada: Traveler;
  let bob: Traveler;
  let proposals: GiftProposal[];
  let agrees: boolean;

  /** Ada, of the plaza, and Bob, of the north, meet in the arena. */
  beforeEach(async () => {
    [proposals, agrees] = [[], true];
    ada = new Traveler(at.plaza.origin, { name: "Ada", storage: memoryStorage() });
    bob = new Traveler(at.north.origin, { name: "Bob", storage: memoryStorage() });
    onGift(ada, (proposal) => {
      proposals.push(proposal);
      return agrees;
    });
    for (const traveler of [ada, bob]) await traveler.join("plain");
    ada.room?.send("inventory", [SWORD, { id: "cap" }]);
    for (const traveler of [ada, bob]) traveler.enter(portal(at.arena));
    await eventually(() => {
      assert.deepEqual([ada.origin, bob.origin], [at.arena.origin, at.arena.origin]);
    });
  });
  afterEach(() => Promise.all([ada, bob].map((traveler) => traveler.leave())));

  async function give(to: string, home?: string): Promise<GiftOutcome> {
    const { room } = ada;
    assert.ok(room);
    const ended = nextMessage<GiftOutcome>(room, "give");
    room.send("give", { item: "sword", to, home });
    return ended;
  }
  async function inventoryAt(home: Traveler): Promise<unknown> {
    const { player } = await whoAmI(await home.join("plain"));
    return (player?.carried as { inventory?: unknown } | undefined)?.inventory;
  }

  it("leave one home's ledger and enter the other's", async () => {
    const outcome = await give(bob.playerId ?? "");
    assert.equal(outcome.kind, "given", JSON.stringify(outcome));
    assert.deepEqual(proposals, [{ item: "sword", to: bob.playerId, name: "Bob" }]);
    assert.deepEqual(await inventoryAt(bob), [SWORD]);
    // The arena says that Ada has it still; her home knows better.
    await eventually(async () => {
      assert.deepEqual(await inventoryAt(ada), [{ id: "cap" }]);
    });
  });

  it("stay where the giver does not agree", async () => {
    agrees = false;
    const outcome = await give(bob.playerId ?? "");
    assert.equal(outcome.kind === "kept" ? outcome.code : outcome.kind, "ERR_FED_TRADE_REFUSED");
    assert.deepEqual(await inventoryAt(ada), [SWORD, { id: "cap" }]);
  });

  it("reach a player who is elsewhere", async () => {
    const { playerId = "" } = bob;
    await bob.leave();
    assert.equal((await give(playerId, at.north.origin)).kind, "given");
    assert.deepEqual(await inventoryAt(bob), [SWORD]);
  });
});
