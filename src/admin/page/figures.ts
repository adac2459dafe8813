/** Times, shares, bars and lines, as they are shown. The same on the page in a browser and on the one a server writes. */

const UNITS: readonly (readonly [number, string])[] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
];

/** A length of time in one unit: `3 h`. */
export function lengthText(milliseconds: number): string {
  for (const [unit, name] of UNITS) {
    if (milliseconds >= unit) return `${Math.floor(milliseconds / unit)} ${name}`;
  }
  return "0 s";
}

/** A share in per cent, rounded down, so that nothing but all is 100. */
export function shareText(share: number | null | undefined): string {
  if (share === null || share === undefined) return "–";
  return share >= 1 ? "100 %" : `${(Math.floor(share * 1_000) / 10).toFixed(1)} %`;
}

/** What stands for a slice: how much of it was up. */
type SliceClass = "up" | "some" | "off" | "gap";

function classOf(slice: string): SliceClass {
  if (slice === "-") return "gap";
  if (slice === "^") return "up";
  return slice === "0" ? "off" : "some";
}

/**
 * A bar of slices (see `PeerRow.bars`), as one path for each class: slices of the same class in a row are one
 * rectangle.
 */
export function barPaths(
  slices: string,
  sliceWidth: number,
  height: number,
): Record<SliceClass, string> {
  const paths: Record<SliceClass, string> = { up: "", some: "", off: "", gap: "" };
  const middle = Math.floor(height / 2) - 1;
  let begin = 0;
  for (let index = 1; index <= slices.length; index += 1) {
    const name = classOf(slices[begin] ?? "-");
    if (index < slices.length && classOf(slices[index] ?? "-") === name) continue;
    const [x, width] = [begin * sliceWidth, (index - begin) * sliceWidth];
    // A gap is a line: not to be told by its colour alone.
    const [y, tall] = name === "gap" ? [middle, 2] : name === "off" ? [4, height - 4] : [0, height];
    paths[name] += `M${x} ${y}h${width}v${tall}h-${width}z`;
    begin = index;
  }
  return paths;
}

/** A line through the values that are there; nulls are gaps in it. */
export function linePath(
  values: readonly (number | null)[],
  width: number,
  height: number,
): string {
  const most = Math.max(1, ...values.map((value) => value ?? 0));
  const step = width / Math.max(1, values.length - 1);
  let path = "";
  let isOn = false;
  for (const [index, value] of values.entries()) {
    if (value === null) {
      isOn = false;
      continue;
    }
    const x = (index * step).toFixed(1);
    const y = (height - 1 - (value / most) * (height - 2)).toFixed(1);
    path += isOn ? `L${x} ${y}` : `M${x} ${y}h.8`;
    isOn = true;
  }
  return path;
}
