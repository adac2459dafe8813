/** A crossing as it is seen on the worlds' page, frame by frame. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";

/** What was on the screen, frame by frame, where it changed. */
export interface Frame {
  readonly name: string;
  readonly world: string | undefined;
  readonly cover: string;
  readonly covered: string;
  readonly steps: readonly string[];
  readonly grows: boolean;
}

const ORDER = [
  /^Your home and the other server are asked$/u,
  /^What you wear is sent ahead/u,
  /^A place is kept for you there$/u,
  /^You step through$/u,
];

/** Notes from now on, from the next page on, all that is shown of a way. */
export async function record(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const frames: unknown[] = [];
    let last = "";
    const text = (id: string): string => document.getElementById(id)?.textContent ?? "";
    const note = (): void => {
      const passage = document.getElementById("passage");
      if (passage !== null) {
        const frame = {
          name: text("world-name"),
          world: (globalThis as unknown as { aether?: { world?: string } }).aether?.world,
          cover: passage.dataset["state"] ?? "",
          covered: text("passage-name"),
          steps: [...document.querySelectorAll("#passage-steps li")].map((li) => li.textContent),
          grows: /circle\((?!150vmax)/u.test(getComputedStyle(passage).clipPath),
        };
        const now = JSON.stringify(frame);
        if (now !== last) frames.push(frame);
        last = now;
      }
    };
    addEventListener("DOMContentLoaded", () => {
      // Every change, also those of which no frame is drawn.
      new MutationObserver(note).observe(document.body, {
        ...{ subtree: true, childList: true, characterData: true, attributes: true },
        attributeFilter: ["data-state"],
      });
      const each = (): void => {
        note();
        requestAnimationFrame(each);
      };
      each();
    });
    Object.assign(globalThis, { takeFrames: () => frames.splice(0) });
  });
}

/** What was noted since the last time. */
export function recorded(page: Page): Promise<Frame[]> {
  return page.evaluate(() => (globalThis as unknown as { takeFrames(): Frame[] }).takeFrames());
}

/** One cover, of the place that one goes to; under it the world and its name change, at once. */
export function assertOneWay(all: readonly Frame[], from: string, to: string): void {
  const closedAt = all.findLastIndex(
    ({ cover }, index) => cover === "closed" && all[index - 1]?.cover !== "closed",
  );
  const frames = all.slice(closedAt);
  assert.ok(closedAt >= 0 && frames.length >= 3, "it is covered");
  const drawn = frames.filter(({ world }) => world !== undefined);
  for (const { name, world, cover } of drawn) {
    // The name is written first, within the same frame.
    if (cover === "open") assert.equal(name, world, "no world under another's name");
  }
  const changedAt = frames.findIndex(({ world }) => world === to);
  assert.ok(changedAt > 0 && frames.slice(0, changedAt).every(({ world }) => world === from));
  // It may begin to open in the very frame in which the new world is drawn.
  assert.equal(frames[changedAt - 1]?.cover, "closed", "what changes is covered");
  assert.ok(
    frames.filter(({ cover }) => cover === "closed").every(({ covered }) => covered === to),
  );
  const steps = frames.map((frame) => frame.steps);
  for (const [index, shown] of steps.entries()) {
    const ranks = shown.map((step) => ORDER.findIndex((words) => words.test(step)));
    assert.ok(!ranks.includes(-1), shown.join(" | "));
    assert.deepEqual(ranks, [...new Set(ranks)].sort(), `only forwards: ${shown.join(" | ")}`);
    const before = steps[index - 1] ?? [];
    assert.ok(shown.length >= before.length || index === 1, "none is taken back");
  }
  const last = steps.at(-1) ?? [];
  assert.match(last.at(-1) ?? "", ORDER[3]!);
}
