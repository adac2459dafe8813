/** A real PostgreSQL of a test suite's own, on a free port. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Pool, type PoolConfig } from "pg";
import { eventually } from "./eventually.ts";
import { freePort } from "../../src/testing/test-place.ts";

const PASSWORD = "secret of the tests";
/** PostgreSQL refuses to run as root: then it runs as the user that Debian's package makes. */
const RUNNER: readonly string[] =
  process.getuid?.() === 0
    ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    : [];

/** Starts it, gives pools, freezes, kills and resumes it, and clears it away. */
export class PostgresServer {
  readonly port: number;
  readonly #program: string;
  readonly #folder: string;
  readonly #settings: readonly string[];
  readonly #pools = new Set<Pool>();
  #child: ChildProcess | undefined;

  private constructor(program: string, port: number, folder: string, settings: readonly string[]) {
    this.#program = program;
    this.port = port;
    this.#folder = folder;
    this.#settings = settings;
  }

  /**
   * @param program - Path of `postgres`.
   * @param settings - As `name=value`.
   */
  static async start(
    program: string,
    { settings = [], encoding = "UTF8" }: { settings?: readonly string[]; encoding?: string } = {},
  ): Promise<PostgresServer> {
    const folder = await mkdtemp(join(tmpdir(), "aether-postgres-"));
    const secret = join(folder, "password");
    await writeFile(secret, PASSWORD);
    await chmod(secret, 0o644);
    if (RUNNER.length > 0) execFileSync("chown", ["-R", "postgres:", folder]);
    const [command = "", ...args] = [
      ...RUNNER,
      join(dirname(program), "initdb"),
      ...["--pgdata", join(folder, "data"), "--username", "tester", "--pwfile", secret],
      ...["--auth", "scram-sha-256", "--encoding", encoding, "--locale", "C", "--no-sync"],
    ];
    execFileSync(command, args, { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
    const server = new PostgresServer(program, await freePort(), folder, settings);
    await server.resume();
    return server;
  }

  get url(): string {
    return `postgres://tester:${encodeURIComponent(PASSWORD)}@localhost:${this.port}/postgres`;
  }

  /** Starts the process, over whatever a former one has left on disk. */
  async resume(): Promise<void> {
    const settings = [
      ...[`port=${this.port}`, "listen_addresses=localhost", "unix_socket_directories="],
      ...this.#settings,
    ];
    const [command = "", ...args] = [
      ...[...RUNNER, this.#program, "-D", join(this.#folder, "data")],
      ...settings.flatMap((setting) => ["-c", setting]),
    ];
    this.#child = spawn(command, args, { cwd: this.#folder, stdio: "ignore" });
    const probe = this.pool({ max: 1 });
    await eventually(() => probe.query("SELECT 1"), {
      timeoutMilliseconds: 20_000,
      what: "PostgreSQL answers",
    });
    await probe.end();
    this.#pools.delete(probe);
  }

  /** As a power cut: nothing is shut down, and no backend is left. */
  kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      child.once("exit", () => {
        resolve();
      });
      this.#signal("SIGKILL");
    });
  }

  /** Nothing of it runs, and its connections stay: a machine that hangs. */
  freeze(): void {
    this.#signal("SIGSTOP");
  }

  thaw(): void {
    this.#signal("SIGCONT");
  }

  pool(config: PoolConfig = {}): Pool {
    const pool = new Pool({ connectionString: this.url, ...config });
    // Failing to connect is what some tests want; many engines on one pool, too.
    pool.on("error", () => undefined).setMaxListeners(0);
    this.#pools.add(pool);
    return pool;
  }

  async stop(): Promise<void> {
    await this.kill();
    await Promise.all([...this.#pools].map((pool) => pool.end().catch(() => undefined)));
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** To the server, which first makes no more backends, and then to each of these. */
  #signal(signal: NodeJS.Signals): void {
    const server = this.#child?.pid;
    if (server === undefined) return;
    const children = readFileSync(`/proc/${server}/task/${server}/children`, "utf8");
    for (const each of [server, ...children.split(" ").filter(Boolean).map(Number)]) {
      try {
        process.kill(each, signal);
      } catch {
        // It has ended by itself.
      }
    }
  }
}
