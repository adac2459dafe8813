/** What a room says of a gift. */
import type { Client } from "@colyseus/core";
import type { z } from "zod";
import { customOption, optionsSchema, textOption } from "../options.ts";

/** What is given, to whom. */
export interface GiftOptions {
  /** Id of an item of the giver's well-known `inventory` (docs/carried.md). */
  readonly item: string;
  /** A client of this room, or a player by its id and the origin of its home, wherever it is. */
  readonly to: Client | { readonly player: string; readonly home: string };
}

/** The form of {@link GiftOptions}. */
export const GIFT_OPTIONS = optionsSchema(
  {
    item: textOption(64),
    to: customOption(
      'a client of the room, or a player such as { player: "…@worlds.example.com", home: "https://worlds.example.com" }',
      (value) => typeof value === "object" && value !== null,
    ),
  } satisfies Record<keyof GiftOptions, z.ZodType>,
  'options such as { item: "sword-1", to: otherClient }',
);
