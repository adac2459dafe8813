import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { CONDITIONS } from "../../src/operator/condition.ts";
import { Attribute, GAUGES, OPERATIONS, TRACED_CALLS } from "../../src/telemetry/names.ts";

const page = readFileSync(new URL("../../docs/telemetry.md", import.meta.url), "utf8");

/** Rows of a section's table, without its head: cells, without their quotes. */
function tableOf(heading: string): string[][] {
  const section = page.split(/^## /mu).find((each) => each.startsWith(`${heading}\n`));
  assert.ok(section !== undefined, heading);
  return section
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim().replaceAll("`", "")));
}

describe("the page of telemetry", () => {
  it("has every operation, with its names, attributes and outcomes", () => {
    const operations = Object.values(OPERATIONS).map((operation) => {
      const labels: readonly string[] = operation.labels;
      return [
        labels.includes(Attribute.Call) ? `${operation.span} <call>` : operation.span,
        operation.kind,
        "counter" in operation ? operation.counter.name : "",
        "duration" in operation ? operation.duration : "",
        labels.join(", "),
        operation.outcomes.join(", "),
        operation.description,
      ];
    });
    assert.deepEqual(tableOf("Operations"), operations);
  });

  it("has every gauge, with its unit and attributes", () => {
    const gauges = Object.entries(GAUGES).map(([name, { unit, attributes, description }]) => [
      ...[name, unit, attributes.join(", "), description],
    ]);
    assert.deepEqual(tableOf("Gauges"), gauges);
  });

  it("has every attribute, and what may stand in it", () => {
    const rows = tableOf("Attributes");
    assert.deepEqual(
      rows.map(([name]) => name),
      Object.values(Attribute),
    );
    const states = rows.find(([name]) => name === Attribute.State)?.[2];
    assert.equal(states, CONDITIONS.join(", "));
    const [, calls = ""] = /^Calls: ([^.]+)\./mu.exec(page) ?? [];
    const named = calls.split(/,\s+/u).map((call) => call.replaceAll("`", ""));
    assert.deepEqual(named, ["/handshake", ...TRACED_CALLS]);
  });
});
