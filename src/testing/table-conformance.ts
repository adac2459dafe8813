/** What the tables of any store must do: part of `storeConformance`. */
import assert from "node:assert/strict";
import type { Store, Table, TableRow, TableSpec } from "../ports.ts";

interface TablePlace {
  readonly store: Store;
  readonly open: () => Promise<Store>;
}

const SPEC: TableSpec = {
  name: "things",
  columns: { name: "text", count: "integer", weight: "real", group: "text", mark: "integer" },
  listed: "mark",
};
/** Far beyond 32 bits, and exact. */
const FIRST = 2 ** 48 - 7;

async function keysOf(rows: AsyncIterable<TableRow>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of rows) keys.push(key);
  return keys;
}

/** Declares the cases of {@link Store.table}; `open` opens the store of the present test once more. */
export function declareTableCases(
  check: (title: string, test: (place: TablePlace) => Promise<void>) => void,
): void {
  const tableOf = (store: Store): Table => store.table(SPEC);

  check(
    "gives back a row as it was put in, and nothing for one that was not",
    async ({ store }) => {
      const table = tableOf(store);
      const text = "' \" \\ \u{1FA99} \n";
      const values = { name: text, count: 2 ** 40, weight: 0.25 };
      assert.equal(
        await table.insert("wéird key/🪙", FIRST, { ...values, group: undefined }),
        true,
      );
      assert.deepEqual(await table.get("wéird key/🪙"), {
        ...{ key: "wéird key/🪙", version: FIRST, values },
      });
      assert.equal(await table.get("a"), undefined);
      assert.equal(await store.get("a"), undefined);
    },
  );

  check("puts a row in once, whatever its version", async ({ store }) => {
    const table = tableOf(store);
    assert.equal(await table.insert("a", 1, { name: "first" }), true);
    assert.equal(await table.insert("a", 2, { name: "second" }), false);
    assert.deepEqual(await table.get("a"), { key: "a", version: 1, values: { name: "first" } });
  });

  check("changes only the columns it is told, of the expected version only", async ({ store }) => {
    const table = tableOf(store);
    await table.insert("a", 7, { name: "a", count: 1, group: "g" });
    assert.equal(await table.update("a", 6, { name: "x" }), false);
    assert.equal(await table.update("a", 8, { name: "x" }), false);
    assert.equal(await table.update("b", 7, { name: "x" }), false);
    assert.equal(await table.update("a", 7, { count: 2, group: undefined, weight: 1.5 }), true);
    assert.deepEqual(await table.get("a"), {
      ...{ key: "a", version: 8, values: { name: "a", count: 2, weight: 1.5 } },
    });
    assert.equal(await table.update("a", 7, { name: "x" }), false);
    assert.equal(await table.update("a", 8, {}), true);
    assert.equal((await table.get("a"))?.version, 9);
    assert.equal(await table.get("b"), undefined);
  });

  check("removes the expected version only", async ({ store }) => {
    const table = tableOf(store);
    await table.insert("a", 7, { name: "a", mark: 1 });
    assert.equal(await table.remove("a", 6), false);
    assert.equal(await table.remove("b", 7), false);
    assert.equal(await table.remove("a", 7), true);
    assert.equal(await table.remove("a", 7), false);
    assert.equal(await table.get("a"), undefined);
    assert.deepEqual(await keysOf(table.listed("")), []);
    assert.equal(await table.insert("a", 3, {}), true);
    assert.deepEqual(await table.get("a"), { key: "a", version: 3, values: {} });
  });

  check("lets exactly one of many change a row, and one put it in", async ({ store, open }) => {
    const second = await open();
    const [one, two] = [tableOf(store), tableOf(second)];
    const race = async (run: (table: Table, index: number) => Promise<boolean>): Promise<number> =>
      (
        await Promise.all(
          Array.from({ length: 50 }, (_, index) => run(index % 2 === 0 ? one : two, index)),
        )
      ).filter(Boolean).length;
    assert.equal(await race((table, index) => table.insert("a", 1, { count: index })), 1);
    assert.equal(await race((table, index) => table.update("a", 1, { count: index })), 1);
    assert.equal(await race((table) => table.remove("a", 2)), 1);
    await second.close();
  });

  check("counts to a hundred with fifty hands in one row", async ({ store }) => {
    const table = tableOf(store);
    await table.insert("n", 0, { count: 0 });
    const increment = async (): Promise<void> => {
      for (;;) {
        const row = await table.get("n");
        const count = Number(row?.values["count"]) + 1;
        if (await table.update("n", row?.version ?? -1, { count })) return;
      }
    };
    await Promise.all(Array.from({ length: 50 }, () => increment().then(increment)));
    assert.deepEqual(await table.get("n"), { key: "n", version: 100, values: { count: 100 } });
  });

  check("lists rows of a prefix in order, and apart those that are listed", async ({ store }) => {
    const table = tableOf(store);
    for (const key of ["p/b", "p/a", "q/a", "p", "p/c"]) await table.insert(key, 1, { name: key });
    for (const key of ["p/c", "q/b", "p/d"]) {
      await table.insert(key, 1, {});
      await table.update(key, 1, { mark: 0 });
    }
    assert.deepEqual(await keysOf(table.rows("p/")), ["p/a", "p/b", "p/c", "p/d"]);
    assert.deepEqual(await keysOf(table.listed("p/")), ["p/c", "p/d"]);
    assert.deepEqual(await keysOf(table.listed("")), ["p/c", "p/d", "q/b"]);
    for await (const { key, version } of table.listed("p/")) {
      await table.update(key, version, { mark: undefined });
    }
    assert.deepEqual(await keysOf(table.listed("")), ["q/b"]);
    assert.equal((await keysOf(table.rows(""))).length, 7);
  });

  check("lists more than one page of rows", async ({ store }) => {
    const table = tableOf(store);
    await Promise.all(
      Array.from({ length: 512 }, (_, index) =>
        table.insert(`k/${index}`, 1, index % 2 === 0 ? { mark: 1 } : {}),
      ),
    );
    assert.equal((await keysOf(table.rows("k/"))).length, 512);
    assert.equal((await keysOf(table.listed("k/"))).length, 256);
  });

  check("keeps tables apart, and apart from values", async ({ store }) => {
    const other = store.table({ ...SPEC, name: "others" });
    await tableOf(store).insert("a", 1, { name: "a", mark: 1 });
    await other.insert("a", 5, { name: "b" });
    assert.equal((await tableOf(store).get("a"))?.version, 1);
    assert.deepEqual(await keysOf(other.listed("")), []);
    assert.equal(await store.get("a"), undefined);
  });

  check("has every row after a restart, seen by both", async ({ store, open }) => {
    await tableOf(store).insert("a", 1, { name: "a", mark: 1 });
    const second = await open();
    assert.equal(await tableOf(second).update("a", 1, { count: 2 }), true);
    assert.equal(await tableOf(store).update("a", 1, { count: 3 }), false);
    assert.equal((await tableOf(store).get("a"))?.values["count"], 2);
    assert.deepEqual(await keysOf(tableOf(second).listed("")), ["a"]);
    await second.close();
  });
}
