/** How a stay in a room ended, and what follows from it. */
import { CloseCode } from "@colyseus/sdk";
import { shownText } from "../words.ts";
import type { Recall } from "./events.ts";

/** The connection to a room is gone. */
export interface Ending {
  readonly code: number;
  readonly reason: string;
  /** What the server said before. */
  readonly recall: Recall | undefined;
  /** Whether the player was on its way into another world, or had just failed to get there. */
  readonly onTheWay: boolean;
  /** Whether another page goes on with the player. */
  readonly handedOver: boolean;
}

const MAX_SENTENCE_LENGTH = 500;
const CODE = /ERR_FED_[A-Z_]+/u;

const SENTENCES: ReadonlyMap<number, string> = new Map([
  [CloseCode.CONSENTED, "You have left."],
  [CloseCode.SERVER_SHUTDOWN, "The server has stopped."],
  [CloseCode.WITH_ERROR, "The server has ended the connection: something failed there."],
  [
    CloseCode.FAILED_TO_RECONNECT,
    "The connection is lost, and the server has not kept your place.",
  ],
]);

/** The code in a server's word, and the sentence after it. */
export function codeAndSentence(text: string): { code: string | undefined; sentence: string } {
  const code = CODE.exec(text)?.[0];
  const sentence = code === undefined ? text : text.replace(/^.*?ERR_FED_[A-Z_]+:? ?/su, "");
  return { code, sentence: shownText(sentence, MAX_SENTENCE_LENGTH) ?? "" };
}

/** Why, for the player. */
export function sentenceOf({ code, reason, recall }: Ending): string {
  // Of a connection that was cut, the reason is the SDK's own word, for programmers.
  const said = code === 1006 ? "" : reason;
  const { sentence } = codeAndSentence(recall?.message ?? said);
  if (sentence !== "") return sentence;
  return SENTENCES.get(code) ?? "The connection is lost.";
}

/** The close reason, whole: what a frame holds of it is short. */
export function reasonOf({ reason, recall }: Ending): string {
  return recall === undefined ? reason : `${recall.code}: ${recall.message}`;
}

/**
 * Whether the player has to be brought home. Not when it plays elsewhere: two clients of one player
 * would throw each other out for ever. Not when somebody wished it to leave: itself, or the room.
 */
export function leadsHome(ending: Ending): boolean {
  const code = ending.recall?.code ?? codeAndSentence(ending.reason).code;
  if (code === "ERR_FED_SUPERSEDED" || ending.handedOver) return false;
  if (ending.onTheWay || code !== undefined) return true;
  return !isWished(ending.code);
}

/** Whether a close code is a room's or a client's own decision; networks and shutdowns have others. */
function isWished(code: number): boolean {
  return (
    code >= CloseCode.CONSENTED &&
    code !== CloseCode.SERVER_SHUTDOWN &&
    code !== CloseCode.FAILED_TO_RECONNECT &&
    code !== CloseCode.MAY_TRY_RECONNECT
  );
}
