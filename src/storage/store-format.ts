/** The form of what is in the store: numbered, upgraded forward step by step, refused when newer. */
import { z } from "zod";
import { FederationError } from "../errors.ts";
import type { Store } from "../ports.ts";

/** Entry that says which form the store has. */
export const FORMAT_KEY = "format";

/** Brings a store from one form to the next. May be repeated, and run by several processes at once. */
export type FormatStep = (store: Store) => Promise<void>;

const formatSchema = z.looseObject({ version: z.int().min(1) });

/**
 * Brings the store to the present form; one that says nothing has the first. With `readOnly` it is only
 * looked at: whoever works beside a server upgrades nothing under it.
 *
 * @throws FederationError `ERR_FED_STORE_NEWER`, or `ERR_FED_STORE_UNAVAILABLE` when what is there is no
 * form at all.
 */
export async function openFormat(
  store: Store,
  {
    readOnly = false,
    steps,
  }: {
    readonly readOnly?: boolean;
    /** Step `n` leads from form `n + 1` to form `n + 2`. */
    readonly steps: readonly FormatStep[];
  },
): Promise<void> {
  const present = steps.length + 1;
  for (;;) {
    const text = await store.get(FORMAT_KEY);
    const version = text === undefined ? 1 : versionOf(text);
    if (version > present) {
      throw new FederationError(
        "ERR_FED_STORE_NEWER",
        `The store has form ${version}, and this version of aether-federation knows forms up to ${present}: update it, or restore the store from before the update.`,
      );
    }
    if (readOnly || (version === present && text !== undefined)) return;
    if (version === present) {
      await store.compareAndSet(FORMAT_KEY, undefined, JSON.stringify({ version }));
      continue;
    }
    await steps[version - 1]?.(store);
    await store.compareAndSet(FORMAT_KEY, text, JSON.stringify({ version: version + 1 }));
  }
}

function versionOf(text: string): number {
  try {
    return formatSchema.parse(JSON.parse(text)).version;
  } catch (cause) {
    throw new FederationError(
      "ERR_FED_STORE_UNAVAILABLE",
      `The store's entry "${FORMAT_KEY}" is damaged: restore the store from a backup, or set the entry to {"version":1} if it was written by the first version.`,
      { cause },
    );
  }
}
