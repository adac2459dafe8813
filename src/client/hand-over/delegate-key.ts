/**
 * The key that acts for a player's own on a page of another server: made for one stay, worth nothing anywhere else.
 *
 * WebCrypto keeps it where it can, so that no script can read it, in IndexedDB, for it has to outlive the way to the
 * player's home and back. Elsewhere its seed is in this tab's `sessionStorage`.
 */
import type { ProofUse, ProvingKey, PublicKeyJwk } from "../player-key.ts";
import { type StorePlace, inStore, settled } from "../later/database.ts";
import { kit } from "../later/kit.ts";

/** Where a key lies: its number in IndexedDB, or its seed. */
export type KeptKey = { readonly id: string } | { readonly seed: string };

type Sign = (message: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;

interface StoredPair {
  readonly id: string;
  readonly madeAt: number;
  readonly pair: CryptoKeyPair;
}

const PLACE: StorePlace = {
  database: "aether-federation",
  store: "delegate-keys",
  durability: "relaxed",
};
/** Keys of other tabs stay; the oldest go first. */
const MAX_KEYS = 16;

/** A key of a page's own. */
export class DelegateKey implements ProvingKey {
  readonly jwk: PublicKeyJwk;
  /** Where it lies. */
  readonly kept: KeptKey;
  readonly #sign: Sign;

  private constructor(jwk: PublicKeyJwk, kept: KeptKey, sign: Sign) {
    this.jwk = jwk;
    this.kept = kept;
    this.#sign = sign;
  }

  /** A new one. */
  static async make(): Promise<DelegateKey> {
    try {
      const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
      const id = kit.encodeBase64Url(kit.nacl.randomBytes(16));
      await store({ id, madeAt: Date.now(), pair });
      return await ofPair(id, pair, (jwk, kept, sign) => new DelegateKey(jwk, kept, sign));
    } catch {
      return DelegateKey.#ofSeed(kit.nacl.randomBytes(32));
    }
  }

  /** The one that lies there; undefined when it is gone. */
  static async load(kept: KeptKey): Promise<DelegateKey | undefined> {
    if ("seed" in kept) {
      const seed = kit.decodeBase64Url(kept.seed);
      return seed?.length === 32 ? DelegateKey.#ofSeed(seed) : undefined;
    }
    try {
      const pair = await stored(kept.id);
      if (pair === undefined) return undefined;
      return await ofPair(kept.id, pair, (jwk, at, sign) => new DelegateKey(jwk, at, sign));
    } catch {
      return undefined;
    }
  }

  static #ofSeed(seed: Uint8Array): DelegateKey {
    const { publicKey, secretKey } = kit.nacl.sign.keyPair.fromSeed(seed);
    return new DelegateKey(
      { kty: "OKP", crv: "Ed25519", x: kit.encodeBase64Url(publicKey) },
      { seed: kit.encodeBase64Url(seed) },
      (message) => Promise.resolve(kit.nacl.sign.detached(message, secretKey)),
    );
  }

  prove(audience: string, use: ProofUse, at = Date.now()): Promise<string> {
    return kit.proofBy(this.jwk, this.#sign, audience, use, at);
  }

  thumbprint(): Promise<string> {
    return kit.thumbprintOf(this.jwk);
  }
}

async function ofPair(
  id: string,
  { publicKey, privateKey }: CryptoKeyPair,
  make: (jwk: PublicKeyJwk, kept: KeptKey, sign: Sign) => DelegateKey,
): Promise<DelegateKey> {
  const { x = "" } = await crypto.subtle.exportKey("jwk", publicKey);
  return make({ kty: "OKP", crv: "Ed25519", x }, { id }, async (message) => {
    return new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, message));
  });
}

function store(pair: StoredPair): Promise<unknown> {
  return inStore(PLACE, "readwrite", async (keys) => {
    const all = (await settled(keys.getAll())) as StoredPair[];
    const old = all.sort((a, b) => b.madeAt - a.madeAt).slice(MAX_KEYS - 1);
    for (const { id } of old) keys.delete(id);
    return settled(keys.put(pair));
  });
}

async function stored(id: string): Promise<CryptoKeyPair | undefined> {
  const found = await inStore(PLACE, "readonly", (keys) => settled<unknown>(keys.get(id)));
  return (found as StoredPair | undefined)?.pair;
}
