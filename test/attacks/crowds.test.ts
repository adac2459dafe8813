/** A trusted server that takes all the room there is: seats that nobody comes for, visitors that never leave. */
import assert from "node:assert/strict";
import type { SiblingRequest } from "../../src/custody/shared/siblings.ts";
import { issuePass } from "../../src/identity/pass.ts";
import { type CustodyServer, CustodyServers, bodyThatCarries } from "../support/custody-servers.ts";
import { Walk } from "../support/walk.ts";

const MALLORY = "https://mallory.example";
const ACCOMPLICE = "https://accomplice.example";
const HONEST = "https://honest.example";
const VICTIM = "https://victim.example";
const SEAT_SECONDS = 15;

describe("attack: a source that takes all the room", () => {
  let servers: CustodyServers;
  let mallory: CustodyServer;
  let accomplice: CustodyServer;
  let honest: CustodyServer;
  let victim: CustodyServer;
  const walk = new Walk();

  function start(atOnce: CustodyServers["atOnce"]): void {
    servers = new CustodyServers();
    servers.atOnce = atOnce;
    victim = servers.add(VICTIM);
    servers.atOnce = undefined;
    mallory = servers.add(MALLORY);
    accomplice = servers.add(ACCOMPLICE);
    honest = servers.add(HONEST);
  }
  afterEach(() => {
    for (const { custody } of servers.servers.values()) custody.stop();
  });

  async function pass(from: string, xfer: string): Promise<{ transferId: string; pass: string }> {
    const now = Math.floor(servers.clock.now() / 1000);
    const claims = {
      ...{ iss: from, src: from, aud: VICTIM, iat: now, exp: now + 60, world: "w" },
      ...{ sub: crypto.randomUUID(), jti: crypto.randomUUID(), name: "Somebody", xfer },
    };
    return { transferId: xfer, pass: await issuePass(claims, servers.keyOf(from)) };
  }

  async function seat(from: string, transferId: string = crypto.randomUUID()): Promise<string> {
    const asked = { ...(await pass(from, transferId)), world: "w" };
    const answer = await victim.custody.seats.reserve(from, asked);
    return answer.ok ? "seat" : answer.code;
  }

  async function seats(count: number, transferId?: string): Promise<number> {
    const all = Array.from({ length: count }, () => seat(MALLORY, transferId));
    return (await Promise.all(all)).filter((what) => what === "seat").length;
  }

  describe("by seats that nobody comes for", () => {
    beforeEach(() => {
      start({ seatsOfPeer: 5 });
    });

    it("has so many at once, asked for together or one by one, and the honest one has its own", async () => {
      assert.equal(await seats(20), 5);
      assert.equal(await seat(MALLORY), "ERR_FED_RATE_LIMITED");
      assert.equal(await seat(HONEST), "seat");
    });

    it("has no more by one transfer id for all of them", async () => {
      const transferId = crypto.randomUUID();
      const said: string[] = [];
      for (let each = 0; each < 8; each += 1) said.push(await seat(MALLORY, transferId));
      assert.equal(said.filter((what) => what === "seat").length, 5, said.join());
    });

    it("has no more by a party that is refused in between", async () => {
      const transferId = crypto.randomUUID();
      await seats(4);
      const mine = await pass(MALLORY, transferId);
      const reserved = await victim.custody.seats.reserve(MALLORY, { ...mine, world: "w" });
      assert.ok(reserved.ok);
      servers.full = () => "ERR_FED_WORLD_FULL";
      const party = {
        ...{ partyId: crypto.randomUUID(), world: "w", ifSomeCannot: "nobody" },
        members: [mine, await pass(MALLORY, crypto.randomUUID())],
      };
      assert.equal((await victim.custody.partySeats.reserve(MALLORY, party)).ok, false);
      assert.equal(await seats(3), 0);
    });

    it("has no party that would be more, and what is left of its seats after it", async () => {
      await seats(3);
      const members = await Promise.all([1, 2, 3].map(() => pass(MALLORY, crypto.randomUUID())));
      const party = { partyId: crypto.randomUUID(), world: "w", ifSomeCannot: "nobody", members };
      const answer = await victim.custody.partySeats.reserve(MALLORY, party);
      assert.equal(answer.ok ? "seats" : answer.code, "ERR_FED_RATE_LIMITED");
      assert.equal(await seats(5), 2);
    });

    it("has as many again once they have lapsed, or were given back", async () => {
      assert.equal(await seats(5), 5);
      servers.clock.advance(SEAT_SECONDS * 1000);
      const transferId = crypto.randomUUID();
      assert.equal(await seat(MALLORY, transferId), "seat");
      assert.equal(await seats(9), 4);
      assert.ok((await victim.custody.seats.cancel(MALLORY, { transferId })).ok);
      assert.equal(await seats(9), 1);
    });
  });

  describe("by visitors that never leave", () => {
    beforeEach(() => {
      start({
        seatsOfPeer: 100,
        visitorsOfPeer: (origin) => (origin === MALLORY ? 2 : origin === HONEST ? 100 : 50),
      });
    });

    async function comes(from: CustodyServer, localId: string): Promise<void> {
      const body = bodyThatCarries({});
      await walk.login(from, localId, body);
      await walk.cross(from, victim, `${localId}@${new URL(from.origin).host}`, body);
    }

    it("has so many here, and keeps nobody else out", async () => {
      await comes(mallory, "one");
      await comes(mallory, "two");
      assert.equal(await seat(MALLORY), "ERR_FED_TOO_MANY_VISITORS");
      await comes(honest, "ada");
      assert.equal(victim.custody.sessions.all().length, 3);
    });

    it("has no more of its own by an accomplice's portals", async () => {
      await comes(mallory, "one");
      await comes(mallory, "two");
      const body = bodyThatCarries({});
      await walk.login(mallory, "three", body);
      const player = "three@mallory.example";
      const there = await walk.cross(mallory, accomplice, player, body);
      const { outcome } = await walk.leave(accomplice, victim, player, there);
      const stayed = await outcome;
      assert.equal(stayed.kind === "stayed" ? stayed.code : "", "ERR_FED_TOO_MANY_VISITORS");
    });

    it("has no more by seats that wait beside them", async () => {
      await comes(mallory, "one");
      assert.equal(await seats(10), 1);
    });

    it("has no more by giving back a seat whose player is at the door", async () => {
      await comes(mallory, "one");
      const body = bodyThatCarries({});
      await walk.login(mallory, "two", body);
      const transferId = crypto.randomUUID();
      const { outcome } = await walk.leave(
        mallory,
        victim,
        "two@mallory.example",
        body,
        transferId,
      );
      const [record] = await victim.custody.seats.of("two@mallory.example");
      assert.ok(record !== undefined);
      const claim = { player: "two@mallory.example", caller: MALLORY, transferId };
      const claimed = await victim.custody.arrivals.claim(claim, record);
      assert.ok(claimed.ok);
      await victim.custody.seats.cancel(MALLORY, { transferId });
      assert.equal(await seat(MALLORY), "ERR_FED_TOO_MANY_VISITORS");
      victim.custody.arrivals.begin(claimed.arrival, bodyThatCarries({}));
      await outcome;
      assert.equal(await seat(MALLORY), "ERR_FED_TOO_MANY_VISITORS");
    });

    it("has no more by walking from room to room, also into one of another process", async () => {
      const visitorsOfPeer = (origin: string) => (origin === MALLORY ? 1 : 100);
      servers.atOnce = { seatsOfPeer: 100, visitorsOfPeer };
      const siblings = {
        ...{ life: "two", isAlive: () => Promise.resolve(true) },
        ask: (_life: string, request: SiblingRequest) => victim.custody.answerSibling(request),
      };
      const one = (victim = servers.add(VICTIM));
      const player = "ada@honest.example";
      const body = bodyThatCarries({});
      await walk.login(honest, "ada", body);
      const there = await walk.cross(honest, mallory, player, body);
      await walk.cross(mallory, victim, player, there);
      const walks = (seat: string): void => {
        const session = one.custody.sessions.get(player);
        assert.ok(session !== undefined);
        const transferId = crypto.randomUUID();
        one.custody.moves.promise(session, {
          seat,
          transferId,
          to: "aether://victim.example/w",
          expiresAt: 9e9,
        });
      };
      walks("first");
      assert.ok(one.custody.move(player, "first", bodyThatCarries({})) !== undefined);
      assert.equal(await seat(MALLORY), "ERR_FED_TOO_MANY_VISITORS");
      walks("second");
      const two = servers.add(VICTIM, siblings);
      const moved = await two.custody.moveFrom("one", player, "second");
      moved?.begin(bodyThatCarries({}));
      assert.equal(await seat(MALLORY), "seat");
      victim = two;
      assert.equal(await seat(MALLORY), "ERR_FED_TOO_MANY_VISITORS");
      one.custody.stop();
    });

    it("has another one when the room did not let one in", async () => {
      await comes(mallory, "one");
      const body = bodyThatCarries({});
      await walk.login(mallory, "two", body);
      const player = "two@mallory.example";
      const transferId = crypto.randomUUID();
      await walk.leave(mallory, victim, player, body, transferId);
      const [record] = await victim.custody.seats.of(player);
      assert.ok(record !== undefined);
      const claim = { player, caller: MALLORY, transferId };
      const claimed = await victim.custody.arrivals.claim(claim, record);
      assert.ok(claimed.ok);
      assert.equal(await seat(MALLORY), "ERR_FED_TOO_MANY_VISITORS");
      await victim.custody.arrivals.abort(claimed.arrival);
      assert.equal(await seat(MALLORY), "seat");
    });

    it("has another one when one has left", async () => {
      await comes(mallory, "one");
      await comes(mallory, "two");
      const session = victim.custody.sessions.get("one@mallory.example");
      assert.ok(session !== undefined);
      await victim.custody.leave(session);
      assert.equal(await seat(MALLORY), "seat");
    });
  });

  it("of whom nobody is taken has not even a seat", async () => {
    start({ seatsOfPeer: 100, visitorsOfPeer: (origin) => (origin === MALLORY ? 0 : Infinity) });
    assert.equal(await seat(MALLORY), "ERR_FED_TOO_MANY_VISITORS");
    assert.equal(await seat(HONEST), "seat");
  });
});
