/** What a running server has written down, read from its file. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { LedgerRow } from "../../src/custody/home/ledger-row.ts";
import type { VisitorRow } from "../../src/custody/holder/visitors.ts";
import type { ServerProcess } from "./processes.ts";

/** Home's row of one of its players. */
export function ledgerRow(home: ServerProcess, player: string): LedgerRow | undefined {
  return stored(home, `custody/${player.slice(0, player.lastIndexOf("@"))}`) as
    LedgerRow | undefined;
}

/** What a server knows of a player who visits it or is on the way. */
export function visitorRow(server: ServerProcess, player: string): VisitorRow | undefined {
  return stored(server, `visitor/${player}`) as VisitorRow | undefined;
}

function stored(server: ServerProcess, key: string): unknown {
  const database = new DatabaseSync(join(server.spec.data, "federation.sqlite"), {
    readOnly: true,
  });
  try {
    const row = database.prepare("SELECT value FROM entries WHERE key = ?").get(key);
    return row === undefined ? undefined : JSON.parse(row["value"] as string);
  } finally {
    database.close();
  }
}
