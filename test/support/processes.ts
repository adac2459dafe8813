/** Real server processes for tests, on free ports, with folders of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "./eventually.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface ServerSpec {
  readonly name: string;
  readonly port: number;
  readonly origin: string;
  readonly data: string;
  readonly script: string;
  readonly flags: readonly string[];
  /** Where it runs. Default: the repository. */
  readonly cwd?: string | undefined;
}

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
      ["--disable-warning=ExperimentalWarning", join(root, spec.script), ...spec.flags],
      {
        cwd: spec.cwd ?? root,
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, AETHER_DEBUG: "1" },
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

  async ready(): Promise<void> {
    await eventually(
      async () => {
        if (this.#child.exitCode !== null) throw new Error(`it exited: ${this.output}`);
        await this.peers();
      },
      { timeoutMilliseconds: 15_000, what: `${this.spec.name} listens` },
    );
  }

  async peers(): Promise<PeerStatus[]> {
    const response = await fetch(`${this.origin}/status`);
    return ((await response.json()) as { peers: PeerStatus[] }).peers;
  }

  async rooms(name: string): Promise<RoomStatus[]> {
    const response = await fetch(`${this.origin}/status`);
    const { rooms } = (await response.json()) as { rooms: RoomStatus[] };
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
      { timeoutMilliseconds: 15_000, what: `${this.spec.name} knows its peers` },
    );
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
  #folder: string | undefined;

  async folder(): Promise<string> {
    this.#folder ??= await mkdtemp(join(tmpdir(), "aether-"));
    return this.#folder;
  }

  /** Example worlds, each the peer of all others, ready and connected. */
  async worlds(...names: string[]): Promise<ServerProcess[]> {
    return this.start(names.map((name) => ({ name, script: "example-server/world.ts" })));
  }

  /** As {@link worlds}, of the fixture with one room of every kind. */
  async rooms(...names: string[]): Promise<ServerProcess[]> {
    return this.start(names.map((name) => ({ name, script: "test/fixtures/rooms-server.ts" })));
  }

  async start(
    kinds: { name: string; script: string; flags?: readonly string[]; cwd?: string }[],
  ): Promise<ServerProcess[]> {
    const folder = await this.folder();
    const specs = await Promise.all(
      kinds.map(async ({ name, script, flags = [], cwd }) => {
        const port = await freePort();
        return {
          name,
          script,
          flags,
          cwd,
          port,
          origin: `http://localhost:${port}`,
          data: join(folder, name),
        };
      }),
    );
    const processes = specs.map((spec) =>
      this.run({
        ...spec,
        flags: [
          ...["--name", spec.name, "--port", String(spec.port), "--data", spec.data],
          ...specs.filter((other) => other !== spec).flatMap((other) => ["--peer", other.origin]),
          ...spec.flags,
        ],
      }),
    );
    await Promise.all(processes.map((server) => server.ready()));
    await Promise.all(
      processes.map((server) =>
        server.knows(...processes.filter((other) => other !== server).map(({ origin }) => origin)),
      ),
    );
    return processes;
  }

  run(spec: ServerSpec): ServerProcess {
    const server = new ServerProcess(spec);
    this.#running.add(server);
    return server;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running].map((server) => server.kill()));
    this.#running.clear();
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}

/** A port nobody listens at. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, () => {
      const address = server.address();
      server.close(() => {
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  });
}
