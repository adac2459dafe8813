/** Loggers for what a test starts. */
import type { Logger } from "../../src/ports.ts";

/** A logger that says nothing; Colyseus takes it too. */
export function quietLogger(): Logger & { log(): void; trace(): void } {
  const ignore = (): void => undefined;
  return { debug: ignore, info: ignore, warn: ignore, error: ignore, log: ignore, trace: ignore };
}

/** A logger that keeps what it is told, each line after its level. */
export function recordingLogger(lines: string[] = []): Logger & { readonly lines: string[] } {
  const add =
    (level: string) =>
    (message: string): void => {
      lines.push(`${level}: ${message}`);
    };
  return { lines, debug: add("debug"), info: add("info"), warn: add("warn"), error: add("error") };
}
