/** Files that other servers show, too: each is named by its hash, and whoever gets it checks every byte. */
import type { Federation, CompleteAssetReference } from "aether-federation";
import { type Hat, HATS, drawHat, hatOf } from "../art/hats.ts";
import { picturesOf } from "../art/pictures.ts";
import type { Belongings } from "./belongings.ts";

export const SVG = "image/svg+xml";

/** A picture that its owner offers to others at `/pictures.json`. */
export interface OfferedPicture {
  readonly title: string;
  readonly reference: CompleteAssetReference;
}

/** The files one world owns. */
export interface WorldArt {
  readonly hats: Readonly<Record<Hat, CompleteAssetReference>>;
  readonly pictures: readonly OfferedPicture[];
}

/** Puts a world's own files into its asset store; the same files again change nothing. */
export async function makeArt(federation: Federation, world: string): Promise<WorldArt> {
  const add = (svg: string): Promise<CompleteAssetReference> =>
    federation.assets.add(new TextEncoder().encode(svg), { mediaType: SVG });
  const hats = await Promise.all(
    (Object.keys(HATS) as Hat[]).map(async (hat) => [hat, await add(drawHat(hat, world))] as const),
  );
  const pictures = await Promise.all(
    picturesOf(world).map(async ({ title, svg }) => ({ title, reference: await add(svg) })),
  );
  return { hats: Object.fromEntries(hats) as WorldArt["hats"], pictures };
}

/** A player of this home has a hat of this world from the beginning. */
export function giveHat(
  belongings: Belongings,
  player: string,
  world: string,
  art: WorldArt,
): void {
  if (belongings.hat !== undefined) return;
  const kind = hatOf(player);
  belongings.wear(art.hats[kind], `${HATS[kind]} from ${world}`);
}

/** A hat is worn once this server has the file and has found it to be the one named. */
export async function showHat(
  federation: Federation,
  hat: CompleteAssetReference | undefined,
  wearer: { hatHash: string; hatUrl: string },
): Promise<void> {
  if (hat === undefined) return;
  const { failed } = await federation.assets.prepare([hat]);
  if (failed.length > 0) return;
  Object.assign(wearer, { hatHash: hat.assetHash, hatUrl: federation.assets.urlOf(hat) });
}
