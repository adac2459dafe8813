/** The player's key in its own hands (docs/keys.md); loaded when the menu is opened. */
import { PlayerKeys } from "aether-federation/client/keys";

/** What a player does with its key; each rejects with a sentence for it. */
export interface KeyDeeds {
  /** The key as 24 words. */
  words(): Promise<string>;
  /** Whether no script can read it any more. */
  readonly isLocked: boolean;
  /** Keeps it so that no script can read it: the words must be on paper by then. */
  lock(): Promise<string>;
  /** Makes this browser the player of those words, in the place of who it is now. */
  restore(words: string): Promise<void>;
  /** This device's request to be one of a player's. */
  request(): Promise<string>;
  /** Adds the device of a request; who it was before is left behind where the player is sure of that. */
  add(request: string, isSure: () => Promise<boolean>): Promise<string>;
}

/** @param home Origin of the player's home. */
export function keyDeeds(home: string): KeyDeeds {
  const keys = new PlayerKeys(home);
  return {
    words: () => Promise.resolve().then(() => keys.words()),
    get isLocked() {
      return keys.isLocked;
    },
    lock: async () => {
      await keys.lock();
      return "It is locked in this browser: no script can read it. The words on paper are your copy.";
    },
    restore: (words) => keys.restore(words, { replace: true }),
    request: () => keys.request(deviceName()),
    add: async (request, isSure) => {
      const { keys: all } = await keys.add(request).catch(async (error: unknown) => {
        const isSomebody = error instanceof Error && error.message.includes("ERR_FED_KEY_IN_USE");
        if (!isSomebody || !(await isSure())) throw error;
        return keys.add(request, { leaveBehind: true });
      });
      return `Done: ${all.length} devices are you now.`;
    },
  };
}

function deviceName(): string {
  return matchMedia("(pointer: coarse)").matches ? "A phone" : "A computer";
}
