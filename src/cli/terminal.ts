/** What a terminal can show: how wide a text is there, colours, and letters for one that knows no signs. */
import { styleText } from "node:util";
import { terminalText } from "../words.ts";

/** Signs at the beginning of a line that say how something is; each is coloured where there are colours. */
export const SIGN = {
  well: "●",
  unwell: "◐",
  bad: "✖",
  unknown: "○",
  waits: "◇",
  shut: "■",
} as const;
/** How something is. */
export type Sign = keyof typeof SIGN;

const COLOURS: Readonly<Record<string, "green" | "yellow" | "red" | "dim" | "cyan">> = {
  [SIGN.well]: "green",
  [SIGN.unwell]: "yellow",
  [SIGN.bad]: "red",
  [SIGN.unknown]: "dim",
  [SIGN.waits]: "cyan",
  [SIGN.shut]: "dim",
};
const LINE_SIGN = new RegExp(`^( *)([${Object.keys(COLOURS).join("")}])`, "gmu");
/** As wide as what they stand for. */
const PLAIN: Readonly<Record<string, string>> = {
  [SIGN.well]: "+",
  [SIGN.unwell]: "~",
  [SIGN.bad]: "x",
  [SIGN.unknown]: "?",
  [SIGN.waits]: "!",
  [SIGN.shut]: "#",
  "–": "-",
  "─": "-",
  "→": ">",
  "…": "~",
};
const NARROWEST = 60;
const WIDEST = 160;
const USUAL = 80;

/** Columns that a line may have: as the terminal says, or `COLUMNS`, or else 80. */
export function columns(
  stream: { readonly columns?: number } = process.stdout,
  env: NodeJS.ProcessEnv = process.env,
): number {
  const said = stream.columns ?? Number.parseInt(env["COLUMNS"] ?? "", 10);
  return Number.isSafeInteger(said) && said > 0
    ? Math.min(WIDEST, Math.max(NARROWEST, said))
    : USUAL;
}

/** Whether a terminal shows more than plain letters, as its locale says. */
export function knowsSigns(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): boolean {
  if (env["TERM"] === "dumb") return false;
  if (platform === "win32") return true;
  // An empty one counts as none (POSIX).
  const locale =
    [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find((each = "") => each !== "") ?? "";
  return /utf-?8/iu.test(locale);
}

/**
 * A command's whole answer, as it is written to standard output, its last line ended. What a terminal could
 * take for a command of its own is escaped.
 *
 * @param isText For people: plain letters where the terminal knows no others, colours where it has them.
 */
export function show(answer: string, isText: boolean): string {
  const text = `${terminalText(answer)}\n`;
  if (!isText) return text;
  return colourful(knowsSigns() ? text : plain(text));
}

/** Only letters that every terminal has, each line as wide as before. */
export function plain(text: string): string {
  return text.replace(/[^\n -~]+/gu, (strange) =>
    graphemes(strange)
      .map((each) => PLAIN[each] ?? "?".repeat(width(each)))
      .join(""),
  );
}

/** Node decides whether there are colours: by the terminal, `NO_COLOR`, `FORCE_COLOR`, `TERM`. */
function colourful(text: string): string {
  return text.replace(
    LINE_SIGN,
    (_, blanks: string, sign: string) =>
      blanks + styleText(COLOURS[sign] ?? "dim", sign, { stream: process.stdout }),
  );
}

const SEGMENTS = new Intl.Segmenter("en");
/** What terminals show two columns wide: East Asian letters and signs, and pictures. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Yi}\p{Script=Tangut}\p{Script=Nushu}\u3000-\u303e\u30a0-\u30ff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\p{Emoji_Presentation}]|\p{Emoji}\ufe0f/u;
const NARROW = /^[\uff61-\uffdc]/u;
const NO_WIDTH = /^[\p{M}\p{Cf}\p{Cc}]+$/u;

function graphemes(text: string): string[] {
  return Array.from(SEGMENTS.segment(text), ({ segment }) => segment);
}

/** How many columns a text takes. */
export function width(text: string): number {
  if (/^[ -~]*$/u.test(text)) return text.length;
  return graphemes(text).reduce((sum, each) => {
    if (NO_WIDTH.test(each)) return sum;
    return sum + (WIDE.test(each) && !NARROW.test(each) ? 2 : 1);
  }, 0);
}

/** A text with blanks behind it, or before it, up to a width. */
export function padded(text: string, to: number, side: "left" | "right" = "right"): string {
  const blanks = " ".repeat(Math.max(0, to - width(text)));
  return side === "right" ? text + blanks : blanks + text;
}

/** A text whose end is cut off so that it takes no more columns than that. */
export function cut(text: string, most: number): string {
  if (width(text) <= most) return text;
  let kept = "";
  let at = 0;
  for (const each of graphemes(text)) {
    at += width(each);
    if (at > most - 1) break;
    kept += each;
  }
  return most < 1 ? "" : `${kept.trimEnd()}…`;
}

/**
 * An origin in no more columns than that: without `https://`, and where that is not enough, cut in its middle,
 * so that its first label and its end, which say whose it is, both stay.
 */
export function shortOrigin(origin: string, most: number): string {
  return shortened(origin.replace(/^https:\/\//u, ""), most);
}

/** A text cut in its middle, so that its beginning and its end stay. */
export function shortened(text: string, most: number): string {
  if (width(text) <= most) return text;
  const all = graphemes(text);
  const tail: string[] = [];
  let room = Math.max(0, most - 1);
  // The end says more: it has the domain, or the home.
  for (let left = Math.ceil(room * 0.6); all.length > 0;) {
    left -= width(all.at(-1) ?? "");
    if (left < 0) break;
    tail.unshift(all.pop() ?? "");
  }
  room -= width(tail.join(""));
  return `${cut(all.join(""), room + 1).replace(/…$/u, "")}…${tail.join("")}`;
}

/** A text in lines of no more columns than that, each but the first begun with `indent`. */
export function wrapped(text: string, most: number, indent = ""): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && width(longer) > most) {
      lines.push(line);
      line = `${indent}${word}`;
    } else line = longer;
  }
  return [...lines, line].join("\n");
}
