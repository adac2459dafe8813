/** The page of a world: joins, draws, walks, and follows the player into other worlds. */
import type { Room } from "@colyseus/sdk";
import { type Leave, Traveler } from "aether-federation/client";
import { Scene } from "./draw/scene.ts";
import { Hud, placeName } from "./hud.ts";
import { AssetImages } from "./images.ts";
import { type Direction, Input } from "./input.ts";
import { randomName } from "./names.ts";
import { View } from "./view.ts";

const NAME_KEY = "aether-example:name";
const RETRY_MILLISECONDS = 2_000;
const RETRIES_HOME = 30;

const homeWorld = document.body.dataset["world"] ?? "plaza";
const canvas = document.getElementById("view") as HTMLCanvasElement;
const hud = new Hud();
const scene = new Scene(canvas);
const input = new Input(canvas, send);
const images = new AssetImages();
let view: View | undefined;
let coins: readonly string[] = [];
let wasCrossing = false;

const name = await playerName();
const traveler = new Traveler(location.origin, { name });

traveler.onArrive(({ room, origin, world, from }) => {
  show(room, origin);
  hud.crossingOver();
  hud.server(world, origin);
  if (from === undefined) return;
  // Whoever still walks would step right back through the portal behind it.
  input.release();
  scene.jump();
  hud.wipe();
  hud.toast(`You are in ${world}`, `on ${new URL(origin).host}, with everything you carry.`, true);
});
traveler.onDepart(({ to }) => {
  hud.crossing(placeName(to, view?.portals ?? []), "reserved");
});
traveler.onProgress(({ to, stage, receivedBytes = 0, totalBytes = 0 }) => {
  const place = placeName(to, view?.portals ?? []);
  if (stage === "connecting") hud.crossing(place, "connecting");
  if (stage === "assets") hud.crossing(place, "assets", totalBytes && receivedBytes / totalBytes);
});
traveler.onFailed(({ to, code, message }) => {
  hud.crossingOver();
  hud.toast(`You stay here`, `${placeName(to, view?.portals ?? [])}: ${message} (${code})`);
});
traveler.onLeave((leave) => void afterLeave(leave));

await goHome();
hud.hint(
  matchMedia("(pointer: coarse)").matches
    ? "Drag anywhere to walk. Step into a portal to leave for another server."
    : "Walk with the arrow keys or W A S D. Step into a portal to leave for another server.",
);

let last = performance.now();
requestAnimationFrame(function frame(now) {
  const seconds = Math.min(0.1, (now - last) / 1000);
  last = now;
  if (view !== undefined) {
    view.update(seconds, input.direction);
    scene.draw(view, input);
    watchMe(view);
  }
  requestAnimationFrame(frame);
});

function show(room: Room, origin: string): void {
  // The example's room allows no reconnection: going home at once is better than waiting.
  room.reconnection.enabled = false;
  view = new View(room, origin, images);
  wasCrossing = false;
  room.onMessage("belongings", (message: { coins: readonly string[] }) => {
    const more = message.coins.length - coins.length;
    const me = view?.me;
    if (more > 0 && me !== undefined && view?.room === room) scene.spark(me.x, me.y, `+${more}`);
    coins = message.coins;
    hud.coins(coins.length);
  });
  send(input.direction);
}

function watchMe(current: View): void {
  const { me } = current;
  if (me === undefined) return;
  hud.player(me);
  if (me.crossing === wasCrossing) return;
  wasCrossing = me.crossing;
  if (!me.crossing) return;
  const portal = current.portals.find(({ x, y }) => Math.hypot(x - me.x, y - me.y) < 90);
  hud.crossing(portal?.label ?? "the other world", "asking");
}

function send({ dx, dy }: Direction): void {
  if (view?.room.connection.isOpen === true) view.room.send("move", { dx, dy });
}

async function goHome(): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await traveler.join(homeWorld);
      return;
    } catch (error) {
      const message = error instanceof Error ? error.message : "no answer";
      if (attempt >= RETRIES_HOME) {
        await hud.stopped(
          "Nobody is home",
          `${location.host} does not let you in: ${message}`,
          "Try again",
        );
        attempt = 0;
      }
      hud.toast(
        `On the way home to ${location.host}`,
        message.includes("ERR_FED_AWAY")
          ? "The other server still holds you; home takes you back as soon as that has lapsed."
          : "The server does not answer yet.",
      );
      await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS));
    }
  }
}

async function afterLeave({ reason, message, comesHome }: Leave): Promise<void> {
  hud.crossingOver();
  input.release();
  if (reason.includes("ERR_FED_SUPERSEDED")) {
    await hud.stopped(
      "You are playing somewhere else",
      "The same key has joined from another tab or device: a player is in one place only.",
      "Play here instead",
    );
  } else {
    hud.toast(message, "Going home with what home knows you carry…");
    if (comesHome) return;
  }
  await goHome();
  hud.wipe();
}

async function playerName(): Promise<string> {
  const kept = localStorage.getItem(NAME_KEY);
  if (kept !== null && kept !== "") return kept;
  const chosen = await hud.welcome(homeWorld, randomName());
  localStorage.setItem(NAME_KEY, chosen);
  return chosen;
}

/** What the page knows, for tests and the curious. */
Object.defineProperty(globalThis, "aether", {
  value: Object.freeze({
    get world() {
      return view?.world;
    },
    get origin() {
      return view?.origin;
    },
    get playerId() {
      return view?.me?.id;
    },
    get name() {
      return view?.me?.name;
    },
    get coins() {
      return [...coins];
    },
    get x() {
      return view?.me?.x;
    },
    get y() {
      return view?.me?.y;
    },
    get hat() {
      const me = view?.me;
      return me === undefined
        ? undefined
        : { name: me.hat, hash: me.hatHash, url: me.hatUrl, shown: me.hatImage !== undefined };
    },
    get pictures() {
      return view?.pictures.map(({ x, y, title, owner, status, detail, image }) => ({
        ...{ x, y, title, owner, status, detail },
        shown: image !== undefined,
      }));
    },
    get others() {
      return view?.avatars.filter(({ me }) => !me).length;
    },
    get ground() {
      return view?.coins.map(({ x, y }) => ({ x, y }));
    },
    get portals() {
      return view?.portals.map(({ x, y, label, status, target }) => ({
        x,
        y,
        label,
        status,
        target,
      }));
    },
  }),
});
