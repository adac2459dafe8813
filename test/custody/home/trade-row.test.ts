import assert from "node:assert/strict";
import { type LedgerRow, keptOf, renew, store } from "../../../src/custody/home/ledger-row.ts";
import { inventoryOf } from "../../../src/custody/home/trade-items.ts";
import {
  MAX_GONE,
  MAX_INBOX,
  MAX_OUTGOING,
  type TradeOffer,
  delivered,
  filed,
  offer,
  settle,
  take,
} from "../../../src/custody/home/trade-row.ts";
import type { JsonValue } from "../../../src/json.ts";

const HOME = "https://home.example";
const FAR = "https://far.example";
const ARENA = "https://arena.example";
const SWORD = { id: "sword", name: "Sting" };
const CAP = { id: "cap" };
const ROW: LedgerRow = {
  ...{ localId: "ada", name: "Ada", jkt: "k", holder: ARENA, epoch: 3 },
  state: { coins: 1, inventory: [SWORD, CAP] },
};
const OFFER: TradeOffer = {
  ...{ id: "t1", epoch: 3, item: "sword", to: "bob@far.example", toHome: FAR },
  ...{ at: 100, exp: 200, jkt: "k", kept: undefined, sentAt: 100 },
};

function offered(row: LedgerRow = ROW, change: Partial<TradeOffer> = {}): LedgerRow {
  const done = offer(row, ARENA, { ...OFFER, ...change });
  assert.ok(done.ok, JSON.stringify(done));
  return done.row;
}
const codeOf = (row: LedgerRow, change: Partial<TradeOffer> = {}, by = ARENA): string => {
  const done = offer(row, by, { ...OFFER, ...change });
  return done.ok ? "ok" : done.code;
};
/** The holder says so. */
const says = (row: LedgerRow, inventory: JsonValue): LedgerRow =>
  store(row, { ...keptOf(row), state: { coins: 1, inventory } });

describe("custody/trade-row: offering", () => {
  it("takes the item out of the inventory, and has it on its way", () => {
    const row = offered();
    assert.deepEqual(row.state, { coins: 1, inventory: [CAP] });
    const { at, exp, to, toHome } = OFFER;
    assert.deepEqual(row.trades?.outgoing, [{ id: "t1", item: SWORD, to, toHome, at, exp }]);
    assert.equal(row.epoch, ROW.epoch);
  });

  it("changes nothing when it is repeated", () => {
    const row = offered();
    assert.equal(offered(row), row);
    assert.equal(codeOf(row, { item: "cap" }), "ERR_FED_STALE_CUSTODY");
    assert.equal(codeOf(row, { to: "eve@far.example" }), "ERR_FED_STALE_CUSTODY");
  });

  it("is answered as before, though the player has gone on since", () => {
    const row: LedgerRow = { ...offered(), holder: FAR, epoch: 4 };
    assert.equal(offered(row), row);
  });

  it("takes no state that was sent before the one that is there", () => {
    const kept = { ...keptOf(ROW), state: { coins: 0, inventory: [SWORD] } };
    for (const stateSentAt of [100, 101]) {
      const row = offered({ ...ROW, stateSentAt }, { kept });
      assert.deepEqual(row.state, { coins: 1, inventory: [CAP] });
    }
  });

  it("has a renewal of the same second, or before, bring no state", () => {
    const kept = { ...keptOf(ROW), state: { coins: 2, inventory: [SWORD, CAP] } };
    const row = offered(ROW, { kept });
    const older = { ...kept, state: { coins: 1, inventory: [SWORD, CAP] } };
    const renewed = renew(row, ARENA, { epoch: 3, kept: older }, 100);
    assert.ok(renewed.ok);
    assert.deepEqual(renewed.row.state, { coins: 2, inventory: [CAP] });
    const later = renew(row, ARENA, { epoch: 3, kept: older }, 101);
    assert.ok(later.ok);
    assert.deepEqual(later.row.state, { coins: 1, inventory: [CAP] });
  });

  it("gives what the holder says that the player has, as far as home takes it", () => {
    const kept = { ...keptOf(ROW), state: { inventory: [{ id: "ring" }] } };
    assert.deepEqual(offered(ROW, { item: "ring", kept }).trades?.outgoing?.[0]?.item, {
      id: "ring",
    });
  });

  it("does not come back by whatever its holder says, until the player is at home", () => {
    const row = says(offered(), [SWORD, CAP]);
    assert.deepEqual(inventoryOf(row.state), [CAP]);
    const settled = says(settle(row, "t1", true), [SWORD, CAP]);
    assert.deepEqual(inventoryOf(settled.state), [CAP]);
    const home = says(delivered({ ...settled, holder: HOME }), [SWORD, CAP]);
    assert.deepEqual(inventoryOf(home.state), [SWORD, CAP]);
  });

  for (const [what, row, change, by, code] of [
    ["by another server", ROW, {}, FAR, "ERR_FED_STALE_CUSTODY"],
    ["of another epoch", ROW, { epoch: 2 }, ARENA, "ERR_FED_STALE_CUSTODY"],
    [
      "while a transfer is open",
      { ...ROW, transfer: { id: "x", from: ARENA, to: FAR, world: "w", deadline: 9 } },
      {},
      ARENA,
      "ERR_FED_CROSSING_BUSY",
    ],
    [
      "of a player who is called back",
      { ...ROW, recalled: true },
      {},
      ARENA,
      "ERR_FED_STALE_CUSTODY",
    ],
    ["by another key", ROW, { jkt: "thief" }, ARENA, "ERR_FED_PROOF_INVALID"],
    ["of what is not there", ROW, { item: "ring" }, ARENA, "ERR_FED_TRADE_ITEM"],
    [
      "of one of two that have the id",
      { ...ROW, state: { inventory: [SWORD, SWORD] } },
      {},
      ARENA,
      "ERR_FED_TRADE_ITEM",
    ],
    ["without an inventory", { ...ROW, state: 7 }, {}, ARENA, "ERR_FED_TRADE_ITEM"],
    [
      "of what is too large",
      { ...ROW, state: { inventory: [{ id: "sword", text: "x".repeat(2048) }] } },
      {},
      ARENA,
      "ERR_FED_TRADE_ITEM",
    ],
    [
      `after ${MAX_GONE} others`,
      { ...ROW, trades: { gone: Array.from({ length: MAX_GONE }, (_, n) => `${n}`) } },
      {},
      ARENA,
      "ERR_FED_TRADE_BUSY",
    ],
    [
      `while ${MAX_OUTGOING} are on their way`,
      {
        ...ROW,
        trades: {
          outgoing: Array.from({ length: MAX_OUTGOING }, (_, n) => ({
            ...{ id: `${n}`, item: CAP, to: "b@far.example", toHome: FAR, at: 0, exp: 1 },
          })),
        },
      },
      {},
      ARENA,
      "ERR_FED_TRADE_BUSY",
    ],
  ] as const) {
    it(`is refused ${what}`, () => {
      assert.equal(codeOf(row, change, by), code);
    });
  }
});

describe("custody/trade-row: the other home's word", () => {
  it("ends it when the item is taken", () => {
    assert.equal(settle(offered(), "t1", true).trades?.outgoing, undefined);
  });

  it("gives it back when it is not, once", () => {
    const row = settle(settle(offered(), "t1", false), "t1", false);
    assert.deepEqual(row.trades?.inbox, [{ id: "t1", item: SWORD }]);
    assert.deepEqual(inventoryOf(row.state), [CAP]);
    const home = delivered({ ...row, holder: HOME });
    assert.deepEqual(inventoryOf(home.state), [CAP, SWORD]);
    assert.equal(home.trades, undefined);
    assert.equal(delivered(home), home);
  });

  it("does nothing for a trade that is none", () => {
    const row = offered();
    assert.equal(settle(row, "t2", false), row);
  });
});

describe("custody/trade-row: taking", () => {
  const BOB: LedgerRow = { localId: "bob", name: "Bob", holder: FAR, epoch: 1 };
  const taking = { id: "t1", home: HOME, item: SWORD, open: true };
  const took = (row: LedgerRow, change: Partial<typeof taking> = {}) => {
    const done = take(row, { ...taking, ...change });
    assert.ok(done.ok, JSON.stringify(done));
    return done;
  };

  it("keeps the item for the player, once", () => {
    const first = took(BOB);
    const again = took(first.row);
    assert.deepEqual([first.taken, again.taken, again.row], [true, true, first.row]);
    const home = delivered(first.row);
    assert.deepEqual(home.state, { inventory: [SWORD] });
  });

  it("says the same after it was withdrawn, and before", () => {
    assert.equal(took(took(BOB).row, { open: false }).taken, true);
    const withdrawn = took(BOB, { open: false });
    assert.equal(withdrawn.taken, false);
    assert.equal(took(withdrawn.row).taken, false);
    assert.equal(delivered(withdrawn.row).state, undefined);
  });

  it("keeps trades of two homes apart that have one id", () => {
    assert.equal(took(took(BOB).row, { home: ARENA, open: false }).taken, false);
  });

  it("forgets its decision once that is written down elsewhere", () => {
    const { row } = took(BOB);
    assert.equal(filed(row, "t1", HOME).trades?.decided, undefined);
    assert.equal(filed(row, "t1", ARENA), row);
  });

  it("gives the later of two things with one id another", () => {
    const row = { ...took(BOB).row, state: { inventory: [SWORD, CAP] } };
    const [, , got] = inventoryOf(delivered(row).state) ?? [];
    assert.deepEqual(got, { id: "sword-t1", name: "Sting" });
  });

  it("hands over what can be carried; the rest waits", () => {
    const big = { ...BOB, state: { inventory: [{ id: "chest", text: "x".repeat(31_000) }] } };
    let row: LedgerRow = big;
    for (const id of ["a", "b"]) {
      ({ row } = took(row, { id, item: { id, name: "y".repeat(900) } }));
    }
    const home = delivered(row);
    assert.equal(inventoryOf(home.state)?.length, 2);
    assert.deepEqual(
      home.trades?.inbox?.map(({ id }) => id),
      ["b"],
    );
    const lighter = delivered({ ...home, state: { inventory: [] } });
    assert.deepEqual(inventoryOf(lighter.state)?.length, 1);
  });

  it("waits where what the player carries is no object, or its inventory no list", () => {
    for (const state of [7, { inventory: { sword: 1 } }] as const) {
      const home = delivered({ ...took(BOB).row, state });
      assert.deepEqual([home.state, home.trades?.inbox?.length], [state, 1]);
    }
  });

  it(`decides nothing while ${MAX_INBOX} things wait`, () => {
    const inbox = Array.from({ length: MAX_INBOX }, (_, n) => ({ id: `${n}`, item: CAP }));
    const done = take({ ...BOB, trades: { inbox } }, taking);
    assert.equal(done.ok ? "" : done.code, "ERR_FED_TRADE_BUSY");
    assert.equal(took({ ...BOB, trades: { inbox } }, { open: false }).taken, false);
  });
});
