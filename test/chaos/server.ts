/** A server, or one process of it, that writes down, before anything else, from when to when it simulates whom. */
import { appendFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Client, Room, definePlugins } from "@colyseus/core";
import { RedisDriver } from "@colyseus/redis-driver";
import { RedisPresence } from "@colyseus/redis-presence";
import { PostgresEngine, RedisEngine, createFederation } from "aether-federation";
import { Redis } from "ioredis";
import { Pool } from "pg";
import { Belongings } from "../fixtures/belongings.ts";
import { quietServer } from "../fixtures/quiet-server.ts";
import { quietLogger } from "../support/loggers.ts";

const { values } = parseArgs({
  options: {
    name: { type: "string", default: "" },
    /** Port that is listened at; players and peers come through `--origin`. */
    port: { type: "string", default: "0" },
    origin: { type: "string", default: "" },
    data: { type: "string", default: "" },
    /** Its store is this Redis. Default: SQLite in its folder. */
    redis: { type: "string" },
    /** Its belongings are in this database. */
    postgres: { type: "string" },
    /** One of several processes, whose presence and rooms are in this Redis. */
    presence: { type: "string" },
    /** Where players reach this very process, where there are several. */
    public: { type: "string", default: "" },
    /** Players in a room. Default: all. */
    seats: { type: "string" },
    /** File. */
    journal: { type: "string", default: "" },
    peer: { type: "string", multiple: true, default: [] },
  },
});
let minted = 0;
const life = process.hrtime.bigint().toString(36);

/** One clock for all processes of the machine. */
function note(what: "start" | "stop", player: string): void {
  appendFileSync(values.journal, `${process.hrtime.bigint()} ${life} ${what} ${player}\n`);
}

const federation = createFederation({
  origin: values.origin,
  name: values.name,
  worlds: { world: "world" },
  peers: values.peer,
  ...(values.postgres === undefined
    ? {}
    : {
        store: new PostgresEngine({
          client: new Pool({
            connectionString: values.postgres,
            connectionTimeoutMillis: 3_000,
          }).on("error", () => undefined),
          closesClient: true,
        }),
      }),
  ...(values.redis === undefined
    ? {}
    : {
        store: new RedisEngine({
          client: new Redis(values.redis),
          closesClient: true,
          keyPrefix: "chaos",
        }),
      }),
  dataDirectory: values.data,
  allowInsecure: true,
  healthCheckIntervalSeconds: 1,
  leaseSeconds: 5,
  maxRequestsPerMinutePerAddress: 1_000_000,
  maxRequestsPerMinutePerPeer: 1_000_000,
  maxCrossingsPerMinutePerPlayer: 1_000_000,
  maxTravelsPerMinutePerAddress: 1_000_000,
  maxSeatsPerMinutePerPeer: 1_000_000,
  maxRoomsPerMinutePerPeer: 1_000_000,
  logger: {
    ...quietLogger(),
    error: (message, cause) => {
      console.error(`${values.name}: ${message}`, cause);
    },
  },
});

class WorldRoom extends Room {
  override autoDispose = false;
  override maxClients = Number(values.seats ?? Infinity);
  readonly #items = new Belongings();
  /** Of players, by session. */
  readonly #ids = new Map<string, string>();

  override plugins = definePlugins([
    federation.portals({
      carry: this.#items.carry,
      freeze: (client) => {
        this.#note("stop", client);
      },
      unfreeze: (client) => {
        this.#note("start", client);
      },
      allowEnter: true,
    }),
  ]);

  override messages = {
    mint: (client: Client): void => {
      minted += 1;
      this.#items.take(client, `${values.name}-${life}-${minted}`);
      this.#tell(client);
    },
    tell: (client: Client): void => {
      this.#tell(client);
    },
    /** Takes these players of the room through a portal together; all of them, or it is no party. */
    party: (_client: Client, { to, ids }: { to: string; ids: readonly string[] }): void => {
      const members = this.clients.filter((each) =>
        ids.includes(this.plugins.federation.player(each)?.id ?? ""),
      );
      if (members.length === ids.length) void this.plugins.federation.party(members).enter(to);
      else for (const member of members) member.send("no-party");
    },
  };

  override onJoin(client: Client): void {
    const player = this.plugins.federation.player(client);
    this.#items.begin(client, player?.carried);
    this.#note("start", client, player?.from);
    this.#tell(client);
  }

  override onLeave(client: Client): void {
    this.#note("stop", client);
    this.#ids.delete(client.sessionId);
    this.#items.forget(client);
  }

  #tell(client: Client): void {
    client.send("items", this.#items.of(client));
  }

  #note(what: "start" | "stop", client: Client, from = ""): void {
    const { sessionId } = client;
    // Who has left while it was let in is nobody's session any more, and was put here all the same.
    const id = this.plugins.federation.player(client)?.id ?? this.#ids.get(sessionId);
    if (id === undefined) return;
    this.#ids.set(sessionId, id);
    note(what, `${id} ${sessionId} ${from}`.trimEnd());
  }
}

const server = quietServer({
  ...(values.presence === undefined
    ? {}
    : {
        presence: new RedisPresence(values.presence),
        driver: new RedisDriver(values.presence),
        publicAddress: values.public,
      }),
  express: (app) => {
    app.get("/status", (_request, response) => {
      response.json({ peers: federation.peers.list() });
    });
  },
});
server.define("world", WorldRoom);
federation.attach(server);
await server.listen(Number(values.port));
