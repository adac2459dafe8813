import assert from "node:assert/strict";
import type { Room } from "@colyseus/sdk";
import { type Arrival, type Failure, Traveler } from "aether-federation/client";
import { generateSigningKey } from "../../src/identity/server-keys.ts";
import { signSeatAddress } from "../../src/identity/seat-address.ts";
import { systemRandom } from "../../src/ports.ts";
import { eventually } from "../support/eventually.ts";
import { callAs, operatorKey } from "../support/operator.ts";
import { rooms } from "../support/running.ts";
import { type Seat, portal } from "../support/sdk.ts";
import { ledgerRow } from "../support/stored.ts";
import { Eavesdropper } from "./support/eavesdropper.ts";

interface Reserved {
  readonly transferId: string;
  readonly origin: string;
  readonly reservation: Seat & Record<string, unknown>;
  readonly expiresAt: number;
}

describe("attack: a source that tells its player where else to connect", function () {
  this.timeout(60_000);
  const at = rooms("home", "source");
  const thief = new Eavesdropper();

  before(() => thief.start());
  after(() => thief.stop());
  beforeEach(() => (thief.seen.length = 0));

  /** What the source makes of an honest transit. */
  const lies: readonly (readonly [
    what: string,
    lie: (honest: Reserved) => object | Promise<object>,
  ])[] = [
    ["a bare address", ({ reservation }) => withAddress(reservation)],
    ["an address with a path", ({ reservation }) => withAddress(reservation, "/9001")],
    [
      "an address that begins as home's does",
      ({ reservation }) => ({
        reservation: { ...reservation, publicAddress: `${at.home.authority}@${thief.authority}` },
      }),
    ],
    [
      "an address that goes on as home's does",
      ({ reservation }) => withAddress(reservation, `/${at.home.authority}`),
    ],
    [
      "an address that the source itself vouches for",
      async ({ reservation }) => ({
        ...withAddress(reservation),
        seat: await signSeatAddress(
          { iss: at.home.origin, sid: reservation.sessionId, address: thief.authority },
          await operatorKey(at.source),
        ),
      }),
    ],
    [
      "an address in the source's own name",
      async ({ reservation }) => ({
        ...withAddress(reservation),
        seat: await signSeatAddress(
          { iss: at.source.origin, sid: reservation.sessionId, address: thief.authority },
          await operatorKey(at.source),
        ),
      }),
    ],
    [
      "home's word on another seat",
      async ({ reservation }) => ({
        ...withAddress(reservation),
        seat: await signSeatAddress(
          { iss: at.home.origin, sid: "another", address: thief.authority },
          await operatorKey(at.home),
        ),
      }),
    ],
    [
      "home's word on another address",
      async ({ reservation }) => ({
        ...withAddress(reservation),
        seat: await signSeatAddress(
          { iss: at.home.origin, sid: reservation.sessionId, address: "elsewhere.example" },
          await operatorKey(at.home),
        ),
      }),
    ],
    [
      "the word of a key that nobody has heard of",
      async ({ reservation }) => ({
        ...withAddress(reservation),
        seat: await signSeatAddress(
          { iss: at.home.origin, sid: reservation.sessionId, address: thief.authority },
          generateSigningKey(systemRandom),
        ),
      }),
    ],
  ];

  for (const [what, lie] of lies) {
    it(`by ${what}: no proof gets there, and the player gets home`, async () => {
      const { traveler, room, reserved, player } = await onTheWayHome();
      const arrivals: Arrival[] = [];
      const failures: Failure[] = [];
      traveler.onArrive((arrival) => arrivals.push(arrival));
      traveler.onFailed((failure) => failures.push(failure));
      room.send("lie", ["federation:transit", { ...reserved, ...(await lie(reserved)) }]);
      await eventually(() => {
        assert.equal(arrivals.length + failures.length + thief.seen.length > 0, true);
      });
      assert.deepEqual(thief.tokens, []);
      assert.deepEqual(thief.seen, []);
      assert.equal(arrivals[0]?.origin, at.home.origin, JSON.stringify(failures));
      assert.equal(ledgerRow(at.home, player)?.holder, at.home.origin);
      await traveler.leave();
    });
  }

  it("follows an address that home itself vouches for", async () => {
    const { traveler, room, reserved } = await onTheWayHome();
    const { sessionId: sid } = reserved.reservation;
    const seat = await signSeatAddress(
      { iss: at.home.origin, sid, address: thief.authority },
      await operatorKey(at.home),
    );
    room.send("lie", [
      "federation:transit",
      { ...reserved, ...withAddress(reserved.reservation), seat },
    ]);
    await eventually(() => assert.ok(thief.tokens.length > 0));
    await traveler.leave();
  });

  it("by a seat whose names are paths and queries", async () => {
    const { traveler, room, reserved } = await onTheWayHome();
    for (const [name, value] of [
      ["sessionId", `${reserved.reservation.sessionId}&_authToken=x`],
      ["roomId", "a/b"],
      ["roomId", "?x"],
      ["processId", `/${thief.authority}`],
      ["processId", "a#b"],
    ] as const) {
      const reservation = { ...reserved.reservation, [name]: value };
      room.send("lie", ["federation:transit", { ...reserved, reservation }]);
    }
    const departures: unknown[] = [];
    traveler.onDepart((departure) => departures.push(departure));
    await traveler.receipt();
    assert.deepEqual(departures, [], "they are no transits");
    await traveler.leave();
  });

  function withAddress(reservation: object, path = ""): { reservation: object } {
    return { reservation: { ...reservation, publicAddress: `${thief.authority}${path}` } };
  }

  /** A player of home in a room of the source, which has a seat at home for it. */
  async function onTheWayHome(): Promise<{
    traveler: Traveler;
    room: Room;
    player: string;
    reserved: Reserved & { to: string };
  }> {
    const traveler = new Traveler(at.home.origin, { comesHome: false });
    await traveler.join("plain");
    const player = traveler.playerId!;
    const arrived = new Promise<Room>((resolve) => {
      traveler.onArrive(({ room }) => {
        resolve(room);
      });
    });
    traveler.enter(portal(at.source, "lying"));
    const room = await arrived;
    const { epoch } = ledgerRow(at.home, player)!;
    const transferId = crypto.randomUUID();
    const asked = { transferId, player, epoch, to: at.home.origin, world: "plain" };
    const departed = await callAs(at.source, at.home, "/custody/depart", asked);
    const { pass } = departed.body;
    const answer = await callAs(at.source, at.home, "/reservations", {
      ...{ transferId, pass, world: "plain" },
    });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    const reserved = { transferId, to: portal(at.home), ...answer.body } as unknown as Reserved & {
      to: string;
    };
    return { traveler, room, player, reserved };
  }
});
