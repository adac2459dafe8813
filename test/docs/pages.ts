/**
 * The code blocks of README.md and docs/, as their readers would take them over.
 *
 * A block's language says what is done with it: `ts`, `mts`, `cts`, `js`, `mjs` and `cjs` compile
 * against the package's own name; `html` with a name is one of a page's files. Words behind it say more:
 *
 * - `run`: it is run, too, and prints what its lines `console.log(…); // → …` say;
 * - `file=NAME`: other blocks of its page import it by that name; those of mocha (`*.test.ts`) are run.
 *   A line before the block that is nothing but `` `NAME`: `` says the same. Without a name, or a folder
 *   in it, a block is in `src`.
 *
 * What a page's blocks take for granted stands in comments of the page: declarations, or a whole file,
 * such as the types of a package that is not installed here.
 *
 *     <!-- given
 *     const federation: import("aether-federation").Federation;
 *     -->
 *     <!-- given file=vite.d.ts
 *     declare module "vite" { … }
 *     -->
 */
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { README_GIVEN } from "./readme.ts";

/** Where the package is. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** One block of code. */
export interface Block {
  /** Where it begins, for messages: `docs/parts.md:12`. */
  readonly place: string;
  readonly code: string;
  readonly extension: string;
  /** Its name, where it has one. */
  readonly file: string | undefined;
  readonly run: boolean;
}

/** One page. */
export interface Page {
  /** `docs/parts.md` */
  readonly name: string;
  /** Declarations that its blocks take for granted. */
  readonly given: string;
  /** Files that they do, by name. */
  readonly files: ReadonlyMap<string, string>;
  readonly blocks: readonly Block[];
}

/** A block that is being read. */
interface Fence {
  readonly fence: string;
  readonly info: string;
  readonly line: number;
  readonly code: string[];
  /** Its name, by the line before it. */
  readonly called: string | undefined;
}

const EXTENSIONS = new Set(["ts", "mts", "cts", "js", "mjs", "cjs", "html"]);

/** Every page with code. */
export function pages(): Page[] {
  const names = readdirSync(`${ROOT}docs`, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md") && !name.includes("node_modules"))
    .map((name) => `docs/${name}`);
  return ["README.md", ...names.sort()]
    .map((name) => readPage(name, readFileSync(`${ROOT}${name}`, "utf8")))
    .filter(({ blocks }) => blocks.length > 0);
}

/** Takes a page apart. */
export function readPage(name: string, text: string): Page {
  const blocks: Block[] = [];
  const lines = text.split("\n");
  let open: Fence | undefined;
  for (const [index, line] of lines.entries()) {
    const [, indent = "", fence = "", info = ""] = /^(\s*)(`{3,}|~{3,})(.*)$/u.exec(line) ?? [];
    if (open === undefined) {
      if (fence !== "") {
        const [, called] = /^\s*`([^`\s]+\.[cm]?[jt]s)`:$/u.exec(lines[index - 2] ?? "") ?? [];
        open = { fence: indent + fence, info, line: index + 1, code: [], called };
      }
    } else if (indent + fence === open.fence && info.trim() === "") {
      const block = readBlock(name, open);
      if (block !== undefined) blocks.push(block);
      open = undefined;
    } else open.code.push(line.slice(open.fence.search(/\S/u)));
  }
  if (open !== undefined) throw new Error(`${name}:${open.line}: a block that does not end`);
  const granted = name === "README.md" ? [README_GIVEN] : [];
  const given = [
    ...granted,
    ...[...text.matchAll(/<!-- given\n(.*?)-->/gsu)].map(([, code]) => code ?? ""),
  ];
  const files = new Map(
    [...text.matchAll(/<!-- given file=(\S+)\n(.*?)-->/gsu)].map(([, file = "", code = ""]) => [
      file,
      code,
    ]),
  );
  return { name, given: given.join("\n"), files, blocks };
}

function readBlock(page: string, { info, line, code, called }: Fence): Block | undefined {
  const [language = "", ...words] = info.trim().split(/\s+/u);
  const extension = language === "typescript" ? "ts" : language === "javascript" ? "js" : language;
  if (!EXTENSIONS.has(extension)) return undefined;
  const place = `${page}:${line}`;
  const file = words.find((word) => word.startsWith("file="))?.slice("file=".length) ?? called;
  const run = words.includes("run");
  const strange = words.find((word) => word !== "run" && !word.startsWith("file="));
  if (strange !== undefined) throw new Error(`${place}: "${strange}" says nothing about a block`);
  return { place, code: `${code.join("\n")}\n`, extension, file, run };
}
