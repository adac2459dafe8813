/** The private recovery key, brought by its operator: never as an argument. */
import { readFile } from "node:fs/promises";
import { readRecoveryKey } from "../identity/recovery.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import { CommandError, EXIT } from "./output.ts";

const MAX_INPUT_LENGTH = 1024;

/** Reads the recovery key from a file, or else from standard input: the first line of it. */
export async function recoveryKeyFrom(file: string | undefined): Promise<SigningKey> {
  const text = file === undefined ? await firstLine() : await contents(file);
  const key = readRecoveryKey(text);
  if (key === undefined) {
    throw new CommandError(
      "that is no recovery key: it is one line, aether-recovery- and 43 characters; type it, or name a file by --from",
      EXIT.usage,
    );
  }
  return key;
}

async function contents(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).slice(0, MAX_INPUT_LENGTH);
  } catch {
    throw new CommandError(`${file} cannot be read`, EXIT.usage);
  }
}

async function firstLine(): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write("Recovery key: ");
  let text = "";
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.includes("\n") || text.length > MAX_INPUT_LENGTH) break;
  }
  return text.split("\n")[0] ?? "";
}
