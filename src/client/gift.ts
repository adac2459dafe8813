/**
 * Things that players give each other (PROTOCOL 8, "Gifts"), the giver's client: asked by a room, it signs with the
 * player's key. Apart from `Traveler`, so that a page whose game has no gifts loads nothing of it.
 */
import type { Room } from "@colyseus/sdk";
import { shownText } from "../words.ts";
import { encodeBase64Url } from "./base64url.ts";
import { isText, members } from "./messages.ts";
import type { ProofUse } from "./player-key.ts";

/** A room proposes that the player gives something away. */
export interface GiftProposal {
  /** Id of an item of the player's inventory. */
  readonly item: string;
  /** `<local id>@<home authority>` of who gets it. */
  readonly to: string;
  /** What that player is called, by the room's word, as it can be shown. */
  readonly name: string;
}

const MAX_NAME_LENGTH = 128;

/**
 * Asks the player whether it gives away what a room proposes, in whatever room it is by then; without it, nothing is
 * ever given. On a page that was handed over to, which has not the player's own key, the answer is no. Returns how to
 * stop hearing.
 *
 * @param traveler A `Traveler`.
 * @param agree Whether the player agrees: ask it; a room may propose anything at any time. A throw is a no.
 */
export function onGift(
  traveler: {
    readonly room: Room | undefined;
    readonly home: string;
    onArrive(listener: (arrival: { readonly room: Room }) => void): () => void;
    prove(use: Extract<ProofUse, { trade: string }>): Promise<string | undefined>;
  },
  agree: (proposal: GiftProposal) => boolean | Promise<boolean>,
): () => void {
  let stopInRoom: () => void = () => undefined;
  const hear = (room: Room): void => {
    stopInRoom();
    stopInRoom = room.onMessage("federation:give", (message: unknown) => {
      const { tradeId, item, to, name } = members(message);
      if (!isText(tradeId) || !isText(item) || !isText(to)) return;
      const proposal = { item, to, name: shownText(name, MAX_NAME_LENGTH) ?? to };
      void agreed(agree, proposal)
        .then(async (yes) =>
          yes ? traveler.prove({ trade: await digestOf([tradeId, item, to]) }) : undefined,
        )
        .catch(() => undefined)
        .then((proof) => {
          room.send("federation:give", { tradeId, ...(proof === undefined ? {} : { proof }) });
        });
    });
  };
  if (traveler.room !== undefined) hear(traveler.room);
  const stop = traveler.onArrive(({ room }) => {
    hear(room);
  });
  return () => {
    stop();
    stopInRoom();
  };
}

async function agreed(
  agree: (proposal: GiftProposal) => boolean | Promise<boolean>,
  proposal: GiftProposal,
): Promise<boolean> {
  const said: unknown = await agree(proposal);
  return said === true;
}

/** What the proof is for: this very trade (PROTOCOL 5, `trade`). */
async function digestOf([tradeId, item, to]: readonly [string, string, string]): Promise<string> {
  const text = JSON.stringify([tradeId.toLowerCase(), item, to]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return encodeBase64Url(new Uint8Array(digest));
}
