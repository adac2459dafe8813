import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { COMMANDS } from "../../src/cli/commands.ts";
import { CLI, runScript } from "../support/command-line.ts";

describe("cli/command-line", function () {
  this.timeout(30_000);
  const KID = `-${"k".repeat(42)}`;

  for (const [args, message] of [
    [["peer", "list"], /"peer" is no command: did you mean peers\?/u],
    [["peers", "aprove"], /"peers aprove" is no command: did you mean peers approve\?/u],
    [["peers"], /peers what\? One of list, approve, block/u],
    [["peers", "list", "--jsno"], /--jsno is no option of peers list: did you mean --json\?/u],
    [["peers", "list", "--key", "x"], /--key is no option of peers list/u],
    [["peers", "list", "more"], /"more" is too much/u],
    [
      ["peers", "approve"],
      /name the peer to approve \(see aether-federation peers approve --help\)/u,
    ],
    [["peers", "approve", "https://a.example", "--key"], /key/u],
    [
      ["peers", "approve", "https://a.example", "--inbound-only", "--outbound-only"],
      /inbound-only and outbound-only are mutually exclusive/u,
    ],
    [["peers", "list", "--data", "a", "--data", "b"], /--data is given several times/u],
    [["keys", "rotate", "--switch=maybe"], /--switch takes no value/u],
    [["keys", "rotate", "--no-switch"], /--no-switch is no option/u],
    [["keys", "recover", "a secret"], /"a secret" is too much/u],
    [["doctor"], /name the origin to examine/u],
    [["--what"], /--what is no option/u],
    [["constructor"], /"constructor" is no command/u],
  ] as const) {
    it(`refuses "${args.join(" ")}" in one line, with exit 2`, async () => {
      const { code, out, err } = await runScript(CLI, ...args);
      assert.equal(code, 2, err);
      assert.equal(out, "");
      assert.match(err, message);
      assert.equal(err.trim().split("\n").length, 1, err);
    });
  }

  it("answers in JSON what is wrong, where it is asked in JSON", async () => {
    const { code, err } = await runScript(CLI, "peers", "aprove", "--json");
    assert.equal(code, 2);
    assert.match((JSON.parse(err) as { error: string }).error, /did you mean/u);
  });

  it("takes no key id for an option, wherever it stands", async () => {
    const { err } = await runScript(CLI, "peers", "approve", "https://a.example", "--key", KID);
    assert.match(err, /no federation data/u);
    assert.match((await runScript(CLI, "keys", "revoke", KID)).err, /no federation data/u);
  });

  for (const { words, takes, options, examples = [] } of COMMANDS) {
    const name = words.filter((word) => word !== undefined).join(" ");
    it(`explains ${name}, in 80 columns`, async () => {
      const { code, out, err } = await runScript(CLI, ...name.split(" "), "--help");
      assert.equal(code, 0, err);
      assert.ok(
        out.startsWith(`Usage: aether-federation ${name}${takes === undefined ? "" : ` ${takes}`}`),
      );
      for (const option of [...Object.keys(options ?? {}), "data", "store", "json"]) {
        assert.match(out, new RegExp(`^ +--${option} `, "mu"));
      }
      assert.equal(/^Examples:$/mu.test(out), examples.length > 0);
      for (const line of out.split("\n")) assert.ok(line.length <= 80, line);
    });
  }

  it("tells its version", async () => {
    const { version } = JSON.parse(await readFile("package.json", "utf8")) as { version: string };
    assert.deepEqual((await runScript(CLI, "--version")).out, `${version}\n`);
  });

  it("completes commands and options in a shell", async () => {
    const asked = (...words: readonly string[]) =>
      runScript(CLI, "--get-yargs-completions", "aether-federation", ...words);
    const { code, out } = await asked("peers", "");
    assert.equal(code, 0);
    assert.match(out, /^list(?::|$)/mu);
    assert.match((await asked("peers", "approve", "--")).out, /^--key(?::|$)/mu);
    const script = await runScript(CLI, "completion");
    assert.equal(script.code, 0);
    assert.match(script.out, /aether-federation --get-yargs-completions/u);
  });
});
