/**
 * Several processes that are one server: how one asks another.
 *
 * What a player's row says is durable and shared; the session itself lives in one process, which the
 * row names. Who needs something done to a session of another process asks that process; when its
 * life is over, the row alone decides, as after a restart.
 */
import type { JsonValue } from "../../json.ts";

/** What one process asks another to do with a player's session there. */
export type SiblingRequest =
  /**
   * The player logs in in the asking process, whose life is `to`: end the session, store what it carries, hand the
   * row over.
   */
  | { readonly kind: "end"; readonly player: string; readonly to: string }
  /** The player walks into a room of the asking process, which takes the session over. */
  | {
      readonly kind: "move";
      readonly player: string;
      /** Session id of the seat that its session was promised. */
      readonly seat: string;
      readonly to: string;
    }
  | { readonly kind: "departed"; readonly player: string; readonly transferId: string }
  | {
      readonly kind: "revoke";
      readonly player: string;
      readonly epoch: number;
      readonly caller: string;
    };

/** The other processes of this server. */
export interface Siblings {
  /** This process's life. Another one once it has been out of touch with the store for too long. */
  readonly life: string;
  /** Whether a life goes on. Rejects when the store does not say. */
  isAlive(life: string): Promise<boolean>;
  /** Asks a process; undefined when it does not answer in time. */
  ask(life: string, request: SiblingRequest): Promise<JsonValue | undefined>;
}

/** What another process answered; `silent` when its life goes on and it did not. */
export type SiblingWord =
  { readonly silent: false; readonly answer: JsonValue } | { readonly silent: true };

/** Asks the process of `life`, if that is another one and its life goes on; undefined otherwise. */
export async function askTo(
  siblings: Siblings | undefined,
  life: string | undefined,
  request: SiblingRequest,
): Promise<SiblingWord | undefined> {
  if (siblings === undefined || life === undefined || life === siblings.life) return undefined;
  if (!(await siblings.isAlive(life))) return undefined;
  const answer = await siblings.ask(life, request);
  return answer === undefined ? { silent: true } : { silent: false, answer };
}
