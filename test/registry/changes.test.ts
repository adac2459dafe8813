import assert from "node:assert/strict";
import type { Store } from "../../src/ports.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { type RegistryEvent, ServerRegistry } from "../../src/registry/server-registry.ts";
import { type MemoryDisk, MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

/** Several registries over one store, as several processes of one server have them. */
describe("registry: what other processes change", () => {
  let clock: ManualClock;
  let disk: MemoryDisk;
  let writer: ServerRegistry;
  let reader: ServerRegistry;
  let readAll: number;
  /** Runs once, before the next time that all rows are read. */
  let meanwhile: (() => Promise<void>) | undefined;

  const counted = (): Store => {
    const store = new MemoryStore(clock, disk);
    const entries = store.entries.bind(store);
    store.entries = async function* (prefix) {
      if (prefix === "peer/") readAll += 1;
      const rows: (readonly [string, string])[] = [];
      for await (const row of entries(prefix)) rows.push(row);
      const run = prefix === "peer/" ? meanwhile : undefined;
      if (run !== undefined) meanwhile = undefined;
      await run?.();
      yield* rows;
    };
    return store;
  };
  const add = (name: string) =>
    writer.register({ endpoint: `https://${name}.example` }, { trust: TrustState.Trusted });

  beforeEach(async () => {
    clock = new ManualClock();
    disk = new Map();
    readAll = 0;
    meanwhile = undefined;
    writer = new ServerRegistry({ store: new MemoryStore(clock, disk), clock });
    reader = new ServerRegistry({ store: counted(), clock });
    await add("a");
    await reader.load();
    readAll = 0;
  });

  it("is read without reading all the rest", async () => {
    const events: RegistryEvent[] = [];
    reader.on((event) => events.push(event));
    await add("b");
    await writer.setTrust("https://a.example", TrustState.Pending);
    await reader.refresh();
    assert.equal(reader.get("https://b.example")?.trust, TrustState.Trusted);
    assert.equal(reader.get("https://a.example")?.trust, TrustState.Pending);
    await writer.remove("https://b.example");
    await reader.refresh();
    assert.equal(reader.has("https://b.example"), false);
    assert.equal(readAll, 0);
    assert.deepEqual(
      events.map(({ type, fromStore }) => [type, fromStore]),
      [
        ["trust-changed", true],
        ["added", true],
        ["removed", true],
      ],
    );
  });

  it("is read with all the rest when more was changed than is told of", async () => {
    for (let name = 0; name < 17; name += 1) await add(`more${name}`);
    await reader.refresh();
    assert.equal(reader.size, 18);
    assert.equal(readAll, 1);
  });

  it("is read with all the rest when somebody was blocked", async () => {
    await writer.block("*.example");
    await reader.refresh();
    assert.equal(reader.isBlocked("https://other.example"), true);
    assert.equal(readAll, 1);
  });

  it("is not missed when it comes while the rows are loaded", async () => {
    meanwhile = async () => {
      await add("late");
    };
    const third = new ServerRegistry({ store: counted(), clock });
    await third.load();
    await third.refresh();
    assert.equal(third.has("https://late.example"), true);
  });

  it("is found later when the process died before it told of it", async () => {
    const version = disk.get("registry/version");
    await add("untold");
    if (version !== undefined) disk.set("registry/version", version);
    await reader.refresh();
    assert.equal(reader.has("https://untold.example"), false);
    clock.advance(5 * 60_000);
    await writer.setTrust("https://a.example", TrustState.Pending);
    await reader.refresh();
    assert.equal(reader.has("https://untold.example"), true);
  });

  it("is read also after a version of before changes were told of", async () => {
    const { value = "" } = disk.get("registry/version") ?? {};
    assert.match(value, /^1 https:\/\/a\.example$/u);
    disk.set("registry/version", { value: "41", expiresAt: undefined });
    await add("b");
    await reader.refresh();
    assert.equal(reader.size, 2);
    assert.equal(readAll, 1);
  });
});
