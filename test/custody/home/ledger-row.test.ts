import assert from "node:assert/strict";
import {
  type LedgerRow,
  type OpenTransfer,
  type Transition,
  cancel,
  claim,
  depart,
  expire,
  giveBack,
  mayStartAtHome,
  recall,
  renew,
} from "../../../src/custody/home/ledger-row.ts";

const H = "https://home.example";
const X = "https://x.example";
const Y = "https://y.example";
const T = "11111111-1111-4111-8111-111111111111";
const U = "22222222-2222-4222-8222-222222222222";

const row = (changes: Partial<LedgerRow> = {}): LedgerRow => ({
  localId: "ada",
  name: "Ada",
  holder: X,
  epoch: 4,
  state: { coins: 1 },
  ...changes,
});
const transfer = (changes: Partial<OpenTransfer> = {}): OpenTransfer => ({
  id: T,
  from: X,
  to: Y,
  world: "pit",
  deadline: 100,
  ...changes,
});

function ok(result: Transition): LedgerRow {
  assert.ok(result.ok, result.ok ? "" : `${result.code}: ${result.reason}`);
  return result.row;
}

function refused(result: Transition, code: string): void {
  assert.ok(!result.ok, "refused");
  assert.equal(result.code, code);
}

describe("custody/ledger-row", () => {
  describe("depart", () => {
    it("opens a transfer and takes the state; the epoch stays", () => {
      const next = ok(
        depart(
          row(),
          X,
          { epoch: 4, kept: { state: { coins: 2 }, brought: undefined } },
          transfer(),
        ),
      );
      assert.deepEqual(next, row({ transfer: transfer(), state: { coins: 2 } }));
    });
    it("repeated, changes nothing", () => {
      const open = row({ transfer: transfer() });
      assert.equal(
        ok(
          depart(
            open,
            X,
            { epoch: 4, kept: { state: { coins: 9 }, brought: undefined } },
            transfer(),
          ),
        ),
        open,
      );
    });
    it("refuses anyone but the holder", () => {
      refused(depart(row(), Y, { epoch: 4, kept: undefined }, transfer()), "ERR_FED_STALE_CUSTODY");
    });
    it("refuses another epoch", () => {
      refused(depart(row(), X, { epoch: 3, kept: undefined }, transfer()), "ERR_FED_STALE_CUSTODY");
    });
    it("refuses while another transfer is open", () => {
      const open = row({ transfer: transfer({ id: U }) });
      refused(depart(open, X, { epoch: 4, kept: undefined }, transfer()), "ERR_FED_STALE_CUSTODY");
    });
    it("refuses the same transfer to another destination", () => {
      const open = row({ transfer: transfer() });
      const elsewhere = transfer({ to: H });
      refused(depart(open, X, { epoch: 4, kept: undefined }, elsewhere), "ERR_FED_STALE_CUSTODY");
    });
  });

  describe("claim", () => {
    const open = row({ transfer: transfer() });
    it("moves the player, clears the transfer, raises the epoch", () => {
      const next = ok(claim(open, Y, H, T, 50));
      assert.equal(next.holder, Y);
      assert.equal(next.epoch, 5);
      assert.equal(next.transfer, undefined);
      assert.deepEqual(next.state, open.state);
    });
    it("repeated by the same holder, changes nothing", () => {
      const claimed = ok(claim(open, Y, H, T, 50));
      assert.equal(ok(claim(claimed, Y, H, T, 60)), claimed);
    });
    it("refuses anyone but the destination, before and after", () => {
      refused(claim(open, X, H, T, 50), "ERR_FED_NOT_DESTINATION");
      refused(claim(ok(claim(open, Y, H, T, 50)), X, H, T, 60), "ERR_FED_NOT_DESTINATION");
    });
    it("refuses a repeat once a new transfer is open", () => {
      const claimed = ok(claim(open, Y, H, T, 50));
      const leaving = ok(
        depart(claimed, Y, { epoch: 5, kept: undefined }, transfer({ id: U, from: Y, to: X })),
      );
      refused(claim(leaving, Y, H, T, 60), "ERR_FED_STALE_CUSTODY");
    });
    it("refuses a repeat once the player was given back", () => {
      const home = ok(giveBack(ok(claim(open, Y, H, T, 50)), Y, H, { epoch: 5, kept: undefined }));
      refused(claim(home, Y, H, T, 60), "ERR_FED_TRANSFER_UNKNOWN");
    });
    it("refuses what was cancelled, saying so", () => {
      const cancelled = ok(cancel(open, X, { transferId: T, epoch: 4 }, 50));
      refused(claim(cancelled, Y, H, T, 60), "ERR_FED_TRANSFER_CANCELLED");
    });
    it("refuses a transfer that was never opened", () => {
      refused(claim(row(), Y, H, T, 50), "ERR_FED_TRANSFER_UNKNOWN");
    });

    it("by home ends a recall: the player may leave again", () => {
      const leaving = row({ transfer: transfer({ to: H }) });
      const back = ok(claim(ok(recall(leaving, H)), H, H, T, 50));
      assert.equal(back.recalled, undefined);
      ok(depart(back, H, { epoch: 5, kept: undefined }, transfer({ id: U, from: H })));
    });

    it("by another server does not end a recall", () => {
      const called = ok(recall(row({ transfer: transfer() }), H));
      assert.equal(ok(claim(called, Y, H, T, 50)).recalled, true);
    });
  });

  describe("cancel", () => {
    const open = row({ transfer: transfer() });
    it("clears the transfer and raises the epoch", () => {
      const next = ok(cancel(open, X, { transferId: T, epoch: 4 }, 50));
      assert.deepEqual([next.holder, next.epoch, next.transfer], [X, 5, undefined]);
    });
    it("raises the epoch even before the depart arrives, which is then too late", () => {
      const next = ok(cancel(row(), X, { transferId: T, epoch: 4 }, 50));
      assert.equal(next.epoch, 5);
      refused(depart(next, X, { epoch: 4, kept: undefined }, transfer()), "ERR_FED_STALE_CUSTODY");
    });
    it("repeated, changes nothing", () => {
      const next = ok(cancel(open, X, { transferId: T, epoch: 4 }, 50));
      assert.equal(ok(cancel(next, X, { transferId: T, epoch: 4 }, 60)), next);
    });
    it("refuses once the destination has claimed", () => {
      const claimed = ok(claim(open, Y, H, T, 50));
      refused(cancel(claimed, X, { transferId: T, epoch: 4 }, 60), "ERR_FED_STALE_CUSTODY");
    });
    it("refuses another epoch, and another open transfer", () => {
      refused(cancel(open, X, { transferId: T, epoch: 3 }, 50), "ERR_FED_STALE_CUSTODY");
      refused(cancel(open, X, { transferId: U, epoch: 4 }, 50), "ERR_FED_STALE_CUSTODY");
    });
  });

  describe("return", () => {
    it("brings the player home with its state", () => {
      const next = ok(
        giveBack(row(), X, H, { epoch: 4, kept: { state: { coins: 7 }, brought: undefined } }),
      );
      assert.deepEqual([next.holder, next.epoch, next.state], [H, 5, { coins: 7 }]);
    });
    it("keeps what home knows when no state comes", () => {
      assert.deepEqual(ok(giveBack(row(), X, H, { epoch: 4, kept: undefined })).state, {
        coins: 1,
      });
    });
    it("refuses anyone but the holder, another epoch, and while a transfer is open", () => {
      const request = { epoch: 4, kept: undefined };
      refused(giveBack(row(), Y, H, request), "ERR_FED_STALE_CUSTODY");
      refused(giveBack(row({ epoch: 5 }), X, H, request), "ERR_FED_STALE_CUSTODY");
      const open = row({ transfer: transfer() });
      refused(giveBack(open, X, H, request), "ERR_FED_STALE_CUSTODY");
      refused(giveBack(row({ holder: H }), H, H, request), "ERR_FED_STALE_CUSTODY");
    });
  });

  describe("renew", () => {
    it("keeps the player and takes the state, without raising the epoch", () => {
      const next = ok(
        renew(row(), X, { epoch: 4, kept: { state: { coins: 3 }, brought: undefined } }, 10),
      );
      assert.deepEqual([next.holder, next.epoch, next.state], [X, 4, { coins: 3 }]);
    });
    it("takes no state while a transfer is open: what departed is what counts", () => {
      const open = row({ transfer: transfer() });
      assert.equal(
        ok(renew(open, X, { epoch: 4, kept: { state: { coins: 3 }, brought: undefined } }, 10)),
        open,
      );
    });
    it("keeps the newer state when an older renewal arrives late", () => {
      const newer = ok(
        renew(row(), X, { epoch: 4, kept: { state: { coins: 3 }, brought: undefined } }, 20),
      );
      const late = ok(
        renew(newer, X, { epoch: 4, kept: { state: { coins: 2 }, brought: undefined } }, 15),
      );
      assert.equal(late, newer);
      const next = ok(
        renew(newer, X, { epoch: 4, kept: { state: { coins: 4 }, brought: undefined } }, 25),
      );
      assert.deepEqual(next.state, { coins: 4 });
    });
    it("forgets when it was sent with the epoch it was sent under", () => {
      const renewed = ok(
        renew(row(), X, { epoch: 4, kept: { state: { coins: 3 }, brought: undefined } }, 1_000),
      );
      const home = ok(giveBack(renewed, X, H, { epoch: 4, kept: undefined }));
      assert.equal(home.stateSentAt, undefined);
    });
    it("refuses anyone but the holder, and another epoch", () => {
      refused(renew(row(), Y, { epoch: 4, kept: undefined }, 10), "ERR_FED_STALE_CUSTODY");
      refused(renew(row(), X, { epoch: 3, kept: undefined }, 10), "ERR_FED_STALE_CUSTODY");
    });
  });

  describe("expire", () => {
    it("takes the player back, clears the transfer, raises the epoch", () => {
      const next = ok(expire(row({ transfer: transfer() }), H));
      assert.deepEqual([next.holder, next.epoch, next.transfer], [H, 5, undefined]);
      assert.equal(mayStartAtHome(next, H), true);
    });
    it("leaves a player at home alone", () => {
      refused(expire(row({ holder: H }), H), "ERR_FED_STALE_CUSTODY");
    });
    it("leaves the late holder with nothing", () => {
      const next = ok(expire(row(), H));
      refused(renew(next, X, { epoch: 4, kept: undefined }, 10), "ERR_FED_STALE_CUSTODY");
      refused(giveBack(next, X, H, { epoch: 4, kept: undefined }), "ERR_FED_STALE_CUSTODY");
      refused(cancel(next, X, { transferId: T, epoch: 4 }, 1), "ERR_FED_STALE_CUSTODY");
    });
  });

  it("starts a session at home only while nothing is open and nobody else holds", () => {
    assert.equal(mayStartAtHome(row({ holder: H }), H), true);
    assert.equal(mayStartAtHome(row(), H), false);
    assert.equal(mayStartAtHome(row({ holder: H, transfer: transfer() }), H), false);
  });
});
