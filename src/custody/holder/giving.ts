/** A player who plays here gives an item to another player (PROTOCOL 6, rule 18): its home is asked to let go of it. */
import { ERROR_CODES, FederationError, type FederationErrorCode } from "../../errors.ts";
import { readTradeReceipt } from "../../identity/trade.ts";
import type { Clock } from "../../ports.ts";
import type { Home } from "../shared/home.ts";
import type { PlayerSession } from "../shared/player-session.ts";

/** What is given, to whom. */
export interface Gift {
  /** A UUID, the same for every try. */
  readonly tradeId: string;
  /** Id of an item of the player's well-known `inventory`. */
  readonly item: string;
  /** `<local id>@<home authority>`. */
  readonly to: string;
  /** Origin of that player's home. */
  readonly toHome: string;
  /** A proof of the player's key for this very gift (PROTOCOL 5). */
  readonly proof: string;
}

/**
 * How giving ended. `given`: the item is the other player's, who gets it when it is next at home. `kept`: it is the
 * giver's as before; `code` and `message` say why. `pending`: it has left its giver, and the other home has not said
 * yet whether it takes it; what it does not take, the giver gets back when it is next at home. `undecided`: the
 * giver's home does not answer; ask again by the same id. Of one that was asked for before, `kept` with
 * `ERR_FED_CROSSING_BUSY` or `ERR_FED_NOT_A_PLAYER` says only that this server did not ask again.
 */
export type GiftOutcome =
  | ({ readonly kind: "given" } & GiftWords)
  | ({ readonly kind: "pending" } & Omit<GiftWords, "receipt">)
  | ({ readonly kind: "kept" } & GiftFailure)
  | ({ readonly kind: "undecided" } & GiftFailure);

/** What homes have signed of a gift: JWSs (PROTOCOL 6). */
export interface GiftWords {
  readonly tradeId: string;
  /** Of the giver's home. */
  readonly trade: string;
  /** Of the other's. */
  readonly receipt: string;
}

/** Why a gift has not come about. */
export interface GiftFailure {
  readonly tradeId: string;
  readonly code: FederationErrorCode;
  /** A sentence for the player. */
  readonly message: string;
}

const TRIES = 3;
const RETRY_MILLISECONDS = 1_000;

const SENTENCES: Partial<Record<FederationErrorCode, string>> = {
  ERR_FED_TRADE_ITEM: "You have no such thing to give.",
  ERR_FED_TRADE_BUSY: "You have given very much: go home first.",
  ERR_FED_NOT_TRUSTED: "Your home does not deal with that player's home.",
  ERR_FED_TRADE_UNSUPPORTED: "That player's home cannot do that.",
  ERR_FED_NOT_FOUND: "Your home cannot do that.",
};

/** Whether a refusal says nothing of the gift: it may be another one in a moment. */
function isPassing(code: FederationErrorCode): boolean {
  return [429, 503].includes(ERROR_CODES[code][0]);
}

/**
 * Holds for every copy of the question, also for one that is still on its way: the epoch has gone on. Any other refusal
 * may be over by the time that a copy comes whose answer was not heard, or be of what the player carries by now.
 */
const FINAL: FederationErrorCode = "ERR_FED_STALE_CUSTODY";

/** Asks the player's home. Never rejects. */
export async function give(
  {
    homeAt,
    clock,
    save,
  }: {
    readonly homeAt: (origin: string) => Home;
    readonly clock: Clock;
    /** Stores what a player at home carries, in its order. */
    readonly save: () => Promise<void>;
  },
  session: PlayerSession,
  gift: Gift,
): Promise<GiftOutcome> {
  const { tradeId } = gift;
  const kept = (code: FederationErrorCode, message: string): GiftOutcome => ({
    ...{ kind: "kept", tradeId, code, message },
  });
  if (session.ended) return kept("ERR_FED_NOT_A_PLAYER", "You are not here any more.");
  if (session.frozen) return kept("ERR_FED_CROSSING_BUSY", "You are on your way.");
  let isUnanswered = false;
  for (let tries = 1; tries <= TRIES; tries += 1) {
    try {
      // At home what is said later must not be undone by what was said before.
      if (session.atHome) await save();
      const state = session.atHome ? undefined : session.carry();
      const { player, epoch } = session;
      const request = { ...gift, player, epoch, ...(state === undefined ? {} : { state }) };
      const answer = await homeAt(session.home).offer(request);
      if (!answer.ok && isPassing(answer.code)) throw new FederationError(answer.code);
      if (!answer.ok && isUnanswered && answer.code !== FINAL) break;
      if (!answer.ok) {
        return kept(answer.code, SENTENCES[answer.code] ?? "Your home does not let you give that.");
      }
      const { trade, receipt } = answer.body;
      if (receipt === undefined) return { kind: "pending", tradeId, trade };
      if (readTradeReceipt(receipt)?.taken === true) {
        return { kind: "given", tradeId, trade, receipt };
      }
      return kept("ERR_FED_TRADE_REFUSED", "It was not taken: you get it back at home.");
    } catch {
      // Nobody knows whether home has decided: the same question gets the same answer.
      isUnanswered = true;
      await new Promise<void>((resolve) => {
        clock.setTimeout(resolve, RETRY_MILLISECONDS);
      });
    }
  }
  const message = "Your home does not say whether it is given.";
  return { kind: "undecided", tradeId, code: "ERR_FED_UNREACHABLE", message };
}
