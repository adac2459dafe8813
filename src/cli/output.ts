/** How the command line speaks: tables for people, JSON for programs, exit codes for scripts. */

import { shownText } from "../words.ts";
import { padded, width } from "./terminal.ts";

/** Exit codes. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** Ends a command with one line and an exit code. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What a command answers: text for people, a value for `--json`. */
export interface CommandResult {
  readonly text: string;
  readonly json: unknown;
  readonly exitCode?: number;
}

const MAX_CELL_LENGTH = 8192;

/** Columns under their heads, aligned. */
export function table(heads: readonly string[], told: readonly (readonly string[])[]): string {
  // Cells hold what other servers say of themselves: each stays in its line.
  const rows = told.map((row) => row.map((cell) => shownText(cell, MAX_CELL_LENGTH) ?? ""));
  const widths = heads.map((head, column) =>
    rows.reduce((most, row) => Math.max(most, width(row[column] ?? "")), head.length),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => padded(cell, widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return [line(heads), line(widths.map((each) => "─".repeat(each))), ...rows.map(line)].join("\n");
}

/** A time for people: `2026-11-23 22:10:05Z`, or a dash. */
export function when(unixSeconds: number | undefined): string {
  if (unixSeconds === undefined) return "–";
  return `${new Date(unixSeconds * 1000).toISOString().slice(0, 19).replace("T", " ")}Z`;
}
