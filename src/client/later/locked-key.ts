/**
 * A player's own key that is locked: WebCrypto has it, in IndexedDB, so that no script can read it, and storage has its
 * public half in its place. `../keys/` locks; `../player-key.ts` signs by it, on every page of the origin.
 */
import { type StorePlace, inStore, settled } from "./database.ts";

/** A database of its own: of the keys of stays, the oldest are thrown away. */
const PLACE: StorePlace = {
  database: "aether-federation-keys",
  store: "player-keys",
  durability: "strict",
};

interface LockedKey {
  /** Its public half: `x` of the JWK. */
  readonly id: string;
  readonly privateKey: CryptoKey;
}

/**
 * Signs by the locked key that has `x` in its JWK.
 *
 * @throws Error `ERR_FED_KEY_LOST` where it is not there any more, `ERR_FED_UNAVAILABLE` where IndexedDB does not
 * answer, each with a sentence for the player.
 */
export async function signLocked(
  x: string,
  message: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const kept = await inStore(PLACE, "readonly", (keys) => settled<unknown>(keys.get(x))).catch(
    (cause: unknown) => {
      throw new Error("ERR_FED_UNAVAILABLE: Your key cannot be got at right now.", { cause });
    },
  );
  try {
    const { privateKey } = kept as LockedKey;
    return new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, message));
  } catch (cause) {
    throw new Error(
      "ERR_FED_KEY_LOST: This browser has your key no more: reload the page, or restore your key from its words or its file.",
      { cause },
    );
  }
}

/** Keeps the private half of the key that has `x` in its JWK. @throws Error as {@link inStore}. */
export async function keepLocked(x: string, privateKey: CryptoKey): Promise<void> {
  const key: LockedKey = { id: x, privateKey };
  await inStore(PLACE, "readwrite", (keys) => settled(keys.put(key)));
}

/** Forgets it. @throws Error as {@link inStore}. */
export async function forgetLocked(x: string): Promise<void> {
  await inStore(PLACE, "readwrite", (keys) => settled(keys.delete(x)));
}
