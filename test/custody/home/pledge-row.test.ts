import assert from "node:assert/strict";
import {
  type LedgerRow,
  PLEDGE_SECONDS,
  type Transition,
  cancel,
  claim,
  isPledged,
} from "../../../src/custody/home/ledger-row.ts";
import { pledge, unpledge } from "../../../src/custody/home/pledge-row.ts";

const H = "https://home.example";
const X = "https://x.example";
const Y = "https://y.example";
const T = "11111111-1111-4111-8111-111111111111";
const U = "22222222-2222-4222-8222-222222222222";
const P = "33333333-3333-4333-8333-333333333333";
const Q = "44444444-4444-4444-8444-444444444444";
const AT = 50;

const leaving = (changes: Partial<LedgerRow> = {}): LedgerRow => ({
  localId: "ada",
  name: "Ada",
  holder: X,
  epoch: 4,
  transfer: { id: T, from: X, to: Y, world: "pit", deadline: 100 },
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

const of = { transferId: T, partyId: P };
const pledged = (): LedgerRow => ok(pledge(leaving(), Y, H, of, AT));

describe("custody/pledge-row", () => {
  it("a pledge raises no epoch, decides nothing, and leaves the transfer open", () => {
    const row = pledged();
    assert.deepEqual([row.epoch, row.holder, row.transfer?.id], [4, X, T]);
    assert.equal(row.transfer?.pledge?.until, AT + PLEDGE_SECONDS);
  });

  it("while it stands, the source's cancel waits", () => {
    const back = { transferId: T, epoch: 4 };
    refused(cancel(pledged(), X, back, AT + PLEDGE_SECONDS - 1), "ERR_FED_PARTY_UNDECIDED");
  });

  it("runs out by itself: then the source's cancel works", () => {
    const row = ok(cancel(pledged(), X, { transferId: T, epoch: 4 }, AT + PLEDGE_SECONDS));
    assert.equal(row.epoch, 5);
  });

  it("does not stand longer because the clock was set back", () => {
    assert.equal(isPledged(pledged(), AT - 10), false);
  });

  it("leaves the claim as it is, while it stands and after", () => {
    assert.equal(ok(claim(pledged(), Y, H, T, AT + 1)).holder, Y);
    assert.equal(ok(claim(pledged(), Y, H, T, AT + PLEDGE_SECONDS + 1)).holder, Y);
  });

  it("repeated while it stands, it is not extended", () => {
    const row = pledged();
    assert.equal(ok(pledge(row, Y, H, of, AT + 20)), row);
  });

  it("is not made again once it is over", () => {
    refused(pledge(pledged(), Y, H, of, AT + PLEDGE_SECONDS), "ERR_FED_PARTY_BROKEN");
  });

  it("is one party's: no other has the same transfer", () => {
    refused(pledge(pledged(), Y, H, { ...of, partyId: Q }, AT), "ERR_FED_PARTY_BROKEN");
  });

  it("is for the destination alone", () => {
    refused(pledge(leaving(), X, H, of, AT), "ERR_FED_NOT_DESTINATION");
  });

  it("needs the open transfer", () => {
    refused(pledge(leaving(), Y, H, { ...of, transferId: U }, AT), "ERR_FED_TRANSFER_UNKNOWN");
  });

  it("is not given for a claim that was won", () => {
    const claimed = ok(claim(leaving(), Y, H, T, AT));
    refused(pledge(claimed, Y, H, of, AT), "ERR_FED_STALE_CUSTODY");
  });

  it("is not given past the transfer's deadline, though a claim would be", () => {
    refused(pledge(leaving(), Y, H, of, 101), "ERR_FED_TRANSFER_UNKNOWN");
    ok(claim(leaving(), Y, H, T, 101));
  });

  it("is not given for a player whom home has called back", () => {
    refused(pledge(leaving({ recalled: true }), Y, H, of, AT), "ERR_FED_STALE_CUSTODY");
  });

  it("unpledge ends it, and may be repeated", () => {
    const row = ok(unpledge(pledged(), Y, of));
    assert.equal(ok(unpledge(row, Y, of)), row);
    ok(cancel(row, X, { transferId: T, epoch: 4 }, AT));
  });

  it("unpledge also ends a pledge that comes after it", () => {
    const row = ok(unpledge(leaving(), Y, of));
    refused(pledge(row, Y, H, of, AT), "ERR_FED_PARTY_BROKEN");
  });

  it("unpledge is for the destination alone", () => {
    refused(unpledge(pledged(), X, of), "ERR_FED_NOT_DESTINATION");
  });

  it("unpledge of another party's pledge changes nothing", () => {
    const row = pledged();
    assert.equal(ok(unpledge(row, Y, { ...of, partyId: Q })), row);
  });

  it("unpledge of a transfer that is over changes nothing", () => {
    const row = ok(claim(pledged(), Y, H, T, AT));
    assert.equal(ok(unpledge(row, Y, of)), row);
  });
});
