/** The calls that home answers (PROTOCOL 6). */
import { type CallTable, handler } from "../shared/calls.ts";
import {
  cancelSchema,
  claimSchema,
  departSchema,
  offerSchema,
  pledgeSchema,
  previewSchema,
  receiptSchema,
  receiptsSchema,
  renewSchema,
  returnSchema,
  returnsSchema,
  tradeSchema,
} from "../shared/messages.ts";
import type { HomeAnswers } from "./answers.ts";
import type { Trades } from "./trades.ts";
import { type WayHome, departForHome } from "./way-home.ts";

/** Each call about a player of this home, by name. */
export function homeCalls(answers: HomeAnswers, trades: Trades, wayHome: WayHome): CallTable {
  const { pledges } = answers;
  return {
    depart: handler(departSchema, (request, { origin }) =>
      departForHome({ ...wayHome, answers }, origin, request),
    ),
    claim: handler(claimSchema, ({ transferId, receiptLater }, { origin }) =>
      answers.claim(origin, transferId, receiptLater),
    ),
    cancel: handler(cancelSchema, (request, { origin }) => answers.cancel(origin, request)),
    return: handler(returnSchema, (request, { origin }) => answers.giveBack(origin, request)),
    returns: handler(returnsSchema, (request, { origin }) => answers.giveBackAll(origin, request)),
    renew: handler(renewSchema, (request, { origin, sentAt }) =>
      answers.renew(origin, request, sentAt),
    ),
    preview: handler(previewSchema, (request, { origin }) => answers.preview(origin, request)),
    receipt: handler(receiptSchema, (request, { origin }) => answers.receipt(origin, request)),
    receipts: handler(receiptsSchema, (request, { origin }) => answers.receipts(origin, request)),
    offer: handler(offerSchema, (request, { origin, sentAt }) =>
      trades.offer(origin, request, sentAt),
    ),
    trade: handler(tradeSchema, (request, { origin }) => trades.trade(origin, request)),
    pledge: handler(pledgeSchema, (request, { origin }) => pledges.pledge(origin, request)),
    unpledge: handler(pledgeSchema, (request, { origin }) => pledges.unpledge(origin, request)),
  };
}
