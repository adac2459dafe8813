/** The other operator's server, and a player with a client: what a project is tried against. */
import { freePort } from "../../src/testing/test-place.ts";
import type { Project, Workshop } from "./workshop.ts";

const SERVER = `import { Room, Server, definePlugins } from "@colyseus/core";
import { createFederation } from "aether-federation";

const [port, ...peers] = process.argv.slice(2);
const federation = createFederation({
  origin: \`http://localhost:\${port}\`,
  worlds: { elsewhere: "elsewhere" },
  peers,
  dataDirectory: \`.federation-\${port}\`,
  allowInsecure: true,
});
class Elsewhere extends Room {
  plugins = definePlugins([federation.portals({ allowEnter: true })]);
}
const server = new Server();
server.define("elsewhere", Elsewhere);
federation.attach(server);
await server.listen(Number(port));
`;

const PLAYER = `import { Client } from "@colyseus/sdk";
import { Traveler } from "aether-federation/client";

const { home, room, crossings, account } = JSON.parse(process.argv[2]);
const options = {};
if (account !== undefined) {
  const { auth } = new Client(home);
  await auth.registerWithEmailAndPassword(account, "correct horse");
  options.token = () => auth.token;
}
const traveler = new Traveler(home, options);
let told = () => undefined;
traveler.onArrive(({ origin }) => told({ origin }));
traveler.onFailed(({ code, message }) => told({ failed: \`\${code}: \${message}\` }));
await traveler.join(room);
const seen = [traveler.origin];
for (const { uri, origin } of crossings) {
  const giveUpAt = Date.now() + 30_000;
  for (;;) {
    const next = new Promise((resolve) => (told = resolve));
    traveler.enter(uri);
    const result = await next;
    if (result.origin === origin) break;
    // The two servers may not have met yet.
    if (Date.now() > giveUpAt) throw new Error(\`\${uri}: \${result.failed ?? result.origin}\`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  seen.push(traveler.origin);
}
await traveler.leave();
console.log(JSON.stringify(seen));
process.exit(0);
`;

/** A world of a server: where it is, and the room that a player joins. */
export interface World {
  readonly origin: string;
  readonly world: string;
  /** A player at home there needs an account. */
  readonly accounts?: boolean;
}

/** The other side of every crossing. */
export class Elsewhere {
  readonly #project: Project;
  /** Runs the server and the player; another Node.js may be given. */
  readonly #node: string;

  private constructor(project: Project, node: string) {
    this.#project = project;
    this.#node = node;
  }

  static async make(workshop: Workshop): Promise<Elsewhere> {
    const project = await workshop.project("elsewhere", {
      "server.mjs": SERVER,
      "player.mjs": PLAYER,
    });
    const colyseus = ["core", "schema", "sdk", "ws-transport"].map((name) => `@colyseus/${name}`);
    await project.install("tarball", ...colyseus, "express");
    return new Elsewhere(project, process.execPath);
  }

  with(node: string): Elsewhere {
    return new Elsewhere(this.#project, node);
  }

  /** Starts a server that trusts `peer`, as the operators have agreed. */
  async start(peer: string, port?: number): Promise<World> {
    const at = port ?? (await freePort());
    const origin = `http://localhost:${at}`;
    await this.#project.start({ command: [this.#node, "server.mjs", String(at), peer], origin });
    return { origin, world: "elsewhere" };
  }

  /** A player of each goes to the other and comes back; throws when one does not. */
  async cross(one: World, other: World): Promise<void> {
    for (const [home, abroad] of [
      [one, other],
      [other, one],
    ] as const) {
      const crossings = [abroad, home].map(({ origin, world }) => ({
        uri: `aether://${new URL(origin).host}/${world}`,
        origin,
      }));
      const account = home.accounts === true ? `ada-${Date.now()}@example.com` : undefined;
      const journey = { home: home.origin, room: home.world, crossings, account };
      const printed = await this.#project.run(this.#node, "player.mjs", JSON.stringify(journey));
      const seen = JSON.stringify([home.origin, abroad.origin, home.origin]);
      if (!printed.includes(seen)) throw new Error(`the player was at ${printed}, not ${seen}`);
    }
  }
}
