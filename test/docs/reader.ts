/** A reader who does what a page says, in a folder of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Page, ROOT } from "./pages.ts";

/** A project in `folder`, with this package and its peers installed. */
export function install(folder: string): void {
  const modules = join(folder, "node_modules");
  mkdirSync(modules, { recursive: true });
  symlinkSync(ROOT, join(modules, "aether-federation"));
  for (const name of ["@colyseus", "esbuild", "express"]) {
    symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
  }
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
}

/** Writes a page's named files into a project, changed by `edit`. */
export function writeFiles(
  page: Page,
  folder: string,
  edit: (code: string) => string = (code) => code,
): void {
  for (const { file, code } of page.blocks) {
    if (file === undefined) continue;
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), edit(code));
  }
}

/** A process that a page says to start. */
export class Started {
  output = "";
  readonly #child: ChildProcess;

  constructor(
    folder: string,
    [program, ...args]: readonly [string, ...string[]],
    env: NodeJS.ProcessEnv = {},
  ) {
    // What this very run was given is not the reader's.
    const { NODE_OPTIONS: _ours, NODE_ENV: _mocha, ...own } = process.env;
    this.#child = spawn(program, args, {
      cwd: folder,
      env: { ...own, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
  }

  /** Ends it as a supervisor does, and waits for that. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill(signal);
    const late = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(late);
  }
}

/** `node`, and `npx tsx`. */
export const NODE = [process.execPath, "--disable-warning=ExperimentalWarning"] as const;
export const TSX = [...NODE, join(ROOT, "node_modules/tsx/dist/cli.mjs")] as const;
