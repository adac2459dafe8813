/** Programs of this package, run until they end. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ServerProcess } from "./processes.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The operator's command line, for {@link runScript}. */
export const CLI = "dist/cli/main.js";

/** How a run ended, and what it printed. */
export interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  /** What it printed as JSON; fails when it did not end well. */
  json<Answer>(): Answer;
}

/** Runs a script of this package. */
export function runScript(script: string, ...args: readonly string[]): Promise<Run> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", script, ...args],
      { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
    );
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.once("close", (code) => {
      const json = <Answer>(): Answer => {
        if (code !== 0) throw new Error(`exit code ${code ?? "none"}: ${err}`);
        assert.equal(err, "");
        return JSON.parse(out) as Answer;
      };
      resolve({ code, out, err, json });
    });
  });
}

/** Runs the operator's command line on a server's data. */
export function commandLine(server: ServerProcess, ...args: readonly string[]): Promise<Run> {
  return runScript(CLI, ...args, "--data", server.spec.data);
}

/** What the operator's command line answers with, in JSON. */
export async function commandAnswer<Answer>(
  server: ServerProcess,
  ...args: readonly string[]
): Promise<Answer> {
  return (await commandLine(server, ...args, "--json")).json<Answer>();
}
