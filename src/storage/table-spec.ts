/** What every engine asks of the description of a table. */
import type { TableSpec } from "../ports.ts";

const NAME = /^[a-z][a-z_]{0,30}$/u;
const TAKEN: ReadonlySet<string> = new Set(["key", "version"]);

/** @throws TypeError for a name that not every engine can have, or a `listed` column that is not there. */
export function checkTableSpec({ name, columns, listed }: TableSpec): void {
  const names = Object.keys(columns);
  if (!NAME.test(name) || name === "entries") {
    throw new TypeError(`name: no table can be called "${name}"`);
  }
  const wrong = names.find((column) => !NAME.test(column) || TAKEN.has(column));
  if (wrong !== undefined) throw new TypeError(`columns: none can be called "${wrong}"`);
  if (!names.includes(listed)) throw new TypeError(`listed: there is no column "${listed}"`);
}
