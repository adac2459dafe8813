/**
 * Words that a human sees. Foreign ones, names, reasons, what servers say, go through one function, so
 * that nobody can be shown what is not there, or turns the rest of the line round.
 */

/** Breaks, and blanks of any width. */
const BLANKS = /[\t-\r\u0085\p{Zs}\p{Zl}\p{Zp}]+/gu;
/** Nothing to see: controls, formats, halves of characters, fillers. Joiners and selectors are judged apart. */
const UNSEEN = /(?!\u200c|\u200d|\ufe0e|\ufe0f)[\p{C}\p{Default_Ignorable_Code_Point}\u2800]/gu;
/** A joiner that joins two letters or signs stays, and so does a selector after one. */
const STRAY_JOINERS =
  /(?<![\p{L}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}])[\u200c\u200d]|[\u200c\u200d](?![\p{L}\p{Extended_Pictographic}])/gu;
const STRAY_SELECTORS = /(?<![\p{Emoji}\p{S}\p{L}])[\ufe0e\ufe0f]/gu;
/** Marks piled up over the lines above and below. */
const PILED_MARKS = /(\p{M}{4})\p{M}+/gu;
const VISIBLE = /[\p{L}\p{N}\p{P}\p{S}]/u;

/**
 * Text in one line, as it can be shown: without controls, escapes and line breaks, without what turns
 * text round or takes no room; joiners between letters and emoji stay.
 *
 * @param maxLength UTF-16 units; the rest is cut off, not through the middle of a character.
 * @returns undefined when nothing visible is left.
 */
export function shownText(text: unknown, maxLength: number): string | undefined {
  if (typeof text !== "string") return undefined;
  // What is cut off need not be read: a hostile text may be long.
  const clean = cleaned(text.slice(0, 8 * maxLength))
    .slice(0, maxLength)
    .replace(/[\ud800-\udbff]$/u, "");
  const shown = cleaned(clean);
  return VISIBLE.test(shown) ? shown : undefined;
}

function cleaned(text: string): string {
  return text
    .replaceAll(BLANKS, " ")
    .replaceAll(UNSEEN, "")
    .replaceAll(STRAY_SELECTORS, "")
    .replaceAll(STRAY_JOINERS, "")
    .replaceAll(PILED_MARKS, "$1")
    .trim();
}

/**
 * A program's whole output, in lines, as it can be written to a terminal: what {@link shownText} drops
 * is escaped, so that JSON stays JSON and means the same.
 */
export function terminalText(text: string): string {
  return text.replaceAll(
    /(?!\n|\u200c|\u200d|\ufe0e|\ufe0f)[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu,
    (character) =>
      Array.from({ length: character.length }, (_, unit) => character.charCodeAt(unit))
        .map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`)
        .join(""),
  );
}

/** How many of something: `1 peer`, `2 peers`. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
