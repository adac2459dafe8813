/**
 * A key that is the player's (PROTOCOL 8, "Player's keys"): kept in words or a file, on several devices, taken from one
 * that is lost. At homes without accounts; at others the account is the player, and the host has its own ways.
 *
 * An entry of its own, `aether-federation/client/keys`: a page loads it when the player opens its settings.
 *
 *   const keys = new PlayerKeys("https://worlds.example.com");
 *   show(keys.words());                                   // to be written down
 *   const request = await keys.request("My phone");       // on the new device, shown as text or QR code
 *   await keys.add(request);                              // on the old one
 *   await keys.lock();                                    // no script reads it any more
 */
import type { Room } from "@colyseus/sdk";
import nacl from "tweetnacl/nacl.js";
import { shownText } from "../../words.ts";
import { decodeBase64Url, encodeBase64Url } from "../base64url.ts";
import { ask, byTheRightTime } from "../connections.ts";
import { Identity } from "../identity.ts";
import { forgetLocked } from "../later/locked-key.ts";
import { within } from "../patience.ts";
import { LOCKED, PlayerKey, STORAGE_KEY } from "../player-key.ts";
import { type KeyStorage, storageOf } from "../storage.ts";
import { Whereabouts } from "../whereabouts.ts";
import {
  MAX_NAME_LENGTH,
  type PlayerDevices,
  type RotatedDevices,
  devicesOf,
  refusalOf,
} from "./devices.ts";
import { deviceRequest, lockedSigner, seedSigner } from "./device-request.ts";
import { lockSeed } from "./lock.ts";
import { SEED_BYTES, openKey, sealKey, seedOfWords, wordsOf } from "./sealed-key.ts";

export type { PlayerDevice, PlayerDevices, RotatedDevices } from "./devices.ts";

const ANSWER_MILLISECONDS = 15_000;

/** The keys of the player in this browser. */
export class PlayerKeys {
  readonly #home: string | URL;
  readonly #storage: KeyStorage;
  readonly #whereabouts = new Whereabouts(() => Promise.reject(new Error("no seat is taken here")));

  /**
   * @param home As `Traveler` has it.
   * @param options `storage`: as `Traveler` has it. Default: `localStorage`.
   * @throws TypeError naming the option that is wrong, or where there is no storage.
   */
  constructor(home: string | URL, options: { readonly storage?: KeyStorage } = {}) {
    const storage = storageOf("storage", options.storage, "localStorage") ?? undefined;
    if (storage === undefined)
      throw new TypeError("storage: this browser has none to keep keys in");
    this.#home = home;
    this.#storage = storage;
  }

  /**
   * The key as 24 English words (BIP 39), for paper. Who reads them is the player.
   *
   * @throws TypeError when none is kept here, and when it is locked.
   */
  words(): string {
    return wordsOf(this.#seed());
  }

  /**
   * The key as the text of a file, sealed by a passphrase of at least 8 characters. Takes a second or so. Needs
   * WebCrypto: `https:`.
   *
   * @throws TypeError when none is kept here, when it is locked, and for a shorter passphrase.
   */
  file(passphrase: string): Promise<string> {
    return sealKey(this.#seed(), passphrase);
  }

  /** Whether the key that is kept here is locked: see {@link lock}. */
  get isLocked(): boolean {
    return this.#lockedKey() !== undefined;
  }

  /**
   * Has the browser keep the key so that no script can read it, and takes it out of storage. For good: its words and its
   * file are made before, or never. Whatever a page does with the key, it does as ever; pages that are open have it
   * until they are loaded again. A script that means harm can use it for as long as its page is open, but not take it
   * along. Locked already, it stays so.
   *
   * @throws Error with a sentence for the player where the browser cannot: without Ed25519 in WebCrypto (which `http:` has
   * not), without IndexedDB, or where that does not answer for 5 s. The key stays as it was.
   * @throws TypeError when none is kept here.
   */
  async lock(): Promise<void> {
    if (this.isLocked) return;
    const kept = this.#storage.getItem(STORAGE_KEY);
    const x = await lockSeed(this.#seed());
    if (this.#storage.getItem(STORAGE_KEY) !== kept) {
      throw new Error("Another page has put another key here meanwhile: try again.");
    }
    this.#storage.setItem(STORAGE_KEY, markOf(x));
  }

  /**
   * Keeps the key of 24 words, or of a file, in this browser. Leave the room, and make a new `Traveler` then: it is that
   * player. The key is not locked, whether the one before was or not.
   *
   * @param options `passphrase`: the file's. `replace`: also where another key is kept here, which is lost with all
   * that is its alone.
   * @throws Error with a sentence for the player, for words or a file that are none, and for a wrong passphrase.
   * @throws TypeError where another key is kept, without `replace`.
   */
  async restore(
    from: string,
    options: { readonly passphrase?: string; readonly replace?: boolean } = {},
  ): Promise<void> {
    const { passphrase = "", replace = false } = options;
    const isFile = from.trimStart().startsWith("{");
    const seed = isFile ? await openKey(from, passphrase) : seedOfWords(from);
    const text = encodeBase64Url(seed);
    const kept = this.#storage.getItem(STORAGE_KEY);
    const former = this.#lockedKey();
    const isSame = kept === text || former === seedSigner(seed).jwk.x;
    if (kept !== null && !isSame && !replace) {
      throw new TypeError("another key is kept here: replace: true puts this one in its place");
    }
    this.#storage.setItem(STORAGE_KEY, text);
    // Pages that are open sign by the same one still.
    if (!isSame) await forget(former);
  }

  /** The player whose key this is, and all its keys. Rejects with an error whose message begins with a code. */
  list(): Promise<PlayerDevices> {
    return this.#call({});
  }

  /**
   * This device's request to be one of a player's, as text: a text of some 400 characters that is no secret, to be
   * shown to a device that is. Good for ten minutes, for its reader's player alone.
   *
   * @param name What the player calls this device: one line of at most 64 characters.
   */
  async request(name?: string): Promise<string> {
    if (name !== undefined && shownText(name, MAX_NAME_LENGTH) !== name) {
      throw new TypeError(`name must be one line of 1–${MAX_NAME_LENGTH} characters`);
    }
    const identity = this.#identity();
    const home = await this.#findHome(identity);
    const x = this.#lockedKey();
    return deviceRequest(x === undefined ? seedSigner(this.#seed()) : lockedSigner(x), home, name);
  }

  /**
   * Adds the device of that request to this device's player. From its next login on it is that player.
   *
   * Rejects with `ERR_FED_KEY_IN_USE` for a device of another player, and for one that has played here already as
   * somebody of its own, unless `leaveBehind` says that what that one has is not wanted; `ERR_FED_TOO_MANY_KEYS`.
   */
  add(request: string, options: { readonly leaveBehind?: boolean } = {}): Promise<PlayerDevices> {
    const { leaveBehind = false } = options;
    return this.#call({ add: request.trim(), ...(leaveBehind ? { leaveBehind } : {}) });
  }

  /**
   * Removes a device, lost or not: it logs in as nobody any more, and what it plays ends. Rejects with
   * `ERR_FED_LAST_KEY` for the only one.
   */
  remove(jkt: string): Promise<PlayerDevices> {
    return this.#call({ remove: jkt });
  }

  /**
   * Puts a new key in the place of this one, which counts no more: the player stays the same. Make a new `Traveler`
   * then. Where this one is locked the new one is, too, and its words are in the answer: show them. Where that does not
   * come, rotate again.
   *
   * @throws Error as {@link lock}, where this one is locked and the new one cannot be: nothing has changed.
   */
  async rotate(): Promise<RotatedDevices> {
    const identity = this.#identity();
    const home = await this.#findHome(identity);
    const former = (await identity.key?.thumbprint()) ?? "";
    const { keys } = await this.list();
    const fresh = nacl.randomBytes(SEED_BYTES);
    const locked = this.#lockedKey();
    const mark = locked === undefined ? encodeBase64Url(fresh) : markOf(await lockSeed(fresh));
    const name = keys.find(({ current }) => current)?.name;
    await this.add(await deviceRequest(seedSigner(fresh), home, name));
    // Home knows both by now: whatever happens in between, one of them is kept here.
    this.#storage.setItem(STORAGE_KEY, mark);
    const devices = await this.remove(former);
    if (locked === undefined) return devices;
    await forget(locked);
    return { ...devices, words: wordsOf(fresh) };
  }

  /**
   * Gives a guest in its home's room a key, which is kept here: whoever it was without one, it can come back as, with
   * all it has. Make a new `Traveler` then and join: it is the same player.
   *
   * @param room The room at home that the guest is in.
   */
  async keepGuest(room: Room): Promise<void> {
    const identity = this.#identity();
    const home = await this.#findHome(identity);
    await byTheRightTime(identity, home, async () => {
      const proof = await identity.prove(home, "keys");
      const { code, message } = await ask(room, "federation:keep", {
        ...{ payload: { proof }, milliseconds: ANSWER_MILLISECONDS },
      });
      if (typeof code === "string") throw refusalOf(code, message);
    });
  }

  /** `x` of the JWK of the key that is locked here. */
  #lockedKey(): string | undefined {
    return LOCKED.exec(this.#storage.getItem(STORAGE_KEY) ?? "")?.[1];
  }

  #seed(): Uint8Array {
    if (this.isLocked) {
      throw new TypeError(
        "this key is locked: the words or the file made before are the copy of it",
      );
    }
    const kept = this.#storage.getItem(STORAGE_KEY);
    const seed = kept === null ? undefined : decodeBase64Url(kept);
    if (seed?.length === SEED_BYTES) return seed;
    throw new TypeError("no key is kept here: join a room with a Traveler, or restore one");
  }

  /** With a key that is made and kept where there was none. */
  #identity(): Identity {
    PlayerKey.load(this.#storage);
    return new Identity(this.#home, { storage: this.#storage });
  }

  #findHome(identity: Identity): Promise<string> {
    return within(ANSWER_MILLISECONDS, undefined, async (signal) => {
      await identity.findHome(this.#whereabouts, signal);
      return identity.home;
    });
  }

  async #call(body: object): Promise<PlayerDevices> {
    const identity = this.#identity();
    return within(ANSWER_MILLISECONDS, undefined, async (signal) => {
      await identity.findHome(this.#whereabouts, signal);
      const { home } = identity;
      const endpoint = await this.#whereabouts.endpointOf(home, signal);
      return byTheRightTime(identity, home, async () => {
        const proof = (await identity.prove(home, "keys")) ?? "";
        const response = await fetch(`${endpoint}/player/keys`, {
          ...{ method: "POST", signal },
          headers: { "content-type": "application/json", authorization: `Bearer ${proof}` },
          body: JSON.stringify(body),
        });
        const answer = (await response.json()) as Readonly<Record<string, unknown>>;
        if (response.ok) return devicesOf(answer);
        throw refusalOf(answer["code"], answer["detail"]);
      });
    });
  }
}

/** What storage has in the place of a locked key. */
function markOf(x: string): string {
  return `locked:${x}`;
}

/** Where it cannot be forgotten, nobody can read it either. */
async function forget(x: string | undefined): Promise<void> {
  if (x !== undefined) await forgetLocked(x).catch(() => undefined);
}
