/** Fresh folders under the system's temporary one, with the packed tarball and what a registry gives. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/testing/test-place.ts";
import { eventually } from "../support/eventually.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const END_WITHIN_MILLISECONDS = 180_000;
/** Optional to Colyseus, and to be had from GitHub only. */
const NOT_BY_GIT = { "uWebSockets.js": "npm:noop3@1000.0.0" };
const MAX_OUTPUT = 1_000_000;

/** What a process is started with. */
export interface Start {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where it answers when it is ready. */
  readonly origin: string;
}

/** One folder with a project. */
export class Project {
  readonly path: string;
  readonly #workshop: Workshop;

  constructor(path: string, workshop: Workshop) {
    this.path = path;
    this.#workshop = workshop;
  }

  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(this.path, name)), { recursive: true });
      await writeFile(join(this.path, name), text);
    }
  }

  read(name: string): Promise<string> {
    return readFile(join(this.path, name), "utf8");
  }

  /** Changes a file by hand; what is replaced has to be there. */
  async edit(name: string, replaced: Readonly<Record<string, string>>): Promise<void> {
    let text = await this.read(name);
    for (const [from, to] of Object.entries(replaced)) {
      if (!text.includes(from)) throw new Error(`${name} has no ${from}`);
      text = text.replace(from, () => to);
    }
    await this.write({ [name]: text });
  }

  /** Installs from the registry; `tarball` stands for this package. */
  async install(...packages: readonly string[]): Promise<void> {
    const names = packages.map((name) => (name === "tarball" ? this.#workshop.tarball : name));
    const quiet = ["--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline"];
    await this.run("npm", "install", ...quiet, ...names);
  }

  /** Runs a program until it ends; answers what it printed, and throws it when it failed. */
  async run(program: string, ...args: readonly string[]): Promise<string> {
    const child = this.#spawn(program, args, {});
    const output = heard(child);
    const timer = setTimeout(() => child.kill("SIGKILL"), END_WITHIN_MILLISECONDS);
    const [code] = (await once(child, "close")) as [number | null];
    clearTimeout(timer);
    if (code === 0) return output();
    throw new Error(`${program} ${args.join(" ")} ended with ${code ?? "a signal"}:\n${output()}`);
  }

  /** Starts a server, and waits until its federation answers. */
  async start({ command, env = {}, origin }: Start): Promise<() => string> {
    const [program = "", ...args] = command;
    const child = this.#spawn(program, args, env);
    this.#workshop.children.push(child);
    const output = heard(child);
    await eventually(
      async () => {
        if (child.exitCode !== null) return;
        const response = await fetch(`${origin}/.well-known/aether-federation`);
        if (!response.ok) throw new Error(`${origin} answers ${response.status}`);
      },
      { timeoutMilliseconds: 30_000, what: `the federation of ${origin} answers` },
    ).catch((cause: unknown) => {
      throw new Error(`${String(cause)}\n${output()}`);
    });
    if (child.exitCode !== null) throw new Error(`${command.join(" ")} ended:\n${output()}`);
    return output;
  }

  /** Starts what ends with the workshop. */
  background(program: string, ...args: readonly string[]): void {
    this.#workshop.children.push(this.#spawn(program, args, {}));
  }

  #spawn(program: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    return spawn(program, args, {
      cwd: this.path,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...environment(), ...env },
    });
  }
}

/** Makes projects; all that it made and started is gone with it. */
export class Workshop {
  readonly children: ChildProcess[] = [];
  readonly #path: string;
  readonly tarball: string;

  private constructor(path: string, tarball: string) {
    this.#path = path;
    this.tarball = tarball;
  }

  /** Packs this package as it would be published. */
  static async open(): Promise<Workshop> {
    const path = await mkdtemp(join(tmpdir(), "aether-packed-"));
    const packer = new Project(root, new Workshop(path, ""));
    const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", path];
    const printed = await packer.run("npm", ...pack, "--loglevel=silent");
    const [{ filename }] = JSON.parse(printed) as [{ filename: string }];
    return new Workshop(path, join(path, filename));
  }

  async project(name: string, files: Readonly<Record<string, string>>): Promise<Project> {
    const project = new Project(join(this.#path, name), this);
    await mkdir(project.path);
    await project.write({ "package.json": '{ "private": true }\n', ...files });
    const manifest = JSON.parse(await project.read("package.json")) as object;
    await project.write({ "package.json": JSON.stringify({ ...manifest, overrides: NOT_BY_GIT }) });
    return project;
  }

  /** Ends what runs; folders stay. */
  async stopAll(): Promise<void> {
    await Promise.all(
      this.children.splice(0).map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, "exit");
        // The group: programs such as npx and tsx have the server as a child.
        process.kill(-child.pid!, "SIGKILL");
        await ended;
      }),
    );
  }

  async close(): Promise<void> {
    await this.stopAll();
    await rm(this.#path, { recursive: true, force: true });
  }
}

/** A port that is free, with as many behind it. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = await freePort();
    const rest = Array.from({ length: count - 1 }, (_each, index) => first + 1 + index);
    const free = await Promise.all(rest.map(isFree));
    if (free.every(Boolean)) return first;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => {
      resolve(false);
    });
    server.listen(port, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/** What a shell of its own would have, and nothing of the one that runs this. */
function environment(): NodeJS.ProcessEnv {
  const ours = /^(?:npm_|NODE_OPTIONS$|NODE_PATH$|INIT_CWD$|MOCHA)/iu;
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !ours.test(name) && name !== "CI"),
  );
}

function heard(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (more: string) => {
      text = (text + more).slice(-MAX_OUTPUT);
    });
  }
  return () => text;
}
