/** The page of a world: draws it, walks, and follows the player into other worlds (federation/journey.ts). */
import type { Room } from "@colyseus/sdk";
import { themeOf } from "../theme.ts";
import { addressed, follow, onAddress, putBack } from "./federation/address.ts";
import { type Belongings, NOTHING, inWords, readBelongings } from "./federation/belongings.ts";
import { Journey, placeOf, uriOf } from "./federation/journey.ts";
import { Scene } from "./draw/scene.ts";
import { gateLook } from "./gate-look.ts";
import { Around } from "./hud/around.ts";
import { showBelongings, showPlace, showPlayer } from "./hud/bar.ts";
import { chosenThing, confirmed } from "./hud/choose.ts";
import { Company } from "./hud/company.ts";
import { byId, say } from "./hud/element.ts";
import { Passage } from "./hud/passage.ts";
import { Pointers } from "./hud/pointers.ts";
import { stopped, toast } from "./hud/toasts.ts";
import { Trouble } from "./hud/trouble.ts";
import { askForName } from "./hud/welcome.ts";
import { AssetImages } from "./images.ts";
import { Input } from "./input.ts";
import { showForTests } from "./look.ts";
import { Wishes } from "./federation/wishes.ts";
import { randomName } from "./names.ts";
import { type Portal, View } from "./view.ts";

const NAME_KEY = "aether-example:name";
const PLACE_KEPT_SECONDS = 20;
const RETRY_MILLISECONDS = 3_000;
/** How near a gate one stands to be on the way through it. */
const AT_GATE = 130;
const NEAR_GATE = 220;
const LISTS_MILLISECONDS = 400;

const homeWorld = document.body.dataset["world"] ?? "plaza";
const homeUri = uriOf(location.origin, homeWorld);
const canvas = byId<HTMLCanvasElement>("view");
const scene = new Scene(canvas);
const images = new AssetImages();
const passage = new Passage();
const trouble = new Trouble();
const pointers = new Pointers();
const company = new Company();
const input = new Input(canvas, ({ dx, dy }) => {
  if (view?.room.connection.isOpen === true) view.room.send("move", { dx, dy });
});
const around = new Around({
  enter: (portal) => {
    enter(portal.target);
  },
  gather: ({ target }) => {
    wishes.add(target);
    view?.room.send("gather", { to: target });
  },
  give: (to) => void give(to.key, to.name),
});

/** What is drawn, and what will be once its first state is there. */
let view: View | undefined;
let coming: { readonly view: View; readonly origin: string; from: string | undefined } | undefined;
let belongings: Belongings = NOTHING;
let isFirst = true;
/** Where the player said that it wants to go; also while another page asks this one for its word. */
const wishes = new Wishes();
let name = localStorage.getItem(NAME_KEY) ?? "";
let wasCrossing = false;
/** The stamp that this world has just given. */
let stamped: string | undefined;

const journey: Journey = new Journey(homeWorld, {
  arrived: ({ room, origin, from }) => {
    show(room, origin, from);
  },
  onTheWay: (to, step, share, transferId) => {
    close(to);
    passage.step(step, share);
    if (transferId !== undefined) {
      passage.mayTurnBack(() => {
        journey.turnBack(transferId);
      });
    }
  },
  stays: ({ to, code, message }) => {
    wishes.clear();
    company.over();
    passage.open(true);
    if (view !== undefined) putBack(uriOf(view.origin, view.world), homeUri);
    const turnedBack = code === "ERR_FED_CROSSING_ABANDONED";
    const title = turnedBack ? "You turned back" : `You stay here`;
    toast(title, turnedBack ? "" : `${capital(placeOf(to).world)}: ${message}`, {
      calm: turnedBack,
      detail: code,
    });
  },
  notKept: (from, lost) => {
    toast("Not all came home", `Your home did not take what ${new URL(from).host} changed.`, {
      detail: lost.join(", "),
    });
  },
  frozen: (message) => {
    if (message === undefined) trouble.well("You are back.");
    else if (!passage.isClosed) {
      trouble.ill({ title: "One moment", text: message, safe: "What you carry is safe." });
    }
  },
  dropped: () => {
    trouble.ill({
      title: "The connection is lost",
      text: "Looking for the way back to your place, which is kept for you.",
      safe: "What you carry is safe.",
      until: Date.now() + PLACE_KEPT_SECONDS * 1000,
    });
  },
  reconnected: () => {
    trouble.well("You are back.");
  },
  lost: (why) => void afterLoss(why),
  destinations: (all) => {
    if (view !== undefined) view.destinations = all;
    if (coming !== undefined) coming.view.destinations = all;
  },
  agrees: ({ item, name: to }) => {
    const thing = belongings.things.find(({ id }) => id === item);
    if (given.delete(item)) return true;
    return confirmed(
      `Give ${to} your ${thing?.name ?? "thing"}?`,
      "It leaves you, and is theirs when they are next at home.",
      "Give it",
      "Keep it",
    );
  },
  party: (progress) => {
    company.progress(progress);
  },
  goes: ({ from, origin, world }) => {
    const to = uriOf(origin, world ?? "");
    const { me } = view ?? {};
    const isAtGate = view?.portals.some(
      ({ target, x, y }) =>
        target === to && me !== undefined && Math.hypot(x - me.x, y - me.y) < AT_GATE,
    );
    if (wishes.has(to) || isAtGate === true || origin === journey.home) return true;
    return confirmed(
      `Go to ${world ?? "another world"}?`,
      `${from === undefined ? "A gate" : capital(new URL(from).host)} sends you to ${new URL(origin).host}. You can stay.`,
      "Go",
      "Stay",
    );
  },
});
/** Things that the player has just chosen to give. */
const given = new Set<string>();

const suggestion = randomName();
passage.close({ world: homeWorld, host: location.host });

/** Comes in, and goes where the address says. */
async function start(): Promise<void> {
  await begin();
  onAddress(homeUri, (uri) => {
    if (uri !== here()) enter(uri);
  });
  const to = addressed();
  if (to !== undefined && to !== here()) enter(to);
  else if (name === "") await welcome();
}

function here(): string {
  const now = coming ?? view;
  if (now === undefined) return homeUri;
  const world = now instanceof View ? now.world : now.view.room.name;
  return uriOf(now.origin, world);
}

/** Comes in, however often it takes. */
async function begin(): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      if (tries === 0) await journey.begin(name === "" ? suggestion : name);
      else await journey.goHome(name === "" ? suggestion : name);
      return;
    } catch (error) {
      const message = error instanceof Error ? error.message : "";
      const code = /ERR_FED_[A-Z_]+/u.exec(message)?.[0];
      const away = code === "ERR_FED_AWAY";
      await waitFor({
        title: away ? "You are still elsewhere" : `${capital(homeWorld)} does not answer`,
        text: away
          ? "Another server holds you for some seconds more; then your home takes you back."
          : "It is tried again and again.",
        detail: message || "no answer",
      });
    }
  }
}

function waitFor(ill: { title: string; text: string; detail: string }): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, RETRY_MILLISECONDS);
    trouble.ill({
      ...ill,
      safe: "What you carry is safe.",
      act: {
        label: "Try now",
        run: () => {
          clearTimeout(timer);
          resolve();
        },
      },
    });
  });
}

async function welcome(): Promise<void> {
  const chosen = await askForName(suggestion, (listener) => input.onWalk(listener));
  localStorage.setItem(NAME_KEY, chosen);
  if (chosen !== suggestion) await rename(chosen);
  else name = chosen;
}

/** Home gives names, at a login. */
async function rename(wish: string): Promise<void> {
  name = wish;
  localStorage.setItem(NAME_KEY, wish);
  input.release();
  await comeHome();
}

async function comeHome(): Promise<void> {
  await journey.goHome(name).catch(() => begin());
}

function enter(uri: string): void {
  wishes.only(uri);
  try {
    journey.enter(uri);
  } catch {
    toast("Not now", "You are not in a world yet.");
  }
}

/** Covers the world with the one that the player is on its way to. */
function close(uri: string): void {
  const { host, world } = placeOf(uri);
  const portal = view?.portals.find(({ target }) => target === uri);
  const gate = portal && scene.onScreen({ x: portal.x, y: portal.y - 40 });
  trouble.over();
  passage.close({ world, host }, gate);
}

/** A room is there: what it shows is drawn once its first state has come. */
function show(room: Room, origin: string, from: string | undefined): void {
  const next = new View(room, origin, images);
  coming = { view: next, origin, from };
  room.onMessage("belongings", (message: unknown) => {
    const before = belongings;
    belongings = readBelongings(message);
    const more = belongings.coins.length - before.coins.length;
    if (more > 0 && view === next && next.me !== undefined) {
      scene.spark(next.me.x, next.me.y, `+${more}`);
    }
  });
  room.onMessage("stamped", (message: { readonly name?: unknown }) => {
    if (typeof message.name !== "string") return;
    stamped = message.name.slice(0, 60);
  });
  room.onMessage("said", ({ from: who, text }: { from: string; text: string }) => {
    next.said(who, text);
  });
  room.onMessage("waved", ({ from: who }: { from: string }) => {
    next.waved(who);
  });
  room.onMessage("gift", (message: Readonly<Record<string, unknown>>) => {
    tellGift(message);
  });
  company.listen(room, (uri) => {
    wishes.add(uri);
  });
  room.send("move", input.direction);
}

/** The new world's first state is here: it takes the place of the former, name and all. */
function settle(): void {
  if (coming === undefined || !coming.view.isReady) return;
  if (passage.isClosed && !passage.hidesAll) return;
  const { view: next, origin, from } = coming;
  coming = undefined;
  // Whoever still walks would step right back through the gate behind it.
  if (from !== undefined) input.release();
  view = next;
  wasCrossing = false;
  scene.jump();
  showPlace(next.world, origin);
  follow(uriOf(origin, next.world), homeUri, isFirst);
  wishes.clear();
  company.over();
  say(byId("lead"), `${themeOf(next.world).motto}. ${leadOf()}`);
  if (from !== undefined && from !== origin) {
    toast(
      `You are in ${capital(next.world)}`,
      `On ${new URL(origin).host}, and with you came ${inWords(belongings)}.${
        stamped === undefined ? "" : ` New: the stamp of ${capital(stamped)}.`
      }`,
      { calm: true },
    );
  } else if (!isFirst) trouble.well(`You are back in ${capital(next.world)}.`);
  trouble.well("You are back.");
  stamped = undefined;
  isFirst = false;
}

function leadOf(): string {
  return matchMedia("(pointer: coarse)").matches
    ? "Drag to walk. Collect a stamp of every world: walk through a gate."
    : "Walk with the arrow keys. Collect a stamp of every world: walk through a gate.";
}

async function afterLoss(why: { code: string; message: string; comesHome: boolean }) {
  input.release();
  passage.open(true);
  company.over();
  if (why.code.includes("ERR_FED_SUPERSEDED")) {
    trouble.over();
    await stopped(
      "You are playing somewhere else",
      "The same key has joined from another tab or device: a player is in one place only.",
      "Play here instead",
    );
    byId<HTMLDialogElement>("stopped").close();
  } else {
    trouble.ill({
      title: "Your place here is lost",
      text: `${why.message} You are on your way home.`,
      safe: "What you carry is safe: your home has it.",
      ...(why.code === "" ? {} : { detail: why.code }),
    });
    if (why.comesHome) return;
  }
  await comeHome();
}

async function give(to: string, toName: string): Promise<void> {
  const thing = await chosenThing(toName, belongings.things);
  if (thing === undefined) return;
  given.add(thing.id);
  view?.room.send("give", { item: thing.id, to });
}

function tellGift({
  kind,
  name: what,
  to: who,
  from,
  message,
  later,
}: Readonly<Record<string, unknown>>) {
  const thing = typeof what === "string" ? what : "It";
  const text = typeof message === "string" ? message : "";
  if (kind === "got") {
    toast(
      `${String(from)} gives you: ${thing}`,
      later === true ? "It waits for you at home." : "",
      { calm: true },
    );
  } else if (kind === "given") toast("Given", `${thing} is ${String(who)}'s now.`, { calm: true });
  else if (kind === "pending") {
    toast("On its way", `${thing} waits for the home of ${String(who)}.`, { calm: true });
  } else toast("Not given", text || `${thing} stays with you.`);
}

let last = performance.now();
let listedAt = 0;
requestAnimationFrame(function frame(now) {
  const seconds = Math.min(0.1, (now - last) / 1000);
  last = now;
  coming?.view.update(seconds, input.direction);
  settle();
  if (view !== undefined) {
    view.update(seconds, input.direction);
    scene.clear = clearOf();
    scene.draw(view, input);
    watch(view, now);
    // Drawn at least once: what is behind the cover is the new world.
    if (coming === undefined && !isOnTheWay(view)) passage.open();
  }
  requestAnimationFrame(frame);
});

function isOnTheWay({ me }: View): boolean {
  return me?.crossing === true;
}

function watch(current: View, now: number): void {
  const { me, portals } = current;
  pointers.show(portals, me, (place) => scene.onScreen(place), clearOf());
  if (me === undefined) return;
  if (me.crossing !== wasCrossing) {
    wasCrossing = me.crossing;
    const uri = wishes.last ?? gateAt(current)?.target;
    if (me.crossing && uri !== undefined) {
      close(uri);
      passage.step("asking");
    }
  }
  if (now - listedAt < LISTS_MILLISECONDS) return;
  listedAt = now;
  showPlayer(me);
  showBelongings(belongings, current.worlds);
  const others = current.avatars.filter((avatar) => !avatar.me);
  around.show(portals, [me, ...others]);
  const near = gateAt(current);
  if (near === undefined) return;
  const { word, alive } = gateLook(near.status);
  const inside = near.population === undefined ? "" : `, ${near.population} inside`;
  say(
    byId("lead"),
    alive
      ? `${capital(near.label)} on ${near.host}${inside}. Walk in to go there.`
      : `${capital(near.label)} is ${word}.`,
  );
}

function gateAt({ me, portals }: View): Portal | undefined {
  if (me === undefined) return undefined;
  const far = (portal: Portal): number => Math.hypot(portal.x - me.x, portal.y - me.y);
  const [nearest] = [...portals].sort((a, b) => far(a) - far(b));
  return nearest !== undefined && far(nearest) < NEAR_GATE ? nearest : undefined;
}

/** The part of the world that bar, buttons and lists leave free. */
function clearOf() {
  const bar = document.querySelector(".bar")?.getBoundingClientRect().bottom ?? 0;
  const foot = document.querySelector(".foot")?.getBoundingClientRect().top ?? innerHeight;
  const panel = byId("around");
  const isBeside = !panel.hidden && panel.offsetWidth < innerWidth / 2;
  const right = isBeside ? panel.offsetLeft : innerWidth;
  // Where little is left, the world is seen through what covers it.
  const bottom = Math.max(foot, bar + 120);
  return { left: 8, top: bar + 8, right: right - 8, bottom: bottom - 8 };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

byId("wave").addEventListener("click", () => {
  view?.room.send("wave", {});
});
byId("talk").addEventListener("click", () => {
  talk(byId("say").hidden !== false);
});
byId("say").addEventListener("keydown", ({ key }) => {
  if (key === "Escape") talk(false);
});
function talk(open: boolean): void {
  byId("say").hidden = !open;
  byId("talk").ariaExpanded = String(open);
  byId(open ? "words" : "talk").focus();
}
byId("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = byId<HTMLInputElement>("words");
  if (words.value.trim() !== "") view?.room.send("say", { text: words.value.trim() });
  words.value = "";
  talk(false);
});
byId("invite").addEventListener("click", () => void invite());
byId("me").addEventListener("click", () => void menu());

async function invite(): Promise<void> {
  const url = location.href;
  try {
    if (matchMedia("(pointer: coarse)").matches && "share" in navigator) {
      await navigator.share({ url, title: document.title });
      return;
    }
    await navigator.clipboard.writeText(url);
    toast("The link is copied", `Whoever opens ${url} stands here with you.`, { calm: true });
  } catch {
    toast("Share this link", url, { calm: true });
  }
}

async function menu(): Promise<void> {
  const { me } = view ?? {};
  if (view === undefined || me === undefined) return;
  const { openMenu } = await import("./hud/menu.ts");
  openMenu({
    ...{
      name: me.name,
      id: me.id,
      home: me.home || journey.home,
      isOwn: journey.isOwn,
      belongings,
    },
    ...{ place: uriOf(view.origin, view.world), isAtHome: view.origin === journey.home },
    rename: (wish) => void rename(wish),
  });
}

showForTests(() => ({ view, belongings }));
await start();
