/** The package's types, with several compilers, as strict as a project can be. */
import type { Bench } from "./servers.ts";
import type { Project } from "./workshop.ts";

const COMPILERS = { "5.9": "~5.9.0", "6": "^6.0.0", "7": "^7.0.0" } as const;

const SERVER = `import { type Client, Room, defineRoom, defineServer, definePlugins } from "@colyseus/core";
import { type JsonValue, FederationError, createFederation } from "aether-federation";

const federation = createFederation({
  origin: "https://worlds.example.com",
  worlds: { plaza: "plaza" },
  peers: ["https://arena.example.org"],
});
class Plaza extends Room {
  belongings = new Map<string, JsonValue>();
  plugins = definePlugins([
    federation.portals({ carry: (client) => this.belongings.get(client.sessionId) }),
  ]);
  onJoin(client: Client) {
    const id: string | undefined = this.plugins.federation.player(client)?.id;
    this.plugins.federation.enter(client, "aether://arena.example.org/pit");
    if (id === undefined) throw new FederationError("ERR_FED_UNAVAILABLE");
  }
}
export const server = federation.attach(
  defineServer({ rooms: { plaza: defineRoom(Plaza).filterBy(["map"]) } }),
);
`;

const CLIENT = `import { Traveler } from "aether-federation/client";
import type { server } from "./server.js";

const traveler = new Traveler<typeof server>("https://worlds.example.com", { name: "Ada" });
traveler.onArrive(({ room, origin }) => {
  const name: string = room.name + origin;
  console.log(name);
});
await traveler.join("plaza");
`;

const BROWSER = `import { Traveler } from "aether-federation/client";
const traveler = new Traveler("https://worlds.example.com");
document.title = traveler.home;
`;

const TESTS = `import { FakePeer, MemoryStore, testPlace } from "aether-federation/testing";
const place = await testPlace();
const peer = await FakePeer.start();
console.log(new MemoryStore(), place.port, peer.origin);
`;

const COMMONJS = `import { createFederation } from "aether-federation";
export const federation = createFederation({ origin: "https://a.example.com", worlds: {} });
`;

const STRICT = {
  strict: true,
  noEmit: true,
  skipLibCheck: false,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  target: "ES2023",
};
const node = { ...STRICT, module: "NodeNext", types: ["node"] };

/** How a project may be set up, and the files that it has. */
const SETTINGS = {
  node: {
    compilerOptions: { ...node, lib: ["ES2023", "DOM"] },
    files: ["server.ts", "client.ts", "testing.ts"],
  },
  commonjs: { compilerOptions: { ...node, verbatimModuleSyntax: false }, files: ["old.cts"] },
  bundler: {
    compilerOptions: {
      ...STRICT,
      ...{
        module: "ESNext",
        moduleResolution: "bundler",
        types: [],
        lib: ["ES2023", "DOM", "DOM.Iterable"],
      },
    },
    files: ["browser.ts"],
  },
};

/** Compiles them all. What is wrong in Colyseus' own types is left out, and said. */
export async function types({ workshop }: Bench): Promise<void> {
  const settings = Object.entries(SETTINGS).map(([name, text]) => [
    `tsconfig.${name}.json`,
    JSON.stringify(text),
  ]);
  const project = await workshop.project("types", {
    "package.json": '{ "private": true, "type": "module" }',
    "server.ts": SERVER,
    "client.ts": CLIENT,
    "browser.ts": BROWSER,
    "testing.ts": TESTS,
    "old.cts": COMMONJS,
    ...(Object.fromEntries(settings) as Record<string, string>),
  });
  const aliases = Object.entries(COMPILERS).map(
    ([name, range]) => `ts-${name}@npm:typescript@${range}`,
  );
  const colyseus = ["core@0.18", "ws-transport@0.18", "schema@5", "sdk@0.18"].map(
    (name) => `@colyseus/${name}`,
  );
  await project.install(
    "tarball",
    ...colyseus,
    "express@5",
    "@types/express@5",
    "@types/node@22",
    ...aliases,
  );
  const wrong: string[] = [];
  for (const compiler of Object.keys(COMPILERS)) {
    for (const name of Object.keys(SETTINGS))
      wrong.push(...(await compile(project, compiler, name)));
  }
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
}

async function compile(
  project: Project,
  compiler: string,
  name: string,
): Promise<readonly string[]> {
  const tsc = `node_modules/ts-${compiler}/bin/tsc`;
  const flags = ["--pretty", "false", "-p", `tsconfig.${name}.json`];
  const output = await project
    .run(process.execPath, tsc, ...flags)
    .catch((cause: unknown) => String(cause));
  const errors = output.split("\n").filter((line) => /error TS\d+/u.test(line));
  const others = errors.filter((line) =>
    /^(?:\.\.\/)*node_modules\/(?!aether-federation\/)/u.test(line),
  );
  const packages = new Set(
    others.map((line) => /node_modules\/((?:@[^/]+\/)?[^/]+)/u.exec(line)?.[1] ?? ""),
  );
  const theirs = others.length === 0 ? "" : `, and ${others.length} in ${[...packages].join(", ")}`;
  console.log(
    `  TypeScript ${compiler}, ${name}: ${errors.length - others.length} errors${theirs}`,
  );
  if (errors.length === 0 && output.includes("ended with")) return [output];
  return errors
    .filter((line) => !others.includes(line))
    .map((line) => `TypeScript ${compiler}, ${name}: ${line}`);
}
