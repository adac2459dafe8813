/** What somebody may have meant who has mistyped a word. */

const MOST_MISTAKES = 3;
const LONGEST_WORD = 40;

/** The name that is fewest mistakes away from a word, three at most; undefined: nobody could say. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  if (word.length > LONGEST_WORD) return undefined;
  const [best] = names
    .map((name) => ({ name, mistakes: mistakesBetween(word, name) }))
    .filter(({ name, mistakes }) => mistakes <= Math.min(MOST_MISTAKES, name.length / 2))
    .sort((one, other) => one.mistakes - other.mistakes);
  return best?.name;
}

/** Letters that are left out, put in or taken for another one (Levenshtein). */
function mistakesBetween(word: string, name: string): number {
  let above = Array.from({ length: name.length + 1 }, (_, column) => column);
  for (const [row, letter] of Array.from(word).entries()) {
    const line = [row + 1];
    for (let column = 1; column <= name.length; column += 1) {
      const same = letter === name[column - 1] ? 0 : 1;
      line.push(
        Math.min(
          (above[column] ?? 0) + 1,
          (line[column - 1] ?? 0) + 1,
          (above[column - 1] ?? 0) + same,
        ),
      );
    }
    above = line;
  }
  return above[name.length] ?? 0;
}
