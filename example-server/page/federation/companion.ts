/** What the player is told on its way: each word of `Journey`, on the screen. */
import type { Game } from "../game.ts";
import { confirmed } from "../hud/choose.ts";
import { capital } from "../hud/element.ts";
import { toast } from "../hud/toasts.ts";
import { putBack } from "./address.ts";
import { type Companion, type Journey, placeOf, uriOf } from "./journey.ts";

/** How long a room keeps the place of whoever has lost the connection. */
const PLACE_KEPT_SECONDS = 20;
const SAFE = "What you carry is safe.";

/** What a companion needs. */
export interface CompanionOptions {
  readonly game: () => Game;
  readonly journey: () => Journey;
  readonly ownUri: string;
  /** Things that the player has just chosen to give: it is not asked again. */
  readonly given: Set<string>;
  readonly lost: Companion["lost"];
}

export function companionOf(options: CompanionOptions): Companion {
  const { game, journey, ownUri, given, lost } = options;
  /** Until when the place is kept; each try that fails is another drop. */
  let keptUntil: number | undefined;
  return {
    lost: (why) => {
      keptUntil = undefined;
      lost(why);
    },
    arrived: ({ room, origin, from }) => {
      keptUntil = undefined;
      game().show(room, origin, from);
    },
    onTheWay: (to, step, share) => {
      const { passage, wishes } = game();
      if (game().isAtGate(to)) wishes.add(to);
      game().close(to);
      passage.step(step, share);
    },
    stays: ({ to, code, message }) => {
      const { wishes, company, passage, here } = game();
      wishes.clear();
      company.over();
      const hasTurnedBack = passage.turnsBack || code === "ERR_FED_CROSSING_ABANDONED";
      passage.open(true);
      putBack(here, ownUri);
      toast(
        hasTurnedBack ? "You turned back" : "You stay here",
        hasTurnedBack ? "" : `${capital(placeOf(to).world)}: ${message}`,
        { calm: hasTurnedBack, detail: code },
      );
    },
    notKept: (from, places) => {
      const { host } = new URL(from);
      toast("Not all came home", `Your home did not take what ${host} changed.`, {
        detail: places.join(", "),
      });
    },
    frozen: (message) => {
      const { trouble, passage } = game();
      if (message === undefined) trouble.well("You are back.");
      else if (!passage.isClosed) trouble.ill({ title: "One moment", text: message, safe: SAFE });
    },
    dropped: () => {
      if (keptUntil !== undefined) return;
      keptUntil = Date.now() + PLACE_KEPT_SECONDS * 1000;
      game().trouble.ill({
        title: "The connection is lost",
        text: "Looking for the way back to your place, which is kept for you.",
        safe: SAFE,
        until: keptUntil,
      });
    },
    reconnected: () => {
      keptUntil = undefined;
      game().trouble.well("You are back.");
    },
    destinations: (all) => {
      game().destinations(all);
    },
    agrees: ({ item, name }) => {
      if (given.delete(item)) return true;
      const thing = game().belongings.things.find(({ id }) => id === item);
      return confirmed(
        `Give ${name} your ${thing?.name ?? "thing"}?`,
        "It leaves you, and is theirs when they are next at home.",
        "Give it",
        "Keep it",
      );
    },
    party: (progress) => {
      game().company.progress(progress);
    },
    goes: ({ from, origin, world = "" }) => {
      const to = uriOf(origin, world);
      const { wishes } = game();
      if (wishes.has(to) || game().isAtGate(to) || origin === journey().home) return true;
      const { host } = new URL(origin);
      const who = from === undefined ? "A gate" : new URL(from).host;
      return confirmed(
        `Go to ${world || "another world"}?`,
        `${who} sends you to ${host}. You can stay.`,
        "Go",
        "Stay",
      );
    },
  };
}
