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
}
