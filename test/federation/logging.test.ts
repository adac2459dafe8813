import assert from "node:assert/strict";
import { logger } from "@colyseus/core";
import { setLogger } from "@colyseus/core/Logger";
import { isLogger, loggerOf } from "../../src/federation/logging.ts";
import { FederationError } from "../../src/errors.ts";

/** A logger that keeps what it is called with. */
function heard(more: object = {}) {
  const calls: unknown[][] = [];
  const at =
    (level: string) =>
    (...said: unknown[]): void => {
      calls.push([level, ...said]);
    };
  const levels = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  return { calls, host: { ...levels, ...more } };
}

const cause = new FederationError("ERR_FED_TIMEOUT", "it took too long", {
  cause: new Error("the socket"),
});
const peer = "https://b.example";

describe("federation/logging", () => {
  it("gives pino the fields first, the cause as err, and the code of it", () => {
    const { calls, host } = heard({ bindings: () => ({}), child: () => ({}) });
    const logger = loggerOf(host);
    logger.error("no answer", cause, { peer });
    logger.warn("slow", { peer });
    logger.info("up");
    assert.deepEqual(calls, [
      ["error", { code: "ERR_FED_TIMEOUT", peer, err: cause }, "no answer"],
      ["warn", { peer }, "slow"],
      ["info", {}, "up"],
    ]);
  });

  it("gives others the message, the cause and the fields", () => {
    const { calls, host } = heard();
    const logger = loggerOf(host);
    logger.error("no answer", cause, { peer });
    logger.error("no answer", "a text");
    logger.debug("slow", { peer });
    logger.info("up");
    assert.deepEqual(calls, [
      ["error", "no answer", cause, { code: "ERR_FED_TIMEOUT", peer }],
      ["error", "no answer", "a text"],
      ["debug", "slow", { peer }],
      ["info", "up"],
    ]);
  });

  it("gives winston one object, with the stack and those of the causes", () => {
    const { calls, host } = heard({ transports: [], levels: {}, format: {} });
    loggerOf(host).error("no answer", cause, { peer });
    const [, message, meta] = calls[0] as [string, string, Record<string, string>];
    assert.deepEqual([message, meta["peer"], meta["code"]], ["no answer", peer, "ERR_FED_TIMEOUT"]);
    assert.match(meta["stack"] ?? "", /it took too long[^]*caused by: Error: the socket\n +at /u);
  });

  it("calls methods of a class, with their `this`", () => {
    class Kept {
      readonly lines: string[] = [];
      debug(message: string): void {
        this.lines.push(message);
      }
      info(message: string): void {
        this.lines.push(message);
      }
      warn(message: string): void {
        this.lines.push(message);
      }
      error(message: string): void {
        this.lines.push(message);
      }
    }
    const kept = new Kept();
    loggerOf(kept).info("up");
    assert.deepEqual(kept.lines, ["up"]);
  });

  it("goes on where the host's logger throws", () => {
    const { host } = heard({
      warn: () => {
        throw new Error("the disk is full");
      },
    });
    loggerOf(host).warn("slow");
  });

  it("writes what others say to a console so that no line of theirs looks like ours", () => {
    const { error, debug } = console;
    const former = logger;
    const host: unknown = console;
    setLogger(host as typeof logger);
    const lines: unknown[][] = [];
    console.error = (...said: unknown[]) => lines.push(said);
    console.debug = (...said: unknown[]) => lines.push(said);
    try {
      loggerOf(undefined).error("bad", new Error("x\n[federation] all is well\u001b[2J"));
      loggerOf(undefined).debug("kept back, as Colyseus' console has no level");
      loggerOf(console).debug("asked for");
    } finally {
      setLogger(former);
      console.error = error;
      console.debug = debug;
    }
    const [[bad = ""] = [], [asked] = []] = lines as string[][];
    assert.ok(
      bad.startsWith("[federation] bad\n    Error: x\n    [federation] all is well\\u001b[2J\n"),
    );
    assert.equal(asked, "[federation] asked for");
    assert.equal(lines.length, 2);
  });

  it("is by default Colyseus' own, whenever the host sets it", () => {
    const former = logger;
    const ours = loggerOf(undefined);
    const { calls, host } = heard();
    setLogger(host as never);
    try {
      ours.warn("slow", { peer });
    } finally {
      setLogger(former);
    }
    assert.deepEqual(calls, [["warn", "[federation] slow", { peer }]]);
  });

  it("knows a logger by its four methods", () => {
    assert.ok([console, heard().host].every(isLogger));
    const { debug, info, warn } = console;
    const some = [{}, null, "console", { debug, info, warn }];
    assert.ok(!some.some(isLogger));
  });
});
