import assert from "node:assert/strict";
import {
  type LedgerRow,
  MAX_ORPHANHOODS,
  type Orphanhood,
} from "../../../src/custody/home/ledger-row.ts";
import { keepOrphan } from "../../../src/custody/home/orphans.ts";

const HERE = "https://here.example";
const DEAD = "https://dead.example";
const JKT = "k".repeat(43);
const WHO = { localId: `key-${JKT}`, jkt: JKT, origin: HERE };
const STAY: Orphanhood = { formerId: "ada@dead.example", home: DEAD, epoch: 4, adoptedAt: 1_000 };
const THERE: LedgerRow = {
  ...{ localId: WHO.localId, name: "Ada", jkt: JKT, holder: HERE, epoch: 7 },
  state: { coins: 9 },
};

describe("custody/home/orphans", () => {
  it("makes a player of this server's own, with what the visitor carried, brought by its home", () => {
    const kept = keepOrphan(undefined, WHO, STAY, { coins: 3, badges: ["a"] });
    assert.deepEqual(kept?.row, {
      ...{ localId: WHO.localId, name: "Traveler", jkt: JKT, holder: HERE, epoch: 1 },
      state: { coins: 3, badges: ["a"] },
      brought: { coins: DEAD, badges: DEAD },
      orphans: [STAY],
    });
    assert.deepEqual(kept.leftOut, []);
  });

  it("makes one without belongings, where nothing is known of any", () => {
    const row = keepOrphan(undefined, WHO, STAY, undefined)?.row;
    assert.ok(row !== undefined);
    assert.equal("state" in row, false);
  });

  it("keeps one stay once, whatever the player has become since", () => {
    const first = keepOrphan(undefined, WHO, STAY, { coins: 3 })?.row;
    assert.ok(first !== undefined);
    const since = { ...first, epoch: 9, state: { coins: 0 } };
    const again = keepOrphan(since, WHO, { ...STAY, adoptedAt: 2_000 }, { coins: 3, badges: 1 });
    assert.equal(again?.row, since);
  });

  it("adds to a player that there is what it has not, and says what it has not got", () => {
    const kept = keepOrphan(THERE, WHO, STAY, { coins: 3, badges: 1 });
    assert.deepEqual(kept?.row.state, { coins: 9, badges: 1 });
    assert.deepEqual(kept.row.brought, { badges: DEAD });
    assert.equal(kept.row.name, "Ada");
    assert.deepEqual(kept.leftOut, ["coins"]);
  });

  it("raises the epoch: whoever plays the row as it was stores nothing any more", () => {
    assert.equal(keepOrphan(THERE, WHO, STAY, { badges: 1 })?.row.epoch, 8);
  });

  it("leaves what is no object alone, on either side", () => {
    const list = keepOrphan({ ...THERE, state: [1] }, WHO, STAY, { coins: 3 });
    assert.deepEqual([list?.row.state, list?.leftOut], [[1], ["coins"]]);
    const text = keepOrphan(THERE, WHO, STAY, "all");
    assert.deepEqual([text?.row.state, text?.leftOut], [{ coins: 9 }, ["(all)"]]);
  });

  it("does not touch a player who is away", () => {
    assert.equal(keepOrphan({ ...THERE, holder: DEAD }, WHO, STAY, {}), undefined);
  });

  it("does not touch a player who is on its way", () => {
    const transfer = { id: "t", from: HERE, to: DEAD, world: "w", deadline: 5 };
    assert.equal(keepOrphan({ ...THERE, transfer }, WHO, STAY, {}), undefined);
  });

  it("is bounded: nobody is an orphan of ever more homes", () => {
    const orphans = Array.from({ length: MAX_ORPHANHOODS }, (_, epoch) => ({
      ...STAY,
      epoch: epoch + 10,
    }));
    assert.equal(keepOrphan({ ...THERE, orphans }, WHO, STAY, {}), undefined);
    assert.ok(keepOrphan({ ...THERE, orphans: orphans.slice(1) }, WHO, STAY, {}));
  });
});
