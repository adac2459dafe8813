/**
 * Where things are in a world, and where one can walk: for the server, which decides, and for the page, which draws
 * and foretells it. Pure, and the same on both sides.
 */
import type { Theme } from "./theme.ts";

export interface Place {
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** What nobody walks through: an ellipse at the feet. */
export interface Solid extends Place {
  readonly rx: number;
  readonly ry: number;
}

/** Something that stands about. */
export interface PropPlace extends Place {
  readonly kind:
    "fountain" | "planter" | "lamp" | "banner" | "brazier" | "column" | "frame" | "tree";
  /** Of a tree. */
  readonly scale: number;
}

/** Units in a second. */
export const SPEED = 230;
export const PORTAL_RADIUS = 46;
/** Pictures that a world has places for. */
export const PICTURE_PLACES = 6;
/** Portals around the square; all others stand in the hall of gates below it. */
export const PORTALS_ON_SQUARE = 8;

/** The square, which every world has: props and coins are here. */
export const SQUARE: Size = { width: 1600, height: 1000 };
const CENTRE: Place = { x: SQUARE.width / 2, y: SQUARE.height / 2 };
const SPAWN: Place = { x: CENTRE.x, y: 760 };
/** How far from each other newcomers stand; every other row stands in the gaps of the one before. */
const APART = { x: 70, y: 28 } as const;
/** From the middle outwards. */
const SPAWN_PLACES: readonly Place[] = [0, 1, 2, 3].flatMap((row) =>
  (row % 2 === 0 ? [0, 1, -1, 2, -2] : [0.5, -0.5, 1.5, -1.5]).map((column) => {
    return { x: SPAWN.x + column * APART.x, y: SPAWN.y + row * APART.y };
  }),
);
/** To the right and to the left of the middle. */
const PORTAL_PAIRS = [
  { aside: 230, y: 650 },
  { aside: 430, y: 560 },
  { aside: 430, y: 300 },
  { aside: 230, y: 230 },
] as const;
const PICTURE_PAIRS = [
  { aside: 370, y: 860 },
  { aside: 650, y: 640 },
  { aside: 650, y: 400 },
] as const;
const HALL = { columns: 8, left: 170, top: 1150, acrossEach: 180, downEach: 220 } as const;
const BELOW_LAST_ROW = 170;
/** How near the edge one can walk. */
const EDGE = { left: 24, top: 36, right: 24, bottom: 20 } as const;
const LONGEST_STRIDE = 6;
const LONGEST_SECONDS = 0.5;
/** Share of the speed that is left of a walk straight into something: it leads round it. */
const SLIDE = 0.45;

/** The square; a world of more portals grows downwards by a hall of gates. */
export function worldSize(portals: number): Size {
  const rows = Math.ceil(Math.max(0, portals - PORTALS_ON_SQUARE) / HALL.columns);
  if (rows === 0) return SQUARE;
  const last = HALL.top + (rows - 1) * HALL.downEach;
  return { width: SQUARE.width, height: last + BELOW_LAST_ROW };
}

/** Portals that a world of this size has places for. */
export function portalPlacesIn({ height }: Size): number {
  const rows = Math.floor((height - BELOW_LAST_ROW - HALL.top) / HALL.downEach) + 1;
  return PORTALS_ON_SQUARE + Math.max(0, rows) * HALL.columns;
}

/** Two by two around the square, the first two to be seen at once; then in rows, from the middle outwards. */
export function portalPlace(index: number): Place {
  if (index < PORTALS_ON_SQUARE) {
    const { aside, y } = PORTAL_PAIRS[index >> 1] ?? { aside: 0, y: 0 };
    return { x: CENTRE.x + (index % 2 === 0 ? aside : -aside), y };
  }
  const turn = index - PORTALS_ON_SQUARE;
  const row = Math.floor(turn / HALL.columns);
  const fromMiddle = turn % HALL.columns;
  const half = HALL.columns / 2;
  const column = fromMiddle % 2 === 0 ? half + fromMiddle / 2 : half - (fromMiddle + 1) / 2;
  return { x: HALL.left + column * HALL.acrossEach, y: HALL.top + row * HALL.downEach };
}

/**
 * Where newcomers stand: two portals are in view, also on a phone.
 *
 * @param others Who stands about: as long as there is room nearby, nobody is put into anybody.
 */
export function spawnPlace(others: readonly Place[] = []): Place {
  const isTaken = ({ x, y }: Place): boolean =>
    others.some((other) => Math.abs(other.x - x) < APART.x / 2 && Math.abs(other.y - y) < APART.y);
  return SPAWN_PLACES.find((place) => !isTaken(place)) ?? SPAWN;
}

/** In front of a gate, facing away from it: where one stands who came through. */
export function besidePortal(portal: Place, size: Size): Place & { readonly facing: 1 | -1 } {
  const facing = portal.x > size.width / 2 ? -1 : 1;
  return { ...within({ x: portal.x + facing * 64, y: portal.y + 116 }, size), facing };
}

/** A gate that leads nowhere is a wall. */
export function wallAt({ x, y }: Place): Solid {
  return { x, y, rx: PORTAL_RADIUS, ry: PORTAL_RADIUS - 16 };
}

/** Where pictures stand: two in front, the others along the sides. */
export function picturePlace(index: number): Place {
  const { aside, y } = PICTURE_PAIRS[(index % PICTURE_PLACES) >> 1] ?? { aside: 0, y: 0 };
  return { x: CENTRE.x + (index % 2 === 0 ? -aside : aside), y };
}

/** What stands about in a world: on the square, and lamps beside the rows of the hall. */
export function propPlaces(centrepiece: Theme["centrepiece"], size: Size): PropPlace[] {
  const rows = (portalPlacesIn(size) - PORTALS_ON_SQUARE) / HALL.columns;
  const lamps = Array.from({ length: rows }, (_, row) => HALL.top + row * HALL.downEach).flatMap(
    (y) => [50, SQUARE.width - 50].map((x) => ({ kind: "lamp" as const, x, y, scale: 1 })),
  );
  return [...onSquare(centrepiece), ...lamps];
}

function onSquare(centrepiece: Theme["centrepiece"]): PropPlace[] {
  const prop = (kind: PropPlace["kind"], x: number, y: number, scale = 1): PropPlace => {
    return { kind, x, y, scale };
  };
  const corners = (kind: PropPlace["kind"], insetX: number, insetY: number, scale = 1) =>
    [insetX, SQUARE.width - insetX].flatMap((x) => [
      prop(kind, x, insetY, scale),
      prop(kind, x, SQUARE.height - insetY + 30, scale),
    ]);
  switch (centrepiece) {
    case "fountain":
      return [
        prop("fountain", CENTRE.x, CENTRE.y),
        ...corners("planter", 150, 130),
        ...corners("lamp", 300, 170),
      ];
    case "ring": {
      // Between the gates.
      const angles = [-10, 68, 112, 190, 255, 285].map((degrees) => (degrees / 180) * Math.PI);
      return [
        ...angles.map((angle) =>
          prop(
            "banner",
            Math.round(CENTRE.x + Math.cos(angle) * 345),
            Math.round(CENTRE.y + Math.sin(angle) * 250),
          ),
        ),
        ...corners("brazier", 130, 120),
      ];
    }
    case "columns":
      return [
        ...[150, 300, 450, 600].flatMap((y) => [
          prop("column", CENTRE.x - 95, y),
          prop("column", CENTRE.x + 95, y),
        ]),
        ...[0, 1, 2, 3, 4].map((picture) => prop("frame", 190 + picture * 305, 66)),
      ];
    default:
      return [prop("tree", CENTRE.x, CENTRE.y, 1.9), ...corners("tree", 170, 150, 1.1)];
  }
}

/** Of each prop, what is in the way of a walker's feet. */
export function solidsOf(centrepiece: Theme["centrepiece"], size: Size): Solid[] {
  return propPlaces(centrepiece, size).flatMap(({ kind, x, y, scale }) => {
    const solid = (rx: number, ry: number, up = 0): Solid[] => [{ x, y: y - up, rx, ry }];
    switch (kind) {
      case "fountain":
        return solid(126, 96, -6);
      case "planter":
        return solid(54, 24, 6);
      case "brazier":
        return solid(30, 18, 6);
      case "column":
        return solid(42, 20, 2);
      case "tree":
        return solid(8 + 12 * scale, 6 + 7 * scale);
      case "frame":
        return [];
      default:
        return solid(18, 11);
    }
  });
}

/**
 * Where a walker is after some seconds: at most at full speed, within the world, along what is solid and never in it.
 *
 * @param dx With `dy`, where to: of length 1, at full speed.
 */
export function step(
  from: Place,
  dx: number,
  dy: number,
  seconds: number,
  size: Size,
  solids: readonly Solid[],
): Place {
  const length = Math.max(1, Math.hypot(dx, dy));
  const reach = (SPEED * Math.min(seconds, LONGEST_SECONDS)) / length;
  const strides = Math.max(1, Math.ceil((reach * length) / LONGEST_STRIDE));
  let at = within(from, size);
  for (let count = 0; count < strides; count += 1) {
    at = stride(at, (dx * reach) / strides, (dy * reach) / strides, size, solids);
  }
  return at;
}

function stride(from: Place, dx: number, dy: number, size: Size, solids: readonly Solid[]): Place {
  const wanted = within({ x: from.x + dx, y: from.y + dy }, size);
  const solid = solids.find((each) => isIn(wanted, each));
  if (solid === undefined) return wanted;
  const slid = within(along(from, wanted, solid), size);
  return solids.some((each) => isIn(slid, each)) ? from : slid;
}

/** The way round, beside what is in the way: past its middle on the nearer side, and never not at all. */
function along(from: Place, wanted: Place, solid: Solid): Place {
  if (isIn(from, solid)) return onRim(from, solid);
  const [dx, dy] = [wanted.x - from.x, wanted.y - from.y];
  const [cx, cy] = [solid.x - from.x, solid.y - from.y];
  const side = dx * cy - dy * cx > 0 ? -1 : 1;
  const tx = (cy / solid.ry) * solid.rx * -side;
  const ty = (cx / solid.rx) * solid.ry * side;
  const length = Math.hypot(tx, ty);
  const made = (dx * tx + dy * ty) / length;
  const on = Math.max(made, Math.hypot(dx, dy) * SLIDE) / length;
  return { x: from.x + tx * on, y: from.y + ty * on };
}

function onRim({ x, y }: Place, { x: cx, y: cy, rx, ry }: Solid): Place {
  const depth = Math.hypot((x - cx) / rx, (y - cy) / ry);
  // From its very middle, to the front.
  if (depth === 0) return { x: cx, y: cy + ry };
  const out = 1.000_001 / depth;
  return { x: cx + (x - cx) * out, y: cy + (y - cy) * out };
}

/** Whether a place is in a solid, or within `margin` of it. */
export function isIn({ x, y }: Place, { x: cx, y: cy, rx, ry }: Solid, margin = 0): boolean {
  return Math.hypot((x - cx) / (rx + margin), (y - cy) / (ry + margin)) < 1;
}

/** Whether a coin can lie here: on the ground, to be picked up without going anywhere else. */
export function isFree(
  place: Place,
  { width, height }: Size,
  portals: readonly Place[],
  solids: readonly Solid[],
  pictures: readonly Place[],
): boolean {
  const { x, y } = place;
  const isApart = (from: Place, distance: number): boolean =>
    Math.hypot(from.x - x, from.y - y) >= distance;
  return (
    x >= 60 &&
    x <= width - 60 &&
    y >= 80 &&
    y <= height - 60 &&
    isApart(spawnPlace(), 60) &&
    portals.every((portal) => isApart(portal, PORTAL_RADIUS + 50)) &&
    pictures.every((picture) => isApart(picture, 90)) &&
    !solids.some((solid) => isIn(place, solid, 26))
  );
}

function within({ x, y }: Place, { width, height }: Size): Place {
  return {
    x: Math.min(width - EDGE.right, Math.max(EDGE.left, x)),
    y: Math.min(height - EDGE.bottom, Math.max(EDGE.top, y)),
  };
}
