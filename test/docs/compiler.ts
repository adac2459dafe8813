/** Compiles blocks as modules of a host: virtual files beside the package's own, which it finds by name. */
import ts from "typescript";
import { type Block, type Page, ROOT } from "./pages.ts";

const { config } = ts.readConfigFile(`${ROOT}tsconfig.json`, (path) => ts.sys.readFile(path)) as {
  readonly config: object;
};
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
const HOST_OPTIONS: ts.CompilerOptions = {
  ...options,
  ...{ noEmit: true, allowJs: true, checkJs: true, isolatedModules: true },
  // Colyseus' own templates ask for neither.
  ...{ noImplicitOverride: false, noImplicitAny: false, exactOptionalPropertyTypes: false },
};
/** Where blocks pretend to be. */
const FOLDER = `${ROOT}test/docs/.page`;
/** Parsed once for all pages. */
const parsed = new Map<string, ts.SourceFile | undefined>();

/** What is wrong with a page's blocks, each with the place that the reader sees. */
export function faultsOf(page: Page): string[] {
  const files = virtualFiles(page);
  const disk = ts.createCompilerHost(HOST_OPTIONS);
  const host: ts.CompilerHost = {
    ...disk,
    directoryExists: (path) =>
      [...files.keys()].some((file) => file.startsWith(`${path}/`)) ||
      (disk.directoryExists?.(path) ?? true),
    fileExists: (path) => files.has(path) || disk.fileExists(path),
    readFile: (path) => files.get(path)?.code ?? disk.readFile(path),
    getSourceFile: (path, target, ...rest) => {
      const file = files.get(path);
      if (file !== undefined) return ts.createSourceFile(path, file.code, target, true);
      if (!parsed.has(path)) parsed.set(path, disk.getSourceFile(path, target, ...rest));
      return parsed.get(path);
    },
  };
  const program = ts.createProgram([...files.keys()], HOST_OPTIONS, host);
  return [...files].flatMap(([path, { place, line }]) => {
    const source = program.getSourceFile(path);
    const found = [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ];
    return found.map(({ start = 0, messageText }) => {
      const at = source?.getLineAndCharacterOfPosition(start).line ?? 0;
      return `${place}:${line + at}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
    });
  });
}

interface VirtualFile {
  readonly code: string;
  readonly place: string;
  /** Of the page, at which the code begins. */
  readonly line: number;
}

/** The blocks and what they take for granted, by the path that they pretend to have. */
function virtualFiles({ name, given, files: whole, blocks }: Page): Map<string, VirtualFile> {
  const files = new Map<string, VirtualFile>();
  const declarations = `export {};\ndeclare global {\n${given}\n}\n`;
  files.set(`${FOLDER}/given.d.ts`, { code: declarations, place: `${name}:given`, line: -1 });
  for (const [file, code] of whole) files.set(pathOf(file), { code, place: name, line: 0 });
  for (const [index, block] of blocks.entries()) {
    if (block.extension === "html") continue;
    const path = pathOf(block.file ?? `block-${index}.${extensionOf(block)}`);
    const line = Number(block.place.slice(block.place.lastIndexOf(":") + 1)) + 1;
    // A module each, so that one may declare what another takes for granted.
    const module = /\.c[jt]s$/u.test(path) ? "" : "export {};\n";
    files.set(path, { code: block.code + module, place: name, line });
  }
  return files;
}

function extensionOf({ extension }: Block): string {
  return extension === "js" ? "mjs" : extension;
}

/** Where a file is that a page names: in `src`, unless it says otherwise. */
function pathOf(file: string): string {
  return `${FOLDER}/${file.includes("/") ? file : `src/${file}`}`;
}
