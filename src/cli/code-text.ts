/** Reading JavaScript and TypeScript as far as putting a call into it takes, without a parser. */

const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };
/** Behind one of these, or at the beginning, a slash begins a regular expression. */
const BEFORE_REGEXP = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|void|await))$/u;

/**
 * The code with all that is text blanked out: comments, what stands between quotes, regular expressions.
 * Every character keeps its place.
 */
export function withoutText(code: string): string {
  let masked = "";
  /** Depths of braces at which a `${…}` ends, and its template goes on. */
  const templates: number[] = [];
  let depth = 0;
  let at = 0;
  const blank = (until: number): void => {
    masked += code.slice(at, until).replace(/[^\n]/gu, " ");
    at = until;
  };
  /** Goes on to the end of a text that may have `\` in it. */
  const textEnd = (from: number, ends: (index: number) => boolean): number => {
    let index = from;
    while (index < code.length && !ends(index)) index += code[index] === "\\" ? 2 : 1;
    return Math.min(index, code.length);
  };
  const template = (): void => {
    blank(textEnd(at, (index) => code[index] === "`" || code.startsWith("${", index)));
    if (code.startsWith("${", at)) {
      templates.push(depth);
      depth += 1;
      masked += "${";
      at += 2;
    } else if (at < code.length) {
      masked += "`";
      at += 1;
    }
  };
  while (at < code.length) {
    const char = code[at] ?? "";
    if (code.startsWith("//", at)) {
      const end = code.indexOf("\n", at);
      blank(end < 0 ? code.length : end);
    } else if (code.startsWith("/*", at)) {
      const end = code.indexOf("*/", at + 2);
      blank(end < 0 ? code.length : end + 2);
    } else if (char === '"' || char === "'") {
      masked += char;
      at += 1;
      blank(textEnd(at, (index) => code[index] === char || code[index] === "\n"));
      if (code[at] === char) {
        masked += char;
        at += 1;
      }
    } else if (char === "`") {
      masked += char;
      at += 1;
      template();
    } else if (char === "/" && BEFORE_REGEXP.test(masked.trimEnd())) {
      let inClass = false;
      const end = textEnd(at + 1, (index) => {
        if (code[index] === "[") inClass = true;
        if (code[index] === "]") inClass = false;
        return code[index] === "\n" || (code[index] === "/" && !inClass);
      });
      blank(end + 1);
    } else {
      if (char === "{") depth += 1;
      if (char === "}") depth -= 1;
      masked += char;
      at += 1;
      if (char === "}" && templates.at(-1) === depth) {
        templates.pop();
        template();
      }
    }
  }
  return masked;
}

/** Where the bracket that opens at `open` is closed, or undefined. */
export function closingOf(masked: string, open: number): number | undefined {
  const waiting: string[] = [];
  for (let at = open; at < masked.length; at += 1) {
    const char = masked[at] ?? "";
    const closing = CLOSING[char];
    if (closing !== undefined) waiting.push(closing);
    else if (char === ")" || char === "]" || char === "}") {
      if (waiting.pop() !== char) return undefined;
      if (waiting.length === 0) return at;
    }
  }
  return undefined;
}
