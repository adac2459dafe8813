/** The rules about servers that move, each taken away: see `mutants.ts`. */
import type { Mutant } from "./mutants.ts";

const names = "custody/home/row-names.ts";
const ledger = "custody/home/ledger.ts";
const rows = "custody/home/ledger-rows.ts";
const custody = "custody/custody.ts";
const arrivals = "custody/destination/arrivals.ts";
const holderCalls = "custody/holder/calls.ts";

/** Whoever ends comes back elsewhere, nearly always. */
const moving = { faults: { move: 0.6, crash: 0.01, stop: 0.01 }, crossings: 400 } as const;

/** By name. */
export const MOVE_MUTANTS: Readonly<Record<string, Mutant>> = {
  moveHolder: {
    rule: "who has moved still holds whom it held",
    edits: [{ file: names, find: "    holder: now(row.holder),", put: "    holder: row.holder," }],
    ...moving,
  },
  moveLapsed: {
    rule: "who has moved may bring late what it lapsed with",
    edits: [
      {
        file: names,
        find: "({ ...each, holder: now(each.holder) })",
        put: "({ ...each })",
      },
    ],
    ...moving,
  },
  moveCache: {
    rule: "what home remembers of a row is by the names that servers have now",
    edits: [
      {
        file: rows,
        find: "    if (this.#movesSeen !== this.#moves.version) {",
        put: "    if (this.#movesSeen < 0) {",
      },
    ],
    ...moving,
  },
  moveAlias: {
    rule: "a home knows its players by the ids of its former origins",
    edits: [
      {
        file: ledger,
        find: "    const player = currentPlayer(this.#moves, named);",
        put: "    const player = named;",
      },
    ],
    ...moving,
  },
  moveHome: {
    rule: "a holder calls a home where it is now",
    edits: [
      {
        file: custody,
        find: "      const home = moved.currentOrigin(named);",
        put: "      const home = named;",
      },
    ],
    ...moving,
  },
  moveOneName: {
    rule: "who is held by a former id is not held by another one, too",
    edits: [
      {
        file: custody,
        find: "        if ((await visitors.get(id)) !== undefined) return id;",
        put: "        if ((await visitors.get(id)) === null) return id;",
      },
    ],
    ...moving,
  },
  moveAnswer: {
    rule: "home may answer a claim by the player's new id",
    edits: [
      {
        file: arrivals,
        find: "if (currentPlayer(moves, body.player) !== currentPlayer(moves, player)) {",
        put: "if (body.player !== player) {",
      },
    ],
    ...moving,
  },
  moveRevoke: {
    rule: "a home calls back by the new id whom a holder has by the former one",
    edits: [
      {
        file: holderCalls,
        find: "      const player = await nameHere(named, caller);",
        put: "      const player = named;",
      },
    ],
    ...moving,
  },
};
