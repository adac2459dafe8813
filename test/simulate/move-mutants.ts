/** The rules about servers that move, each taken away: see `mutants.ts`. */
import type { Mutant } from "./mutants.ts";

const names = "custody/home/row-names.ts";
const ledger = "custody/home/ledger.ts";
const seats = "custody/destination/seats.ts";

/** Whoever ends comes back elsewhere, more often than not. */
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
    seed: "1",
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
  moveSeat: {
    rule: "a transfer has one seat, though its player's home moves between two requests",
    edits: [
      {
        file: seats,
        find: "      if ((await this.#book.find(id, caller, transferId)) !== undefined) return id;",
        put: "      if ((await this.#book.find(id, caller, transferId)) === null) return id;",
      },
    ],
    ...moving,
    faults: { move: 0.9, crash: 0.012, duplication: 0.5, delay: 0.3 },
    seed: "71.3",
  },
};
