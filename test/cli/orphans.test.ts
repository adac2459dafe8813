import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { VisitorBook } from "../../src/custody/holder/visitors.ts";
import { LedgerRows } from "../../src/custody/home/ledger-rows.ts";
import { systemClock, systemRandom } from "../../src/ports.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { Pulse } from "../../src/runtime/pulse.ts";
import { handStoreTo } from "../../src/runtime/store-identity.ts";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { CLI, runScript } from "../support/command-line.ts";
import { folderOfTest } from "../support/folders.ts";
import { silentFor } from "../support/silent-peer.ts";

const HERE = "https://here.example";
const DEAD = "https://dead.example";
const keyOf = (letter: string): string => letter.repeat(43);

describe("cli/orphans", function () {
  this.timeout(20_000);
  const folder = folderOfTest();
  const cli = (...args: readonly string[]) => runScript(CLI, ...args, "--data", folder.path);

  async function withStore<T>(work: (store: KeyvStore) => Promise<T>): Promise<T> {
    const store = new KeyvStore(new SqliteEngine({ path: join(folder.path, "federation.sqlite") }));
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }
  const rowOf = (localId: string) =>
    withStore((store) =>
      new LedgerRows({ store, origin: HERE, random: systemRandom }).get(localId),
    );
  const admit = (localId: string) =>
    withStore((store) =>
      new LedgerRows({ store, origin: HERE, random: systemRandom }).update(localId, () => ({
        ...{ localId, name: "Bob", holder: HERE, epoch: 0, state: { coins: 9 } },
      })),
    );

  beforeEach(() =>
    withStore(async (store) => {
      await handStoreTo(store, { kid: "k".repeat(43), origin: HERE });
      const registry = new ServerRegistry({ store, clock: systemClock, maxPeers: 10 });
      await registry.load();
      await registry.register({ endpoint: DEAD, name: "Dead" }, { trust: TrustState.Trusted });
      const health = silentFor(40, { now: systemClock.now() });
      await store.set(`health/${DEAD}`, JSON.stringify(health));
      const visitors = new VisitorBook(store);
      for (const [name, state] of [
        ["ada", { coins: 3 }],
        ["bob", { coins: 4, hats: 1 }],
      ] as const) {
        const held = { epoch: 4, phase: "returning", state } as const;
        await visitors.hold(`${name}@dead.example`, DEAD, held, keyOf(name[0] ?? ""));
      }
    }),
  );

  it("lists whose home is gone, and keeps one only when it is said twice", async () => {
    const listed = await cli("players", "orphans");
    assert.match(listed.out, /ada@dead\.example +\d{4}-.+Z +11 B/u);
    assert.match(listed.out, /None of your other peers answers/u);
    const asked = await cli("players", "adopt", "ada@dead.example");
    assert.equal(asked.code, 1);
    assert.match(asked.out, /Nothing is done yet/u);
    assert.equal(await rowOf(`key-${keyOf("a")}`), undefined);
    const done = await cli("players", "adopt", "ada@dead.example", "--yes");
    assert.equal(done.code, 0, done.err);
    assert.match(done.out, /ada@dead\.example is key-a+@here\.example from now on/u);
    assert.deepEqual((await rowOf(`key-${keyOf("a")}`))?.state, { coins: 3 });
    const audit = await readFile(join(folder.path, "audit.jsonl"), "utf8");
    assert.match(audit, /"what":"orphan-adopted","subject":"ada@dead\.example"/u);
    const where = await cli("players", "where", "ada@dead.example");
    assert.match(where.out, /kept here as key-a+/u);
  });

  it("keeps all of one home, and says who is not kept, and why", async () => {
    await admit(`key-${keyOf("b")}`);
    const { code, out } = await cli("players", "adopt", "--all-of", DEAD, "--yes");
    assert.equal(code, 1);
    assert.match(out, /ada@dead\.example is key-a+@here\.example/u);
    assert.match(out, /bob@dead\.example is not kept: its key is a player here already/u);
    const again = await cli("players", "adopt", "--all-of", DEAD, "--yes", "--merge");
    assert.equal(again.code, 0, again.err);
    assert.doesNotMatch(again.out, /ada/u);
    assert.match(again.out, /It has not got: coins\./u);
    assert.deepEqual((await rowOf(`key-${keyOf("b")}`))?.state, { coins: 9, hats: 1 });
    const nobody = await cli("players", "adopt", "--all-of", DEAD, "--yes");
    assert.equal(nobody.code, 1);
  });

  it("changes no player that there is while the server runs", async () => {
    await withStore((store) =>
      new Pulse({ store, clock: systemClock, name: "Here", attempt: () => undefined }).start(),
    );
    const merged = await cli("players", "adopt", "ada@dead.example", "--yes", "--merge");
    assert.equal(merged.code, 1);
    assert.match(merged.err, /this server runs/u);
    assert.equal((await cli("players", "adopt", "ada@dead.example", "--yes")).code, 0);
  });

  it("takes no silence of less than a week, and names what is missing", async () => {
    const short = await cli("players", "orphans", "--after-days", "6");
    assert.equal(short.code, 2);
    assert.match(short.err, /--after-days: expected a whole number from 7 to 90, got "6"/u);
    assert.equal((await cli("players", "adopt", "--yes")).code, 2);
    assert.equal((await cli("players", "adopt", "--all-of", "x y")).code, 2);
    const longer = await cli("players", "orphans", "--after-days", "60", "--json");
    assert.deepEqual(longer.json(), { orphans: [], isAlone: false });
  });
});
