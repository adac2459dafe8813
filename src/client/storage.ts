/** Where a player's key and place are kept: `localStorage` has this form. */
export interface KeyStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** The browser's own storage, where there is one. */
export function browserStorage(name: "localStorage" | "sessionStorage"): KeyStorage | undefined {
  try {
    return (globalThis as { localStorage?: KeyStorage; sessionStorage?: KeyStorage })[name];
  } catch {
    // Browsers that forbid storage throw on the mere mention.
    return undefined;
  }
}
