import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { z } from "zod";
import { FEDERATION_OPTIONS } from "../../src/federation/options-schema.ts";
import { resolveOptions } from "../../src/federation/options.ts";

const page = readFileSync(new URL("../../docs/options.md", import.meta.url), "utf8");
/** Each row of the page's tables by the option that it is about. */
const rows = new Map(
  page
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .map(([, option = "", ...cells]) => [option.replaceAll("`", ""), cells]),
);

/** Options that hold no others, by their whole names. */
function namesOf(schema: z.ZodObject, within = ""): string[] {
  return Object.entries(schema.shape).flatMap(([name, option]) => {
    const inner = option instanceof z.ZodOptional ? option.unwrap() : option;
    const whole = `${within}${name}`;
    return inner instanceof z.ZodObject ? namesOf(inner, `${whole}.`) : [whole];
  });
}

describe("the page of the options", () => {
  const names = namesOf(FEDERATION_OPTIONS);
  const defaults = resolveOptions({ origin: "https://a.example", worlds: {} });

  it("has every option there is, and no other but those of portals()", () => {
    const ofPortals = [
      "carry",
      "onKept",
      "freeze",
      "unfreeze",
      "allowEnter",
      "assets",
      "destinations",
    ];
    assert.deepEqual([...rows.keys()].sort(), [...names, ...ofPortals].sort());
  });

  for (const name of names) {
    const value = name
      .split(".")
      .reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], defaults);
    if (!["number", "boolean"].includes(typeof value)) continue;
    it(`says what ${name} is by default: ${String(value)}`, () => {
      assert.ok(rows.get(name)?.includes(`\`${String(value)}\``), rows.get(name)?.join(" | "));
    });
  }

  it("gives the bounds of what is a number", () => {
    for (const [name, cells] of rows) {
      const [low, high] =
        /(\d+)–(\d+)/u
          .exec(/^(?:whole )?number/u.test(cells[0] ?? "") ? cells[0]! : "")
          ?.slice(1) ?? [];
      if (low === undefined || high === undefined || name.includes(".")) continue;
      const at = (value: number) => () =>
        resolveOptions({ origin: "https://a.example", worlds: {}, [name]: value });
      assert.doesNotThrow(at(Number(low)));
      assert.doesNotThrow(at(Number(high)));
      assert.throws(at(Number(low) - 1), { name: "TypeError" });
      assert.throws(at(Number(high) + 1), { name: "TypeError" });
    }
  });
});
