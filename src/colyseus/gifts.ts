/**
 * Players who give each other things (PROTOCOL 8, "Gifts"): the room proposes, the giver's client signs, the giver's
 * home lets go, the other's home takes. The room between them decides nothing.
 */
import type { Client, Room } from "@colyseus/core";
import { z } from "zod";
import type { GiftOutcome } from "../custody/holder/giving.ts";
import { orderedId } from "../custody/shared/ordered-id.ts";
import type { FederationErrorCode } from "../errors.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import { shownText } from "../words.ts";
import type { GiftOptions } from "./gift-options.ts";
import type { RoomSessions } from "./room-sessions.ts";

/** How long a player has to agree. */
const AGREEMENT_MILLISECONDS = 60_000;

const answerSchema = z.object({
  tradeId: z.string().max(64),
  proof: z.string().max(2048).optional(),
});

/** The gifts of one process's rooms. */
export class Gifts {
  readonly #runtime: FederationRuntime;
  readonly #sessions: RoomSessions;
  /** Who is asked whether it agrees, by session id: one thing at a time. */
  readonly #asked = new Map<
    string,
    { readonly tradeId: string; readonly answer: (proof: string | undefined) => void }
  >();

  constructor(options: { readonly runtime: FederationRuntime; readonly sessions: RoomSessions }) {
    this.#runtime = options.runtime;
    this.#sessions = options.sessions;
  }

  /** Asks the giver's client, then its home. Never rejects. */
  async give(room: Room, client: Client, { item, to }: GiftOptions): Promise<GiftOutcome> {
    const { custody, random, clock } = this.#runtime;
    const tradeId = orderedId(random, clock);
    const kept = (code: FederationErrorCode, message: string): GiftOutcome => ({
      ...{ kind: "kept", tradeId, code, message },
    });
    const session = this.#sessions.get(room, client.sessionId)?.session;
    if (session === undefined || session.ended) {
      return kept("ERR_FED_NOT_A_PLAYER", "You are no player here.");
    }
    const receiver =
      "sessionId" in to
        ? this.#sessions.get(room, to.sessionId)?.player
        : { id: to.player, home: to.home, name: to.player };
    if (receiver === undefined) {
      return kept("ERR_FED_NOT_A_PLAYER", "Whom you give it to is no player here.");
    }
    const name = shownText(receiver.name, 128) ?? receiver.id;
    const asked = { tradeId, item, to: receiver.id, name };
    const proof = await this.#agreement(client, asked);
    if (proof === undefined) return kept("ERR_FED_TRADE_REFUSED", "You did not agree.");
    // It may have gone meanwhile.
    if (session.ended) return kept("ERR_FED_NOT_A_PLAYER", "You are not here any more.");
    const gift = { tradeId, item, to: receiver.id, toHome: receiver.home, proof };
    return custody.give(session, gift);
  }

  /** A client's answer; one that nobody has asked for says nothing. */
  answered(client: Client, message: unknown): void {
    const answer = answerSchema.safeParse(message);
    const asked = this.#asked.get(client.sessionId);
    if (answer.success && asked?.tradeId === answer.data.tradeId) asked.answer(answer.data.proof);
  }

  #agreement(
    client: Client,
    question: { readonly tradeId: string; readonly [more: string]: string },
  ): Promise<string | undefined> {
    const { clock } = this.#runtime;
    const { sessionId } = client;
    // The newer question takes the place of the former.
    this.#asked.get(sessionId)?.answer(undefined);
    return new Promise((resolve) => {
      const entry = {
        tradeId: question.tradeId,
        answer: (proof: string | undefined): void => {
          clock.clearTimeout(timer);
          if (this.#asked.get(sessionId) === entry) this.#asked.delete(sessionId);
          resolve(proof);
        },
      };
      const timer = clock.setTimeout(() => {
        entry.answer(undefined);
      }, AGREEMENT_MILLISECONDS);
      this.#asked.set(sessionId, entry);
      client.send("federation:give", question);
    });
  }
}
