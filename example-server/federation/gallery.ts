/** Hangs pictures of the servers this one trusts: what their hash does not fit is not shown to anybody. */
import type { Federation } from "aether-federation";
import { PICTURE_PLACES, picturePlace } from "../layout.ts";
import { PictureState } from "../state.ts";
import type { OfferedPicture } from "./assets.ts";

/** The pictures of a room's state, by hash. */
interface Pictures {
  readonly size: number;
  get(hash: string): PictureState | undefined;
  set(hash: string, picture: PictureState): unknown;
}

const MAX_PICTURES_OF_ONE = 4;
const MAX_LIST_BYTES = 16 * 1024;

export class Gallery {
  readonly #federation: Federation;
  readonly #pictures: Pictures;
  readonly #asked = new Set<string>();

  constructor(federation: Federation, pictures: Pictures) {
    this.#federation = federation;
    this.#pictures = pictures;
  }

  /** Asks servers that have not been asked; who did not answer is asked again at the next turn. */
  update(): void {
    for (const { origin, trust, status } of this.#federation.peers.list()) {
      if (trust !== "trusted" || status !== "online" || this.#asked.has(origin)) continue;
      this.#asked.add(origin);
      void this.#hang(origin).catch(() => this.#asked.delete(origin));
    }
  }

  async #hang(origin: string): Promise<void> {
    const offered = await readOffer(this.#federation, origin);
    await Promise.all(offered.map((picture) => this.#hangOne(origin, picture)));
  }

  async #hangOne(origin: string, { title, reference }: OfferedPicture): Promise<void> {
    const { assets } = this.#federation;
    const hash = reference.assetHash;
    const count = this.#pictures.size;
    if (this.#pictures.get(hash) !== undefined || count >= PICTURE_PLACES) return;
    const picture = new PictureState();
    const owner = new URL(origin).host;
    Object.assign(picture, { ...picturePlace(count), title, owner, hash, url: "", detail: "" });
    picture.status = "coming";
    this.#pictures.set(hash, picture);
    const { failed } = await assets.prepare([reference]);
    const [why] = failed;
    picture.url = why === undefined ? assets.urlOf(reference) : "";
    picture.detail = why?.code ?? "";
    picture.status = why === undefined ? "hangs" : "refused";
  }
}

/** What another server offers; whatever else it sends is left out. */
async function readOffer(federation: Federation, origin: string): Promise<OfferedPicture[]> {
  const response = await fetch(`${origin}/pictures.json`, {
    redirect: "error",
    signal: AbortSignal.timeout(3_000),
  });
  const list: unknown = response.ok ? JSON.parse(await limited(response)) : [];
  if (!Array.isArray(list)) return [];
  return list.slice(0, MAX_PICTURES_OF_ONE).flatMap((offer: unknown) => {
    const { title, reference } = (offer ?? {}) as Record<string, unknown>;
    const read = federation.assets.read(reference);
    return typeof title === "string" && read?.originServer === origin
      ? [{ title: title.slice(0, 60), reference: read }]
      : [];
  });
}

async function limited({ body }: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of (body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += part.byteLength;
    if (bytes > MAX_LIST_BYTES) return "[]";
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
