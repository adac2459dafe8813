/** `init`: puts a federation into a game server's project. All is looked at before anything is written. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, extname, join, posix, resolve } from "node:path";
import { WORLD_NAME } from "../identity/descriptor.ts";
import { normalizeOrigin } from "../identity/origin.ts";
import { CommandError, type CommandResult, EXIT } from "./output.ts";
import { type Entry, readEntry } from "./server-entry.ts";

/** What `init` is told. */
export interface InitOptions {
  /** Folder of the project. */
  readonly folder: string;
  /** The file that makes the server; found when it is not said. */
  readonly file: string | undefined;
  readonly origin: string | undefined;
  readonly peers: readonly string[];
}

/** A file as it shall be. */
interface Change {
  readonly file: string;
  readonly text: string;
  readonly what: string;
}

const STEMS = ["app.config", "server", "index", "main", "app"];
const ENDINGS = [".ts", ".js", ".mts", ".mjs", ".cts", ".cjs"];
const IGNORED = ".federation/";
const BY_HAND = "How to attach by hand: docs/attaching.md of this package.";

/** Makes the federation file, the ignore line and the attach call; says what it did, and what is left. */
export async function initialise(options: InitOptions): Promise<CommandResult> {
  for (const [flag, value] of [
    ["--origin", options.origin],
    ...options.peers.map((peer) => ["--peer", peer]),
  ] as const) {
    if (value !== undefined) assertOrigin(flag ?? "", value);
  }
  const manifest = await manifestOf(options.folder);
  assertColyseus(options.folder);
  const { file, entry, code } = await findEntry(options);
  const federation = posix.join(posix.dirname(file), `federation${extname(file)}`);
  const changes = [
    // Where the server is attached, the federation is wherever its author has it.
    ...(entry.attached
      ? []
      : [
          await federationFile(options, federation, entry),
          attachCall(file, federation, entry, code, manifest),
        ]),
    ...(await ignoreLines(options.folder)),
  ].filter((change) => change !== undefined);
  for (const change of changes) {
    const path = join(options.folder, change.file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, change.text);
  }
  return {
    text:
      changes.length === 0
        ? `Nothing to do: ${file} is attached already.`
        : told(changes, federation, entry),
    json: { entry: file, federation, changed: changes.map((each) => each.file) },
  };
}

function assertOrigin(flag: string, value: string): void {
  try {
    normalizeOrigin(value, { allowInsecure: true });
  } catch (cause) {
    const why = cause instanceof TypeError ? cause.message : "";
    throw new CommandError(
      `${flag} ${value}: that is no origin such as https://worlds.example.com (${why})`,
      EXIT.usage,
    );
  }
}

async function manifestOf(folder: string): Promise<{ readonly type?: unknown }> {
  const text = await read(join(folder, "package.json"));
  if (text === undefined) {
    throw new CommandError(
      "there is no package.json here: run this in the folder of your game server",
    );
  }
  try {
    return JSON.parse(text) as { readonly type?: unknown };
  } catch {
    throw new CommandError("package.json here is no JSON: mend that first");
  }
}

function assertColyseus(folder: string): void {
  let version: string;
  try {
    const from = createRequire(join(resolve(folder), "package.json"));
    ({ version } = from("@colyseus/core/package.json") as { version: string });
  } catch {
    return; // Not installed yet, or where only a package manager finds it.
  }
  if (!version.startsWith("0.18.")) {
    throw new CommandError(
      `aether-federation needs Colyseus 0.18, and this project has @colyseus/core ${version}: update Colyseus first (npm install colyseus@0.18 @colyseus/schema@5, and each further "@colyseus/…" package at 0.18)`,
    );
  }
}

async function findEntry(
  options: InitOptions,
): Promise<{ readonly file: string; readonly code: string; readonly entry: Entry }> {
  const files =
    options.file === undefined
      ? ["src/", ""].flatMap((folder) =>
          STEMS.flatMap((stem) => ENDINGS.map((ending) => `${folder}${stem}${ending}`)),
        )
      : [options.file.replaceAll("\\", "/")];
  const found = [];
  for (const file of files) {
    const code = await read(join(options.folder, file));
    if (code === undefined) continue;
    const entry = readEntry(code);
    if (entry !== undefined) found.push({ file, code, entry });
  }
  const [first, ...others] = found;
  if (first === undefined) {
    throw new CommandError(
      options.file === undefined
        ? `no file here makes a Colyseus server (defineServer, config of @colyseus/tools, or new Server; looked for src/app.config.ts, src/index.ts and the like): name it, as in "aether-federation init src/my-server.ts". ${BY_HAND}`
        : `${options.file} makes no Colyseus server (defineServer, config of @colyseus/tools, or new Server). ${BY_HAND}`,
    );
  }
  if (others.length > 0) {
    const names = found.map(({ file }) => file).join(", ");
    throw new CommandError(
      `several files make a server (${names}): name yours, as in "aether-federation init ${first.file}"`,
    );
  }
  return first;
}

const LOCAL_ORIGIN = "http://localhost:2567";
/** Said where it is needed, and nowhere else: a server at an https: origin is not to call just anybody. */
const INSECURE = `  allowInsecure: true, // http: and localhost, for development: take it out with an https: origin
`;

async function federationFile(
  { folder, origin, peers }: InitOptions,
  file: string,
  { commonJs, rooms }: Entry,
): Promise<Change | undefined> {
  const present = await read(join(folder, file));
  if (present !== undefined) {
    if (/\bfederation\b/u.test(present) && present.includes("createFederation")) return undefined;
    throw new CommandError(`${file} is there already, and is something else. ${BY_HAND}`);
  }
  const worlds = rooms
    .filter((room) => WORLD_NAME.test(room))
    .map((room) => `${/^[A-Za-z_]\w*$/u.test(room) ? room : JSON.stringify(room)}: "${room}"`);
  const isInsecure = [origin ?? LOCAL_ORIGIN, ...peers].some((each) => each.startsWith("http:"));
  const created = `createFederation({
  origin: ${JSON.stringify(origin ?? LOCAL_ORIGIN)}, // where players and peers reach this server
  worlds: {${worlds.length === 0 ? "" : ` ${worlds.join(", ")} `}}, // world → name of the room
  peers: ${JSON.stringify(peers).replaceAll(",", ", ")}, // origins of servers you trust
${isInsecure ? INSECURE : ""}});
`;
  const text = commonJs
    ? `const { createFederation } = require("aether-federation");\n\nexports.federation = ${created}`
    : `import { createFederation } from "aether-federation";\n\nexport const federation = ${created}`;
  return { file, text, what: "made: this server's origin, its worlds and its peers" };
}

function attachCall(
  file: string,
  federation: string,
  entry: Entry,
  code: string,
  manifest: { readonly type?: unknown },
): Change {
  const ending = entry.ending ?? (manifest.type === "module" ? ".js" : "");
  const text = entry.attach(`./${posix.basename(federation, extname(federation))}${ending}`);
  if (text === undefined) {
    throw new CommandError(
      `${file}: it cannot be told which server is to be attached, so nothing was changed. ${BY_HAND}`,
    );
  }
  return { file, text, what: "federation.attach(…) put in" };
}

/** Keys and belongings belong neither into a repository nor into an image. */
async function ignoreLines(folder: string): Promise<readonly Change[]> {
  const changes: Change[] = [];
  for (const file of [".gitignore", ".dockerignore"]) {
    const text = await read(join(folder, file));
    if (text === undefined && file !== ".gitignore") continue;
    if (/^\s*(?:\*\*\/|\/)?\.federation\/?\s*$/mu.test(text ?? "")) continue;
    const before = text === undefined || text === "" || text.endsWith("\n") ? text : `${text}\n`;
    changes.push({ file, text: `${before ?? ""}${IGNORED}\n`, what: `${IGNORED} put in` });
  }
  return changes;
}

function told(changes: readonly Change[], federation: string, { rooms }: Entry): string {
  const width = Math.max(...changes.map(({ file }) => file.length));
  return [
    ...changes.map(({ file, what }) => `${file.padEnd(width)}  ${what}`),
    "",
    "What is left to you:",
    `- ${federation}: the origin of this server, and the peers that you trust${rooms.length === 0 ? "; and its worlds, since no room was found" : ""}`,
    "- in each room that shall have portals:",
    "    plugins = definePlugins([federation.portals({ allowEnter: true })]);",
    `  with definePlugins of Colyseus, and federation of ${federation}`,
    "- back up .federation/ once the server runs: its key, and what its players own",
  ].join("\n");
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new CommandError(`${path} cannot be read (${code ?? "unknown"})`);
  }
}
