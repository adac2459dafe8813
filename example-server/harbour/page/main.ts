/** The harbour's page: who comes sits down, casts, waits, reels in, and sails on. */
import type { Room } from "@colyseus/sdk";
import type { Traveler } from "aether-federation/client";
import type { Landed, LineState, Request } from "../messages.ts";
import type { Pier } from "../room.ts";
import { showBasket, showBoard, showCrew } from "./cards.ts";
import { by, say } from "./dom.ts";
import { Gates } from "./gates.ts";
import { type Journey, goHome, hostOf, isFirstVisit, setOut } from "./journey.ts";
import { Banner, Cover, Notice, askName } from "./over.ts";
import { PierScene } from "./pier.ts";

const NAME = "harbour:name";
const BUTTON: Readonly<Record<LineState, { label: string; request: Request }>> = {
  ashore: { label: "Cast", request: "cast" },
  out: { label: "Wait for it …", request: "reel" },
  bite: { label: "Reel in!", request: "reel" },
};

const scene = new PierScene(by("scene"));
const banner = new Banner();
const notice = new Notice();
const cover = new Cover();
const rod = by<HTMLButtonElement>("rod");
let traveler: Traveler | undefined;
let room: Room | undefined;
let line: LineState = "ashore";

const gates = new Gates({
  enter: (uri) => {
    notice.hide();
    traveler?.enter(uri);
  },
  goHome: () => {
    notice.hide();
    if (traveler !== undefined) goHome(traveler);
  },
  closed: (why) => {
    notice.show("That way is closed.", why);
  },
});

const journey: Journey = {
  arrived(there, { home, isGuest }) {
    room = there;
    cover.over();
    banner.back();
    rod.disabled = false;
    line = "ashore";
    say(by("rod-label"), BUTTON.ashore.label);
    rod.focus({ preventScroll: true });
    const welcome = isGuest ? `Welcome from ${hostOf(home)}!` : "Good evening!";
    announce(`${welcome} Cast your line.`);
    there.onStateChange((pier: Pier) => {
      if (room === there) showPier(pier, there);
    });
    there.onMessage("basket", showBasket);
    there.onMessage("landed", (landed: Landed) => {
      announce(wordsOf(landed));
    });
    there.send("basket" satisfies Request);
  },
  gates: (destinations, home) => gates.show(destinations, home),
  leaving: (to, cancel) => cover.sail(to, cancel),
  stayed(message, code) {
    cover.over();
    notice.show("You stay on the pier.", message, code);
  },
  lost(title, text, seconds) {
    rod.disabled = true;
    banner.lost(title, text, seconds);
  },
  back() {
    rod.disabled = false;
    if (document.activeElement === document.body) rod.focus({ preventScroll: true });
    banner.back();
  },
  ended(message, code) {
    rod.disabled = true;
    cover.over();
    banner.hide();
    notice.show("You are not on the pier any more.", message, code, true);
  },
  told: (title, text, code) => notice.show(title, text, code),
};

rod.addEventListener("click", ({ detail }) => {
  // A double click casts once, and does not reel in at once.
  if (detail < 2) room?.send(BUTTON[line].request);
});
// A key that is held down is pressed once.
rod.addEventListener("keydown", (event) => {
  if (event.repeat) event.preventDefault();
});
// Space and Enter are the rod's wherever the focus is on nothing else that takes them.
addEventListener("keydown", (event) => {
  if ((event.key !== " " && event.key !== "Enter") || event.repeat) return;
  if (event.target !== document.body) return;
  event.preventDefault();
  rod.click();
});

try {
  traveler = await setOut(await nameOf(), journey);
} catch (error) {
  const said = error instanceof Error ? error.message : String(error);
  const [, code = said, sentence = ""] = /^(ERR_FED_\w+): (.*)$/su.exec(said) ?? [];
  notice.show("The pier cannot be reached.", sentence || "Perhaps in a minute?", code, true);
}

async function nameOf(): Promise<string> {
  const known = localStorage.getItem(NAME);
  if (known !== null || !isFirstVisit()) return known ?? "Wren";
  const name = await askName();
  localStorage.setItem(NAME, name);
  return name;
}

function showPier(pier: Pier, { sessionId }: Room): void {
  const anglers = new Map(pier.anglers.entries());
  scene.show(anglers, sessionId);
  showCrew(anglers, sessionId);
  showBoard(pier.board);
  const now = (anglers.get(sessionId)?.line ?? "ashore") as LineState;
  if (now === line) return;
  if (now === "out") announce("The float lies still …");
  if (now === "bite") announce("A bite!");
  line = now;
  rod.className = `rod ${now}`;
  say(by("rod-label"), BUTTON[now].label);
}

function announce(text: string): void {
  say(by("says"), text);
}

function wordsOf(landed: Landed): string {
  if (landed.kind === "missed") {
    return landed.why === "early" ? "Too early: nothing had bitten." : "Too late: it is gone.";
  }
  const { name, isKept, isStamped } = landed;
  if (isStamped && isKept) return `${name}. It is yours, and so is the harbour's stamp!`;
  if (isStamped) return `${name}. Your basket is full, but the harbour's stamp is yours!`;
  return `${name}. ${isKept ? "It is in your basket." : "Your basket is full: it swims again."}`;
}
