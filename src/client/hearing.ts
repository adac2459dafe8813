/** What a room says to a `Traveler` (PROTOCOL 8), for as long as the player is in it. */
import type { Room } from "@colyseus/sdk";
import type { Freeze, Kept, Recall } from "./events.ts";
import {
  type AssetProgress,
  type Failed,
  type Transit,
  parseFailed,
  parseFrozen,
  parseKept,
  parseProgress,
  parseRecalled,
  parseTransit,
  parseUndecided,
} from "./messages.ts";

/** Who listens to a room. */
export interface RoomListeners {
  /** Whether the player is in it still: nothing else is heard. */
  isPresent(): boolean;
  readonly transit: (transit: Transit) => void;
  readonly failed: (failed: Failed) => void;
  readonly undecided: (undecided: Failed) => void;
  readonly progress: (progress: AssetProgress) => void;
  readonly frozen: (freeze: Freeze) => void;
  thawed(): void;
  readonly kept: (kept: Kept) => void;
  recalled(recall: Recall): void;
  /** As it was said: what few rooms say is checked by what is loaded later. */
  destinations(message: unknown): void;
  /** The connection is gone for good; with what the server said before. */
  lost(how: { code: number; reason: string; recall: Recall | undefined }): void;
}

/** Listens to a room. What is not of the form the protocol gives it is not heard. */
export function listenTo(room: Room, listeners: RoomListeners): void {
  let recall: Recall | undefined;
  const hear = <Message>(
    type: string,
    parse: (message: unknown) => Message | undefined,
    listener: (message: Message) => void,
  ): void => {
    room.onMessage(type, (message: unknown) => {
      const parsed = listeners.isPresent() ? parse(message) : undefined;
      if (parsed !== undefined) listener(parsed);
    });
  };
  hear("federation:transit", parseTransit, listeners.transit);
  hear("federation:failed", parseFailed, listeners.failed);
  hear("federation:undecided", parseUndecided, listeners.undecided);
  hear("federation:progress", parseProgress, listeners.progress);
  hear("federation:frozen", parseFrozen, listeners.frozen);
  hear("federation:kept", parseKept, listeners.kept);
  hear("federation:recalled", parseRecalled, (recalled) => {
    recall = recalled;
    listeners.recalled(recalled);
  });
  room.onMessage("federation:destinations", (message: unknown) => {
    listeners.destinations(message);
  });
  room.onMessage("federation:thawed", () => {
    if (listeners.isPresent()) listeners.thawed();
  });
  room.onLeave((code, reason = "") => {
    if (listeners.isPresent()) listeners.lost({ code, reason, recall });
  });
}
