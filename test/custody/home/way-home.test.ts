/** A player who goes home: its departure and its seat in one call. */
import assert from "node:assert/strict";
import { FederationError } from "../../../src/errors.ts";
import type { PlayerSession } from "../../../src/custody/shared/player-session.ts";
import { coded } from "../../support/coded.ts";
import {
  type CustodyServer,
  CustodyServers,
  type TestBody,
  bodyThatCarries,
} from "../../support/custody-servers.ts";
import { eventually } from "../../support/eventually.ts";
import { turn } from "../../support/turn.ts";

const HOME = "https://home.example";
const ARENA = "https://arena.example";
const OTHER = "https://other.example";
const homewards = {
  ...{ uri: "aether://home.example/w", origin: HOME, world: "w" },
  options: { door: "north" },
};

describe("custody/home, the way home in one call", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let arena: CustodyServer;
  /** What a client in the arena hears, and its player. */
  let there: TestBody;
  let visitor: PlayerSession;

  beforeEach(async () => {
    servers = new CustodyServers();
    servers.givesSeats = (origin) => origin === HOME;
    [home, arena] = [servers.add(HOME), servers.add(ARENA)];
    servers.add(OTHER);
    const known = { name: "ada", jkt: undefined, guest: false };
    const here = bodyThatCarries({ gold: 1 });
    const login = await home.custody.login("ada", known, here);
    assert.ok(login.ok);
    const out = { uri: "aether://arena.example/w", origin: ARENA, world: "w", options: {} };
    const outcome = home.custody.crossings.cross(login.session, out);
    await eventually(() => {
      assert.equal(here.transits.length, 1);
    });
    there = bodyThatCarries({ gold: 1 });
    const arrived = await arena.arrive(there);
    assert.ok(arrived !== undefined);
    await outcome;
    visitor = arrived;
    servers.calls.length = 0;
  });

  afterEach(() => {
    for (const { custody } of servers.servers.values()) custody.stop();
  });

  /** What was asked, but for receipts, which nobody waits for. */
  const paths = (): string[] =>
    servers.calls.map(({ path }) => path).filter((path) => path !== "/custody/receipts");
  /** What the client was told of its seat. */
  const told = () => there.transits[0] as unknown as { origin: string; expiresAt: number };
  const bodyOf = (path: string): unknown => servers.calls.find((call) => call.path === path)?.body;
  const goHome = () => arena.custody.crossings.cross(visitor, homewards);
  const isTold = (): Promise<void> =>
    eventually(() => {
      assert.equal(there.transits.length, 1);
    });

  it("asks home once, and gets there by the seat that the answer has", async () => {
    const outcome = goHome();
    await isTold();
    assert.deepEqual(paths(), ["/custody/depart"]);
    assert.deepEqual((bodyOf("/custody/depart") as { seat?: unknown }).seat, {
      options: { door: "north" },
    });
    assert.ok((await home.arrive(bodyThatCarries(undefined))) !== undefined);
    assert.equal((await outcome).kind, "arrived");
    const row = await home.custody.ledger.row("ada");
    assert.deepEqual([row?.holder, row?.state], [HOME, { gold: 1 }]);
  });

  it("asks for the seat by itself where the home does not say that it gives one", async () => {
    servers.givesSeats = () => false;
    const outcome = goHome();
    await isTold();
    assert.deepEqual(paths(), ["/custody/depart", "/reservations"]);
    assert.equal("seat" in (bodyOf("/custody/depart") as object), false);
    assert.ok((await home.arrive(bodyThatCarries(undefined))) !== undefined);
    assert.equal((await outcome).kind, "arrived");
  });

  it("asks for no seat on the way to a third server", async () => {
    void arena.custody.crossings.cross(visitor, { ...homewards, origin: OTHER });
    await isTold();
    assert.deepEqual(paths(), ["/custody/depart", "/reservations"]);
    assert.equal("seat" in (bodyOf("/custody/depart") as object), false);
  });

  it("takes the seat back that was made for a departure which is refused in the end", async () => {
    const transferId = crypto.randomUUID();
    const bobs = bodyThatCarries(undefined);
    const bob = await home.custody.login(
      "bob",
      { name: "bob", jkt: undefined, guest: false },
      bobs,
    );
    assert.ok(bob.ok);
    const out = { uri: "aether://arena.example/w", origin: ARENA, world: "w", options: {} };
    void home.custody.crossings.cross(bob.session, out, transferId);
    await eventually(() => {
      assert.equal(bobs.transits.length, 1);
    });
    const { player, epoch } = visitor;
    const request = { transferId, player, epoch, to: HOME, world: "w", seat: {} };
    const answer = await home.custody.answer(ARENA, "depart", request, 0);
    assert.ok(!answer.ok);
    assert.equal(answer.code, "ERR_FED_STALE_CUSTODY");
    await eventually(async () => {
      assert.equal(home.released.length, 1);
      assert.deepEqual(await home.custody.seats.of(player), []);
    });
  });

  it("takes the seat back where nobody knows whether the departure is on disk", async () => {
    const { ledger } = home.custody;
    const decide = ledger.decide.bind(ledger);
    ledger.decide = async (...asked) => {
      const decision = await decide(...asked);
      if (asked[1] === "departing") throw new FederationError("ERR_FED_STORE_UNAVAILABLE");
      return decision;
    };
    const { player, epoch } = visitor;
    const transferId = crypto.randomUUID();
    const request = { transferId, player, epoch, to: HOME, world: "w", seat: {} };
    await assert.rejects(
      home.custody.answer(ARENA, "depart", request, 0),
      coded("ERR_FED_STORE_UNAVAILABLE"),
    );
    await eventually(async () => {
      assert.equal(home.released.length, 1);
      assert.deepEqual(await home.custody.seats.of(player), []);
    });
  });

  it("waits a moment for the seat, and goes on without it", async () => {
    const { seats } = home.custody;
    const seat = seats.seat.bind(seats);
    let times = 0;
    seats.seat = (...asked) => ((times += 1) === 1 ? new Promise(() => undefined) : seat(...asked));
    const outcome = goHome();
    await turn(50);
    assert.equal(there.transits.length, 0);
    servers.clock.advance(1_500);
    await isTold();
    assert.deepEqual(paths(), ["/custody/depart", "/reservations"]);
    assert.ok((await home.arrive(bodyThatCarries(undefined))) !== undefined);
    assert.equal((await outcome).kind, "arrived");
  });

  it("gets the same seat by a second question where the answer has none of it", async () => {
    servers.tamper = (path, body) => {
      if (path !== "/custody/depart") return body;
      const { seat: _seat, ...rest } = body as { seat?: unknown };
      return rest;
    };
    const outcome = goHome();
    await isTold();
    assert.deepEqual(paths(), ["/custody/depart", "/reservations"]);
    assert.equal((await home.custody.seats.of(visitor.player)).length, 1);
    assert.ok((await home.arrive(bodyThatCarries(undefined))) !== undefined);
    assert.equal((await outcome).kind, "arrived");
  });

  it("believes no seat of another server's", async () => {
    servers.tamper = (path, body) => {
      const { seat, ...rest } = body as { seat?: object };
      return path === "/custody/depart" ? { ...rest, seat: { ...seat, origin: OTHER } } : body;
    };
    const outcome = goHome();
    await isTold();
    assert.deepEqual(paths(), ["/custody/depart", "/reservations"]);
    assert.equal(told().origin, HOME);
    assert.ok((await home.arrive(bodyThatCarries(undefined))) !== undefined);
    assert.equal((await outcome).kind, "arrived");
  });

  it("takes no seat at another server from home, which does not speak for that one", async () => {
    servers.tamper = (path, body) => {
      const reservation = { sessionId: "s", roomId: "r", processId: "p", name: "forged" };
      const seat = { reservation, origin: OTHER, expiresAt: 9e9 };
      return path === "/custody/depart" ? { ...(body as object), seat } : body;
    };
    void arena.custody.crossings.cross(visitor, { ...homewards, origin: OTHER });
    await isTold();
    assert.deepEqual(paths(), ["/custody/depart", "/reservations"]);
    assert.notDeepEqual((there.transits[0]?.reservation as { name?: string }).name, "forged");
  });

  it("reads a seat that waits for hours as one that waits for a minute", async () => {
    servers.tamper = (path, body) => {
      const { seat, ...rest } = body as { seat?: object };
      return path === "/custody/depart" ? { ...rest, seat: { ...seat, expiresAt: 9e9 } } : body;
    };
    void goHome();
    await isTold();
    const latest = Math.floor(servers.clock.now() / 1000) + 60;
    assert.equal(told().expiresAt, latest);
  });

  it("has the seat taken back by a player who turns round", async () => {
    const outcome = goHome();
    await isTold();
    const { crossings } = arena.custody;
    crossings.abandon(visitor.player, crossings.transferOf(visitor.player) ?? "");
    assert.equal((await outcome).kind, "stayed");
    await eventually(async () => {
      assert.deepEqual(await home.custody.seats.of(visitor.player), []);
    });
    assert.ok(paths().includes("/reservations/cancel"));
  });

  it("refuses a question for a seat that has more than rooms are told", async () => {
    const { player, epoch } = visitor;
    const options = Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`o${at}`, ""]));
    const request = {
      ...{ transferId: crypto.randomUUID(), player, epoch, to: HOME, world: "w" },
      seat: { options },
    };
    const answer = await home.custody.answer(ARENA, "depart", request, 0);
    assert.ok(!answer.ok);
    assert.equal(answer.code, "ERR_FED_MALFORMED");
  });

  it("makes no seat for whoever does not hold the player", async () => {
    const { player, epoch } = visitor;
    const request = {
      ...{ transferId: crypto.randomUUID(), player, epoch, to: HOME, world: "w", seat: {} },
    };
    const answer = await home.custody.answer(OTHER, "depart", request, 0);
    assert.ok(!answer.ok);
    assert.equal(answer.code, "ERR_FED_STALE_CUSTODY");
    assert.deepEqual(await home.custody.seats.of(player), []);
  });
});
