import assert from "node:assert/strict";
import { join } from "node:path";
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
    it(`does not stop the server: a custody row that is ${what}`, async () => {
      await withStore(async (store) => {
        await store.set("custody/ada", text);
        await store.set("custody/bob", sound("bob"));
      });
      await runtime.start();
      const bob = await login("bob");
      assert.ok(bob.ok);
      assert.deepEqual(bob.state, { gold: 1 });
      const ada = await login("ada");
      assert.deepEqual([ada.ok, ada.ok ? "" : ada.code], [false, "ERR_FED_ROW_DAMAGED"]);
      assert.equal((await login("ada")).ok, false, "and it stays refused");
      const told = lines.filter((line) => line.includes('"custody/ada"'));
      assert.equal(told.length, 1, lines.join("\n"));
      assert.match(told[0] ?? "", /damaged\/custody\/ada.*players forget/su);
      assert.equal(await runtime.store.get("damaged/custody/ada"), text);
      await runtime.stop();
      await withStore((store) => store.set("custody/ada", sound("ada", { gold: 7 })));
      await runtime.start();
      const restored = await login("ada");
      assert.ok(restored.ok, "the operator has put the row back");
      assert.deepEqual(restored.state, { gold: 7 });
    });
  }

  it("answers about the others: a renewal and returns of a damaged and a sound player", async () => {
    const away = (localId: string): string =>
      sound(localId).replace(`"holder":"${HERE}"`, '"holder":"https://there.example"');
    await withStore(async (store) => {
      await store.set("custody/ada", "{");
      await store.set("custody/bob", away("bob"));
    });
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
