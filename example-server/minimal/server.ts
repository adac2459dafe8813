import { type Client, Room, defineRoom, definePlugins, defineServer } from "@colyseus/core";
import { type SchemaType, schema, t } from "@colyseus/schema";
import { type JsonValue, createFederation, readCarried, writeCarried } from "aether-federation";
import { build } from "esbuild";

const { PORT = "2567", WORLD = "plaza", PEERS } = process.env;

// This server in the federation: who it is, and whom it trusts.
const federation = createFederation({
  origin: `http://localhost:${PORT}`, // where players and peers reach it
  worlds: { [WORLD]: "garden" }, // aether://localhost:2567/plaza leads into the room "garden"
  peers: PEERS?.split(",") ?? [],
  listed: true, // others may tell their players of it
  dataDirectory: `.federation/${PORT}`, // its key and its players' belongings: keep them
  allowInsecure: true, // http: and localhost, for development only
});

// What everybody in the room sees.
const Player = schema({ name: t.string(), home: t.string(), carries: t.string() });
const Garden = schema({ world: t.string(), players: t.map(Player) });
export type GardenState = SchemaType<typeof Garden>;

class GardenRoom extends Room<{ state: GardenState }> {
  override state = new Garden().assign({ world: WORLD });
  carried = new Map<string, JsonValue | undefined>(); // what each player owns, by session

  override plugins = definePlugins([
    federation.portals({
      carry: ({ sessionId }) => this.carried.get(sessionId), // what a player takes along
      allowEnter: true, // players ask for a crossing by themselves
      destinations: true, // and are told where they could go
    }),
  ]);

  override onJoin(client: Client) {
    const player = this.plugins.federation.player(client); // the same one on every server
    if (player === undefined) throw new Error("only players of the federation can come in");
    const { name, home, carried } = player; // carried: what it has brought
    this.state.players.set(client.sessionId, new Player().assign({ name, home }));
    this.own(client, carried);
  }

  override messages = {
    pick: (client: Client) => {
      const carried = this.carried.get(client.sessionId);
      const { inventory } = readCarried(carried); // any server may have sent it: this checks
      const berry = { id: federation.origin, kind: "berry", name: `berry of ${WORLD}` };
      const count = (inventory.find(({ id }) => id === berry.id)?.count ?? 0) + 1;
      const others = inventory.filter(({ id }) => id !== berry.id);
      this.own(client, writeCarried(carried, { inventory: [...others, { ...berry, count }] }));
    },
  };

  override onDrop(client: Client) {
    this.allowReconnection(client, 20).catch(() => undefined); // a reloaded page goes on here
  }

  override onLeave({ sessionId }: Client) {
    this.state.players.delete(sessionId);
    this.carried.delete(sessionId);
  }

  own({ sessionId }: Client, carried: JsonValue | undefined) {
    this.carried.set(sessionId, carried);
    const items = readCarried(carried).inventory.map(({ name, count }) => `${name}: ${count}`);
    this.state.players.get(sessionId)?.assign({ carries: items.join(", ") || "nothing yet" });
  }
}

// The server, and the page that it serves.
const page = await build({ entryPoints: ["page.ts"], bundle: true, format: "esm", write: false });
const server = defineServer({
  rooms: { garden: defineRoom(GardenRoom) },
  express: (app) => {
    app.get("/", (_request, response) => response.sendFile("page.html", { root: "." }));
    app.get("/page.js", (_, response) => response.type("js").send(page.outputFiles[0]?.text));
  },
});
await federation.attach(server).listen(Number(PORT));
console.log(`${WORLD}: http://localhost:${PORT}`);
