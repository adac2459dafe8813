/**
 * The engine for several processes: Redis, by preference the one the host's own presence uses.
 *
 * What it costs: one round trip for each read and each write; writes are Lua scripts, so that
 * compare-and-set is one step. Keys are indexed by name, so that listing a prefix never scans the
 * host's own keys. Times to live are counted by Redis' clock alone. Works with a single Redis, a
 * replicated one or a cluster (all keys share one slot). It is only as durable as Redis is told to
 * be: `appendonly yes` with `appendfsync always` loses nothing; {@link RedisEngine.durability} tells.
 */
import { EventEmitter } from "node:events";
import { type KeyvStorageCapability, keyvStorageCapability } from "keyv";
import { FederationError } from "../errors.ts";
import { type Clock, type Table, type TableSpec, systemClock } from "../ports.ts";
import { RedisTable } from "./redis-table.ts";

/** What is used of an ioredis client (`Redis` or `Cluster`). */
export interface RedisClient {
  eval(script: string, numberOfKeys: number, ...args: (string | number)[]): Promise<unknown>;
  call(command: string, ...args: string[]): Promise<unknown>;
  quit(): Promise<unknown>;
}

/** Options of {@link RedisEngine}. */
export interface RedisEngineOptions {
  readonly client: RedisClient;
  /** Begins every key; servers that share a Redis need one each. Default `aether`. */
  readonly keyPrefix?: string;
  /** Whether closing the store ends the client too. Default false: it is the host's. */
  readonly closesClient?: boolean;
  /** An answer that takes longer counts as none. Default 3. */
  readonly timeoutSeconds?: number;
  /** What Keyv's absolute times are counted from. Default: the machine's clock. */
  readonly clock?: Clock;
}

/**
 * KEYS: value, index of names, names by expiry. ARGV: name, has expected, expected, has next, next,
 * milliseconds to live or "", prefix of values.
 */
const WRITE = `
local current = redis.call("GET", KEYS[1])
if ARGV[2] == "absent" and current then return 0 end
if ARGV[2] == "value" and current ~= ARGV[3] then return 0 end
if ARGV[4] == "0" then
  redis.call("DEL", KEYS[1])
  redis.call("ZREM", KEYS[2], ARGV[1])
  redis.call("ZREM", KEYS[3], ARGV[1])
  if current then return 1 end
  return ARGV[2] == "absent" and 1 or 0
end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("ZADD", KEYS[2], 0, ARGV[1])
if ARGV[6] == "" then
  redis.call("SET", KEYS[1], ARGV[5])
  redis.call("ZREM", KEYS[3], ARGV[1])
else
  redis.call("SET", KEYS[1], ARGV[5], "PX", ARGV[6])
  redis.call("ZADD", KEYS[3], now + ARGV[6], ARGV[1])
end
for _, name in ipairs(redis.call("ZRANGEBYSCORE", KEYS[3], "-inf", now, "LIMIT", 0, 8)) do
  if redis.call("EXISTS", ARGV[7] .. name) == 0 then redis.call("ZREM", KEYS[2], name) end
  redis.call("ZREM", KEYS[3], name)
end
return 1
`;

/** KEYS: index of names. ARGV: from, to, prefix of values. */
const PAGE = `
local names = redis.call("ZRANGEBYLEX", KEYS[1], ARGV[1], ARGV[2], "LIMIT", 0, 250)
local page = {}
for _, name in ipairs(names) do
  page[#page + 1] = name
  page[#page + 1] = redis.call("GET", ARGV[3] .. name) or false
end
return page
`;

/** As Keyv's adapters, with compare-and-set. Rejects with `ERR_FED_STORE_UNAVAILABLE`. */
export class RedisEngine extends EventEmitter {
  /** Prefix of every key, as Keyv sets it. */
  namespace: string | undefined;
  readonly #options: Required<RedisEngineOptions>;

  constructor(options: RedisEngineOptions) {
    super();
    if (typeof (options.client as Partial<RedisClient> | undefined)?.eval !== "function") {
      throw new TypeError("client must be an ioredis client");
    }
    this.#options = {
      client: options.client,
      keyPrefix: options.keyPrefix ?? "aether",
      closesClient: options.closesClient ?? false,
      timeoutSeconds: options.timeoutSeconds ?? 3,
      clock: options.clock ?? systemClock,
    };
  }

  /** Tells Keyv that expiry is the engine's own. */
  get capabilities(): KeyvStorageCapability {
    return keyvStorageCapability(this);
  }

  /** What a crash of Redis may lose, as its settings tell; undefined: nothing, or it does not say. */
  async durability(): Promise<string | undefined> {
    const setting = async (name: string): Promise<string | undefined> => {
      const answer = await this.#do(() => this.#options.client.call("CONFIG", "GET", name));
      return Array.isArray(answer) ? String(answer[1]) : undefined;
    };
    try {
      if ((await setting("appendonly")) === "no") {
        return "Redis keeps no append-only file: a crash of it loses decisions. Set appendonly yes and appendfsync always.";
      }
      const fsync = await setting("appendfsync");
      return fsync === undefined || fsync === "always"
        ? undefined
        : `Redis writes its file with appendfsync ${fsync}: a crash of its machine may lose the last second. Set appendfsync always.`;
    } catch {
      // Managed Redis forbids CONFIG.
      return undefined;
    }
  }

  async get<Value>(key: string): Promise<Value | undefined> {
    const value = await this.#do(() => this.#options.client.call("GET", this.#valueKey(key)));
    return value === null ? undefined : (value as Value);
  }

  async getMany<Value>(keys: string[]): Promise<(Value | undefined)[]> {
    return Promise.all(keys.map((key) => this.get<Value>(key)));
  }

  async has(key: string): Promise<boolean> {
    return (await this.get(key)) !== undefined;
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.has(key)));
  }

  async set(key: string, value: unknown, expires?: number): Promise<boolean> {
    return this.#write(key, "any", "", value as string, expires);
  }

  async setMany<Value>(
    entries: { key: string; value: Value; expires?: number }[],
  ): Promise<boolean[]> {
    return Promise.all(entries.map((entry) => this.set(entry.key, entry.value, entry.expires)));
  }

  async delete(key: string): Promise<boolean> {
    return this.#write(key, "any", "", undefined, undefined);
  }

  async deleteMany(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.delete(key)));
  }

  async clear(): Promise<void> {
    for await (const [key] of this.entries("")) await this.delete(key);
  }

  async compareAndSet(
    key: string,
    expected: string | undefined,
    next: string | undefined,
    expires?: number,
  ): Promise<boolean> {
    return this.#write(
      key,
      expected === undefined ? "absent" : "value",
      expected ?? "",
      next,
      expires,
    );
  }

  async *entries(prefix: string): AsyncGenerator<readonly [key: string, value: string]> {
    const skip = this.#name("").length;
    const wanted = this.#name(prefix);
    let from = `[${wanted}`;
    for (;;) {
      const start = from;
      const page = (await this.#do(() =>
        this.#options.client.eval(PAGE, 1, this.#tag("index"), start, "+", this.#tag("value")),
      )) as (string | null)[];
      for (let each = 0; each < page.length; each += 2) {
        const [name, value] = [page[each] ?? "", page[each + 1]];
        if (!name.startsWith(wanted)) return;
        if (typeof value === "string") yield [name.slice(skip), value];
        from = `(${name}`;
      }
      if (page.length === 0) return;
    }
  }

  /** As {@link Store.table}: a hash for each row. */
  table(spec: TableSpec): Table {
    return new RedisTable(
      {
        eval: (script, keys, args) =>
          this.#do(() => this.#options.client.eval(script, keys.length, ...keys, ...args)),
        tag: `{${this.#options.keyPrefix}}:table:${spec.name}:`,
        stored: (key) => this.#name(key),
      },
      spec,
    );
  }

  async disconnect(): Promise<void> {
    if (this.#options.closesClient) await this.#options.client.quit().catch(() => undefined);
  }

  /** One slot for all keys of a server, also in a cluster. */
  #tag(what: "index" | "expiries" | "value"): string {
    return `{${this.#options.keyPrefix}}:${what}${what === "value" ? ":" : ""}`;
  }

  #name(key: string): string {
    return this.namespace === undefined ? key : `${this.namespace}:${key}`;
  }

  #valueKey(key: string): string {
    return `${this.#tag("value")}${this.#name(key)}`;
  }

  async #write(
    key: string,
    expects: "any" | "absent" | "value",
    expected: string,
    next: string | undefined,
    expires: number | undefined,
  ): Promise<boolean> {
    const { client, clock } = this.#options;
    const life = expires === undefined ? "" : Math.max(1, Math.ceil(expires - clock.now()));
    const done = await this.#do(() =>
      client.eval(
        WRITE,
        3,
        this.#valueKey(key),
        this.#tag("index"),
        this.#tag("expiries"),
        this.#name(key),
        expects,
        expected,
        next === undefined ? "0" : "1",
        next ?? "",
        life,
        this.#tag("value"),
      ),
    );
    return done === 1;
  }

  /** A client that is offline keeps commands waiting; nobody here waits that long. */
  async #do(command: () => Promise<unknown>): Promise<unknown> {
    const { timeoutSeconds } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`no answer within ${timeoutSeconds} s`));
      }, timeoutSeconds * 1000);
    });
    try {
      return await Promise.race([command(), late]);
    } catch (cause) {
      throw new FederationError(
        "ERR_FED_STORE_UNAVAILABLE",
        "Redis does not answer: check that it runs and that this server may use it.",
        { cause },
      );
    } finally {
      clearTimeout(timer);
    }
  }
}
