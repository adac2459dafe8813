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
  transit(transit: Transit): void;
  failed(failed: Failed): void;
  undecided(undecided: Failed): void;
  progress(progress: AssetProgress): void;
  frozen(freeze: Freeze): void;
  thawed(): void;
  kept(kept: Kept): void;
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
  hear("federation:transit", parseTransit, (transit) => {
    listeners.transit(transit);
  });
  hear("federation:failed", parseFailed, (failed) => {
    listeners.failed(failed);
  });
  hear("federation:undecided", parseUndecided, (undecided) => {
    listeners.undecided(undecided);
  });
  hear("federation:progress", parseProgress, (progress) => {
    listeners.progress(progress);
  });
  hear("federation:frozen", parseFrozen, (freeze) => {
    listeners.frozen(freeze);
  });
  hear("federation:kept", parseKept, (kept) => {
    listeners.kept(kept);
  });
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
