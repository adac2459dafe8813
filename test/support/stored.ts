/** What a running server has written down, read from its file. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LEDGER_TABLE, membersOf } from "../../src/custody/home/ledger-columns.ts";
import type { LedgerRow } from "../../src/custody/home/ledger-row.ts";
import type { TableValues } from "../../src/ports.ts";
import type { VisitorRow } from "../../src/custody/holder/visitors.ts";
import { eventually } from "./eventually.ts";
import type { ServerProcess } from "./processes.ts";

/** Home's row of one of its players. */
export function ledgerRow(home: ServerProcess, player: string): LedgerRow | undefined {
  const key = player.slice(0, player.lastIndexOf("@"));
  const columns = Object.keys(LEDGER_TABLE.columns).map((column) => `"${column}"`);
  const found = read(home, `SELECT ${columns.join()} FROM custody WHERE key = ?`, key);
  if (found === undefined) return undefined;
  const present = Object.entries(found).filter(([, value]) => value !== null);
  const values = Object.fromEntries(present) as TableValues;
  return membersOf({ key, version: 0, values }) as unknown as LedgerRow;
}

/** What a server knows of a player who visits it or is on the way. */
export function visitorRow(server: ServerProcess, player: string): VisitorRow | undefined {
  return stored(server, `visitor/${player}`) as VisitorRow | undefined;
}

/** Waits until home holds one of its players again; with `note`, as what it carries. */
export async function isBack(home: ServerProcess, player: string, note?: string): Promise<void> {
  await eventually(() => {
    const row = ledgerRow(home, player);
    assert.equal(row?.holder, home.origin);
    if (note === undefined) return;
    assert.equal((row.state as { note?: string } | undefined)?.note, note);
  });
}

/** Waits until home has no row of a player any more. */
export async function isForgotten(home: ServerProcess, player: string): Promise<void> {
  await eventually(() => {
    assert.equal(ledgerRow(home, player), undefined);
  });
}

/** Waits until a server has nothing to do with a player who visited it. */
export async function isGone(server: ServerProcess, player: string): Promise<void> {
  await eventually(() => {
    assert.equal(visitorRow(server, player), undefined);
  });
}

function stored(server: ServerProcess, key: string): unknown {
  const row = read(server, "SELECT value FROM entries WHERE key = ?", key);
  return row === undefined ? undefined : JSON.parse(row["value"] as string);
}

function read(
  server: ServerProcess,
  query: string,
  key: string,
): Record<string, unknown> | undefined {
  const database = new DatabaseSync(join(server.spec.data, "federation.sqlite"), {
    readOnly: true,
  });
  try {
    return database.prepare(query).get(key);
  } finally {
    database.close();
  }
}
