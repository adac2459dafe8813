/** Real server processes for tests, on free ports, with folders of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/testing/test-place.ts";
import { eventually } from "./eventually.ts";
import { fetchJson } from "./fetch-json.ts";
import { keptBytes } from "./inspector.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Many servers and browsers start at once on two cores. */
const START_MILLISECONDS = 40_000;

/** The example: a world with coins and portals. */
export const WORLD = "example-server/world.ts";
/** One room of every kind. */
export const ROOMS = "test/fixtures/rooms-server.ts";
/** Players who wear files. */
export const ASSETS = "test/fixtures/assets-server.ts";
/** Players with accounts and tokens. */
export const ACCOUNTS = "test/fixtures/accounts-server.ts";
/** One process of several that are one server. */
export const SHARED = "test/fixtures/shared-server.ts";

/** A server as a test asks for it; it is given a port and a folder named like itself. */
export interface ServerKind {
  readonly name: string;
  readonly script: string;
  /** Beside name, port and folder. */
  readonly flags?: readonly string[];
  /** Default a free one. */
  readonly port?: number;
  /** Where it runs. Default: the repository. */
  readonly cwd?: string;
  /** For `keptBytes`. Default false. */
  readonly inspected?: boolean;
  /** Beside the test's own. */
  readonly env?: Readonly<Record<string, string>>;
}

/** All that a run of a server is started with. */
export interface ServerSpec {
  readonly name: string;
  readonly port: number;
  readonly origin: string;
  readonly data: string;
  readonly script: string;
  readonly flags: readonly string[];
  /** Where it runs. Default: the repository. */
  readonly cwd?: string | undefined;
  readonly inspected?: boolean | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** A peer as a server's status names it. */
export interface PeerStatus {
  readonly origin: string;
  readonly trust: string;
  readonly roles: { readonly inbound: boolean; readonly outbound: boolean };
  readonly status: string;
  readonly hasSession: boolean;
  readonly wrongAssets: number;
}

/** A room of the fixture `rooms-server.ts`. */
export interface RoomStatus {
  readonly name: string;
  readonly roomId: string;
  /** Connected clients, reserved seats, and how many of both the matchmaker counts. */
  readonly clients: number;
  readonly reserved: number;
  readonly counted: number;
}

/** One run of a server. */
export class ServerProcess {
  readonly spec: ServerSpec;
  output = "";
  readonly #child: ChildProcess;

  constructor(spec: ServerSpec) {
    this.spec = spec;
    this.#child = spawn(
      process.execPath,
      [
        "--disable-warning=ExperimentalWarning",
        ...(spec.inspected === true ? ["--inspect=127.0.0.1:0"] : []),
        join(root, spec.script),
        ...spec.flags,
      ],
      {
        cwd: spec.cwd ?? root,
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, AETHER_DEBUG: "1", ...spec.env },
      },
    );
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it exited with by itself; undefined while it runs. */
  get exitCode(): number | undefined {
    return this.#child.exitCode ?? undefined;
  }

  get origin(): string {
    return this.spec.origin;
  }

  get authority(): string {
    return new URL(this.spec.origin).host;
  }

  /** Memory that a collection leaves: the heap, and buffers beside it. Of a server that is `inspected`. */
  async keptBytes(): Promise<number> {
    const url = /Debugger listening on (ws:\S+)/u.exec(this.output)?.[1];
    if (url === undefined) throw new Error(`${this.spec.name} is not inspected`);
    return keptBytes(url);
  }

  async ready(): Promise<void> {
    await eventually(
      async () => {
        if (this.#child.exitCode !== null) throw new Error(`it exited: ${this.output}`);
        await this.peers();
      },
      { timeoutMilliseconds: START_MILLISECONDS, what: `${this.spec.name} listens` },
    );
  }

  async peers(): Promise<PeerStatus[]> {
    return (await fetchJson<{ peers: PeerStatus[] }>(`${this.origin}/status`)).peers;
  }

  async rooms(name: string): Promise<RoomStatus[]> {
    const { rooms } = await fetchJson<{ rooms: RoomStatus[] }>(`${this.origin}/status`);
    return rooms.filter((room) => room.name === name);
  }

  /** Waits until every origin is a trusted peer that is online. */
  async knows(...origins: string[]): Promise<void> {
    await eventually(
      async () => {
        if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
          const how = this.#child.signalCode ?? `exit code ${String(this.#child.exitCode)}`;
          throw new Error(`${this.spec.name} is gone (${how}): ${this.output}`);
        }
        const peers = await this.peers();
        for (const origin of origins) {
          const peer = peers.find((other) => other.origin === origin);
          if (peer?.trust !== "trusted" || !peer.hasSession || peer.status !== "online") {
            throw new Error(`${origin} is ${JSON.stringify(peer)} to ${this.spec.name}`);
          }
        }
      },
      { timeoutMilliseconds: START_MILLISECONDS, what: `${this.spec.name} knows its peers` },
    );
  }

  /** Lets the process stand still, as on a machine that swaps, until `resume`. */
  pause(): void {
    this.#child.kill("SIGSTOP");
  }

  /** Lets it go on. */
  resume(): void {
    this.#child.kill("SIGCONT");
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      return Promise.resolve(this.#child.exitCode);
    }
    return new Promise((resolve) => {
      this.#child.once("exit", (code) => {
        resolve(code);
      });
      this.#child.kill(signal);
    });
  }
}

/** Servers of one test suite: started together, connected, stopped and cleaned up together. */
export class Servers {
  readonly #running = new Set<ServerProcess>();
  #folder: Promise<string> | undefined;

  folder(): Promise<string> {
    this.#folder ??= mkdtemp(join(tmpdir(), "aether-"));
    return this.#folder;
  }

  /** Example worlds, each the peer of all others, ready and connected. */
  async worlds(...names: string[]): Promise<ServerProcess[]> {
    return this.start(names.map((name) => ({ name, script: WORLD })));
  }

  /** As {@link worlds}, of the fixture with one room of every kind. */
  async rooms(...names: string[]): Promise<ServerProcess[]> {
    return this.start(names.map((name) => ({ name, script: ROOMS })));
  }

  /** Servers of these kinds, each the peer of all others, ready and connected. */
  async start(kinds: readonly ServerKind[]): Promise<ServerProcess[]> {
    const specs = await Promise.all(kinds.map((kind) => this.#place(kind)));
    const processes = specs.map((spec) => {
      const others = specs.filter((other) => other !== spec);
      const peers = others.flatMap((other) => ["--peer", other.origin]);
      return this.run({ ...spec, flags: [...spec.flags, ...peers] });
    });
    await Promise.all(processes.map((server) => server.ready()));
    await Promise.all(
      processes.map((server) =>
        server.knows(...processes.filter((other) => other !== server).map(({ origin }) => origin)),
      ),
    );
    return processes;
  }

  /** Begins to start one server; it may not be ready yet. */
  async launch(kind: ServerKind): Promise<ServerProcess> {
    return this.run(await this.#place(kind));
  }

  /** Runs a server again on the same port and data, and waits until it is ready. */
  async restart({ spec }: ServerProcess): Promise<ServerProcess> {
    const again = this.run(spec);
    await again.ready();
    return again;
  }

  run(spec: ServerSpec): ServerProcess {
    const server = new ServerProcess(spec);
    this.#running.add(server);
    return server;
  }

  async #place(kind: ServerKind): Promise<ServerSpec> {
    const { name, script, flags = [], port: wanted, cwd, inspected, env } = kind;
    const data = join(await this.folder(), name);
    const port = wanted ?? (await freePort());
    const own = ["--name", name, "--port", String(port), "--data", data];
    const origin = `http://localhost:${port}`;
    return { name, script, port, origin, data, cwd, inspected, env, flags: [...own, ...flags] };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running].map((server) => server.kill()));
    this.#running.clear();
    if (this.#folder !== undefined) await rm(await this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}
