/** What a world shows: its own pictures for others to hang, and those it hangs itself. */
import type { Federation, FederationAssetReference } from "aether-federation";
import { type Hat, HATS, drawHat } from "./art/hats.ts";
import { picturesOf } from "./art/pictures.ts";

/** A picture that its owner offers to others at `/pictures.json`. */
export interface OfferedPicture {
  readonly title: string;
  readonly reference: FederationAssetReference;
}

/** The files one world owns. */
export interface WorldArt {
  readonly hats: Readonly<Record<Hat, FederationAssetReference>>;
  readonly pictures: readonly OfferedPicture[];
}

const MAX_PICTURES = 4;
const MAX_LIST_BYTES = 16 * 1024;
const mediaType = "image/svg+xml";

/** Puts a world's own files into its asset store; the same files again change nothing. */
export async function makeArt(federation: Federation, world: string): Promise<WorldArt> {
  const add = (svg: string): Promise<FederationAssetReference> =>
    federation.assets.add(new TextEncoder().encode(svg), { mediaType });
  const hats = await Promise.all(
    (Object.keys(HATS) as Hat[]).map(async (hat) => [hat, await add(drawHat(hat, world))] as const),
  );
  const pictures = await Promise.all(
    picturesOf(world).map(async ({ title, svg }) => ({ title, reference: await add(svg) })),
  );
  return { hats: Object.fromEntries(hats) as WorldArt["hats"], pictures };
}

/** What another server offers; whatever else it sends is left out. */
export async function readOffer(federation: Federation, origin: string): Promise<OfferedPicture[]> {
  const response = await fetch(`${origin}/pictures.json`, {
    redirect: "error",
    signal: AbortSignal.timeout(3_000),
  });
  if (!response.ok || Number(response.headers.get("content-length")) > MAX_LIST_BYTES) return [];
  const list: unknown = await response.json();
  if (!Array.isArray(list)) return [];
  return list.slice(0, MAX_PICTURES).flatMap((offer: unknown) => {
    const { title, reference } = (offer ?? {}) as Record<string, unknown>;
    const read = federation.assets.read(reference);
    return typeof title === "string" && read?.originServer === origin
      ? [{ title: title.slice(0, 60), reference: read }]
      : [];
  });
}
