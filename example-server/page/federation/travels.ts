/** Where the player has been: the receipts that its home has signed, one for each crossing, kept in this browser. */

/** One crossing. */
export interface Travel {
  readonly from: string;
  readonly to: string;
  /** Unix seconds. */
  readonly at: number;
  /** Origin of the home that says so. */
  readonly home: string;
}

const KEY = "aether-example:receipts";
const MAX_KEPT = 50;

/** Keeps a receipt: a JWS, which anybody can verify by home's public key. */
export function keepReceipt(receipt: string | undefined): void {
  if (receipt === undefined || readReceipt(receipt) === undefined) return;
  const kept = readKept();
  if (kept.includes(receipt)) return;
  try {
    localStorage.setItem(KEY, JSON.stringify([receipt, ...kept].slice(0, MAX_KEPT)));
  } catch {
    // Full or forbidden: home has them, too.
  }
}

/** The latest first. */
export function travels(): Travel[] {
  return readKept().flatMap((receipt) => readReceipt(receipt) ?? []);
}

function readKept(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept)
      ? kept.filter((each): each is string => typeof each === "string")
      : [];
  } catch {
    return [];
  }
}

function readReceipt(receipt: string): Travel | undefined {
  try {
    const [, payload = ""] = receipt.split(".");
    const { from, to, iat, iss } = JSON.parse(
      atob(payload.replaceAll("-", "+").replaceAll("_", "/")),
    ) as Record<string, unknown>;
    return typeof from === "string" &&
      typeof to === "string" &&
      typeof iss === "string" &&
      typeof iat === "number"
      ? { from, to, at: iat, home: iss }
      : undefined;
  } catch {
    return undefined;
  }
}
