/** Messages of clients, which may be anything: what can be read of them, and how often. */

/** The members of a message; of one that has none, nothing. */
export function membersOf(message: unknown): Readonly<Record<string, unknown>> {
  return typeof message === "object" && message !== null ? { ...message } : {};
}

export function textOf(value: unknown, maxLength: number): string | undefined {
  return typeof value === "string" && value !== "" && value.length <= maxLength ? value : undefined;
}

/** Where to, of length 1 at most; undefined: the message does not say. */
export function directionOf(message: unknown): { dx: number; dy: number } | undefined {
  const { dx, dy } = membersOf(message);
  if (typeof dx !== "number" || typeof dy !== "number") return undefined;
  const length = Math.max(1, Math.hypot(dx, dy));
  return Number.isFinite(length) ? { dx: dx / length, dy: dy / length } : undefined;
}

/** One line as others can be shown it, without what takes no room or turns text round; undefined: nothing is left. */
export function spokenLine(value: unknown, maxLength: number): string | undefined {
  if (typeof value !== "string") return undefined;
  const line = value
    .slice(0, 8 * maxLength)
    .replaceAll(/[\s\p{Z}]+/gu, " ")
    .replaceAll(/(?!\u200d|\ufe0f)[\p{C}\p{Default_Ignorable_Code_Point}\u2800]/gu, "")
    .replaceAll(/(\p{M}{4})\p{M}+/gu, "$1")
    .trim();
  const shown = line
    .slice(0, maxLength)
    .replace(/[\ud800-\udbff]$/u, "")
    .trim();
  return /[\p{L}\p{N}\p{P}\p{S}]/u.test(shown) ? shown : undefined;
}

/** Lets each client do something once in a while; what comes too early is nothing. */
export class Pace {
  readonly #milliseconds: number;
  readonly #last = new Map<string, number>();

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }

  /** Whether it is time again. */
  allows(sessionId: string): boolean {
    const now = performance.now();
    if (now - (this.#last.get(sessionId) ?? -Infinity) < this.#milliseconds) return false;
    this.#last.set(sessionId, now);
    return true;
  }

  forget(sessionId: string): void {
    this.#last.delete(sessionId);
  }
}
