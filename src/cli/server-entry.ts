/** The file that makes a Colyseus server: how it does, and the same with a federation attached. */
import { closingOf, withoutText } from "./code-text.ts";

/** A file that makes a server. */
export interface Entry {
  /** The server is attached already. */
  readonly attached: boolean;
  /** It loads modules by `require`. */
  readonly commonJs: boolean;
  /** Names of rooms that it defines. */
  readonly rooms: readonly string[];
  /** How it names files of its own: the ending behind `./name`, or undefined where it names none. */
  readonly ending: string | undefined;
  /** The same code, with the server attached; undefined where that is not for a program to say. */
  readonly attach: (module: string) => string | undefined;
}

/** Text to put in at a place. */
interface Insertion {
  readonly at: number;
  readonly text: string;
}

const MAKES = /\b(?:[\w$]+\s*\.\s*)?defineServer\s*\(|\bnew\s+(?:[\w$]+\s*\.\s*)?Server\s*\(/gu;
const IMPORT = /^import\b[^"']*(["'])\s*\1[^\n]*\n?/gmu;
const REQUIRE = /^(?:const|let|var)\b[^;]*?\brequire\(\s*(["'])\s*\1\s*\)[^\n]*\n?/gmu;
const OF_COLYSEUS = /["'](?:@colyseus\/[\w-]+|colyseus)["']/u;
const TOOLS =
  /\bimport\s+([\w$]+)[^"';]*["']@colyseus\/tools["']|\b(?:const|let|var)\s+([\w$]+)\s*=\s*require\(\s*["']@colyseus\/tools["']\s*\)\.default/u;

/** Reads a file; undefined when it makes no Colyseus server. */
export function readEntry(code: string): Entry | undefined {
  if (!OF_COLYSEUS.test(code)) return undefined;
  const masked = withoutText(code);
  const commonJs = masked.search(IMPORT) < 0 && /\brequire\s*\(/u.test(masked);
  const made = [...masked.matchAll(MAKES)];
  const configured = configuredBy(code, masked);
  if (made.length === 0 && configured === undefined) return undefined;
  return {
    attached:
      /\bfederation\s*\.\s*attach\b/u.test(masked) ||
      (/["']aether-federation["']/u.test(code) && /\.\s*attach\b/u.test(masked)),
    commonJs,
    rooms: roomsOf(code, masked),
    ending: endingOf(code),
    attach: (module) => {
      const [first] = made;
      const insertions =
        first === undefined ? configured : made.length === 1 ? wrapped(masked, first) : undefined;
      if (insertions === undefined) return undefined;
      const load = commonJs
        ? `const { federation } = require("${module}");\n`
        : `import { federation } from "${module}";\n`;
      return insert(code, [
        { at: endOfImports(code, masked, commonJs), text: load },
        ...insertions,
      ]);
    },
  };
}

/** `federation.attach(` … `)` around the call that makes the server: it returns what it is given. */
function wrapped(masked: string, made: RegExpExecArray): readonly Insertion[] | undefined {
  const close = closingOf(masked, made.index + made[0].length - 1);
  if (close === undefined) return undefined;
  // `new Server().define(…)` makes something else of it.
  if (/^\s*[.[(]/u.test(masked.slice(close + 1))) return undefined;
  return [
    { at: made.index, text: "federation.attach(" },
    { at: close + 1, text: ")" },
  ];
}

/** With `config({ … })` of @colyseus/tools, where the server is handed out. */
function configuredBy(code: string, masked: string): readonly Insertion[] | undefined {
  const [, imported, required] = TOOLS.exec(code) ?? [];
  const name = imported ?? required;
  if (name === undefined) return undefined;
  const call = new RegExp(
    String.raw`(?<![\w$.])${name.replaceAll("$", String.raw`\$`)}\s*\(\s*\{`,
    "u",
  );
  const found = call.exec(masked);
  if (found === null) return undefined;
  const handed =
    /\binitializeGameServer\s*(?::\s*(?:async\s+)?(?:function\s*)?)?\(?\s*([\w$]+)\s*(?::[^)]*)?\)?\s*(?:=>\s*)?\{/u.exec(
      masked,
    );
  if (handed !== null) {
    const indent = /\n([ \t]*)\S/u.exec(masked.slice(handed.index + handed[0].length))?.[1] ?? "";
    const at = handed.index + handed[0].length;
    return [{ at, text: `\n${indent}federation.attach(${handed[1] ?? ""});` }];
  }
  if (masked.includes("initializeGameServer")) return undefined;
  const at = found.index + found[0].length;
  return [{ at, text: "\n  initializeGameServer: federation.attach," }];
}

function roomsOf(code: string, masked: string): readonly string[] {
  const rooms = new Set<string>();
  for (const { index } of masked.matchAll(/(?:\w+\s*\.\s*)?\bdefineRoom\s*\(/gu)) {
    const key = /(?:([\w$]+)|["']([^"'\n]+)["'])\s*:\s*$/u.exec(code.slice(0, index));
    const name = key?.[1] ?? key?.[2];
    if (name !== undefined) rooms.add(name);
  }
  for (const { index } of masked.matchAll(/\.\s*define\s*\(/gu)) {
    const name = /^[^("']*\(\s*["'`]([^"'`\n]+)["'`]/u.exec(code.slice(index))?.[1];
    if (name !== undefined) rooms.add(name);
  }
  return [...rooms];
}

function endingOf(code: string): string | undefined {
  const found = /(?:from|require\()\s*["']\.{1,2}\/[^"'\n]*?(\.[cm]?[jt]s)?["']/u.exec(code);
  return found === null ? undefined : (found[1] ?? "");
}

function endOfImports(code: string, masked: string, commonJs: boolean): number {
  const last = [...masked.matchAll(commonJs ? REQUIRE : IMPORT)].at(-1);
  if (last !== undefined) return last.index + last[0].length;
  return code.startsWith("#!") ? code.indexOf("\n") + 1 : 0;
}

/** What is put in at one place stands there in the order given. */
function insert(code: string, insertions: readonly Insertion[]): string {
  let [text, at] = ["", 0];
  for (const each of insertions.toSorted((one, other) => one.at - other.at)) {
    text += code.slice(at, each.at) + each.text;
    at = each.at;
  }
  return text + code.slice(at);
}
