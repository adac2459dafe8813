/**
 * Images from whatever server the player is on. The browser itself checks each one against the hash
 * its owner gave it (`integrity`) before a byte of it is drawn.
 */
type Entry = { readonly image: HTMLImageElement } | "loading" | "refused";

const MAX_IMAGES = 256;
const RETRY_MILLISECONDS = 3_000;

export class AssetImages {
  readonly #byUrl = new Map<string, Entry>();

  /** The image, once it is there; the first call begins to load it. */
  get(url: string, hash: string): HTMLImageElement | undefined {
    if (url === "" || hash === "") return undefined;
    const key = `${hash} ${url}`;
    const known = this.#byUrl.get(key);
    if (known === undefined) void this.#load(key, url, hash);
    return typeof known === "object" ? known.image : undefined;
  }

  async #load(key: string, url: string, hash: string): Promise<void> {
    const [oldest] = this.#byUrl.keys();
    if (this.#byUrl.size >= MAX_IMAGES && oldest !== undefined) this.#byUrl.delete(oldest);
    this.#byUrl.set(key, "loading");
    try {
      const response = await fetch(url, { integrity: hash });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      const image = new Image();
      image.src = URL.createObjectURL(await response.blob());
      await image.decode();
      this.#byUrl.set(key, { image });
    } catch {
      // Not those bytes, or not there yet.
      this.#byUrl.set(key, "refused");
      setTimeout(() => this.#byUrl.delete(key), RETRY_MILLISECONDS);
    }
  }
}
