/**
 * How far the party is that the player leaves with (PROTOCOL 8, `federation:party`): checked, because any server may
 * say it. Apart from `Traveler`, so that a page whose game has no parties loads nothing of it.
 */
import type { Room } from "@colyseus/sdk";
import { shownText } from "../words.ts";
import { isText, members } from "./messages.ts";

/** How far one member is. */
export interface PartyMemberProgress {
  /** `<local id>@<home authority>`. */
  readonly player: string;
  /** As it can be shown. */
  readonly name: string;
  /**
   * `departing`: its home is asked; `reserved`: its seat is there; `waiting`: it is connected there, and waits for the
   * others.
   */
  readonly stage: "departing" | "reserved" | "waiting" | "arrived" | "stayed";
}

/** How far a party is: the same for all of its members. */
export interface PartyProgress {
  readonly partyId: string;
  /** The portal's URI. */
  readonly to: string;
  readonly members: readonly PartyMemberProgress[];
}

const STAGES: readonly unknown[] = ["departing", "reserved", "waiting", "arrived", "stayed"];
const MAX_MEMBERS = 8;
const MAX_NAME_LENGTH = 128;

/** Reads `federation:party`; undefined when it is not of that form. */
export function parseParty(message: unknown): PartyProgress | undefined {
  const { partyId, to, members: all } = members(message);
  if (!isText(partyId) || !isText(to) || !Array.isArray(all)) return undefined;
  return {
    partyId,
    to,
    members: all.slice(0, MAX_MEMBERS).flatMap((each) => {
      const { player, name, stage } = members(each);
      if (!isText(player) || typeof name !== "string" || !STAGES.includes(stage)) return [];
      const shown = shownText(name, MAX_NAME_LENGTH) ?? "";
      return { player, name: shown, stage: stage as PartyMemberProgress["stage"] };
    }),
  };
}

/**
 * Calls the listener whenever a member of the player's party gets further, in whatever room the player is by then.
 * Returns how to stop hearing.
 *
 * @param traveler A `Traveler`.
 */
export function onParty(
  traveler: {
    readonly room: Room | undefined;
    onArrive(listener: (arrival: { readonly room: Room }) => void): () => void;
  },
  listener: (progress: PartyProgress) => void,
): () => void {
  let stopInRoom: () => void = () => undefined;
  const hear = (room: Room): void => {
    stopInRoom();
    stopInRoom = room.onMessage("federation:party", (message: unknown) => {
      const progress = parseParty(message);
      if (progress !== undefined) listener(progress);
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
