/** The rules about things that players give each other, each taken away: see `mutants.ts`. */
import type { Mutant } from "./mutants.ts";

const row = "custody/home/trade-row.ts";
const ledgerRow = "custody/home/ledger-row.ts";
const trades = "custody/home/trades.ts";
const ledger = "custody/home/ledger.ts";
const settleHome = "custody/home/settle-home.ts";
const custody = "custody/custody.ts";

const trading = { trades: true, crossings: 300 } as const;

/** By name. */
export const TRADE_MUTANTS: Readonly<Record<string, Mutant>> = {
  tradeLeaves: {
    rule: "what is given leaves the inventory in the step that has it on its way",
    edits: [
      {
        file: row,
        find: "  const left = inventory.filter((each) => each !== entry);",
        put: "  const left = inventory;",
      },
    ],
    ...trading,
  },
  tradeGone: {
    rule: "no server brings back what was given",
    edits: [
      {
        file: ledgerRow,
        find: "  const state = withoutGone(row.trades, kept.state);",
        put: "  const { state } = kept;",
      },
    ],
    ...trading,
  },
  tradeHolder: {
    rule: "only who holds a player gives away what it has",
    edits: [
      {
        file: row,
        find: '  if (row.holder !== by) return refused("ERR_FED_STALE_CUSTODY", `the player is not held by ${by}`);\n',
        put: "",
      },
    ],
    ...trading,
  },
  tradeKey: {
    rule: "nothing is given without the player's own word",
    edits: [
      { file: row, find: "  if (row.jkt !== request.jkt) {", put: '  if (row.jkt === "") {' },
    ],
    ...trading,
  },
  tradeRepeat: {
    rule: "an offer that is repeated changes nothing, and is answered as before",
    edits: [
      {
        file: row,
        find: "  if (open !== undefined) {\n    return itemIdOf",
        put: '  if (open !== undefined && by === "") {\n    return itemIdOf',
      },
    ],
    ...trading,
    seed: "7.1",
  },
  tradeOrder: {
    rule: "an offer that was overtaken brings no older state",
    edits: [
      {
        file: row,
        find: "  const late = row.stateSentAt !== undefined && sentAt <= row.stateSentAt;",
        put: "  const late = row.stateSentAt !== undefined && sentAt < 0;",
      },
    ],
    ...trading,
    faults: { delay: 0.5, loss: 0.01, crash: 0, partition: 0 },
    seed: "7.2",
  },
  tradeId: {
    rule: "of two players of one home who would use one id, the first has it",
    edits: [
      {
        file: trades,
        find: "    if (!(await this.#reserve(id, localId))) {",
        put: '    if (id === "") {',
      },
    ],
    ...trading,
    seed: "7.2",
  },
  tradeOnce: {
    rule: "what was taken is remembered in the step that takes it",
    edits: [
      {
        file: row,
        find: "    decided: [...decided, { id, home, taken: open }],",
        put: "    decided,",
      },
    ],
    ...trading,
  },
  tradeCopies: {
    rule: "of two copies of one trade, the later finds what the earlier has decided",
    edits: [
      {
        file: trades,
        find: "        former = await this.record(by, claims.trade);\n      },",
        put: "        await this.record(by, claims.trade);\n      },",
      },
    ],
    ...trading,
    faults: { slow: 0.3, duplication: 0.3 },
  },
  tradeRefusal: {
    rule: "what was refused is never taken afterwards",
    edits: [
      {
        file: row,
        find: "    decided: [...decided, { id, home, taken: open }],",
        put: "    decided: open ? [...decided, { id, home, taken: open }] : decided,",
      },
      {
        file: trades,
        find: "    if (isUnknown) return { ok: true, body: { receipt } };",
        put: "    if (isUnknown || !taken) return { ok: true, body: { receipt } };",
      },
    ],
    ...trading,
    faults: { duplication: 0.4, partition: 0 },
  },
  tradeFiled: {
    rule: "a decision that is written down is taken off the row, whenever a crash came between",
    edits: [
      {
        file: trades,
        find: "    let former = await this.record(by, claims.trade);\n    if (former !== undefined) return this.#filed(localId, by, former);",
        put: "    let former = await this.record(by, claims.trade);\n    if (former !== undefined) return { ok: true, body: { receipt: former.receipt } };",
      },
    ],
    ...trading,
    faults: { crash: 0.03 },
    seed: "7.1",
  },
  tradeIssuer: {
    rule: "a home hands over only what its own players give",
    edits: [
      {
        file: trades,
        find: "    if (claims.iss !== by || !isHomeOf(by, claims.from)) {",
        put: '    if (claims.iss === "") {',
      },
    ],
    ...trading,
  },
  tradeReceipt: {
    rule: "a giver's home settles by the signed word of the receiver's home alone",
    edits: [
      {
        file: trades,
        find: "    const verified = await verifyTradeReceipt(receipt, peerKey);",
        put: '    const said = Buffer.from(receipt.split(".")[1] ?? "", "base64url").toString();\n    const verified = { verified: true, claims: JSON.parse(said) as TradeReceiptClaims, peerKey };',
      },
    ],
    ...trading,
    seed: "7.1",
  },
  tradeAbout: {
    rule: "a receipt settles the trade that it is about, and no other",
    edits: [
      {
        file: trades,
        find: "    if (!verified.verified || !isAbout(verified.claims, { origin, from, open }, moves))",
        put: "    if (!verified.verified || from === isAbout.name || moves === undefined)",
      },
    ],
    ...trading,
  },
  tradeBack: {
    rule: "what is not taken is its giver's again",
    edits: [
      {
        file: row,
        find: "    inbox: taken ? inbox : [...inbox, { id, item: open.item }],",
        put: "    inbox,",
      },
    ],
    ...trading,
  },
  tradeBackOnce: {
    rule: "what is not taken is its giver's again, once",
    edits: [
      {
        file: row,
        find: "    outgoing: outgoing.filter((each) => each !== open),",
        put: "    outgoing,",
      },
    ],
    ...trading,
  },
  tradeResumes: {
    rule: "a home asks on about what is on its way, after a restart too",
    edits: [
      { file: settleHome, find: "    trades.resume(row);\n", put: "" },
      { file: custody, find: "        trades.resume(row);\n", put: "" },
    ],
    ...trading,
    crossings: 60,
  },
  tradeMoved: {
    rule: "a home asks the receiver's home where that is now",
    edits: [
      {
        file: trades,
        find: "        const said = await this.#hear(localId, now);",
        put: "        const said = await this.#hear(localId, open);",
      },
    ],
    ...trading,
    crossings: 100,
    faults: { move: 0.8, crash: 0.01, stop: 0.01 },
  },
  tradeDelivered: {
    rule: "what waits for a player is handed over once",
    edits: [
      {
        file: row,
        find: "  return withTrades(got, { ...free.trades, inbox: waiting });",
        put: "  return withTrades(got, { ...free.trades, inbox });",
      },
    ],
    ...trading,
  },
  tradeDelivers: {
    rule: "a player who is about to play at home is given what waits for it",
    edits: [
      {
        file: ledger,
        find: "      return now !== undefined && free ? delivered(transitions.played(now)) : now;",
        put: "      return now !== undefined && free ? transitions.played(now) : now;",
      },
    ],
    ...trading,
    crossings: 60,
  },
};
