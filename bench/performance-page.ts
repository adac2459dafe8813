/** `docs/performance.md` from what the benches have measured. Pure. */
import type { Curve } from "./curves.ts";

/** A section of `npm run bench -- --json`. */
export interface Result {
  readonly title: string;
  readonly results: readonly {
    readonly name: string;
    readonly median: number;
    readonly low: number;
    readonly high: number;
    readonly ratio?: number;
    readonly ratioLow?: number;
    readonly ratioHigh?: number;
    readonly target?: string;
    readonly reached?: boolean;
  }[];
  readonly curves?: readonly Curve[];
}

/** Name of a graph's file, without its ending. */
export function slugOf(title: string, name: string): string {
  return `${title} ${name}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/gu, "-")
    .replaceAll(/^-|-$/gu, "");
}

/**
 * The page. `machine`: what everything was measured on; `note`: what else is to be known of the run;
 * `causes`: what was found out about where the time goes, in Markdown.
 */
export function pageOf(
  machine: string,
  results: readonly Result[],
  { note, causes }: { readonly note?: string | undefined; readonly causes: string },
): string {
  const lines = [
    "<!-- made by npm run performance -->",
    "",
    "# Performance",
    "",
    `Measured on ${machine}. Each figure runs by turns with its anchor in the same process or on the same machine: only ratios mean anything elsewhere. \`npm run performance\` measures again and writes this page; what the figures are made of is in [limits](LIMITS.md#speed).`,
    ...(note === undefined ? [] : ["", note]),
    "",
    "## Targets",
    "",
    "A ratio with `≤` is a cost against the anchor, one with `≥` a share of the anchor's speed. The middle of all rounds, and the lowest and highest of them.",
    "",
    "| what | against | measured | spread | aim |",
    "| --- | --- | --- | --- | --- |",
    ...results.flatMap(targetsOf),
    "",
    causes.trimEnd(),
    "",
    "## Growth",
    "",
    "Both axes go by powers of ten: what costs the same however much there is lies flat.",
  ];
  for (const { title, curves = [] } of results) {
    if (curves.length === 0) continue;
    const counts = [...new Set(curves.flatMap(({ points }) => points.map(({ count }) => count)))];
    counts.sort((a, b) => a - b);
    lines.push(
      ...["", `### By ${title}`, ""],
      `| | ${counts.map((count) => count.toLocaleString("en")).join(" | ")} |`,
      `| --- |${counts.map(() => " ---: |").join("")}`,
      ...curves.map(({ name, unit, points }) => {
        const cells = counts.map((count) => shown(points.find((at) => at.count === count)?.value));
        return `| ${name}, ${unit} | ${cells.join(" | ")} |`;
      }),
      ...curves.flatMap(({ name, unit }) => [
        "",
        `![${name}, ${unit}, by ${title}](performance/${slugOf(title, name)}.svg)`,
      ]),
    );
  }
  return `${lines.join("\n")}\n`;
}

/** Of a section with the speed of very many kinds of one thing, the one that is the worst off stands for all. */
const MOST_ROWS = 5;

function targetsOf({ title, results }: Result): string[] {
  const [anchor] = results;
  const aimed = results.filter(({ target }) => target !== undefined);
  const isCost = aimed[0]?.target?.startsWith("≤") === true;
  const [least] = aimed.toSorted((a, b) => (a.ratio ?? Infinity) - (b.ratio ?? Infinity));
  const told =
    aimed.length > MOST_ROWS && !isCost && least !== undefined
      ? [{ ...least, name: `${least.name} (the least of ${aimed.length} kinds)` }]
      : aimed;
  return told.flatMap(({ name, ratio, ratioLow = 0, ratioHigh = 0, target, reached }) =>
    target === undefined || ratio === undefined
      ? []
      : [
          `| ${cell(`${title}: ${name}`)} | ${cell(anchor === undefined || anchor.name === name || anchor.ratio !== 1 ? "the best of the others" : anchor.name)} | ${ratio.toFixed(2)}${reached === true ? "" : ", missed"} | ${ratioLow.toFixed(2)}–${ratioHigh.toFixed(2)} | ${target} |`,
        ],
  );
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function shown(value: number | undefined): string {
  if (value === undefined) return "–";
  return value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString("en");
}
