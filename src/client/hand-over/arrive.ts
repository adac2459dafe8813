/**
 * What `Traveler.arrive` does (PROTOCOL 8, hand-over), by what the address says: a player comes from another page, a
 * page of another server asks for the player's word, or has got it; or nothing, and the page begins or was reloaded.
 */
import type { Room } from "@colyseus/sdk";
import type { Failure } from "../events.ts";
import type { Identity } from "../identity.ts";
import type { Transit } from "../messages.ts";
import type { TravelerOptions } from "../traveler-options.ts";
import type { Visit, Visiting } from "../visit.ts";
import { DelegateKey } from "./delegate-key.ts";
import {
  type Ask,
  type Coming,
  type Granted,
  isFragment,
  parseFragment,
  withFragment,
} from "./fragments.ts";
import { grant } from "./grant.ts";
import { type Page, gone, openPage } from "./page.ts";
import { type Stay, StayKeeper } from "./stay.ts";
import type { Whereabouts } from "../whereabouts.ts";
import { kit } from "../later/kit.ts";

/** Options of `Traveler.arrive`: those of a `Traveler`, and what it joins. */
export interface ArriveOptions<AnyTraveler> extends TravelerOptions {
  /** The room that a player whose home this server is joins where nothing else is to be gone on with. */
  readonly world: string;
  /** Options of that join. */
  readonly join?: object;
  /** Called with the `Traveler` before it does anything, so that nothing it tells is missed. */
  readonly listen?: (traveler: AnyTraveler) => void;
}

/** What a `Traveler` does for it. */
interface Resuming {
  resume(world: string, options?: object): Promise<Room>;
}

/** What only a `Traveler` itself can do. */
export interface Door<AnyTraveler> {
  make(home: string, options: TravelerOptions): AnyTraveler;
  identityOf(traveler: AnyTraveler): Identity;
  readonly whereabouts: Whereabouts;
  take(traveler: AnyTraveler, transit: Transit, from: string | undefined): Promise<Room>;
  fail(traveler: AnyTraveler, failure: Failure): void;
}

/** A page comes back to the player's home page so often for one seat: reloads on the way. */
const MAX_ASKED = 3;

interface There<AnyTraveler> {
  readonly traveler: AnyTraveler;
  readonly room: Room;
}

/** @see Traveler.arrive */
export async function arrive<AnyTraveler extends Resuming>(
  server: string | URL,
  options: ArriveOptions<AnyTraveler>,
  door: Door<AnyTraveler>,
): Promise<There<AnyTraveler>> {
  if (typeof options.world !== "string" || options.world === "") {
    throw new TypeError("world must be the name of the room that players of this server join");
  }
  return new Arriving(server, options, door).run(openPage());
}

class Arriving<AnyTraveler extends Resuming> {
  readonly #server: string;
  readonly #options: ArriveOptions<AnyTraveler>;
  readonly #door: Door<AnyTraveler>;
  readonly #stays: StayKeeper;

  constructor(server: string | URL, options: ArriveOptions<AnyTraveler>, door: Door<AnyTraveler>) {
    this.#server = new URL(String(server).replace(/^ws/u, "http")).origin;
    this.#options = options;
    this.#door = door;
    this.#stays = new StayKeeper(this.#server, options.placeStorage);
  }

  async run(page: Page | undefined): Promise<There<AnyTraveler>> {
    const hash = page?.hash ?? "";
    const fragment = parseFragment(hash);
    // Whatever it says, it is in the address no longer than it takes to read it.
    if (isFragment(hash)) page?.clean();
    if (page === undefined) return this.#atHome();
    const stay = this.#stays.read();
    if (fragment === undefined) {
      return this.#goOn(page, stay, isFragment(hash) ? unread() : undefined);
    }
    switch (fragment.kind) {
      case "coming":
        return this.#comes(page, fragment, stay);
      case "ask":
        return this.#asked(page, fragment);
      case "granted":
        return this.#granted(page, fragment, stay);
    }
  }

  /** The first time, or after a reload: on the way, in a stay, at home. */
  async #goOn(page: Page, stay: Stay | undefined, trouble?: Failure): Promise<There<AnyTraveler>> {
    if (stay === undefined) return this.#atHome(trouble);
    if (stay.isHere) return this.#resume(page, stay, trouble);
    const { expiresAt } = stay.coming.transit;
    if (expiresAt * 1000 > Date.now() && stay.asked < MAX_ASKED) return this.#ask(page, stay);
    return this.#leaveFor(page, stay);
  }

  /** A player comes from another page. */
  async #comes(page: Page, coming: Coming, stay: Stay | undefined): Promise<There<AnyTraveler>> {
    const { home, transit, isMove } = coming;
    if (home === this.#server) {
      this.#stays.keep(undefined);
      const traveler = this.#make(home);
      return this.#take(traveler, transit, async (error) => {
        this.#door.fail(traveler, failureOf(transit, error));
        return this.#join(traveler);
      });
    }
    if (transit.origin !== this.#server) {
      return this.#goOn(page, stay, failureOf(transit, wrong("This page is of another server.")));
    }
    if (isMove && stay?.isHere === true && stay.coming.home === home) {
      return this.#enter(page, { ...stay, coming }, undefined);
    }
    const key = await DelegateKey.make();
    const state = kit.encodeBase64Url(crypto.getRandomValues(new Uint8Array(16)));
    return this.#ask(page, {
      ...{ server: this.#server, coming, key: key.kept, state, asked: 0, isHere: false },
    });
  }

  /** Goes to the page of the player's home for its word. */
  async #ask(page: Page, before: Stay): Promise<There<AnyTraveler>> {
    const stay = { ...before, asked: before.asked + 1 };
    const { coming, state } = stay;
    const { transit, home } = coming;
    const isKept = this.#stays.keep(stay);
    const key = await DelegateKey.load(stay.key);
    if (key === undefined || !isKept) return this.#leaveFor(page, stay);
    const homePage = await this.#homePage(home);
    const ask: Ask = {
      ...{ kind: "ask", to: this.#server, transferId: transit.transferId, state },
      ...{ sid: transit.reservation.sessionId, jwk: key.jwk, returnTo: page.url },
      expiresAt: transit.expiresAt,
    };
    page.replace(withFragment(homePage, ask));
    return gone();
  }

  /** A page of another server asks, and this is the page of the player's home. */
  async #asked(page: Page, ask: Ask): Promise<There<AnyTraveler>> {
    const traveler = this.#make(this.#server);
    const { whereabouts } = this.#door;
    const identity = this.#door.identityOf(traveler);
    const { confirm = "onward" } = this.#options;
    let url: string;
    try {
      if (page.isFramed) throw wrong("A page inside of another one gives nobody its word.");
      url = await grant(ask, identity, whereabouts, confirm);
    } catch (error) {
      const { transferId, to } = ask;
      this.#door.fail(traveler, failureOf({ transferId, to }, error));
      return this.#join(traveler);
    }
    page.replace(url);
    return gone();
  }

  /** The player's home page has given its word. */
  async #granted(
    page: Page,
    { delegation, state }: Granted,
    stay: Stay | undefined,
  ): Promise<There<AnyTraveler>> {
    if (stay === undefined || stay.isHere || stay.state !== state) {
      return this.#goOn(page, stay, unread());
    }
    return this.#enter(page, stay, delegation);
  }

  /** Takes the seat by the key of this stay; where that fails, the player goes home. */
  async #enter(
    page: Page,
    stay: Stay,
    delegation: string | undefined,
  ): Promise<There<AnyTraveler>> {
    const { transit, home } = stay.coming;
    const visit = await this.#visitOf(page, stay, transit.reservation.sessionId, delegation);
    if (visit === undefined) return this.#leaveFor(page, stay);
    const traveler = this.#make(home, visit);
    // A reload from now on reconnects, or leads home.
    this.#stays.keep({ ...stay, isHere: true });
    return this.#take(traveler, transit, (error) => {
      this.#door.fail(traveler, failureOf(transit, error));
      return this.#leaveFor(page, stay);
    });
  }

  /** The stay goes on where its room keeps the place; otherwise it is over, and the player goes home. */
  async #resume(page: Page, stay: Stay, trouble?: Failure): Promise<There<AnyTraveler>> {
    const visit = await this.#visitOf(page, stay, "", undefined);
    if (visit === undefined) return this.#leaveFor(page, stay);
    return this.#join(this.#make(stay.coming.home, visit), trouble);
  }

  async #visitOf(
    page: Page,
    stay: Stay,
    sessionId: string,
    delegation: string | undefined,
  ): Promise<Visit | undefined> {
    const key = await DelegateKey.load(stay.key);
    return (
      key && {
        key,
        server: this.#server,
        beside: (seat) => (seat === sessionId ? delegation : undefined),
        goHome: (signal) => this.#leaveFor(page, stay, signal),
      }
    );
  }

  /** Sends the browser to the player's home in this page's place. */
  async #leaveFor(page: Page, { coming: { home } }: Stay, signal?: AbortSignal): Promise<never> {
    const homePage = await this.#homePage(home, signal);
    if (!this.#stays.mayGoHome()) throw wrong("Your home does not take you back right now.");
    this.#stays.keep(undefined);
    page.replace(homePage);
    return gone(signal);
  }

  async #homePage(home: string, signal = new AbortController().signal): Promise<string> {
    const page = await this.#door.whereabouts.pageOf(home, undefined, signal);
    if (page === undefined) {
      throw new Error(`ERR_FED_UNREACHABLE: The page of your home, ${home}, cannot be found.`);
    }
    return page;
  }

  #atHome(trouble?: Failure): Promise<There<AnyTraveler>> {
    return this.#join(this.#make(this.#server), trouble);
  }

  async #join(traveler: AnyTraveler, trouble?: Failure): Promise<There<AnyTraveler>> {
    if (trouble !== undefined) this.#door.fail(traveler, trouble);
    const { world, join } = this.#options;
    return { traveler, room: await traveler.resume(world, join) };
  }

  async #take(
    traveler: AnyTraveler,
    transit: Transit,
    otherwise: (error: unknown) => Promise<There<AnyTraveler>>,
  ): Promise<There<AnyTraveler>> {
    let room: Room;
    try {
      room = await this.#door.take(traveler, transit, undefined);
    } catch (error) {
      return otherwise(error);
    }
    return { traveler, room };
  }

  #make(home: string, visit?: Visit): AnyTraveler {
    const { world, join: _join, listen, ...given } = this.#options;
    const { comesHome = world } = given;
    const options: TravelerOptions & Visiting = {
      ...given,
      comesHome: comesHome === true ? world : comesHome,
      ...(visit === undefined ? {} : { [kit.VISIT]: visit }),
    };
    const traveler = this.#door.make(home, options);
    listen?.(traveler);
    return traveler;
  }
}

/** As `onFailed` tells it. */
function failureOf(
  { transferId, to }: { readonly transferId: string; readonly to: string },
  error: unknown,
): Failure {
  const { code, sentence } = kit.codeAndSentence(error instanceof Error ? error.message : "");
  return {
    ...{ transferId, to, code: code ?? "ERR_FED_HAND_OVER_FAILED" },
    message: sentence === "" ? "You could not be handed over." : sentence,
  };
}

function unread(): Failure {
  return failureOf(
    { transferId: "", to: "" },
    wrong("What the other page has said makes no sense, and nothing was done about it."),
  );
}

function wrong(sentence: string): Error {
  return new Error(`ERR_FED_HAND_OVER_FAILED: ${sentence}`);
}
