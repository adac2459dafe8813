import type { KeyStorage } from "aether-federation/client";

/** A browser tab's storage, for a Traveler. */
export function memoryStorage(): KeyStorage {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => {
      kept.set(key, value);
    },
  };
}
