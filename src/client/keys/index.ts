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
 */
import type { Room } from "@colyseus/sdk";
import nacl from "tweetnacl/nacl.js";
import { shownText } from "../../words.ts";
import { decodeBase64Url, encodeBase64Url, encodeJson } from "../base64url.ts";
import { ask, byTheRightTime } from "../connections.ts";
import { Identity } from "../identity.ts";
import { within } from "../patience.ts";
import { PlayerKey } from "../player-key.ts";
import { type KeyStorage, storageOf } from "../storage.ts";
import { Whereabouts } from "../whereabouts.ts";
import { SEED_BYTES, openKey, sealKey, seedOfWords, wordsOf } from "./sealed-key.ts";

/** One of a player's keys, as home lists it. */
export interface PlayerDevice {
  /** Thumbprint of its key (RFC 7638): what it is removed by. */
  readonly jkt: string;
  /** What the player has called it. */
  readonly name: string | undefined;
  /** Unix seconds; 0 for the key that the player began with. */
  readonly addedAt: number;
  /** Whether it is this one. */
  readonly current: boolean;
}

/** A player and its keys, as home knows them. */
export interface PlayerDevices {
  /** `<local id>@<home authority>`. */
  readonly player: string;
  readonly keys: readonly PlayerDevice[];
}

/** Where the key is kept: the place that `Traveler` has it, too. */
const STORAGE_KEY = "aether-federation:player-key";
const ANSWER_MILLISECONDS = 15_000;
/** A person carries a request from one screen to the other. */
const REQUEST_SECONDS = 590;
const MAX_KEYS = 8;
const MAX_NAME_LENGTH = 64;

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
   * @throws TypeError when none is kept here.
   */
  words(): string {
    return wordsOf(this.#seed());
  }

  /**
   * The key as the text of a file, sealed by a passphrase of at least 8 characters. Takes a second or so. Needs
   * WebCrypto: `https:`.
   *
   * @throws TypeError when none is kept here, and for a shorter passphrase.
   */
  file(passphrase: string): Promise<string> {
    return sealKey(this.#seed(), passphrase);
  }

  /**
   * Keeps the key of 24 words, or of a file, in this browser. Make a new `Traveler` then: it is that player.
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
    if (kept !== null && kept !== text && !replace) {
      throw new TypeError("another key is kept here: replace: true puts this one in its place");
    }
    this.#storage.setItem(STORAGE_KEY, text);
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
    return deviceRequest(this.#seed(), home, name);
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
   * then.
   */
  async rotate(): Promise<PlayerDevices> {
    const identity = this.#identity();
    const home = await this.#findHome(identity);
    const former = (await identity.key?.thumbprint()) ?? "";
    const { keys } = await this.list();
    const fresh = nacl.randomBytes(SEED_BYTES);
    const name = keys.find(({ current }) => current)?.name;
    await this.add(deviceRequest(fresh, home, name));
    // Home knows both by now: whatever happens in between, one of them is kept here.
    this.#storage.setItem(STORAGE_KEY, encodeBase64Url(fresh));
    return this.remove(former);
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

  #seed(): Uint8Array {
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

function deviceRequest(seed: Uint8Array, home: string, name: string | undefined): string {
  const { secretKey, publicKey } = nacl.sign.keyPair.fromSeed(seed);
  const jwk = { kty: "OKP", crv: "Ed25519", x: encodeBase64Url(publicKey) };
  const iat = Math.floor(Date.now() / 1000);
  const claims = { aud: home, ...(name && { name }), iat, exp: iat + REQUEST_SECONDS };
  const header = { alg: "EdDSA", typ: "aether-device+jwt", jwk };
  const input = `${encodeJson(header)}.${encodeJson(claims)}`;
  const signature = nacl.sign.detached(new TextEncoder().encode(input), secretKey);
  return `${input}.${encodeBase64Url(signature)}`;
}

function refusalOf(code: unknown, sentence: unknown): Error {
  const known = typeof code === "string" && /^ERR_FED_[A-Z_]{1,40}$/u.test(code);
  return new Error(
    `${known ? code : "ERR_FED_UNAVAILABLE"}: ${shownText(sentence, 300) ?? "try again"}`,
  );
}

/** What home says, as it can be shown. */
function devicesOf({ player, keys }: Readonly<Record<string, unknown>>): PlayerDevices {
  const list = Array.isArray(keys) ? (keys as readonly unknown[]).slice(0, MAX_KEYS) : undefined;
  if (typeof player !== "string" || player.length > 400 || list === undefined) {
    throw new Error("ERR_FED_BAD_RESPONSE: home answered in another form than the protocol's.");
  }
  return {
    player,
    keys: list.flatMap((key) => {
      const { jkt, name, addedAt, current } = (key ?? {}) as Readonly<Record<string, unknown>>;
      if (typeof jkt !== "string" || !/^[\w-]{43}$/u.test(jkt)) return [];
      return [
        {
          jkt,
          name: shownText(name, MAX_NAME_LENGTH),
          addedAt: typeof addedAt === "number" ? addedAt : 0,
          current: current === true,
        },
      ];
    }),
  };
}
