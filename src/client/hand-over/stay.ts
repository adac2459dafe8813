/** What a page keeps, for this tab, of a player that was handed over to it: from its coming until its stay is over. */
import { type Coming, parseComing } from "./fragments.ts";
import type { KeyStorage } from "../storage.ts";
import type { KeptKey } from "./delegate-key.ts";
import { kit } from "../later/kit.ts";

/** One player's stay. */
export interface Stay {
  /** Server whose page this is. */
  readonly server: string;
  readonly coming: Coming;
  readonly key: KeptKey;
  /** Tells the answer of the player's home page from any other. */
  readonly state: string;
  /** How often the player's home page was asked. */
  readonly asked: number;
  /** Whether the seat was taken. */
  readonly isHere: boolean;
}

const STAY = "aether-federation:stay";
const HOMEWARD = "aether-federation:homeward";
/** How often a page may send the browser to the player's home in that time. */
const MAX_HOMEWARD = 3;
const HOMEWARD_MILLISECONDS = 60_000;

/** Keeps the stay of one tab. */
export class StayKeeper {
  readonly #server: string;
  readonly #storage: KeyStorage | undefined;

  /** @param storage Null keeps nothing, so that a reload leads home. */
  constructor(server: string, storage: KeyStorage | null | undefined) {
    this.#server = server;
    this.#storage = kit.storageOf("placeStorage", storage, "sessionStorage") ?? undefined;
  }

  /** The stay kept for this server. */
  read(): Stay | undefined {
    const { server, coming, key, state, asked, isHere } = this.#get(STAY);
    const said = parseComing(coming);
    const { id, seed } = kit.members(key);
    const lies = typeof id === "string" ? { id } : typeof seed === "string" ? { seed } : undefined;
    const isRead =
      kit.isOrigin(server) &&
      server === this.#server &&
      said !== undefined &&
      lies !== undefined &&
      typeof state === "string" &&
      kit.isCount(asked) &&
      typeof isHere === "boolean";
    return isRead ? { server, coming: said, key: lies, state, asked, isHere } : undefined;
  }

  /** Keeps it; undefined: it is over. False where nothing can be kept. */
  keep(stay: Stay | undefined): boolean {
    return this.#set(STAY, stay ?? null);
  }

  /** Notes that the browser is sent to the player's home; false when that has been tried too often. */
  mayGoHome(): boolean {
    const { times } = this.#get(HOMEWARD);
    const since = Date.now() - HOMEWARD_MILLISECONDS;
    const recent = (Array.isArray(times) ? times : []).filter(
      (time): time is number => kit.isCount(time) && time > since,
    );
    if (recent.length >= MAX_HOMEWARD) return false;
    this.#set(HOMEWARD, { times: [...recent, Date.now()] });
    return true;
  }

  #get(key: string): Readonly<Record<string, unknown>> {
    try {
      return kit.members(JSON.parse(this.#storage?.getItem(key) ?? "null"));
    } catch {
      return {};
    }
  }

  #set(key: string, value: unknown): boolean {
    try {
      this.#storage?.setItem(key, JSON.stringify(value));
      return this.#storage !== undefined;
    } catch {
      return false;
    }
  }
}
