import assert from "node:assert/strict";
import { type FreezeReason, PlayerSession } from "../../../src/custody/shared/player-session.ts";

describe("a player's session", () => {
  let carried: { gold: number };
  let told: [boolean, FreezeReason | undefined][];
  let over: boolean;
  let session: PlayerSession;

  beforeEach(() => {
    carried = { gold: 1 };
    told = [];
    over = false;
    session = new PlayerSession({
      ...{ player: "ada@home.test", home: "https://home.test", atHome: false, name: "Ada" },
      ...{ guest: false, epoch: 1 },
      body: {
        connected: true,
        carry: () => ({ ...carried }),
        setFrozen: (frozen, reason) => told.push([frozen, reason]),
        transit: () => undefined,
        failed: () => undefined,
        undecided: () => undefined,
        end: () => undefined,
      },
    });
    session.leaseEnds(() => over);
  });

  it("is frozen by a lease that ran out, before any timer says so", () => {
    assert.equal(session.frozen, false);
    over = true;
    assert.equal(session.frozen, true);
    assert.deepEqual(told, [[true, "lease"]]);
  });

  it("carries nothing that it is given past its lease", () => {
    over = true;
    assert.deepEqual(session.carry(), { gold: 1 });
    carried.gold = 2;
    assert.deepEqual(session.carry(), { gold: 1 });
  });

  it("plays on with a new lease", () => {
    over = true;
    assert.equal(session.frozen, true);
    over = false;
    session.thaw("lease");
    assert.equal(session.frozen, false);
    carried.gold = 3;
    assert.deepEqual(session.carry(), { gold: 3 });
  });

  it("keeps what it had when the first of several reasons began", () => {
    session.freeze("crossing");
    carried.gold = 2;
    over = true;
    session.thaw("crossing");
    assert.equal(session.frozen, true);
    assert.deepEqual(session.carry(), { gold: 1 });
  });
});
