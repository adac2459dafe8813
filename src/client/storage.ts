/** Where a player's key and place are kept: `localStorage` has this form. */
export interface KeyStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/**
 * The storage that an option names; undefined: the browser's own, where there is one; null: none.
 *
 * @throws TypeError naming the option for what is no storage.
 */
export function storageOf(
  option: "storage" | "placeStorage",
  given: KeyStorage | null | undefined,
  name: "localStorage" | "sessionStorage",
): KeyStorage | null | undefined {
  if (given === undefined) return browserStorage(name);
  const { getItem, setItem } = (given ?? {}) as Partial<KeyStorage>;
  if (given === null || (typeof getItem === "function" && typeof setItem === "function")) {
    return given;
  }
  throw new TypeError(`${option} must have getItem and setItem, or be null`);
}

function browserStorage(name: "localStorage" | "sessionStorage"): KeyStorage | undefined {
  try {
    const all = globalThis as {
      localStorage?: KeyStorage | null;
      sessionStorage?: KeyStorage | null;
    };
    // Null in a web view that was not allowed any.
    return all[name] ?? undefined;
  } catch {
    // Browsers that forbid storage throw on the mere mention.
    return undefined;
  }
}
