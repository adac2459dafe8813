/**
 * Texts as PostgreSQL takes them, which refuses U+0000 in any text. Each of the two characters has two in
 * its place, so that texts keep their order and their prefixes; JSON has neither, and is stored as it is.
 */
const NUL = "\u0000";
const ESCAPE = "\u0001";

/** The text as it is stored. */
export function toPostgres(text: string): string {
  if (!text.includes(NUL) && !text.includes(ESCAPE)) return text;
  return text.replaceAll(ESCAPE, `${ESCAPE}1`).replaceAll(NUL, `${ESCAPE}0`);
}

/** The text that {@link toPostgres} was given. */
export function fromPostgres(stored: string): string {
  if (!stored.includes(ESCAPE)) return stored;
  return stored.replaceAll(`${ESCAPE}0`, NUL).replaceAll(`${ESCAPE}1`, ESCAPE);
}
