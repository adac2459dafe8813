import assert from "node:assert/strict";
import type { Redis } from "ioredis";
import { Keyv } from "keyv";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { RedisEngine } from "../../src/storage/redis-engine.ts";
import { coded } from "../support/coded.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { storeConformance } from "../../src/testing/store-conformance.ts";
import { RedisServer } from "../support/redis.ts";
import { requireProgram } from "../support/requirements.ts";

/** Redis counts by its own clock: moving time on means taking it off every time to live. */
const ADVANCE = `
for _, key in ipairs(redis.call("KEYS", "*")) do
  local left = redis.call("PTTL", key)
  if left > 0 then redis.call("PEXPIRE", key, math.max(0, left - ARGV[1])) end
end
`;

class RedisClock extends ManualClock {
  readonly #client: Redis;

  constructor(client: Redis) {
    super();
    this.#client = client;
  }

  override advance(milliseconds: number): void {
    super.advance(milliseconds);
    // Commands of one connection keep their order: what the store sends next comes after it.
    void this.#client.eval(ADVANCE, 0, milliseconds);
  }
}

describe("storage/redis-engine", function () {
  this.timeout(20_000);
  let redis: RedisServer;
  let client: Redis;
  let suite = 0;

  before(async function () {
    redis = await RedisServer.start(requireProgram(this, "redis-server"));
    client = redis.client();
  });
  after(() => redis?.stop());
  beforeEach(() => {
    suite += 1;
  });

  const engine = (keyPrefix = `suite-${suite}`, on: Redis = client): RedisEngine =>
    new RedisEngine({ client: on, keyPrefix });

  storeConformance({
    name: "Redis",
    open: (clock) =>
      new KeyvStore(new RedisEngine({ client, keyPrefix: `suite-${suite}`, clock }), { clock }),
    makeClock: () => new RedisClock(client),
  });

  it("keeps servers with prefixes of their own apart, and Keyv's namespaces too", async () => {
    const stores = [
      new KeyvStore(engine("one")),
      new KeyvStore(engine("two")),
      new KeyvStore(new Keyv({ store: engine("two"), namespace: "n" })),
    ];
    for (const [index, store] of stores.entries()) await store.set("key", `of ${index}`);
    for (const [index, store] of stores.entries()) {
      assert.equal(await store.get("key"), `of ${index}`);
      const entries: unknown[] = [];
      for await (const entry of store.entries("key")) entries.push(entry);
      assert.deepEqual(entries, [["key", `of ${index}`]]);
    }
  });

  it("lets one of two processes use a nonce up", async () => {
    const stores = [redis.client(), redis.client()].map(
      (each) => new KeyvStore(engine(undefined, each)),
    );
    for (let nonce = 0; nonce < 20; nonce += 1) {
      const won = await Promise.all(
        stores.map((store) => store.compareAndSet(`nonce/${nonce}`, undefined, "1", 60_000)),
      );
      assert.deepEqual(won.sort(), [false, true]);
    }
  });

  it("forgets the names of what has expired", async () => {
    const store = new KeyvStore(engine("names"));
    for (let each = 0; each < 20; each += 1) await store.set(`short/${each}`, "1", 60_000);
    await client.eval(ADVANCE, 0, 60_001);
    await client.eval(
      `for _, n in ipairs(redis.call("ZRANGE", KEYS[1], 0, -1)) do redis.call("ZADD", KEYS[1], 1, n) end`,
      1,
      "{names}:expiries",
    );
    for (let each = 0; each < 4; each += 1) await store.set("long", "1");
    assert.deepEqual(await client.zrange("{names}:index", 0, -1), ["long"]);
  });

  it("rejects when Redis is gone, and works again when it is back, with what was there", async () => {
    const own = await RedisServer.start(requireProgram({} as never, "redis-server"));
    try {
      const store = new KeyvStore(new RedisEngine({ client: own.client(), timeoutSeconds: 0.3 }));
      await store.set("a", "1");
      await own.kill();
      const unavailable = coded("ERR_FED_STORE_UNAVAILABLE");
      await assert.rejects(store.get("a"), unavailable);
      await assert.rejects(store.compareAndSet("nonce", undefined, "1"), unavailable);
      await own.resume();
      assert.equal(await store.get("a"), "1");
    } finally {
      await own.stop();
    }
  });

  it("tells when Redis is not told to be durable", async () => {
    assert.equal(await engine().durability(), undefined);
    const careless = await RedisServer.start(requireProgram({} as never, "redis-server"), []);
    try {
      const warning = await new RedisEngine({ client: careless.client() }).durability();
      assert.match(warning ?? "", /appendonly yes/u);
    } finally {
      await careless.stop();
    }
  });

  it("refuses what is no client", () => {
    assert.throws(() => new RedisEngine({ client: {} as never }), /client must be/u);
  });
});
