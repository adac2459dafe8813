/**
 * The operator's command line: finds the command, and says what came of it. All that knows the parser:
 * what it makes of the arguments is a command of `commands.ts` and what that was given.
 */
import yargs, { type Argv } from "yargs";
import { FederationError } from "../errors.ts";
import { COMMANDS, COMMON_OPTIONS, type Command, GROUPS } from "./commands.ts";
import { type CommandOption, Given } from "./given.ts";
import { CommandError, EXIT } from "./output.ts";
import { nearest } from "./nearest.ts";
import { show } from "./terminal.ts";
import { packageVersion } from "./version.ts";

const NAME = "aether-federation";
const COMPLETION = "completion";
const COMPLETION_QUESTION = "--get-yargs-completions";
const COMPLETION_USAGE = `Usage: $0 ${COMPLETION}

A script for the shell that $SHELL names. Once, for bash or for zsh:

  ${NAME} ${COMPLETION} >> ~/.bashrc
  ${NAME} ${COMPLETION} >> ~/.zshrc`;
const DASHED_KEY_ID = /^-[A-Za-z0-9_-]{42}$/u;
const EPILOGUE = `Works beside the running server: it notices within a second. Exit codes: 0 done, or all is well; 1 failed, or something to fix; 2 wrong usage.`;

/** What the arguments ask for: a command, or a text that the parser has made itself. */
type Asked =
  | { readonly command: Command; readonly given: Given }
  | { readonly text: string; readonly exitCode: number };

/** Runs one command; answers its exit code. */
export async function commandLine(args: readonly string[]): Promise<number> {
  const json = args.includes("--json");
  try {
    const asked = await parse(args);
    if ("text" in asked) {
      if (asked.text !== "") process.stdout.write(`${asked.text}\n`);
      return asked.exitCode;
    }
    const result = await asked.command.run(asked.given);
    process.stdout.write(show(json ? JSON.stringify(result.json, null, 2) : result.text, !json));
    return result.exitCode ?? EXIT.ok;
  } catch (error) {
    if (!(error instanceof CommandError || error instanceof FederationError)) throw error;
    process.stderr.write(
      show(json ? JSON.stringify({ error: error.message }) : error.message, false),
    );
    return error instanceof CommandError ? error.exitCode : EXIT.failed;
  }
}

async function parse(args: readonly string[]): Promise<Asked> {
  // A key id may begin with a dash, and is no option.
  const words = args.map((arg) => (DASHED_KEY_ID.test(arg) ? ` ${arg}` : arg));
  const found: { command?: Command; given?: Given } = {};
  const parser: Argv = withCommands(yargs([...words]), found)
    .scriptName(NAME)
    .usage("Usage: $0 <command> [options]")
    .help("help", "explain a command")
    .version(packageVersion())
    .command(
      COMPLETION,
      "a script that completes commands in your shell (bash, zsh)",
      (builder) => builder.usage(COMPLETION_USAGE),
      () => {
        parser.showCompletionScript();
      },
    )
    .epilogue(EPILOGUE)
    .strict()
    .locale("en")
    .exitProcess(false)
    .showHelpOnFail(false)
    .wrap(Math.min(80, process.stdout.columns || 80))
    .parserConfiguration({
      "boolean-negation": false,
      "camel-case-expansion": false,
      "dot-notation": false,
      "greedy-arrays": false,
      "parse-numbers": false,
      "parse-positional-numbers": false,
    })
    .fail((message: string | null, error: Error | undefined) => {
      if (message === null && error !== undefined) throw error;
      throw usage(explained(message ?? "", words, found.command), found.command);
    });
  // What the script asks when somebody presses Tab; the parser prints its answers itself.
  if (words[0] === COMPLETION_QUESTION) {
    await parser.parseAsync([...words]);
    return { text: "", exitCode: EXIT.ok };
  }
  if (words.length === 0) return { text: await parser.getHelp(), exitCode: EXIT.usage };
  const text = await new Promise<string>((resolve, reject) => {
    // What the parser says by itself (help, version, completion) comes here, and is not printed.
    const parsing = parser.parse([...words], {}, (error, _argv, output) => {
      if (error === undefined || error === null) resolve(output);
      else reject(error);
    });
    Promise.resolve(parsing).catch(reject);
  });
  const { command, given } = found;
  for (const [name, { type }] of Object.entries({ ...COMMON_OPTIONS, ...command?.options })) {
    const isGiven = type === "flag" && words.some((word) => word.startsWith(`--${name}=`));
    if (isGiven) throw usage(`--${name} takes no value`, command);
  }
  if (command !== undefined && given !== undefined && text === "") return { command, given };
  return { text, exitCode: EXIT.ok };
}

/** Tells the parser of every command; the one that is asked for is put into `found`. */
function withCommands(parser: Argv, found: { command?: Command; given?: Given }): Argv {
  const add = (to: Argv, command: Command, name: string): void => {
    const takes = command.takes === undefined ? "" : ` ${command.takes}`;
    to.command(
      `${name}${takes}`,
      command.tells,
      (builder) => {
        found.command = command;
        return describe(builder, command);
      },
      (values) => {
        found.given = new Given(values);
      },
    );
  };
  const groups = new Set<string>();
  for (const command of COMMANDS) {
    const [group, verb] = command.words;
    if (verb === undefined) add(parser, command, group);
    else if (!groups.has(group)) {
      groups.add(group);
      const within = COMMANDS.filter(({ words }) => words[0] === group);
      const verbs = within.map(({ words }) => words[1] ?? "");
      parser.command(`${group} <command>`, `${GROUPS[group] ?? ""}: ${verbs.join(", ")}`, (to) => {
        for (const each of within) add(to, each, each.words[1] ?? "");
        return to.demandCommand(1).usage(`Usage: $0 ${group} <command>`);
      });
    }
  }
  return options(parser, COMMON_OPTIONS);
}

function describe(builder: Argv, command: Command): Argv {
  const { takes, tells, examples = [], words } = command;
  for (const each of takes?.split(" ") ?? []) {
    builder.positional(each.slice(1, -1), { type: "string" });
  }
  options(builder, command.options ?? {});
  for (const [line, what] of examples) builder.example(`$0 ${line}`, what);
  const name = [...words, ...(takes === undefined ? [] : [takes])].join(" ");
  return builder.usage(`Usage: $0 ${name} [options]\n\n${tells}`);
}

function options(parser: Argv, named: Readonly<Record<string, CommandOption>>): Argv {
  for (const [name, { type, tells, excludes }] of Object.entries(named)) {
    parser.option(name, {
      describe: tells,
      type: type === "flag" ? "boolean" : "string",
      requiresArg: type !== "flag",
      ...(type === "texts" ? { array: true } : {}),
      ...(type === "text" ? { coerce: (value: unknown) => single(name, value) } : {}),
    });
    if (excludes !== undefined) parser.conflicts(name, excludes);
  }
  return parser;
}

function single(name: string, value: unknown): unknown {
  if (Array.isArray(value)) throw new TypeError(`--${name} is given several times: give it once`);
  return value;
}

/** What the parser found wrong, so that an operator knows what to do. */
function explained(
  message: string,
  words: readonly string[],
  command: Command | undefined,
): string {
  const [first = "", second] = words.filter((word) => !word.startsWith("-"));
  const group = Object.hasOwn(GROUPS, first) ? first : undefined;
  const verbs = COMMANDS.flatMap(({ words: [one, two] }) => (one === group && two ? [two] : []));
  if (command === undefined && group !== undefined) {
    if (second === undefined) return `${group} what? One of ${verbs.join(", ")}`;
    return `"${group} ${second}" is no command${meant(nearest(second, verbs), `${group} `)}`;
  }
  const unknown = /^Unknown arguments?: (.*)$/su.exec(message)?.[1]?.split(", ")[0];
  const isOption =
    unknown !== undefined &&
    words.some(
      (word) =>
        word === `--${unknown}` || word.startsWith(`--${unknown}=`) || word === `-${unknown}`,
    );
  if (command === undefined && !isOption) {
    const names = [...new Set([...COMMANDS.map(({ words: [one] }) => one), COMPLETION])];
    return `"${first}" is no command${meant(nearest(first, names))}`;
  }
  if (isOption) {
    const names = Object.keys({ ...COMMON_OPTIONS, ...command?.options, help: 1, version: 1 });
    const of = command === undefined ? NAME : command.words.join(" ");
    const dashes = unknown.length === 1 ? "-" : "--";
    return `${dashes}${unknown} is no option of ${of}${meant(nearest(unknown, names), "--")}`;
  }
  if (unknown !== undefined) return `"${unknown.trim()}" is too much`;
  if (message.startsWith("Not enough non-option arguments")) return command?.needs ?? message;
  return message.split("\n")[0] ?? "";
}

function meant(name: string | undefined, before = ""): string {
  return name === undefined ? "" : `: did you mean ${before}${name}?`;
}

function usage(message: string, command?: Command): CommandError {
  const of = command === undefined ? "" : `${command.words.join(" ")} `;
  return new CommandError(`${message} (see ${NAME} ${of}--help)`, EXIT.usage);
}
