/**
 * Where diagnostics go: the host's own logger, whichever it is, or Colyseus' where the host names none.
 *
 * pino and bunyan take the fields first, winston reads what is in its second argument, everybody else
 * gets `(message, cause, fields)`. A console shows what the message does not say: the cause, whole.
 */
import { inspect } from "node:util";
import { logger as ofColyseus } from "@colyseus/core";
import { FederationError } from "../errors.ts";
import type { LogFields, Logger } from "../ports.ts";
import { terminalText } from "../words.ts";

type Level = "debug" | "info" | "warn" | "error";

/**
 * A logger as hosts have them. One that takes the fields first (pino, bunyan) gets `(fields, message)`,
 * with the cause as `err`; others get `(message, cause, fields)`, the last two where there are any.
 */
export interface HostLogger {
  debug(message: string, ...more: unknown[]): unknown;
  info(message: string, ...more: unknown[]): unknown;
  warn(message: string, ...more: unknown[]): unknown;
  error(message: string, ...more: unknown[]): unknown;
}

type Write = (...said: unknown[]) => unknown;

const LEVELS: readonly Level[] = ["debug", "info", "warn", "error"];
const PREFIX = "[federation]";
const MAX_CAUSES = 8;

/** Whether something can be logged to. */
export function isLogger(value: unknown): value is HostLogger {
  return (
    ((typeof value === "object" && value !== null) || typeof value === "function") &&
    LEVELS.every((level) => typeof (value as Record<string, unknown>)[level] === "function")
  );
}

/** The logger that the parts are given. It never throws for what the host's does. */
export function loggerOf(host: HostLogger | undefined): Logger {
  const at =
    (level: Exclude<Level, "error">) =>
    (message: string, fields?: LogFields): void => {
      write(host, level, message, undefined, fields);
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: (message, cause, fields) => {
      write(host, "error", message, cause, fields);
    },
  };
}

function write(
  given: HostLogger | undefined,
  level: Level,
  message: string,
  cause: unknown,
  fields: LogFields | undefined,
): void {
  // Asked for at every line: a server brings its own when it is made, which is later than this.
  const host: unknown = given ?? ofColyseus;
  // A console has no level that would keep these back.
  if (given === undefined && host === console && level === "debug") return;
  const code = cause instanceof FederationError ? { code: cause.code } : {};
  const all: LogFields = { ...code, ...fields };
  try {
    if (host === console || !isLogger(host)) {
      console[level](onTerminal(`${PREFIX} ${message}`, cause));
      return;
    }
    const log = (host[level] as Write).bind(host);
    if (takesFieldsFirst(host)) {
      log(cause === undefined ? all : { ...all, err: errorFor(host, cause) }, message);
    } else if (isWinston(host)) {
      log(message, cause === undefined ? all : { ...all, stack: storyOf(cause) });
    } else {
      const line = given === undefined ? `${PREFIX} ${message}` : message;
      const hasFields = Object.keys(all).length > 0;
      log(line, ...(cause === undefined ? [] : [cause]), ...(hasFields ? [all] : []));
    }
  } catch {
    // Whoever logs goes on: a logger that fails is the host's to notice.
  }
}

/** pino, and bunyan before it. */
function takesFieldsFirst(host: object): boolean {
  const { bindings, child, addStream } = host as Record<string, unknown>;
  return (
    [bindings, addStream].some((is) => typeof is === "function") && typeof child === "function"
  );
}

/** pino reads errors; bunyan does so only where the host has asked for it. */
function errorFor(host: object, cause: unknown): unknown {
  if (!("addStream" in host) || !(cause instanceof Error)) return cause;
  const { name, message } = cause;
  return { name, message, stack: storyOf(cause) };
}

function isWinston(host: object): boolean {
  return "transports" in host && "levels" in host && "format" in host;
}

/** Others' words may be in it: no line of theirs looks like one of ours. */
function onTerminal(line: string, cause: unknown): string {
  const why = cause === undefined ? "" : `\n${storyOf(cause)}`;
  return terminalText(`${line}${why}`.replaceAll("\n", "\n    "));
}

/** An error's stack, and those of its causes. */
function storyOf(cause: unknown): string {
  const stories: string[] = [];
  let at: unknown = cause;
  while (at !== undefined && stories.length < MAX_CAUSES) {
    stories.push(at instanceof Error ? (at.stack ?? at.message) : inspect(at, { depth: 2 }));
    at = at instanceof Error ? at.cause : undefined;
  }
  return stories.join("\ncaused by: ");
}
