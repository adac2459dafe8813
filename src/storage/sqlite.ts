/** SQLite as Node has it, asked for at run time: where there is none, `node-version.ts` has said so before. */
import type { DatabaseSync as Database } from "node:sqlite";

export type DatabaseSync = Database;
export const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
