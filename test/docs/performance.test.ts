import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { graphOf } from "../../bench/graph.ts";
import { type Result, pageOf } from "../../bench/performance-page.ts";
import { ROOT } from "./pages.ts";

const points = [
  { count: 10, value: 0.5 },
  { count: 1_000, value: 5 },
  { count: 10_000, value: 50 },
];

describe("docs: the performance page", () => {
  const results: Result[] = [
    {
      title: "a thing",
      results: [
        { name: "anchor", median: 1, low: 1, high: 1, ratio: 1, ratioLow: 1, ratioHigh: 1 },
        {
          ...{ name: "ours", median: 2, low: 1, high: 3, ratio: 2, ratioLow: 1, ratioHigh: 3 },
          ...{ target: "≤ 1.5", reached: false },
        },
      ],
    },
    { title: "peers", results: [], curves: [{ name: "a <look>", unit: "µs", points }] },
  ];

  it("has what is aimed at and whether it is reached, and a picture for each curve", () => {
    const page = pageOf("two cores", results, { causes: "## Where the time goes\n" });
    assert.match(
      page,
      /^\| a thing: ours \| anchor \| 2\.00, missed \| 1\.00–3\.00 \| ≤ 1\.5 \|$/mu,
    );
    assert.match(page, /^!\[.*\]\(performance\/peers-a-look\.svg\)$/mu);
    assert.match(page, /^\| \| 10 \| 1,000 \| 10,000 \|$/mu);
  });

  it("draws what grows as it grows, in well-formed XML", () => {
    const svg = graphOf({ name: "a <look>", unit: "µs", points }, "peers & more");
    assert.ok(svg.includes("a &lt;look&gt;, µs") && svg.includes("peers &amp; more"));
    const heights = [...svg.matchAll(/<circle cx="[\d.]+" cy="([\d.]+)"/gu)].map(([, y]) =>
      Number(y),
    );
    assert.equal(heights.length, 3);
    assert.deepEqual(
      heights,
      [...heights].sort((a, b) => b - a),
    );
  });

  it("shows no picture that is not there", () => {
    const page = readFileSync(`${ROOT}docs/performance.md`, "utf8");
    const pictures = [...page.matchAll(/\]\((performance\/[^)]+)\)/gu)].map(([, path]) => path);
    assert.ok(pictures.length > 0);
    for (const path of pictures) assert.ok(existsSync(`${ROOT}docs/${path ?? ""}`), path);
  });
});
