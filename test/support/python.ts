/** Debian's Python, and a foreign server written in it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { eventually } from "./eventually.ts";
import { leaveOut } from "./left-out.ts";
import { freePort } from "../../src/testing/test-place.ts";

/** Debian's python3, where its packages are; another Python on the path does not see them. */
export const PYTHON = "/usr/bin/python3";
const REASON =
  "interoperation with Python, for want of python3-jwt (add it with: apt-get install python3-jwt python3-cryptography)";

/** Skips the suite, or fails it in CI, when Python is not there with what it needs. */
export function requirePython(context: Mocha.Context): void {
  if (spawnSync(PYTHON, ["-c", "import jwt, cryptography"]).status === 0) return;
  if (process.env["CI"] !== undefined) throw new Error(REASON);
  leaveOut(context, REASON);
}

/** What a call of the foreign server was answered. */
export interface ForeignAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** `test/interop/foreign/server.py`, running. */
export class ForeignServer {
  readonly port: number;
  readonly #child: ChildProcess;
  #errors = "";

  private constructor(port: number, flags: readonly string[]) {
    this.port = port;
    const script = fileURLToPath(new URL("../interop/foreign/server.py", import.meta.url));
    this.#child = spawn(PYTHON, ["-B", script, String(port), ...flags], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
  }

  /** `--plain`: it knows no additions. */
  static async start(...flags: readonly string[]): Promise<ForeignServer> {
    const server = new ForeignServer(await freePort(), flags);
    await eventually(() => fetch(`${server.origin}/federation/health`), {
      what: "the foreign server listens",
    });
    return server;
  }

  get origin(): string {
    return `http://localhost:${this.port}`;
  }

  get authority(): string {
    return `localhost:${this.port}`;
  }

  /** What it printed as going wrong. */
  get errors(): string {
    return this.#errors;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill();
    await once(this.#child, "exit");
  }

  /** Tells it what to do. */
  async control<Answer>(name: string, body: object = {}): Promise<Answer> {
    const response = await fetch(`${this.origin}/control/${name}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    const answer = (await response.json()) as Answer & { error?: string };
    if (response.status !== 200) throw new Error(answer.error ?? `status ${response.status}`);
    return answer;
  }

  /** Has it call another server; the answer's signature was checked. */
  call(origin: string, path: string, body: object): Promise<ForeignAnswer> {
    return this.control("call", { origin, path, body });
  }

  /** Calls of this kind that came in. */
  told(path: string): Promise<{ caller: string; body: Record<string, unknown> }[]> {
    return this.control("told", { path });
  }
}
