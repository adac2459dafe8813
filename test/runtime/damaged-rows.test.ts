import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { resolveOptions } from "../../src/federation/options.ts";
import { FederationRuntime } from "../../src/runtime/federation-runtime.ts";
import { CrossingHistory } from "../../src/custody/shared/history.ts";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { folderOfTest } from "../support/folders.ts";
import { recordingLogger } from "../support/loggers.ts";

const HERE = "https://here.example";
const body = {
  connected: true,
  carry: () => undefined,
  setFrozen: () => undefined,
  transit: () => undefined,
  failed: () => undefined,
  end: () => undefined,
};
const known = { name: undefined, jkt: undefined, guest: false };

const sound = (localId: string, state: unknown = { gold: 1 }): string =>
  JSON.stringify({ localId, name: "Somebody", holder: HERE, epoch: 3, state });

describe("damaged rows of the store", () => {
  const folder = folderOfTest();
  let lines: string[] = [];
  let runtime: FederationRuntime;
  beforeEach(async () => {
    lines = [];
    runtime = new FederationRuntime(
      resolveOptions({
        ...{ origin: HERE, worlds: {}, dataDirectory: folder.path, trust: "open" },
        logger: recordingLogger(lines),
      }),
    );
    await runtime.start();
    await runtime.stop();
  });
  afterEach(() => runtime.stop());

  async function withStore<T>(work: (store: KeyvStore) => Promise<T>): Promise<T> {
    const store = new KeyvStore(new SqliteEngine({ path: join(folder.path, "federation.sqlite") }));
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }

  /** As the first form of the store has them. */
  const formerRows = (rows: Readonly<Record<string, string>>): Promise<void> =>
    withStore(async (store) => {
      await store.delete("format");
      for (const [localId, text] of Object.entries(rows)) {
        await store.set(`custody/${localId}`, text);
      }
    });

  const inDatabase = (query: string): void => {
    const database = new DatabaseSync(join(folder.path, "federation.sqlite"));
    database.exec(query);
    database.close();
  };

  const login = (localId: string) => runtime.custody.login(localId, known, body as never);

  for (const [what, text] of [
    ["no JSON", '{"localId":"ada","name":"Ada'],
    ["empty", ""],
    ["of another shape", '{"localId":"ada","holder":{"of":"objects"},"epoch":"three"}'],
    ["an array", "[]"],
    ["null", "null"],
    ["another player's", sound("grace")],
    ["with an open transfer to an object", sound("ada").replace("}", '},"transfer":{"id":{}}')],
  ] as const) {
    it(`does not stop the server: a former custody row that is ${what}`, async () => {
      await formerRows({ ada: text, bob: sound("bob") });
      await runtime.start();
      await isRefusedAlone(text);
    });
  }

  for (const [what, change, column, damage] of [
    ["a transfer that is no JSON", "transfer = '{'", "transfer", "{"],
    ["a transfer of another shape", `transfer = '{"id":{}}'`, "transfer", '{"id":{}}'],
    ["a last decision that is null", "last = 'null'", "last", "null"],
    ["no name", "name = NULL", "name", undefined],
    ["an impossible epoch", "epoch = -1", "epoch", -1],
    ["a state that is cut off", `state = '{"gold":'`, "state", '{"gold":'],
  ] as const) {
    it(`does not stop the server: a custody row with ${what}`, async () => {
      await formerRows({ ada: sound("ada"), bob: sound("bob") });
      await runtime.start();
      await runtime.stop();
      inDatabase(`UPDATE custody SET ${change} WHERE key = 'ada'`);
      await runtime.start();
      const values = { name: "Somebody", holder: HERE, epoch: 3, state: '{"gold":1}' };
      const kept = JSON.parse(JSON.stringify({ ...values, [column]: damage })) as unknown;
      await isRefusedAlone(undefined, kept);
    });
  }

  /** One player is refused, and the other one is not; then the operator puts the row back. */
  async function isRefusedAlone(text: string | undefined, values?: unknown): Promise<void> {
    const bob = await login("bob");
    assert.ok(bob.ok);
    assert.deepEqual(bob.state, { gold: 1 });
    const ada = await login("ada");
    assert.deepEqual([ada.ok, ada.ok ? "" : ada.code], [false, "ERR_FED_ROW_DAMAGED"]);
    assert.equal((await login("ada")).ok, false, "and it stays refused");
    const told = lines.filter((line) => line.includes('"custody/ada"'));
    // A former row is told of when it is taken over, too.
    assert.equal(told.length, text === undefined ? 1 : 2, lines.join("\n"));
    assert.match(told[0] ?? "", /damaged\/custody\/ada.*players forget/su);
    const kept = await runtime.store.get("damaged/custody/ada");
    if (text !== undefined) assert.equal(kept, text);
    else assert.deepEqual(JSON.parse(kept ?? ""), values);
    inDatabase(
      `DELETE FROM custody WHERE key = 'ada';
         INSERT INTO custody (key, version, name, holder, epoch, state)
         VALUES ('ada', abs(random() % 1000000000000), 'Ada', '${HERE}', 3, '{"gold":7}')`,
    );
    const restored = await login("ada");
    assert.ok(restored.ok, "the operator has put the row back");
    assert.deepEqual(restored.state, { gold: 7 });
  }

  it("answers about the others: a renewal and returns of a damaged and a sound player", async () => {
    const away = (localId: string): string =>
      sound(localId).replace(`"holder":"${HERE}"`, '"holder":"https://there.example"');
    await formerRows({ ada: "{", bob: away("bob") });
    await runtime.start();
    const players = ["ada", "bob"].map((id) => ({ player: `${id}@here.example`, epoch: 3 }));
    const renewed = await runtime.custody.answer("https://there.example", "renew", { players }, 1);
    assert.ok(renewed.ok);
    assert.deepEqual((renewed.body as { lost: unknown[] }).lost, [], "its holder keeps the player");
    const returned = await runtime.custody.answer(
      "https://there.example",
      "returns",
      { players },
      1,
    );
    assert.ok(returned.ok);
    assert.deepEqual(returned.body, {
      returned: [players[1]],
      refused: [{ ...players[0], code: "ERR_FED_ROW_DAMAGED" }],
    });
  });

  it("do not stop the server: a visitor's row, a peer's row, a late return, a crossing", async () => {
    const peer = "https://peer.example";
    await withStore(async (store) => {
      await store.set("visitor/eve@there.example", '{"player":"eve@there.example","seats":{}}');
      await store.set(`peer/${peer}`, '{"origin":"https://peer.example"}');
      await store.set("late/bob/0000000000000001", '{"player":');
      await store.set("history/bob/0000000000000001", '{"transferId":{}}');
    });
    await runtime.start();
    assert.equal(runtime.registry.get(peer), undefined);
    assert.equal(runtime.registry.isDamaged(peer), true);
    const descriptor = {
      ...{ origin: peer, name: "p", endpoint: `${peer}/federation`, protocols: [], worlds: [] },
      ...{ keys: [], validUntil: 1 },
    };
    await assert.rejects(runtime.registry.register(descriptor, { trust: "trusted" }), {
      code: "ERR_FED_ROW_DAMAGED",
    });
    assert.equal(await runtime.registry.remove(peer), true, "the operator lets it go");
    assert.equal((await runtime.registry.register(descriptor, { trust: "pending" })).origin, peer);

    await assert.rejects(runtime.custody.visitors.get("eve@there.example"), {
      code: "ERR_FED_ROW_DAMAGED",
    });
    const late = [];
    for await (const each of runtime.custody.late.list()) late.push(each);
    assert.deepEqual(late, []);
    assert.deepEqual(await new CrossingHistory(runtime.store).of("bob"), []);
    for (const key of ["visitor/eve@there.example", `peer/${peer}`, "late/bob/0000000000000001"]) {
      assert.equal(lines.filter((line) => line.includes(`"${key}"`)).length, 1, key);
    }
  });
});
