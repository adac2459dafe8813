/**
 * Which keys are a player's, at its home (PROTOCOL 8, "Player's keys"). A key that was never added to anybody is a
 * player of its own; one that was removed is nobody's any more.
 *
 * Two entries for a key that was added: whose it is, which never changes, and the player's list, which alone says
 * whether it counts. Whatever comes between the two, a key that was removed is let in nowhere.
 */
import { z } from "zod";
import { FederationError, type Refusal, refuse } from "../errors.ts";
import { MAX_DEVICE_NAME_LENGTH } from "../identity/device.ts";
import { keyOfLocalId, localIdOfKey } from "../identity/local-id.ts";
import type { Store } from "../ports.ts";

/** One of a player's keys. */
export interface PlayerKeyEntry {
  /** Thumbprint of the key (RFC 7638). */
  readonly jkt: string;
  /** What the player calls the device; absent where it says nothing. */
  readonly name?: string | undefined;
  /** Unix seconds; 0 for the key that the player began with. */
  readonly addedAt: number;
}

/** Keys that a player may have at once. */
export const MAX_KEYS = 8;
/** Keys that a player may ever have added: each is remembered, so that it is never somebody else's. */
export const MAX_ADDED = 64;

const LIST = "player-keys/of/";
const OWNER = "player-keys/key/";
/** Several devices at once are few. */
const ATTEMPTS = 8;

const listSchema = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        jkt: z.string().length(43),
        name: z.string().max(MAX_DEVICE_NAME_LENGTH).optional(),
        addedAt: z.int().nonnegative(),
      }),
    )
    .max(MAX_KEYS),
  added: z.int().nonnegative(),
});

type List = z.infer<typeof listSchema>;

/** The keys of one home's players. */
export class PlayerKeys {
  /** Where they are. */
  readonly store: Pick<Store, "get" | "compareAndSet">;

  constructor(store: Pick<Store, "get" | "compareAndSet">) {
    this.store = store;
  }

  /**
   * The local id of the player whose key it is; undefined for a key that was removed.
   *
   * @throws FederationError `ERR_FED_STORE_UNAVAILABLE`, `ERR_FED_ROW_DAMAGED`: nobody is let in then.
   */
  async playerOf(jkt: string): Promise<string | undefined> {
    const own = localIdOfKey(jkt);
    const [owner, ownList] = await Promise.all([this.store.get(`${OWNER}${jkt}`), this.#list(own)]);
    const localId = owner ?? own;
    const list = localId === own ? ownList : await this.#list(localId);
    if (list === undefined) return owner === undefined ? own : undefined;
    return list.keys.some((key) => key.jkt === jkt) ? localId : undefined;
  }

  /** A player's keys, the first one first. Throws as {@link playerOf} does. */
  async of(localId: string): Promise<readonly PlayerKeyEntry[]> {
    const list = (await this.#list(localId)) ?? beginning(localId);
    const mine = await Promise.all(list.keys.map(({ jkt }) => this.#isOf(localId, jkt)));
    return list.keys.filter((_, index) => mine[index]);
  }

  /**
   * Adds a key. One that is the player's already stays as it is.
   *
   * Refuses with `ERR_FED_KEY_IN_USE` for a key of another player, or one that is a player with several keys;
   * `ERR_FED_TOO_MANY_KEYS`; `ERR_FED_KEY_REMOVED`. Throws as {@link playerOf} does.
   *
   * @param entry `addedAt`: Unix seconds.
   * @param by The player's key that asks for it: it has to be one still. Undefined: this server itself.
   */
  async add(
    localId: string,
    { jkt, name, addedAt }: PlayerKeyEntry,
    by: string | undefined,
  ): Promise<Refusal | undefined> {
    const inUse = refuse("ERR_FED_KEY_IN_USE", "this device belongs to another player here");
    const owner = await this.store.get(`${OWNER}${jkt}`);
    if (owner !== undefined && owner !== localId) return inUse;
    if (localIdOfKey(jkt) !== localId && (await this.#list(localIdOfKey(jkt))) !== undefined) {
      return inUse;
    }
    const refused = await this.#change(localId, by, async (list) => {
      if (list.keys.some((key) => key.jkt === jkt)) return list;
      if (list.added >= MAX_ADDED) {
        return refuse("ERR_FED_TOO_MANY_KEYS", `a player may add ${MAX_ADDED} devices in all`);
      }
      // One whose owner was never written down was never the player's.
      const mine = await Promise.all(list.keys.map((key) => this.#isOf(localId, key.jkt)));
      const keys = list.keys.filter((_, index) => mine[index]);
      if (keys.length >= MAX_KEYS) {
        return refuse("ERR_FED_TOO_MANY_KEYS", `a player may have ${MAX_KEYS} devices at once`);
      }
      const entry = { jkt, addedAt, ...(name === undefined ? {} : { name }) };
      return { keys: [...keys, entry], added: list.added + 1 };
    });
    if (refused !== undefined) return refused;
    if (localIdOfKey(jkt) === localId) return undefined;
    // After the list: without it, the key would be nobody's in between.
    if (await this.store.compareAndSet(`${OWNER}${jkt}`, undefined, localId)) return undefined;
    return (await this.store.get(`${OWNER}${jkt}`)) === localId ? undefined : inUse;
  }

  /**
   * Removes a key for good: it is nobody's from then on, until the same player adds it again. Harmless for one that is
   * not the player's.
   *
   * Refuses with `ERR_FED_LAST_KEY` for the only one: nobody could be the player any more; `ERR_FED_KEY_REMOVED`.
   * Throws as {@link playerOf} does.
   *
   * @param by As for {@link add}.
   */
  async remove(localId: string, jkt: string, by: string | undefined): Promise<Refusal | undefined> {
    return this.#change(localId, by, async (list) => {
      if (!list.keys.some((key) => key.jkt === jkt)) return list;
      const others = list.keys.filter((key) => key.jkt !== jkt);
      const left = await Promise.all(others.map((key) => this.#isOf(localId, key.jkt)));
      return left.includes(true)
        ? { ...list, keys: others }
        : refuse("ERR_FED_LAST_KEY", "this is the player's only key: add another one first");
    });
  }

  async #isOf(localId: string, jkt: string): Promise<boolean> {
    const owner = await this.store.get(`${OWNER}${jkt}`);
    return owner === localId || (owner === undefined && localIdOfKey(jkt) === localId);
  }

  async #change(
    localId: string,
    by: string | undefined,
    change: (list: List) => Promise<List | Refusal>,
  ): Promise<Refusal | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const kept = await this.store.get(`${LIST}${localId}`);
      const list = kept === undefined ? beginning(localId) : parsed(localId, kept);
      if (by !== undefined && !list.keys.some((key) => key.jkt === by)) return removedKey();
      const next = await change(list);
      if ("verified" in next) return next;
      if (next === list) return undefined;
      if (await this.store.compareAndSet(`${LIST}${localId}`, kept, JSON.stringify(next))) {
        return undefined;
      }
    }
    return refuse("ERR_FED_UNAVAILABLE", "the player's devices are being changed elsewhere");
  }

  async #list(localId: string): Promise<List | undefined> {
    const kept = await this.store.get(`${LIST}${localId}`);
    return kept === undefined ? undefined : parsed(localId, kept);
  }
}

/** The refusal of a key that was removed. */
export function removedKey(): Refusal {
  return refuse("ERR_FED_KEY_REMOVED", "this device was removed from its player");
}

/** The keys of a player whom nobody has added one to. */
function beginning(localId: string): List {
  const jkt = keyOfLocalId(localId);
  return { keys: jkt === undefined ? [] : [{ jkt, addedAt: 0 }], added: 0 };
}

function parsed(localId: string, kept: string): List {
  let list: unknown;
  try {
    list = JSON.parse(kept);
  } catch {
    list = undefined;
  }
  const shape = listSchema.safeParse(list);
  if (shape.success) return shape.data;
  throw new FederationError(
    "ERR_FED_ROW_DAMAGED",
    `The store's entry "${LIST}${localId}", which says whose keys log in as this player, is damaged: restore it from a backup.`,
  );
}
