/** Where coins come to lie. */
import {
  PICTURE_PLACES,
  type Place,
  SQUARE,
  type Solid,
  isFree,
  picturePlace,
  portalPlace,
  portalPlacesIn,
} from "./layout.ts";

const TRIES = 200;
/** Where a gate or a picture is, or may come to be. */
const PORTALS = Array.from({ length: portalPlacesIn(SQUARE) }, (_, index) => portalPlace(index));
const PICTURES = Array.from({ length: PICTURE_PLACES }, (_, index) => picturePlace(index));

/** Free ground somewhere on the square; undefined: none was found. */
export function placeOfCoin(solids: readonly Solid[]): Place | undefined {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const place = { x: Math.random() * SQUARE.width, y: Math.random() * SQUARE.height };
    if (isFree(place, SQUARE, PORTALS, solids, PICTURES)) return place;
  }
  return undefined;
}
