import { authorityOf, isOrigin } from "../identity/origin.ts";
import type { JsonValue } from "../json.ts";

/** Who a client is, wherever it comes from: what a room finds in `client.auth`. */
export interface FederatedPlayer {
  /** `<local id>@<home authority>`: the same on every server. */
  readonly id: string;
  /** Name to show, as home vouches for it. Not unique. */
  readonly name: string;
  /** Origin of the server that vouches for the player. */
  readonly home: string;
  /** What the player carries, as home last stored it; undefined for one that never carried. */
  readonly carried: JsonValue | undefined;
  /** Origin it came from through a portal; undefined when it logged in here. */
  readonly from: string | undefined;
  /**
   * Ids that homes which are gone knew it by, where this server's operator has kept it (docs/moving-house.md): for its
   * own rooms to know, and nobody's word but this server's. Absent: there is none.
   */
  readonly orphanOf?: readonly string[];
}

/** {@link FederatedPlayer.orphanOf}, of a session. */
export function orphanhood({ orphanOf }: { readonly orphanOf: readonly string[] | undefined }): {
  readonly orphanOf?: readonly string[];
} {
  return orphanOf === undefined ? {} : { orphanOf };
}

/** Whether a `client.auth` is what the federation has put there, and no account of the host's own. */
export function isFederatedPlayer(auth: unknown): boolean {
  if (typeof auth !== "object" || auth === null) return false;
  const { id, name, home } = auth as Partial<Record<string, unknown>>;
  if (typeof id !== "string" || typeof name !== "string" || typeof home !== "string") return false;
  return isOrigin(home, { allowInsecure: true }) && id.endsWith(`@${authorityOf(home)}`);
}
