import assert from "node:assert/strict";
import {
  PICTURE_PLACES,
  PORTAL_RADIUS,
  type Place,
  SPEED,
  SQUARE,
  besidePortal,
  isFree,
  isIn,
  picturePlace,
  portalPlace,
  portalPlacesIn,
  propPlaces,
  solidsOf,
  spawnPlace,
  step,
  worldSize,
} from "../../example-server/layout.ts";
import { seededRandom } from "../support/seeded-random.ts";

const KINDS = ["fountain", "ring", "columns", "tree"] as const;
const SIXTY = Array.from({ length: 60 }, (_, index) => portalPlace(index));
const PICTURES = Array.from({ length: PICTURE_PLACES }, (_, index) => picturePlace(index));
/** What a phone shows on either side of the player, at the least. */
const HALF_A_PHONE = 314;

describe("the layout of a world", () => {
  const size = worldSize(60);

  it("has places for 60 portals, none near another, all within the world", () => {
    SIXTY.forEach((portal, index) => {
      assert.ok(portal.x > 100 && portal.x < size.width - 100, `${index} is within the world`);
      assert.ok(portal.y > 150 && portal.y < size.height - 100, `${index} is within the world`);
      for (const other of SIXTY.slice(0, index)) assert.ok(apart(portal, other) >= 170);
    });
  });

  it("is the square up to 8 portals, and grows downwards only", () => {
    assert.deepEqual(worldSize(0), SQUARE);
    assert.deepEqual(worldSize(8), SQUARE);
    for (let portals = 9; portals <= 200; portals += 1) {
      const { width, height } = worldSize(portals);
      assert.equal(width, SQUARE.width);
      assert.ok(height >= worldSize(portals - 1).height);
      assert.ok(portalPlace(portals - 1).y < height - 100);
      assert.ok(portalPlacesIn({ width, height }) >= portals);
      assert.deepEqual(worldSize(portalPlacesIn({ width, height })), { width, height });
    }
  });

  it("shows two portals from where newcomers stand", () => {
    const { x } = spawnPlace();
    const seen = SIXTY.slice(0, 2).map((portal) => portal.x - x);
    assert.ok(seen.every((distance) => Math.abs(distance) <= HALF_A_PHONE));
    assert.deepEqual(seen.map(Math.sign), [1, -1]);
  });

  it("puts newcomers beside each other, never into a gate, a picture or a solid", () => {
    const standing: Place[] = [];
    for (let count = 0; count < 18; count += 1) standing.push(spawnPlace(standing));
    for (const [index, place] of standing.entries()) {
      assert.ok(standing.slice(index + 1).every((other) => apart(place, other) >= 40));
      assert.ok([...SIXTY, ...PICTURES].every((other) => apart(place, other) > PORTAL_RADIUS + 40));
      for (const kind of KINDS) {
        assert.ok(
          solidsOf(kind, size).every((solid) => !isIn(place, solid)),
          kind,
        );
      }
    }
    assert.deepEqual(spawnPlace(standing), spawnPlace(), "where there is no room, in the middle");
  });

  for (const kind of KINDS) {
    describe(`around a ${kind}`, () => {
      const solids = solidsOf(kind, size);
      const reached = [...SIXTY, ...PICTURES, spawnPlace()];

      it("has nothing solid at a portal, at a picture or where players come in", () => {
        assert.ok(solids.length > 0);
        for (const place of reached) {
          for (const solid of solids) {
            assert.ok(apart(place, solid) >= 110, JSON.stringify([place, solid]));
            assert.ok(!isIn(place, solid, PORTAL_RADIUS), JSON.stringify([place, solid]));
          }
        }
      });

      it("has all that stands about in its place, where drawing and walking find it", () => {
        const drawn = propPlaces(kind, size).filter((prop) => prop.kind !== "frame");
        assert.equal(drawn.length, solids.length);
        drawn.forEach(({ x, y }, index) => {
          const solid = solids[index];
          assert.ok(solid !== undefined && isIn({ x, y }, solid));
        });
      });

      it("lets one stand in front of each gate, in no other one, facing the middle", () => {
        for (const portal of SIXTY) {
          const at = besidePortal(portal, size);
          assert.ok(SIXTY.every((other) => apart(other, at) > PORTAL_RADIUS + 20));
          assert.ok(!solids.some((solid) => isIn(at, solid)));
          assert.equal(at.facing, portal.x > size.width / 2 ? -1 : 1);
          assert.ok(at.y > portal.y && at.y < size.height - 20);
        }
      });

      it("has free ground for coins, none of it in a portal, a solid or a picture", () => {
        const random = chance(7);
        let free = 0;
        for (let count = 0; count < 4_000; count += 1) {
          const place = { x: random() * 1600, y: random() * 1000 };
          if (!isFree(place, size, SIXTY, solids, PICTURES)) continue;
          free += 1;
          assert.ok(SIXTY.every((portal) => apart(portal, place) > PORTAL_RADIUS + 34));
          assert.ok(PICTURES.every((picture) => apart(picture, place) > 60));
          assert.ok(!solids.some((solid) => isIn(place, solid, 20)));
        }
        assert.ok(free > 1_500, `${free} of 4000`);
      });

      it("is walked through nowhere, however one walks", () => {
        const random = chance(11);
        for (let walker = 0; walker < 40; walker += 1) {
          let at: Place = spawnPlace();
          for (let count = 0; count < 200; count += 1) {
            const [dx, dy] = [random() * 4 - 2, random() * 4 - 2];
            const seconds = random() < 0.1 ? random() * 3 : 1 / 30;
            const next = step(at, dx, dy, seconds, size, solids);
            assert.ok(!solids.some((solid) => isIn(next, solid)), JSON.stringify({ at, dx, dy }));
            assert.ok(apart(at, next) <= SPEED * Math.min(seconds, 0.5) * 1.01 + 0.01);
            assert.ok(next.x >= 24 && next.x <= size.width - 24);
            assert.ok(next.y >= 36 && next.y <= size.height - 20);
            at = next;
          }
        }
      });

      it("is walked around: who walks straight at a place behind something gets there", () => {
        for (const solid of solids.filter(({ y }) => y < SQUARE.height)) {
          for (const [fromX, fromY] of [
            [0, 1],
            [0, -1],
            [1, 0],
            [-1, 0],
            [0.7, 0.7],
          ] as const) {
            const from = { x: solid.x + fromX * 170, y: solid.y + fromY * 170 };
            const to = { x: solid.x - fromX * 170, y: solid.y - fromY * 170 };
            if (![from, to].every(({ x, y }) => x > 30 && x < 1570 && y > 40 && y < 975)) continue;
            if (solids.some((each) => isIn(from, each) || isIn(to, each))) continue;
            let at: Place = from;
            let ticks = 0;
            for (; apart(at, to) > 12 && ticks < 200; ticks += 1) {
              at = step(at, (to.x - at.x) / 40, (to.y - at.y) / 40, 1 / 30, size, solids);
            }
            assert.ok(apart(at, to) <= 12, JSON.stringify({ solid, from, to, at }));
          }
        }
      });
    });
  }

  it("walks at full speed on free ground, whatever is asked for", () => {
    const from = { x: 800, y: 760 };
    assert.deepEqual(step(from, 1, 0, 0.1, SQUARE, []), { x: from.x + SPEED / 10, y: from.y });
    assert.ok(apart(from, step(from, 30, 40, 0.1, SQUARE, [])) <= SPEED / 10 + 1e-9);
    assert.deepEqual(step(from, 0, 0, 0.1, SQUARE, []), from);
  });
});

/** Numbers from 0 to 1, the same for the same seed. */
function chance(seed: number): () => number {
  const random = seededRandom(seed);
  return () => Buffer.from(random.bytes(4)).readUInt32BE(0) / 2 ** 32;
}

function apart(one: Place, other: Place): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}
