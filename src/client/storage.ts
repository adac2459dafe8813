/** Where a player's key and place are kept: `localStorage` has this form. */
export interface KeyStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** The browser's own storage, where there is one. */
export function browserStorage(name: "localStorage" | "sessionStorage"): KeyStorage | undefined {
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

/** @throws TypeError naming the option for what is no storage. */
export function checkedStorage(
  option: string,
  storage: KeyStorage | null | undefined,
): KeyStorage | null | undefined {
  if (storage === null || storage === undefined) return storage;
  const { getItem, setItem } = storage as Partial<KeyStorage>;
  if (typeof getItem === "function" && typeof setItem === "function") return storage;
  throw new TypeError(`${option} must have getItem and setItem, or be null`);
}
