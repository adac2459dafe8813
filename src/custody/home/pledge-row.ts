/**
 * Pledges on a row: home has promised a destination that the source's `cancel` waits, while a party is being decided
 * (PROTOCOL 6, rules 14 and 15). Each transition is a pure function, as those of `ledger-row.ts`.
 */
import { type LedgerRow, PLEDGE_SECONDS, type Transition, claim, isPledged } from "./ledger-row.ts";

/** A transfer, and the party it is a part of. */
export interface PledgeOf {
  readonly transferId: string;
  readonly partyId: string;
}

const over: Transition = {
  ok: false,
  code: "ERR_FED_PARTY_BROKEN",
  reason: "the transfer's pledge is over, or another party's",
};

/**
 * Rule 14: needs what a claim would need, before the transfer's deadline, and no pledge before this one. It decides
 * nothing and raises no epoch. Repeated while it stands, it changes nothing.
 */
export function pledge(
  row: LedgerRow,
  by: string,
  home: string,
  { transferId, partyId }: PledgeOf,
  at: number,
): Transition {
  const claimable = claim(row, by, home, transferId, at);
  if (!claimable.ok) return claimable;
  const open = row.transfer;
  if (open?.id !== transferId || row.recalled === true) {
    const reason = open?.id === transferId ? "home has called the player back" : "it is claimed";
    return { ok: false, code: "ERR_FED_STALE_CUSTODY", reason };
  }
  if (open.deadline < at) {
    const reason = "the deadline of the transfer has passed";
    return { ok: false, code: "ERR_FED_TRANSFER_UNKNOWN", reason };
  }
  const { pledge: former } = open;
  if (former !== undefined) {
    return former.party === partyId && isPledged(row, at) ? { ok: true, row } : over;
  }
  const made = { party: partyId, until: at + PLEDGE_SECONDS };
  return { ok: true, row: { ...row, transfer: { ...open, pledge: made } } };
}

/**
 * Rule 15: ends a pledge, also one that has not arrived: it cannot be made after this. Of a transfer that is over, or
 * another party's, nothing changes.
 */
export function unpledge(
  row: LedgerRow,
  by: string,
  { transferId, partyId }: PledgeOf,
): Transition {
  const open = row.transfer;
  if (open?.id !== transferId) return { ok: true, row };
  if (open.to !== by) {
    const reason = "the transfer is for another server";
    return { ok: false, code: "ERR_FED_NOT_DESTINATION", reason };
  }
  const { pledge: former } = open;
  if (former !== undefined && (former.party !== partyId || former.until === 0)) {
    return { ok: true, row };
  }
  return {
    ok: true,
    row: { ...row, transfer: { ...open, pledge: { party: partyId, until: 0 } } },
  };
}
