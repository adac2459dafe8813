/** Finds the assets that a player's belongings name, wherever in them they are named. */
import type { JsonValue } from "../../json.ts";
import { type CompleteAssetReference, parseAssetReference } from "./reference.ts";

/** Assets one player may bring along. */
export const MAX_REFERENCES = 32;

/** Whatever another server may take: its own limits are not ours to know. */
const ANYTHING = { maxAssetBytes: Infinity, mediaTypes: { has: () => true }, allowInsecure: true };

/**
 * Every {@link CompleteAssetReference} in a value, each hash once, in the order in which they
 * stand there; at most {@link MAX_REFERENCES}, what comes after them is left out.
 */
export function referencesIn(value: JsonValue | undefined): CompleteAssetReference[] {
  const found = new Map<string, CompleteAssetReference>();
  const visit = (part: JsonValue): void => {
    if (typeof part !== "object" || part === null || found.size >= MAX_REFERENCES) return;
    if ("assetHash" in part) {
      const parsed = parseAssetReference(part, ANYTHING);
      if (parsed.verified && !found.has(parsed.reference.assetHash)) {
        found.set(parsed.reference.assetHash, parsed.reference);
      }
      return;
    }
    for (const member of Object.values(part)) visit(member);
  };
  if (value !== undefined) visit(value);
  return [...found.values()];
}
