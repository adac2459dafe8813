/** What a room says of a portal (PROTOCOL 8, `federation:can-enter`): checked, because any server may say it. */
import type { Forecast } from "../events.ts";
import { kit } from "./kit.ts";

const MAX_MESSAGE_LENGTH = 500;
const MAX_LOSSES = 1024;

/** Reads `federation:can-enter`; what is not of its form is not known. */
export function parseForecast(message: unknown, to: string): Forecast {
  const said = kit.members(message);
  const { mayEnter, code, message: text, destination, world, room, losses, missingAssets } = said;
  return {
    to,
    mayEnter: mayEnter === "yes" || mayEnter === "no" ? mayEnter : "unknown",
    code: kit.isText(code) && code.length <= 64 ? code : undefined,
    message: typeof text === "string" ? kit.shownText(text, MAX_MESSAGE_LENGTH) : undefined,
    destination: kit.isOrigin(destination) ? destination : undefined,
    world: kit.isText(world) && world.length <= 64 ? world : undefined,
    room: room === "free" ? "free" : "unknown",
    losses:
      Array.isArray(losses) && losses.length <= MAX_LOSSES
        ? losses.filter((loss): loss is string => typeof loss === "string")
        : undefined,
    missingAssets: kit.isCount(missingAssets) ? missingAssets : undefined,
  };
}
