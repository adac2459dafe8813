/** The keys this server signs with, as the key file has them. */
import { type VerifyKey, importVerifyKey } from "../identity/ed25519.ts";
import type { DatedKey } from "../identity/dated-key.ts";
import { datedKey } from "../identity/key-rotation.ts";
import type { KeyRing, SigningKey } from "../identity/server-keys.ts";
import type { Clock } from "../ports.ts";
import { keyFileVersion, loadKeyRing } from "../storage/key-file.ts";
import { openKeyRing } from "./store-identity.ts";

/** A pass that was signed just before the keys were switched still counts: its life and clock skew. */
const FORMER_KEY_SECONDS = 150;

/** The key ring of the running server; the command line may change its file. */
export class OwnKeys {
  readonly #path: string;
  #ring: KeyRing;
  #version: string;

  readonly #clock: Clock;

  private constructor(path: string, ring: KeyRing, version: string, clock: Clock) {
    this.#clock = clock;
    this.#path = path;
    this.#ring = ring;
    this.#version = version;
  }

  /**
   * Reads the key file, or makes one, and holds it against the store.
   *
   * @throws FederationError `ERR_FED_KEY_FILE`, `ERR_FED_STORE_IDENTITY`.
   */
  static async open({
    clock,
    ...options
  }: Parameters<typeof openKeyRing>[0] & { readonly clock: Clock }): Promise<OwnKeys> {
    const { path } = options;
    const ring = await openKeyRing(options);
    return new OwnKeys(path, ring, await keyFileVersion(path), clock);
  }

  /** All keys that are announced. */
  get ring(): KeyRing {
    return this.#ring;
  }

  /** The key this server signs with now. */
  readonly signingKey = (): SigningKey => this.#ring.current;

  /**
   * To verify what this server has signed itself: its present key, and for as long as a pass lives
   * the one that it took the place of, unless that is revoked.
   */
  verifyKey(kid: string): VerifyKey | undefined {
    const { current } = this.#ring;
    if (kid === current.kid) return importVerifyKey(current.jwk);
    const former = this.dated(kid);
    if (former?.retiredAt === undefined || former.revokedAt !== undefined) return undefined;
    const seconds = this.#clock.now() / 1000 - former.retiredAt;
    return seconds <= FORMER_KEY_SECONDS ? importVerifyKey(former.jwk) : undefined;
  }

  /** What is known of one of this server's keys, retired ones included. */
  dated(kid: string): DatedKey | undefined {
    return datedKey(this.#ring, kid);
  }

  /** Takes over what the command line has changed. True when there was anything. */
  async reload(): Promise<boolean> {
    const version = await keyFileVersion(this.#path);
    if (version === this.#version) return false;
    const ring = await loadKeyRing(this.#path);
    if (ring === undefined) return false;
    this.#ring = ring;
    this.#version = version;
    return true;
  }
}
