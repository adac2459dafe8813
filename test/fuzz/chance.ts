/** Random choices, texts and values that people do not think of. */
import type { Random } from "../../src/ports.ts";

/** One of a list. */
export function pick<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random.fraction() * list.length)]!;
}

/** True so often. */
export function chance(random: Random, share: number): boolean {
  return random.fraction() < share;
}

/** A whole number below a bound. */
export function below(random: Random, bound: number): number {
  return Math.floor(random.fraction() * bound);
}

/** A text of up to so many characters. */
export function text(random: Random, longest: number): string {
  const bytes = Buffer.from(random.bytes(below(random, longest + 1)));
  return bytes.toString(chance(random, 0.5) ? "latin1" : "hex").slice(0, longest);
}

/** What a header may hold. */
export function latin(value: string): string {
  return value.replaceAll(/[^\u0020-\u007e\u00a0-\u00ff]/gu, "?").trim() || "x";
}

/** Values at the edges of what a reader may have thought of. */
const EDGES: readonly unknown[] = [
  ...[null, true, false, -1, 0, 0.5, 1e308, 2 ** 53 + 2, Number.MIN_VALUE, -(2 ** 31)],
  ...["", "\u0000", "\u202e\u200b", "\u001b[2J", "https://[::1", "__proto__", "constructor"],
  ...["http://localhost:1/../..", "aether://", "x@y@z", "%00", "🜂".repeat(40), "x".repeat(5_000)],
];

/** Any JSON. */
export function anything(random: Random, depth: number): unknown {
  const kind = random.fraction();
  if (depth > 0 && kind < 0.2) {
    return Array.from({ length: below(random, 6) }, () => anything(random, depth - 1));
  }
  if (depth > 0 && kind < 0.4) {
    const member = (): [string, unknown] => [text(random, 8), anything(random, depth - 1)];
    return Object.fromEntries(Array.from({ length: below(random, 6) }, member));
  }
  return chance(random, 0.2) ? text(random, 40) : pick(random, EDGES);
}

/**
 * The value with a few things wrong: members gone, doubled under another name, of another type, at an
 * edge; texts cut or with one character changed; lists longer than they may be.
 */
export function spoilt(value: unknown, random: Random): unknown {
  if (Array.isArray(value)) {
    const list = [...(value as unknown[])];
    if (list.length === 0 || chance(random, 0.2)) return anything(random, 2);
    if (chance(random, 0.3)) return Array.from({ length: below(random, 400) }, () => list[0]);
    const at = below(random, list.length);
    list[at] = spoilt(list[at], random);
    return list;
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value);
    if (members.length === 0 || chance(random, 0.08)) return anything(random, 2);
    const at = below(random, members.length);
    const [name, member] = members[at]!;
    const how = random.fraction();
    if (how < 0.2) members.splice(at, 1);
    else if (how < 0.35) members.push([text(random, 8), anything(random, 2)]);
    else if (how < 0.4) return nested(value, 20 + below(random, 40));
    else members[at] = [name, spoilt(member, random)];
    return Object.fromEntries(members);
  }
  if (typeof value === "string" && value !== "" && chance(random, 0.6)) {
    const at = below(random, value.length);
    return chance(random, 0.3)
      ? value.slice(0, at)
      : value.slice(0, at) + text(random, 2) + value.slice(at + 1);
  }
  if (typeof value === "number" && chance(random, 0.5)) {
    return pick(random, [-value, value + 1, value - 1, value * 1e9, value / 3]);
  }
  return anything(random, 2);
}

function nested(value: unknown, depth: number): unknown {
  let inner = value;
  for (let level = 0; level < depth; level += 1) inner = { a: inner };
  return inner;
}
