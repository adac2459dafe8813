/** The chain through the audit log: each line carries the hash of the one before, in the file before, too. */
import { createHash } from "node:crypto";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { NO_FOLLOW } from "./private-files.ts";
import { constants } from "node:fs";

/** The files of a log, the oldest first. */
export function filesOf(path: string): readonly string[] {
  return [`${path}.2`, `${path}.1`, path];
}

/** The hash of a line, without its end. */
export function hashOf(line: string): string {
  return createHash("sha256").update(line).digest("base64url");
}

/** What verifying found. */
export interface AuditVerdict {
  readonly lines: number;
  /** Lines at the beginning that carry no hash: older than the chain, or stripped of it. */
  readonly unchained: number;
  /** Hash of the last line: noted elsewhere, it shows whether the end was cut off. */
  readonly last: string | undefined;
  /** Where the chain is broken, in words. */
  readonly faults: readonly string[];
}

const MAX_FAULTS = 20;

/** Reads a whole log and follows its chain. What is older than the first line with a hash has none. */
export async function verifyAudit(path: string): Promise<AuditVerdict> {
  const faults: string[] = [];
  let last: string | undefined;
  let chained = false;
  let lines = 0;
  let unchained = 0;
  for (const file of filesOf(path)) {
    const text = await readFile(file, {
      encoding: "utf8",
      flag: constants.O_RDONLY | NO_FOLLOW,
    }).catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return "";
      throw cause;
    });
    const all = text.split("\n");
    if (all.at(-1) === "") all.pop();
    for (const [index, line] of all.entries()) {
      const previous = previousIn(line);
      // The oldest file that is kept goes on from one that is gone.
      const isFirst = last === undefined;
      if (previous === undefined ? chained : !isFirst && previous !== last) {
        const what =
          previous === undefined ? "carries no hash" : "does not follow from the line before";
        if (faults.length < MAX_FAULTS) faults.push(`${file}:${index + 1} ${what}`);
      }
      chained ||= previous !== undefined;
      last = hashOf(line);
      lines += 1;
      if (!chained) unchained += 1;
    }
  }
  return { lines, unchained, last, faults };
}

/** The last line of a file that is open for reading; undefined when it has none. */
export async function lastLineOf(
  file: FileHandle,
): Promise<{ readonly line: string; readonly whole: boolean } | undefined> {
  const { size } = await file.stat();
  for (let length = 4_096; size > 0; length *= 4) {
    const start = Math.max(0, size - length);
    const { buffer } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    const whole = buffer.at(-1) === NEWLINE;
    const end = whole ? buffer.length - 1 : buffer.length;
    const before = end === 0 ? -1 : buffer.lastIndexOf(NEWLINE, end - 1);
    if (before < 0 && start > 0) continue;
    return { line: buffer.subarray(before + 1, end).toString("utf8"), whole };
  }
  return undefined;
}

/** Opens a file for reading; undefined when there is none. */
export async function openToRead(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | NO_FOLLOW);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw cause;
  }
}

const NEWLINE = 0x0a;

function previousIn(line: string): string | undefined {
  try {
    const { previous } = JSON.parse(line) as { previous?: unknown };
    return typeof previous === "string" ? previous : undefined;
  } catch {
    // A crash tears the last line; the next one carries its hash.
    return undefined;
  }
}
