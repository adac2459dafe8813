/** Another process with an asset store: see fixtures/asset-store.ts. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type Interface, createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("../fixtures/asset-store.ts", import.meta.url));

/** What it says to a command. */
export interface AssetAnswer {
  readonly ready?: boolean;
  readonly done?: unknown;
  readonly failed?: string;
  /** Calls that change the disk, so far. */
  readonly calls?: number;
}

/** It, running: takes commands, and can be killed at any of its calls. */
export class AssetProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exit: Promise<unknown>;
  #errors = "";

  /** @param wrap - A shell command that ends by running `"$@"`. */
  constructor(flags: readonly string[], wrap = 'exec "$@"') {
    const node = [process.execPath, "--disable-warning=ExperimentalWarning", SCRIPT, ...flags];
    this.#child = spawn("sh", ["-c", wrap, "sh", ...node], { stdio: "pipe" });
    this.#exit = once(this.#child, "exit");
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#errors += text));
    // Writing to one that has been killed is what some tests do.
    this.#child.stdin?.on("error", () => undefined);
    const lines: Interface = createInterface({ input: this.#child.stdout! });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  static async start(flags: readonly string[], wrap?: string): Promise<AssetProcess> {
    const started = new AssetProcess(flags, wrap);
    if ((await started.#next())?.ready !== true) {
      throw new Error(`it did not start: ${started.#errors}`);
    }
    return started;
  }

  /** Its answer, or undefined when it died. */
  async ask(what: string, seed = "", size = 0, bytes?: number): Promise<AssetAnswer | undefined> {
    this.#child.stdin?.write(`${JSON.stringify({ do: what, seed, size, bytes })}\n`);
    return this.#next();
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exit;
  }

  /** Lets it end by itself. */
  async end(): Promise<void> {
    this.#child.stdin?.end();
    await this.#exit;
  }

  /** What killed it, once it is gone. */
  async signal(): Promise<NodeJS.Signals | null> {
    await this.#exit;
    return this.#child.signalCode;
  }

  async #next(): Promise<AssetAnswer | undefined> {
    const { value, done } = await this.#lines.next();
    return done === true ? undefined : (JSON.parse(value) as AssetAnswer);
  }
}
