/** A map whose keys are looked for as pieces of longer texts, by a hash that whoever reads the text has at hand. */

const FEWEST_SLOTS = 16;

/** Of a text to which nothing was added yet, when nobody chose another. */
export const DEFAULT_SEED = 0x5bd1e995;

/** The hash of a text with one more character. Whoever does not know the seed cannot make texts collide. */
export function hashed(hash: number, code: number): number {
  const mixed = Math.imul(hash ^ code, 0x2c1b3c6d);
  return mixed ^ (mixed >>> 15);
}

/** The hash of a piece of a text. */
export function hashOf(seed: number, text: string, from = 0, to = text.length): number {
  let hash = seed;
  for (let at = from; at < to; at += 1) hash = hashed(hash, text.charCodeAt(at));
  return hash;
}

/** The same, from the last character to the first. */
export function hashBackwards(seed: number, text: string): number {
  let hash = seed;
  for (let at = text.length - 1; at >= 0; at -= 1) hash = hashed(hash, text.charCodeAt(at));
  return hash;
}

/** Values by text. Open addressing: a slot is the first free one from where the hash points. */
export class TextTable<T> {
  readonly #hashOfKey: (key: string) => number;
  /** By slot; 0: free. A hash points by its upper 31 bits, and the lowest one marks what is taken. */
  #hashes = new Int32Array(FEWEST_SLOTS);
  #keys: (string | undefined)[] = emptySlots(FEWEST_SLOTS);
  #values: (T | undefined)[] = emptySlots(FEWEST_SLOTS);
  #size = 0;

  constructor(hashOfKey: (key: string) => number) {
    this.#hashOfKey = hashOfKey;
  }

  get size(): number {
    return this.#size;
  }

  /** Keys for which there is room, and as many free ones as make them quick to find. */
  get slots(): number {
    return this.#hashes.length;
  }

  get(key: string): T | undefined {
    return this.find(key, 0, key.length, this.#hashOfKey(key));
  }

  /** The value of the key that lies in `text` from `from` to `to`, whose hash this is. */
  find(text: string, from: number, to: number, hash: number): T | undefined {
    const mask = this.#hashes.length - 1;
    const wanted = hash | 1;
    for (let slot = (hash >>> 1) & mask; ; slot = (slot + 1) & mask) {
      const there = this.#hashes[slot];
      if (there === wanted && isAt(this.#keys[slot] ?? "", text, from, to)) {
        return this.#values[slot];
      }
      if (there === 0) return undefined;
    }
  }

  set(key: string, value: T): void {
    const slot = this.#slotFor(key, this.#hashOfKey(key));
    if (this.#hashes[slot] !== 0) {
      this.#values[slot] = value;
      return;
    }
    this.#put(slot, this.#hashOfKey(key), key, value);
    this.#size += 1;
    if (this.#size * 3 > this.#hashes.length * 2) this.#resize(this.#hashes.length * 2);
  }

  delete(key: string): boolean {
    let hole = this.#slotFor(key, this.#hashOfKey(key));
    if (this.#hashes[hole] === 0) return false;
    const mask = this.#hashes.length - 1;
    // Who stands behind it because it was taken moves up.
    for (let slot = (hole + 1) & mask; this.#hashes[slot] !== 0; slot = (slot + 1) & mask) {
      const hash = this.#hashes[slot] ?? 0;
      const aim = (hash >>> 1) & mask;
      if (((slot - aim) & mask) < ((slot - hole) & mask)) continue;
      this.#hashes[hole] = hash;
      this.#keys[hole] = this.#keys[slot];
      this.#values[hole] = this.#values[slot];
      hole = slot;
    }
    this.#hashes[hole] = 0;
    this.#keys[hole] = undefined;
    this.#values[hole] = undefined;
    this.#size -= 1;
    if (this.#size * 8 < this.#hashes.length && this.#hashes.length > FEWEST_SLOTS) {
      this.#resize(this.#hashes.length / 4);
    }
    return true;
  }

  *keys(): Iterable<string> {
    for (const key of this.#keys) if (key !== undefined) yield key;
  }

  *values(): Iterable<T> {
    for (const value of this.#values) if (value !== undefined) yield value;
  }

  /** Where a key is, or would be. */
  #slotFor(key: string, hash: number): number {
    const mask = this.#hashes.length - 1;
    let slot = (hash >>> 1) & mask;
    while (this.#hashes[slot] !== 0) {
      if (this.#hashes[slot] === (hash | 1) && this.#keys[slot] === key) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #put(slot: number, hash: number, key: string | undefined, value: T | undefined): void {
    this.#hashes[slot] = hash | 1;
    this.#keys[slot] = key;
    this.#values[slot] = value;
  }

  #resize(slots: number): void {
    const [hashes, keys, values] = [this.#hashes, this.#keys, this.#values];
    const count = Math.max(slots, FEWEST_SLOTS);
    this.#hashes = new Int32Array(count);
    this.#keys = emptySlots(count);
    this.#values = emptySlots(count);
    for (const [slot, hash] of hashes.entries()) {
      const key = keys[slot];
      if (key !== undefined) this.#put(this.#slotFor(key, hash), hash, key, values[slot]);
    }
  }
}

function isAt(key: string, text: string, from: number, to: number): boolean {
  if (key.length !== to - from) return false;
  // Of all ways to compare a piece of a text, this one takes V8 the least time; it goes past `from` only
  // where two texts have one hash.
  return key.length === text.length ? key === text : text.indexOf(key, from) === from;
}

function emptySlots<T>(count: number): (T | undefined)[] {
  return new Array<T | undefined>(count).fill(undefined);
}
