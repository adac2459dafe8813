/** A real Redis of a test suite's own, on a free port. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { eventually } from "./eventually.ts";
import { freePort } from "../../src/testing/test-place.ts";

/** Starts it, gives clients, and clears it away. */
export class RedisServer {
  readonly port: number;
  readonly #program: string;
  readonly #folder: string;
  readonly #clients = new Set<Redis>();
  readonly #settings: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(program: string, port: number, folder: string, settings: readonly string[]) {
    this.#program = program;
    this.port = port;
    this.#folder = folder;
    this.#settings = settings;
  }

  static async start(
    program: string,
    settings: readonly string[] = ["--appendonly", "yes", "--appendfsync", "always"],
  ): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), "aether-redis-"));
    const server = new RedisServer(program, await freePort(), folder, settings);
    await server.resume();
    return server;
  }

  get url(): string {
    return `redis://localhost:${this.port}`;
  }

  /** Starts the process, over whatever a former one has left on disk. */
  async resume(): Promise<void> {
    this.#child = spawn(
      this.#program,
      ["--port", String(this.port), "--dir", this.#folder, "--save", "", ...this.#settings],
      { stdio: "ignore" },
    );
    const probe = this.client();
    await eventually(() => probe.ping(), { timeoutMilliseconds: 10_000, what: "Redis answers" });
  }

  kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      child.once("exit", () => {
        resolve();
      });
      child.kill("SIGKILL");
    });
  }

  client(): Redis {
    const client = new Redis(this.port, "localhost", { retryStrategy: () => 50 });
    // Failing to connect is what some tests want.
    client.on("error", () => undefined);
    this.#clients.add(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
