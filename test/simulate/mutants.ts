/**
 * The safety rules, each taken away in the shipped code, one at a time.
 *
 * A mutant is a change of one source file as it is loaded: nothing of it is in what ships. Each has
 * to find its place exactly once, so that no rewrite of the source leaves it without effect.
 */
import { registerHooks } from "node:module";
import { MOVE_MUTANTS } from "./move-mutants.ts";
import { TRADE_MUTANTS } from "./trade-mutants.ts";
import type { Faults } from "./world.ts";

/** One rule less. */
export interface Mutant {
  /** The rule, and what the code does without it. */
  readonly rule: string;
  readonly edits: readonly { readonly file: string; readonly find: string; readonly put: string }[];
  /** Faults that make it show sooner; the others stay as they are. */
  readonly faults?: Partial<Faults>;
  /** Crossings of one run, where it shows only once the faults have ended. */
  readonly crossings?: number;
  /** Whether servers have links with each other. Default false. */
  readonly links?: boolean;
  /** Whether crossings name other servers to try. Default false. */
  readonly failover?: boolean;
  /** Whether homes give seats with departures. Default false. */
  readonly wayHome?: boolean;
  /** Whether players also cross together. Default false. */
  readonly parties?: boolean;
  /** Whether players also give each other things. Default false. */
  readonly trades?: boolean;
  /** With which it shows soonest. Default 7. */
  readonly seed?: string;
}

const row = "custody/home/ledger-row.ts";
const ledger = "custody/home/ledger.ts";
const rows = "custody/home/ledger-rows.ts";
const answers = "custody/home/answers.ts";
const stays = "custody/holder/stays.ts";
const leases = "custody/holder/leases.ts";
const book = "custody/home/lease-book.ts";
const drain = "custody/drain.ts";
const settlement = "custody/holder/settlement.ts";
const crossings = "custody/source/crossings.ts";
const sourceParties = "custody/source/parties.ts";
const gatherings = "custody/destination/gatherings.ts";
const pledges = "custody/home/pledge-row.ts";
const departing = "custody/source/departing.ts";
const arrivals = "custody/destination/arrivals.ts";
const seats = "custody/destination/seats.ts";
const visitors = "custody/holder/visitors.ts";
const custody = "custody/custody.ts";
const homeSessions = "custody/home/home-sessions.ts";
const holderCalls = "custody/holder/calls.ts";
const sourceCalls = "custody/source/calls.ts";
const jws = "identity/jws.ts";
const pass = "identity/pass.ts";
const imports = "custody/home/import-policy.ts";
const messages = "custody/shared/messages.ts";
const returns = "custody/holder/returns.ts";
const lettingIn = "colyseus/letting-in.ts";
const rowsFile = "rows/rows.ts";
const frames = "link/frames.ts";
const linkKeys = "link/keys.ts";

/** Somebody stands between servers that have links, and puts in what passed before. */
const onTheWay = { links: true, faults: { tamper: 0.05, noUpgrade: 0, rubbish: 0, unruly: 0 } };

/** Players cross together, and some of their clients go meanwhile. */
const parties = { parties: true, faults: { fickle: 0.05, rubbish: 0, unruly: 0 } };

/** Servers refuse, and the crossing goes on to another one; it shows once all faults have ended. */
const failover = { failover: true, crossings: 60 };

/** By name. */
export const MUTANTS: Readonly<Record<string, Mutant>> = {
  departEpoch: {
    rule: "home opens a transfer only for the row's own epoch",
    edits: [
      {
        file: row,
        find: "  if (row.epoch !== request.epoch) return stale(`the epoch is ${row.epoch}`);\n  if (row.transfer !== undefined) {\n",
        put: "  if (row.transfer !== undefined) {\n",
      },
    ],
    crossings: 600,
    seed: "3.4",
  },
  departHolder: {
    rule: "home opens a transfer only for the holder",
    edits: [
      {
        file: row,
        find: "  if (row.holder !== by) return stale(`the player is not held by ${by}`);\n  if (row.epoch !== request.epoch) return stale(`the epoch is ${row.epoch}`);\n  if (row.transfer !== undefined) {\n",
        put: "  if (row.epoch !== request.epoch) return stale(`the epoch is ${row.epoch}`);\n  if (row.transfer !== undefined) {\n",
      },
    ],
  },
  claimDestination: {
    rule: "only the transfer's destination may claim it",
    edits: [
      { file: row, find: "    if (open.to !== by) {", put: "    if (open.to === undefined) {" },
    ],
  },
  claimClears: {
    rule: "a claim closes the transfer",
    edits: [
      {
        file: row,
        find: "= { ...closed(row), holder: by, epoch, last };",
        put: "= { ...row, holder: by, epoch, last };",
      },
    ],
  },
  claimRaises: {
    rule: "a claim raises the epoch",
    edits: [
      {
        file: row,
        find: "    const epoch = row.epoch + 1;\n    const last: LastDecision = {",
        put: "    const epoch = row.epoch;\n    const last: LastDecision = {",
      },
    ],
  },
  claimRepeat: {
    rule: "a repeated claim gets the same answer; it decides nothing again",
    edits: [
      {
        file: row,
        find: "    if (last.epoch === row.epoch && row.holder === by && open === undefined)\n      return { ok: true, row };",
        put: "    if (row.holder === by && open === undefined)\n      return { ok: true, row: { ...row, epoch: row.epoch + 1 } };",
      },
    ],
  },
  claimBeforeSession: {
    rule: "a session starts only after home has answered the claim",
    edits: [
      {
        file: arrivals,
        find: "        answer = await homeAt(home).claim(transferId);",
        put: '        void homeAt(home).claim(transferId).catch(() => undefined);\n        answer = { ok: true, body: { player, name: seat.name, epoch: 0, leaseSeconds: 15, receipt: "" } };',
      },
    ],
  },
  claimWhileHeld: {
    rule: "no claim is sent or applied while the player is held already",
    edits: [
      {
        file: arrivals,
        find: "      if (!(await this.#letGoOfFormerStay(player))) {",
        put: '      if (player === "") {',
      },
      {
        file: visitors,
        find: "    if (await this.#write(player, undefined, first)) return true;\n",
        put: "    if (await this.#write(player, undefined, first)) return true;\n    await this.#store.set(visitorKey(player), first.text);\n    return true;\n",
      },
    ],
    faults: {
      loss: 0.25,
      duplication: 0.4,
      partition: 0,
      rubbish: 0,
      unruly: 0,
      fickle: 0,
      lie: 0,
      rot: 0,
    },
    crossings: 300,
    seed: "4",
  },
  recallEnds: {
    rule: "a player that home has called back, and that comes home through a portal, may leave again",
    edits: [
      {
        file: row,
        find: "    if (by !== home || next.recalled === undefined) return",
        put: '    if (home !== "") return',
      },
    ],
    crossings: 400,
    seed: "2.11.11",
  },
  cancelOverdue: {
    rule: "a repeated cancel that comes after the last lease leaves its holder to bring what it has",
    edits: [
      {
        file: answers,
        find: "        transitions.cancel(row, by, request, this.#seconds()).ok && this.#isOverdue(row)\n",
        put: "        row.epoch === request.epoch && this.#isOverdue(row)\n",
      },
    ],
    faults: { delay: 0.5, duplication: 0.3, loss: 0.01, crash: 0 },
    crossings: 400,
    seed: "19",
  },
  cancelEpoch: {
    rule: "home cancels only for the row's own epoch",
    edits: [
      {
        file: row,
        find: "  if (row.epoch !== request.epoch) return stale(`the epoch is ${row.epoch}`);\n  if (transfer !== undefined && transfer.id",
        put: "  if (transfer !== undefined && transfer.id",
      },
    ],
    crossings: 600,
    seed: "4.6.2",
  },
  cancelHolder: {
    rule: "home cancels only for the holder",
    edits: [
      {
        file: row,
        find: "  if (row.holder !== by) return stale(`the player is not held by ${by}`);\n  if (row.epoch !== request.epoch) return stale(`the epoch is ${row.epoch}`);\n  if (transfer !== undefined && transfer.id",
        put: "  if (row.epoch !== request.epoch) return stale(`the epoch is ${row.epoch}`);\n  if (transfer !== undefined && transfer.id",
      },
    ],
  },
  cancelRaises: {
    rule: "a cancel raises the epoch, so that a late depart finds a stale one",
    edits: [
      {
        file: row,
        find: "  const epoch = row.epoch + 1;\n  return {\n    ok: true,\n    row: {\n      ...closed(row),",
        put: "  const epoch = row.epoch;\n  return {\n    ok: true,\n    row: {\n      ...closed(row),",
      },
    ],
  },
  cancelRepeat: {
    rule: "a repeated cancel gets the same answer; it decides nothing again",
    edits: [
      {
        file: row,
        find: "    transfer === undefined\n  ) {\n    return { ok: true, row };\n  }",
        put: "    transfer === undefined\n  ) {\n    return { ok: true, row: { ...row, epoch: row.epoch + 1 } };\n  }",
      },
    ],
  },
  returnEpoch: {
    rule: "home takes a player back only under the row's own epoch",
    edits: [
      {
        file: row,
        find: '  if (row.epoch !== request.epoch) return stale(`the epoch is ${row.epoch}`);\n  if (row.transfer !== undefined) return stale("a transfer is open: cancel it first");',
        put: '  if (row.transfer !== undefined) return stale("a transfer is open: cancel it first");',
      },
    ],
    crossings: 600,
    seed: "7.7.21.7",
  },
  returnHolder: {
    rule: "home takes a player back only from its holder",
    edits: [
      {
        file: row,
        find: "  if (row.holder !== by || by === home) return stale(`the player is not held by ${by}`);\n",
        put: "",
      },
    ],
  },
  returnRaises: {
    rule: "a return raises the epoch",
    edits: [
      {
        file: row,
        find: "row: withState({ ...settled(row), holder: home, epoch: row.epoch + 1 }, request.kept),",
        put: "row: withState({ ...settled(row), holder: home, epoch: row.epoch }, request.kept),",
      },
    ],
  },
  renewEpoch: {
    rule: "home renews only the holder's own epoch",
    edits: [
      {
        file: answers,
        find: "row.holder === by && row.epoch === epoch ?",
        put: "row.holder === by ?",
      },
      {
        file: row,
        find: '  if (row.holder !== by || row.epoch !== request.epoch) return stale("not held any more");',
        put: '  if (row.holder !== by) return stale("not held any more");',
      },
    ],
    faults: { delay: 0.4, duplication: 0.4, partition: 0, crash: 0 },
    crossings: 400,
    seed: "1",
  },
  renewOrder: {
    rule: "home takes no state from a renewal that was overtaken",
    edits: [
      {
        file: row,
        find: "  const late = row.stateSentAt !== undefined && sentAt < row.stateSentAt;",
        put: "  const late = row.stateSentAt !== undefined && sentAt < 0;",
      },
    ],
    faults: { delay: 0.4 },
    seed: "7",
  },
  compareAndSet: {
    rule: "every decision is written on the condition that nobody else has written since",
    edits: [
      {
        file: rows,
        find: "        : this.#table.update(localId, stored.version, values));",
        put: "        : this.#table.update(localId, (await this.#table.get(localId))?.version ?? 0, values));",
      },
    ],
    faults: { slow: 0.3 },
  },
  refusedFromMemory: {
    rule: "what is not written is said only of a row that has just been read, and what nobody knows to be written is not remembered",
    edits: [
      {
        file: rows,
        find: "    if (cached === undefined || next === undefined || next === cached.row) {",
        put: "    if (next !== undefined && next === cached?.row) return Promise.resolve(next);\n    if (cached === undefined || next === undefined) {",
      },
      {
        file: rows,
        find: "      if (!written) this.#cache.drop(localId);\n",
        put: "",
      },
    ],
    faults: { fail: 0.02 },
    seed: "7",
  },
  expiryMargin: {
    rule: "home waits until every lease it answered has surely run out",
    edits: [
      {
        file: ledger,
        find: "      if (this.#leases.secondsLeft(localId, row.epoch) > 0) {",
        put: "      if (this.#leases.secondsLeft(localId, row.epoch) > this.#leases.leaseSeconds * 0.4) {",
      },
    ],
    faults: { partition: 0.03 },
  },
  expiryAfterRestart: {
    rule: "after its own restart home expires nobody before one full lease",
    edits: [
      {
        file: book,
        find: "this.#answeredAt.get(`${localId}@${epoch}`) ?? this.#startedAt;",
        put: "this.#answeredAt.get(`${localId}@${epoch}`) ?? -1e9;",
      },
      { file: book, find: "      Math.max(from, this.#startedAt) +", put: "      from +" },
    ],
    crossings: 600,
    seed: "2",
  },
  expiryRaises: {
    rule: "expiry raises the epoch",
    edits: [
      {
        file: row,
        find: "      epoch: epoch + 1,\n      lapsed:",
        put: "      epoch,\n      lapsed:",
      },
    ],
  },
  leaseFromSending: {
    rule: "a lease counts from the moment its request was sent",
    edits: [
      {
        file: leases,
        find: "    const until = sentAt + seconds * 1000;",
        put: "    const until = clock.monotonic() + (sentAt > 0 ? seconds : seconds) * 1000;",
      },
    ],
    faults: { delay: 0.25, partition: 0.012, crash: 0, loss: 0.02 },
    crossings: 600,
    seed: "1",
  },
  leaseEnds: {
    rule: "past its lease nobody simulates the player",
    edits: [
      {
        file: leases,
        find: '      () => session.freeze("lease"),',
        put: "      () => undefined,",
      },
      {
        file: leases,
        find: "    session.leaseEnds(() => clock.monotonic() >= until);\n",
        put: "",
      },
    ],
    faults: { partition: 0.03 },
    crossings: 600,
    seed: "4",
  },
  repeatExtends: {
    rule: "a repeated claim or cancel extends the lease as the first did",
    edits: [
      {
        file: answers,
        find: "    const { row } = decision;\n    this.#answered(by, row);",
        put: "    const { row } = decision;\n    if (this.#options.leases.secondsLeft(localId, row.epoch) === 0) this.#answered(by, row);",
      },
    ],
    faults: { delay: 0.3, partition: 0.03 },
    crossings: 600,
    seed: "21",
  },
  loginHolder: {
    rule: "a session at home starts only when home holds the player and no transfer is open",
    edits: [
      {
        file: row,
        find: "  return row.holder === home && row.transfer === undefined;",
        put: '  return row.epoch >= 0 && home !== "";',
      },
    ],
  },
  freeze: {
    rule: "a departing player is frozen",
    edits: [{ file: crossings, find: '    session.freeze("crossing");\n', put: "" }],
  },
  freezeDurably: {
    rule: "the freeze is on disk before the departure is sent",
    edits: [
      {
        file: departing,
        find: '      (held) => inPhase(held, "frozen", { transferId, ...(state === undefined ? {} : { state }) }),',
        put: "      (held) => held,",
      },
    ],
  },
  thawOnCancelOnly: {
    rule: "a frozen player plays on only after home has answered a cancel, never on a timer",
    edits: [
      {
        file: settlement,
        find: "        failures += 1;\n        this.#options.logger.debug(",
        put: '        failures += 1;\n        sessions.get(player)?.thaw("crossing");\n        this.#options.logger.debug(',
      },
      {
        file: settlement,
        find: '    let result: SettlementOutcome = "nothing";',
        put: '    const { sessions } = this.#options;\n    let result: SettlementOutcome = "nothing";',
      },
    ],
  },
  lostAnswerPhase: {
    rule: "a renewal's `lost` counts only while held with the epoch it was asked for",
    edits: [
      {
        file: leases,
        find: "        if (session.ended || session.epoch !== epoch) continue;",
        put: "        if (session.ended) continue;",
      },
      {
        file: leases,
        find: '      (held) => held.phase === "held" && held.epoch === epoch,',
        put: "      (held) => held.epoch >= 0,",
      },
    ],
    faults: { delay: 0.3 },
  },
  departedPhase: {
    rule: "`departed` counts only while frozen for that very transfer",
    edits: [
      {
        file: sourceCalls,
        find: '      if (row?.held.phase === "frozen" && row.held.transferId === transferId) {',
        put: "      if (row !== undefined) {",
      },
      {
        file: crossings,
        find: "    if (crossing !== undefined && crossing.transferId === transferId) {",
        put: "    if (crossing !== undefined) {",
      },
      {
        file: crossings,
        find: '      (held) => held.phase === "frozen" && held.transferId === transferId,\n      () => undefined,\n    );\n    if (dropped',
        put: "      () => true,\n      () => undefined,\n    );\n    if (dropped",
      },
    ],
    faults: { delay: 0.3, duplication: 0.3, fail: 0, outage: 0, stop: 0, hang: 0 },
    crossings: 600,
  },
  revokeHome: {
    rule: "only a player's home may call it back",
    edits: [
      {
        file: holderCalls,
        find: "      if (!isHomeOf(caller, currentPlayer(moves, named))) {",
        put: '      if (caller === "") {',
      },
      {
        file: holderCalls,
        find: "        row.held.epoch !== epoch ||\n        moves.currentOrigin(row.home) !== caller\n",
        put: "        row.held.epoch !== epoch\n",
      },
    ],
  },
  endBeforeReturn: {
    rule: "the session is over before its player is returned",
    edits: [
      {
        file: holderCalls,
        find: "      if (session !== undefined) sessions.remove(session);\n",
        put: "",
      },
    ],
  },
  noSessionAfterRestart: {
    rule: "a restart resumes no session: what was held is returned",
    edits: [
      {
        file: settlement,
        find: '        (now) => inPhase(now, "returning"),',
        put: "        (now) => now,",
      },
    ],
  },
  loginWaits: {
    rule: "a login at home waits until what the former session left is stored",
    edits: [
      {
        file: homeSessions,
        find: "    if (save !== undefined) await within(this.#options.clock, STORE_MILLISECONDS, save);\n",
        put: "    void save;\n",
      },
      {
        file: homeSessions,
        find: "      this.#sessions.get(player) === undefined && !this.#saves.has(localId);",
        put: "      this.#sessions.get(player) === undefined;",
      },
    ],
    faults: { slow: 0.3 },
    crossings: 300,
    seed: "6.13.11",
  },
  loginNewest: {
    rule: "a login ends the session that came in through another door meanwhile",
    edits: [
      {
        file: homeSessions,
        find: "      await this.supersede(player);\n      if (this.#unstored.has(localId)) return unstored();\n      row =",
        put: "      await this.#saves.get(localId);\n      row =",
      },
      {
        file: homeSessions,
        find: "      this.#sessions.get(player) === undefined && !this.#saves.has(localId);",
        put: "      !this.#saves.has(localId);",
      },
    ],
    faults: { slow: 0.3 },
    crossings: 400,
    seed: "2",
  },
  cancelAfterRestart: {
    rule: "what home had frozen is cancelled from its row, at a login and after a restart",
    edits: [
      {
        file: custody,
        find: "    const { pledged } = await this.#settleHome(isOver);\n    if (pledged > 0) this.#settleHomeLater(isOver);\n",
        put: "",
      },
      {
        file: homeSessions,
        find: "      await this.#ledger.cancelFromRow(localId);",
        put: "      await Promise.resolve();",
      },
    ],
    crossings: 400,
    seed: "2",
  },
  recallState: {
    rule: "a recalled player is returned with what it carried, frozen or not",
    edits: [
      {
        file: holderCalls,
        find: "      const state = session?.carry();",
        put: "      const state = session?.frozen === false ? session.carry() : undefined;",
      },
    ],
    faults: { outage: 0.003, partition: 0.02 },
    crossings: 150,
    seed: "1.22",
  },
  settleOnRefusal: {
    rule: "a return is repeated after a refusal that is not home's word on custody",
    edits: [
      {
        file: settlement,
        find: '    if (!answer.ok && !isDecidedElsewhere(answer.code)) return "retry";\n    const dropped',
        put: "    const dropped",
      },
    ],
    faults: { outage: 0.003, fail: 0.02 },
  },
  leaveUntilStored: {
    rule: "what a visitor carried when it left is kept until the store takes it",
    edits: [
      {
        file: stays,
        find: "      await untilDone(this.#backOff, player, write, () => undefined);",
        put: "      this.#ending.delete(player);",
      },
    ],
    faults: { outage: 0.003, fail: 0.02 },
    crossings: 300,
    seed: "2.4",
  },
  saveUntilStored: {
    rule: "what a player carried when it left home is kept until the store takes it",
    edits: [
      {
        file: homeSessions,
        find: "      void this.#save(localId, () =>\n        untilDone(this.#backOff, localId, write, () => undefined),\n      ).finally(",
        put: "      void Promise.resolve().finally(",
      },
    ],
    faults: { outage: 0.003, fail: 0.02 },
    crossings: 150,
    seed: "1",
  },
  crossingUntilSettled: {
    rule: "a crossing whose store does not answer is settled once it does",
    edits: [
      {
        file: crossings,
        find: "      (cause) => {\n        this.#undecided(crossing, cause);\n      },",
        put: "      () => {\n        this.#backOff.stop();\n      },",
      },
    ],
    faults: { outage: 0.003, fail: 0.02 },
    crossings: 150,
    seed: "2",
  },
  settleUntilStored: {
    rule: "settling goes on when the store does not answer",
    edits: [
      {
        file: settlement,
        find: '      let where = "the store";\n      try {',
        put: '      let where = "the store";\n      if (failures > 0) return result;\n      try {',
      },
    ],
    faults: { outage: 0.003, fail: 0.02 },
    crossings: 150,
    seed: "2",
  },
  lapsedState: {
    rule: "a holder whose lease ran out returns what it has under its epoch",
    edits: [
      {
        file: leases,
        find: '      (held) => (state === undefined ? undefined : inPhase(held, "returning", { state })),',
        put: "      () => (state === undefined ? undefined : undefined),",
      },
      { file: leases, find: ", inPhase }", put: " }" },
    ],
    faults: { partition: 0.03, hang: 0.01 },
    crossings: 300,
    seed: "1",
  },
  lateReturn: {
    rule: "home takes a late return as long as nobody has played the player since",
    edits: [
      {
        file: row,
        find: "  return lapseOf(row, by, request) !== undefined;",
        put: "  return lapseOf(row, by, request) === null;",
      },
    ],
    faults: { partition: 0.03, hang: 0.01 },
    crossings: 250,
    seed: "2",
  },
  latePlayed: {
    rule: "what comes back after somebody has played the player is kept aside, not used",
    edits: [
      {
        file: row,
        find: "  if (lapse.played === true || !mayStartAtHome(row, home)) {",
        put: "  if (!mayStartAtHome(row, home)) {",
      },
    ],
    faults: { partition: 0.03, hang: 0.01 },
  },
  frozenState: {
    rule: "a departure that is taken back without its session returns what it left with",
    edits: [
      {
        file: settlement,
        find: '          : inPhase(now, "returning", { epoch, ...stateOf(now) });',
        put: '          : inPhase(now, "returning", { epoch });',
      },
    ],
    faults: { loss: 0.2, partition: 0.02 },
    crossings: 300,
    seed: "5.1",
  },
  drainStores: {
    rule: "a server that stops ends every session with what it carries",
    edits: [
      {
        file: custody,
        find: "          await this.#end(session);\n          // Home",
        put: "          this.sessions.remove(session);\n          // Home",
      },
    ],
    faults: { stop: 0.02 },
    crossings: 150,
    seed: "1",
  },
  drainNewcomers: {
    rule: "a server that stops ends the sessions, too, that were on their way in",
    edits: [
      {
        file: drain,
        find: "  sessions.onAdded((session) => void close(session));\n",
        put: "",
      },
    ],
    faults: { stop: 0.03, slow: 0.1 },
    crossings: 250,
    seed: "1.2",
  },
  seatOnce: {
    rule: "one transfer has one seat, however often it is asked for",
    edits: [
      {
        file: seats,
        find: "    const existing = await this.#book.find(player, caller, claims.xfer);",
        put: '    const existing = await this.#book.find(player, caller, "");',
      },
    ],
  },
  passAudience: {
    rule: "a pass is good on the server it is for",
    edits: [
      {
        file: pass,
        find: '  if (typeof aud !== "string" || aud !== options.audience) {',
        put: '  if (typeof aud !== "string") {',
      },
    ],
  },
  passOnce: {
    rule: "a pass is good for one transfer",
    edits: [
      {
        file: seats,
        find: '    if (usedFor !== undefined && usedFor !== claims.xfer) return reused("for another transfer");',
        put: '    if (usedFor === "") return reused("for another transfer");',
      },
      {
        file: seats,
        find: "    if (!first && (await this.#book.usedFor(passKey)) !== claims.xfer) {",
        put: '    if (!first && passKey === "") {',
      },
    ],
  },
  passSource: {
    rule: "a pass is good in the hands of its source",
    edits: [
      {
        file: seats,
        find: "    if (moves.currentOrigin(claims.src) !== caller) {",
        put: '    if (claims.src === "") {',
      },
    ],
  },
  seatToldAhead: {
    rule: "a client is told of its seat once its departure is on disk",
    edits: [
      {
        file: answers,
        find: "    if (early !== undefined) ahead?.(early.answer.pass, early.claims);",
        put: "    if (early !== undefined) {\n      ahead?.(early.answer.pass, early.claims);\n      return { ok: true, body: early.answer };\n    }",
      },
    ],
  },
  wayHomeAhead: {
    rule: "a source is told of the seat that home gives once the departure is on disk",
    edits: [
      {
        file: answers,
        find: "    if (early !== undefined) ahead?.(early.answer.pass, early.claims);",
        put: "    if (early !== undefined) {\n      ahead?.(early.answer.pass, early.claims);\n      if (by !== this.#options.origin) return { ok: true, body: early.answer };\n    }",
      },
    ],
    wayHome: true,
    seed: "7.1",
  },
  passForged: {
    rule: "a pass needs its issuer's signature, but from the issuer itself",
    edits: [
      {
        file: jws,
        find: 'if (options.sender !== undefined && payload["iss"] === options.sender) {',
        put: "if (options.sender !== undefined) {",
      },
    ],
  },
  damagedStart: {
    rule: "a damaged row stops nobody but its own player",
    edits: [
      {
        file: rows,
        find: "      if (row === undefined) await this.#setAside(each);\n      else yield row;",
        put: "      if (row === undefined) throw await this.#setAside(each);\n      yield row;",
      },
    ],
    faults: { rot: 0.5 },
    seed: "7.1",
  },
  damagedBlocks: {
    rule: "a damaged row is not taken for one that is not there",
    edits: [
      {
        file: rowsFile,
        find: "      store.compareAndSet(key, text, blocks ? TOMBSTONE : undefined),",
        put: "      store.compareAndSet(key, text, undefined),",
      },
      {
        file: rows,
        find: "      this.#table.update(key, version, DAMAGED_VALUES),",
        put: "      this.#table.remove(key, version),",
      },
    ],
    faults: { rot: 0.5 },
    seed: "7.1",
  },
  objectByObject: {
    rule: "an object is only ever replaced by an object",
    edits: [
      {
        file: imports,
        find: "  if (!sent.ok || (isMembers(before) && !isMembers(sent.state))) return nothing();",
        put: "  if (!sent.ok) return nothing();",
      },
    ],
    faults: { rubbish: 0.05, lie: 0.02 },
  },
  spendingStays: {
    rule: "of what is too large together, what shrinks is taken all the same: no spending is undone",
    edits: [
      {
        file: imports,
        find: "  if (!isMembers(before) || !isMembers(wanted)) return before ?? null;\n  const cost",
        put: "  if (jsonBytes(wanted) > MAX_STATE_BYTES) return before ?? null;\n  const cost",
      },
    ],
    crossings: 400,
    seed: "5",
  },
  handedOn: {
    rule: "what a server brought stays its own while home's rooms only hand it on",
    edits: [
      {
        file: imports,
        find: "      (Object.hasOwn(before, name) && sameJson(before[name], carried[name])),",
        put: "      false,",
      },
    ],
    faults: { fickle: 0.2, unruly: 0.2 },
    seed: "7",
  },
  readableState: {
    rule: "home stores no state that a destination could not read",
    edits: [
      {
        file: messages,
        find: "  world: worldSchema,\n  state: stateSchema.optional(),",
        put: "  world: worldSchema,\n  state: z.unknown().optional(),",
      },
      {
        file: imports,
        find: "  const sent = checkState(after);\n  const nothing",
        put: "  const sent = { ok: true, state: after } as ReturnType<typeof checkState> & { ok: true };\n  const nothing",
      },
      {
        file: answers,
        find: "      const refused = this.#sayable(opened.row);",
        put: "      const refused = undefined;",
      },
    ],
    faults: { lie: 0.05 },
  },
  renewEachByItself: {
    rule: "one player's bad state costs nobody else a lease",
    edits: [
      {
        file: messages,
        find: "  players: z.array(heldEntrySchema).max(MAX_RENEWED_PLAYERS),",
        put: "  players: z.array(returnSchema).max(MAX_RENEWED_PLAYERS),",
      },
    ],
    faults: { lie: 0.05 },
    seed: "7",
  },
  returnEachByItself: {
    rule: "one player's bad state keeps nobody else from going home",
    edits: [
      {
        file: messages,
        find: "  players: z.array(heldEntrySchema).max(MAX_RETURNED_PLAYERS),",
        put: "  players: z.array(returnSchema).max(MAX_RETURNED_PLAYERS),",
      },
    ],
    faults: {
      delay: 0.3,
      stop: 0.04,
      lie: 0.3,
      picky: 0,
      rubbish: 0,
      unruly: 0,
      fickle: 0,
      unwell: 0,
      rot: 0,
    },
    crossings: 600,
    seed: "5",
  },
  refusedState: {
    rule: "a state that home refuses for its form is kept aside, and its player goes home",
    edits: [
      {
        file: settlement,
        find: "    if (!answer.ok && held.state !== undefined && isStateRefused(answer.code)) {",
        put: "    if (!answer.ok && held.state === null) {",
      },
    ],
    faults: { picky: 0.4 },
    crossings: 400,
    seed: "7",
  },
  refusedAlone: {
    rule: "of many players in one call, only the one stays without its state whose home refuses it",
    edits: [
      {
        file: returns,
        find: '      if (!answer.ok && (isStateRefused(answer.code) || answer.code === "ERR_FED_NOT_FOUND")) {',
        put: '      if (!answer.ok && answer.code === "ERR_FED_NOT_FOUND") {',
      },
    ],
    faults: {
      delay: 0.3,
      stop: 0.04,
      picky: 0.2,
      lie: 0,
      rubbish: 0,
      unruly: 0,
      fickle: 0,
      unwell: 0,
      rot: 0,
    },
    crossings: 300,
    seed: "5",
  },
  joinLimit: {
    rule: "a room's `onJoin` has an end",
    edits: [{ file: lettingIn, find: "      }, milliseconds);", put: "      }, 1e12);" }],
    faults: { unruly: 0.2 },
    crossings: 300,
    seed: "1.2",
  },
  joinFails: {
    rule: "who is not let into a room is not played in it",
    edits: [{ file: lettingIn, find: "    await over();\n", put: "    void over;\n" }],
    faults: { unruly: 0.2 },
    crossings: 400,
    seed: "8",
  },
  leftAtHome: {
    rule: "a departure that is taken back without its client stores what it left with",
    edits: [
      {
        file: crossings,
        find: '      if (session.body.connected) session.thaw("crossing");\n      else {',
        put: '      session.thaw("crossing");\n      if (session.body === undefined) {',
      },
    ],
    faults: { fickle: 0.5, fail: 0.04, crash: 0, stop: 0 },
    crossings: 400,
    seed: "8",
  },
  leftAbroad: {
    rule: "a visitor whose client goes during a crossing that never began goes home",
    edits: [
      {
        file: crossings,
        find: "      if (resumed && (session.ended || !session.body.connected)) {",
        put: "      if (resumed && session.body === undefined) {",
      },
    ],
    faults: { fickle: 0.3, fail: 0.05, outage: 0.003 },
    crossings: 400,
    seed: "9.4",
  },
  recallLeaving: {
    rule: "a player that is called back while it leaves takes along what it left with",
    edits: [
      {
        file: holderCalls,
        find: "sessions.get(player) ?? crossings.sessionOf(player);",
        put: "sessions.get(player);",
      },
    ],
    faults: { fickle: 0.5, outage: 0.02, fail: 0.02, crash: 0, stop: 0 },
    crossings: 400,
    seed: "1.10",
  },
  claimGivenUp: {
    rule: "a claim that could not be written down is given up: its player goes home",
    edits: [
      {
        file: arrivals,
        find: "        if (home !== origin) this.#giveUp(player, body.epoch);",
        put: '        if (home === "") this.#giveUp(player, body.epoch);',
      },
    ],
    faults: { fail: 0.05, crash: 0, stop: 0 },
    crossings: 400,
    seed: "7.4.5",
  },
  unreadableClaim: {
    rule: "who arrives with what cannot be read is not played without it, but goes home",
    edits: [
      {
        file: arrivals,
        find: "      if (body.stateFault !== undefined) {",
        put: "      if (body.stateFault === null) {",
      },
    ],
    faults: { lie: 0.05 },
    crossings: 400,
    seed: "7",
  },
  recalledRenews: {
    rule: "home prolongs no lease of a player that it has called back",
    edits: [
      {
        file: row,
        find: 'return stale("not held any more");\n  if (row.recalled === true) return stale(CALLED_BACK);\n',
        put: 'return stale("not held any more");\n',
      },
      {
        file: answers,
        find: "this.#options.origin || row.recalled === true) return;",
        put: "this.#options.origin) return;",
      },
      {
        file: answers,
        find: "    if (recalled !== true) return leases.leaseSeconds;",
        put: "    if (recalled !== undefined) return leases.leaseSeconds;",
      },
    ],
    faults: { hostage: 0.5 },
    crossings: 400,
  },
  recalledDeparts: {
    rule: "a player that home has called back goes nowhere but home",
    edits: [
      {
        file: row,
        find: "  if (row.recalled === true) return stale(CALLED_BACK);\n  return { ok: true, row: withState({ ...row, transfer }, request.kept) };",
        put: "  return { ok: true, row: withState({ ...row, transfer }, request.kept) };",
      },
    ],
    faults: { hostage: 0.5 },
    crossings: 400,
  },
  heldWaits: {
    rule: "what follows an arrival waits until custody is written down",
    edits: [{ file: visitors, find: "    await this.#recording.get(player);\n", put: "" }],
    faults: { slow: 0.4, unruly: 0.5 },
    crossings: 400,
  },
  heldOrOver: {
    rule: "a session ends whose custody cannot be written down",
    edits: [
      {
        file: arrivals,
        find: ".then((held) => (held ? undefined : this.#unrecorded(session)));",
        put: ";",
      },
    ],
    faults: { fail: 0.05 },
  },
  seatGivenFree: {
    rule: "a seat that leaves the book is given free",
    edits: [
      {
        file: arrivals,
        find: "        await this.#options.seats.giveFree(player, seat);\n        throw cause;",
        put: "        throw cause;",
      },
    ],
    faults: { fail: 0.05, delay: 0.3, duplication: 0.4 },
    crossings: 400,
    seed: "3",
  },
  linkCounter: {
    rule: "a frame of a link counts once, and in its order",
    edits: [
      {
        file: frames,
        find: "  if (bytes.readUInt32BE(0) * TWO_32 + bytes.readUInt32BE(4) !== counter) {",
        put: "  if (counter < 0) {",
      },
    ],
    ...onTheWay,
  },
  linkMac: {
    rule: "a frame of a link is what its sender has sealed",
    edits: [
      {
        file: frames,
        find: "  if (!timingSafeEqual(macOf(key, bytes, end), bytes.subarray(end))) {",
        put: "  if (!timingSafeEqual(bytes.subarray(end), bytes.subarray(end))) {",
      },
    ],
    ...onTheWay,
  },
  linkTranscript: {
    rule: "each link has keys of its own, by what both sides have signed for it",
    edits: [
      {
        file: linkKeys,
        find: 'Buffer.from(hkdfSync("sha256", secret, salt, info, 2 * KEY_BYTES))',
        put: 'Buffer.from(hkdfSync("sha256", salt.subarray(0, 0), secret.subarray(0, 0), info, 2 * KEY_BYTES))',
      },
    ],
    ...onTheWay,
  },
  linkDirections: {
    rule: "a link has another key in each direction",
    edits: [
      {
        file: linkKeys,
        find: "createSecretKey(bytes.subarray(KEY_BYTES))",
        put: "createSecretKey(bytes.subarray(0, KEY_BYTES))",
      },
    ],
    ...onTheWay,
  },
  failoverTries: {
    rule: "a crossing that its destination refuses goes on to the next one",
    edits: [
      {
        file: crossings,
        find: "    if (refused.elsewhere !== true || ",
        put: "    if (refused.elsewhere === true || ",
      },
    ],
    ...failover,
  },
  failoverCancels: {
    rule: "a player departs for another server only once home has cancelled the former departure",
    edits: [
      {
        file: crossings,
        find: "      if (!(await this.#cancel(crossing))) return false;",
        put: "      await Promise.resolve();",
      },
    ],
    ...failover,
  },
  failoverFrozen: {
    rule: "the player stays frozen from one destination to the next",
    edits: [
      {
        file: crossings,
        find: "    crossing.transferId = orderedId(this.#options.random, this.#options.clock);\n",
        put: '    crossing.transferId = orderedId(this.#options.random, this.#options.clock);\n    session.thaw("crossing");\n',
      },
    ],
    ...failover,
    seed: "1",
  },
  failoverFrees: {
    rule: "the seat of a destination that is left is given free",
    edits: [
      {
        file: crossings,
        find: "    void this.#freeSeat(crossing);\n    try {",
        put: "    try {",
      },
    ],
    ...failover,
  },
  failoverTurns: {
    rule: "who has turned round goes to no other server",
    edits: [
      {
        file: crossings,
        find: "      !crossing.decided && !session.ended && !this.#backOff.stopped && failover.goesOn;",
        put: "      !session.ended && !this.#backOff.stopped && failover.goesOn;",
      },
    ],
    failover: true,
    seed: "1",
  },
  pledgeCancels: {
    rule: "14 while a pledge stands, nobody takes the player back",
    edits: [{ file: row, find: "  if (isPledged(row, at)) return PLEDGED;\n", put: "" }],
    ...parties,
  },
  pledgeExpires: {
    rule: "14 while a pledge stands, home takes nobody back whose holder is silent",
    edits: [
      {
        file: ledger,
        find: "return this.#isPledged(row) ? transitions.PLEDGED : transitions.expire(row, this.#origin);",
        put: "return transitions.expire(row, this.#origin);",
      },
    ],
    ...parties,
    faults: { partition: 0.05, crash: 0.03 },
    seed: "23",
  },
  pledgeExtends: {
    rule: "14 a pledge that is repeated is not extended",
    edits: [
      {
        file: pledges,
        find: "isPledged(row, at) ? { ok: true, row } : over;",
        put: "isPledged(row, at) ? { ok: true, row: { ...row, transfer: { ...open, pledge: { party: partyId, until: at + PLEDGE_SECONDS } } } } : over;",
      },
    ],
    ...parties,
    faults: { duplication: 0.3, delay: 0.3 },
  },
  pledgeOnce: {
    rule: "14 a pledge that is over is not made again",
    edits: [
      {
        file: pledges,
        find: "  if (former !== undefined) {\n",
        put: "  if (former !== undefined && isPledged(row, at)) {\n",
      },
    ],
    ...parties,
    faults: { duplication: 0.3, delay: 0.3 },
    seed: "1",
  },
  pledgeDestination: {
    rule: "14 a pledge is for the destination",
    edits: [
      {
        file: pledges,
        find: "  if (!claimable.ok) return claimable;\n",
        put: '  if (!claimable.ok && claimable.code !== "ERR_FED_NOT_DESTINATION") return claimable;\n',
      },
    ],
    ...parties,
  },
  partyPledges: {
    rule: "16 no claim of a party is sent before every home has pledged",
    edits: [
      {
        file: gatherings,
        find: "      const reason = reasons[at] ?? this.#absence(member);",
        put: "      const reason = this.#absence(member);",
      },
      {
        file: gatherings,
        find: "        if (refused !== undefined && !this.#party.others) this.breakOff(refused, member);\n",
        put: "",
      },
    ],
    ...parties,
  },
  partyClaims: {
    rule: "16 no session of a party starts before every claim is won",
    edits: [
      {
        file: gatherings,
        find: "        else if (claimed.ok) member.arrival = claimed.arrival;",
        put: "        else if (claimed.ok) waiting.answer({ ok: true, arrival: (member.arrival = claimed.arrival) });",
      },
    ],
    ...parties,
  },
  partyTogether: {
    rule: "16 where one cannot come in at last, nobody does",
    edits: [
      {
        file: gatherings,
        find: "    if (because !== undefined && !this.#party.others) {",
        put: "    if (because !== undefined && this.#party.id === undefined) {",
      },
    ],
    ...parties,
  },
  partyGathers: {
    rule: "16 a party is decided once all have come",
    edits: [
      {
        file: gatherings,
        find: "    else if (left.every(({ waiting }) => waiting !== undefined)) void this.#decide();",
        put: "    else if (left.some(({ waiting }) => waiting !== undefined)) void this.#decide();",
      },
    ],
    ...parties,
    crossings: 60,
  },
  partyGivesBack: {
    rule: "16 whose claim was won goes home when the party is broken off",
    edits: [
      {
        file: gatherings,
        find: "      // Won, and nobody plays it: home has it back.\n      if (arrival !== undefined && !takenBack) this.#giveBack(arrival);\n",
        put: "",
      },
    ],
    ...parties,
    seed: "1",
  },
  partyTakenBack: {
    rule: "16 who was called home meanwhile is not let in",
    edits: [
      {
        file: gatherings,
        find: "    if (takenBack) return `${name} was called home.`;\n",
        put: "",
      },
    ],
    ...parties,
    faults: { delay: 0.3 },
    seed: "2",
  },
  partyBreaks: {
    rule: "16 at the source, nobody goes where one does not",
    edits: [
      {
        file: sourceParties,
        find: "    else this.#breakOff(member.out);\n",
        put: "    else this.#look();\n",
      },
    ],
    ...parties,
    seed: "3",
  },
  historyMadeUp: {
    rule: "a start makes up for crossings that a crash kept out of the history",
    edits: [
      { file: "custody/home/settle-home.ts", find: "    await receipts.makeUp(row);\n", put: "" },
    ],
    crossings: 100,
  },
  historyListed: {
    rule: "who came home by a crossing that is not in the history is found by the next start",
    edits: [
      {
        file: "custody/home/ledger-columns.ts",
        find: '  return last?.kind === "claim" && !isRecorded ? LISTED.claimed : undefined;',
        put: "  return last === undefined || isRecorded ? undefined : undefined;",
      },
    ],
    crossings: 100,
  },
  ...MOVE_MUTANTS,
  ...TRADE_MUTANTS,
};

/** Loads the source with one rule taken away. Call it before anything of the source is imported. */
export function takeAway(mutant: Mutant): void {
  const left = new Set(mutant.edits);
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const edits = mutant.edits.filter(({ file }) => url.endsWith(`/src/${file}`));
      if (edits.length === 0) return loaded;
      let source = Buffer.from(loaded.source as Uint8Array).toString("utf8");
      for (const edit of edits) {
        const parts = source.split(edit.find);
        if (parts.length !== 2) {
          throw new Error(
            `${edit.file} has the place of this mutant ${parts.length - 1} times instead of once:\n${edit.find}`,
          );
        }
        source = parts.join(edit.put);
        left.delete(edit);
      }
      return { ...loaded, source };
    },
  });
}
