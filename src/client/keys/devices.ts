/** A player's devices, as home lists them. */
import { shownText } from "../../words.ts";

/** One of a player's keys, as home lists it. */
export interface PlayerDevice {
  /** Thumbprint of its key (RFC 7638): what it is removed by. */
  readonly jkt: string;
  /** What the player has called it. */
  readonly name: string | undefined;
  /** Unix seconds; 0 for the key that the player began with. */
  readonly addedAt: number;
  /** Whether it is this one. */
  readonly current: boolean;
}

/** A player and its keys, as home knows them. */
export interface PlayerDevices {
  /** `<local id>@<home authority>`. */
  readonly player: string;
  readonly keys: readonly PlayerDevice[];
}

/** What {@link PlayerKeys.rotate} resolves to. */
export interface RotatedDevices extends PlayerDevices {
  /** Where the key is locked: the new one in words, this once; what was written down before counts no more. */
  readonly words?: string;
}

/** What a player may call a device: characters. */
export const MAX_NAME_LENGTH = 64;
const MAX_KEYS = 8;

/** What home refuses, by its code, in a sentence that can be shown. */
export function refusalOf(code: unknown, sentence: unknown): Error {
  const known = typeof code === "string" && /^ERR_FED_[A-Z_]{1,40}$/u.test(code);
  return new Error(
    `${known ? code : "ERR_FED_UNAVAILABLE"}: ${shownText(sentence, 300) ?? "try again"}`,
  );
}

/** What home says, as it can be shown. @throws Error `ERR_FED_BAD_RESPONSE`. */
export function devicesOf({ player, keys }: Readonly<Record<string, unknown>>): PlayerDevices {
  const list = Array.isArray(keys) ? (keys as readonly unknown[]).slice(0, MAX_KEYS) : undefined;
  if (typeof player !== "string" || player.length > 400 || list === undefined) {
    throw new Error("ERR_FED_BAD_RESPONSE: home answered in another form than the protocol's.");
  }
  return {
    player,
    keys: list.flatMap((key) => {
      const { jkt, name, addedAt, current } = (key ?? {}) as Readonly<Record<string, unknown>>;
      if (typeof jkt !== "string" || !/^[\w-]{43}$/u.test(jkt)) return [];
      return [
        {
          jkt,
          name: shownText(name, MAX_NAME_LENGTH),
          addedAt: typeof addedAt === "number" ? addedAt : 0,
          current: current === true,
        },
      ];
    }),
  };
}
