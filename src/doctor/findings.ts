/** What an examination of a link has found: one line for each thing that was looked at. */
import { z } from "zod";
import { shownText } from "../words.ts";

/** What is looked at, in the order in which it is told. */
export const CHECKS = [
  "this server",
  "our trust",
  "reach",
  "TLS",
  "clock",
  "descriptor",
  "keys",
  "protocol",
  "delegation",
  "handshake",
  "health",
  "assets",
  "link",
  "rooms",
  "session",
  "signed call",
  "their trust",
  "time",
] as const;
/** One of {@link CHECKS}. */
export type Check = (typeof CHECKS)[number];

/** The command that mends something, and on whose machine it is typed. */
export interface Mend {
  readonly where: "here" | "there";
  readonly command: string;
}

/** One line. */
export interface Finding {
  readonly check: Check;
  /** Whether nothing is to be done about it. */
  readonly ok: boolean;
  /** What was found, and where it is wrong, what to do. */
  readonly detail: string;
  readonly mend?: Mend | undefined;
}

/** Takes one finding. */
export type Report = (check: Check, ok: boolean, detail: string, mend?: Mend) => void;

const MAX_DETAIL_LENGTH = 2_000;
const MAX_COMMAND_LENGTH = 1_000;

/** Findings as they lie in the store. */
export const findingsSchema = z
  .array(
    z.strictObject({
      check: z.enum(CHECKS),
      ok: z.boolean(),
      detail: z.string().max(MAX_DETAIL_LENGTH),
      mend: z
        .strictObject({
          where: z.enum(["here", "there"]),
          command: z.string().max(MAX_COMMAND_LENGTH),
        })
        .optional(),
    }),
  )
  .max(CHECKS.length);

/** Collects findings: one for each check, in their order, each in one line whatever the server examined says. */
export class Findings {
  readonly #found = new Map<Check, Finding>();
  #isClosed = false;

  /** Takes one, until {@link close}; of two for one check, the first that is not well. */
  readonly report: Report = (check, ok, detail, mend) => {
    if (this.#isClosed || this.#found.get(check)?.ok === false) return;
    const shown = shownText(detail, MAX_DETAIL_LENGTH) ?? "";
    this.#found.set(check, { check, ok, detail: shown, ...(mend === undefined ? {} : { mend }) });
  };

  /** Ends it; answers what was found. */
  close(): Finding[] {
    this.#isClosed = true;
    return [...this.#found.values()].sort(
      (one, other) => CHECKS.indexOf(one.check) - CHECKS.indexOf(other.check),
    );
  }
}
