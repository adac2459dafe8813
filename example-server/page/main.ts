/** The page of a world. What it has to do with the federation is in federation/, what is around the world in hud/. */
import { companionOf } from "./federation/companion.ts";
import { Entry } from "./federation/entry.ts";
import { Journey, uriOf } from "./federation/journey.ts";
import { Game } from "./game.ts";
import { chosenThing } from "./hud/choose.ts";
import { useButtons } from "./hud/deeds.ts";
import { toast } from "./hud/toasts.ts";
import { showForTests } from "./look.ts";

const world = document.body.dataset["world"] ?? "plaza";
const ownUri = uriOf(location.origin, world);
/** Things that the player has just chosen to give. */
const given = new Set<string>();

const game = new Game(ownUri, {
  enter: ({ target }) => {
    enter(target);
  },
  gather: ({ target }) => {
    game.wishes.only(target);
    game.send("gather", { to: target });
  },
  give: ({ key, name }) => void give(key, name),
  turnBack: () => {
    journey.turnBack();
  },
});
const journey: Journey = new Journey(
  world,
  companionOf({
    ...{ game: () => game, journey: () => journey, ownUri, given },
    lost: (why) => void entry.afterLoss(why),
  }),
);
const entry = new Entry({ game, journey, world, ownUri, enter });

game.passage.close({ world, host: location.host });
useButtons((type, message) => {
  game.send(type, message);
}, menu);
showForTests(game);
await entry.start();

function enter(uri: string): void {
  game.wishes.only(uri);
  try {
    journey.enter(uri);
  } catch {
    toast("Not now", "You are not in a world yet.");
  }
}

async function give(to: string, name: string): Promise<void> {
  const thing = await chosenThing(name, game.belongings.things);
  if (thing === undefined) return;
  given.add(thing.id);
  game.send("give", { item: thing.id, to });
}

async function menu(): Promise<void> {
  const me = game.view?.me;
  if (me === undefined) return;
  const { openMenu } = await import("./hud/menu.ts");
  openMenu({
    ...{ name: me.name, id: me.id, home: me.home || journey.home, isOwn: journey.isOwn },
    ...{ belongings: game.belongings, place: game.here },
    isAtHome: game.view?.origin === journey.home,
    rename: (name) => void entry.rename(name),
    comeAgain: async () => {
      await journey.leave();
      location.reload();
    },
  });
}
