import assert from "node:assert/strict";
import type { Comer } from "../../../src/custody/destination/coming.ts";
import { Crowd } from "../../../src/custody/destination/crowd.ts";
import type { SeatHost } from "../../../src/custody/destination/seat-host.ts";
import { Seats } from "../../../src/custody/destination/seats.ts";
import { PlayerSessions } from "../../../src/custody/shared/player-session.ts";
import type { PassClaims } from "../../../src/identity/pass.ts";
import { loggerOf } from "../../../src/federation/logging.ts";
import { systemClock, systemRandom } from "../../../src/ports.ts";
import { CustodyServers, bodyThatCarries } from "../../support/custody-servers.ts";
import { eventually } from "../../support/eventually.ts";
import { MemoryStore } from "../../../src/storage/memory-store.ts";

const HERE = "https://here.example";
const HOME = "https://home.example";
const SOURCE = "https://source.example";
const T = "11111111-1111-4111-8111-111111111111";
const U = "22222222-2222-4222-8222-222222222222";

describe("custody/destination/seats", () => {
  it("keeps one seat when one pass comes for two transfers at once", async () => {
    const store = new MemoryStore(systemClock);
    const host: SeatHost = {
      hasWorld: () => true,
      reserve: ({ sessionId }) =>
        Promise.resolve({ ok: true, reservation: { sessionId }, expiresAt: seconds() + 15 }),
      isReserved: () => Promise.resolve(true),
      release: () => Promise.resolve(),
    };
    const seats = new Seats({
      origin: HERE,
      store,
      transient: store,
      issuerKey: () => undefined,
      seats: host,
      clock: systemClock,
      random: systemRandom,
      logger: loggerOf(console),
    });
    const results = await Promise.all(
      [T, U].map((transferId) => seats.seat(claims(transferId), SOURCE, {})),
    );
    const [kept, ...others] = results.flatMap((result) => (result.ok ? [result.seat] : []));
    assert.equal(others.length, 0);
    assert.deepEqual(
      results.flatMap((result) => (result.ok ? [] : [result.code])),
      ["ERR_FED_PASS_REUSED"],
    );
    assert.deepEqual(await seats.of("ada@home.example"), [kept]);

    const again = await seats.seat(claims(kept?.transferId ?? ""), SOURCE, {});
    assert.deepEqual(again, { ok: true, seat: kept });
  });

  it("gives the place of a seat free that gives way to newer ones", async () => {
    const store = new MemoryStore(systemClock);
    const taken = new Set<string>();
    const host: SeatHost = {
      hasWorld: () => true,
      reserve: ({ sessionId }) => {
        taken.add(sessionId);
        return Promise.resolve({ ok: true, reservation: { sessionId }, expiresAt: seconds() + 15 });
      },
      isReserved: () => Promise.resolve(true),
      release: (reservation) => {
        taken.delete((reservation as { sessionId: string }).sessionId);
        return Promise.resolve();
      },
    };
    const seats = new Seats({
      ...{ origin: HERE, store, transient: store, issuerKey: () => undefined, seats: host },
      ...{ clock: systemClock, random: systemRandom, logger: loggerOf(console) },
    });
    for (let each = 0; each < 6; each += 1) {
      const asked = { ...claims(`${each}${T.slice(1)}`), jti: `pass-${each}` };
      assert.ok((await seats.seat(asked, SOURCE, {})).ok);
    }
    const book = await seats.of("ada@home.example");
    assert.equal(book.length, 4);
    assert.deepEqual(book.map(({ sessionId }) => sessionId).sort(), [...taken].sort());
  });

  for (const [whose, home, given] of [
    ["another home's", HOME, [true, false, false]],
    ["its own", HERE, [true, true, true]],
  ] as const) {
    it(`gives ${whose} players ${given[1] ? "as many seats as they need" : "so many a minute"}`, async () => {
      const store = new MemoryStore(systemClock);
      const seats = new Seats({
        ...{ origin: HERE, store, transient: store, issuerKey: () => undefined },
        ...{ clock: systemClock, random: systemRandom, logger: loggerOf(console) },
        perMinute: { seats: 1, rooms: Infinity },
        seats: {
          hasWorld: () => true,
          reserve: ({ sessionId }) =>
            Promise.resolve({ ok: true, reservation: { sessionId }, expiresAt: seconds() + 15 }),
          isReserved: () => Promise.resolve(true),
          release: () => Promise.resolve(),
        },
      });
      const answers = [];
      for (let each = 0; each < 3; each += 1) {
        const asked = { ...claims(`${each}${T.slice(1)}`), sub: `p${each}`, jti: `pass-${each}` };
        answers.push(await seats.seat({ ...asked, iss: home }, SOURCE, {}));
      }
      assert.deepEqual(
        answers.map(({ ok }) => ok),
        given,
      );
      const refused = answers.flatMap((answer) => (answer.ok ? [] : [answer.code]));
      assert.ok(refused.every((code) => code === "ERR_FED_RATE_LIMITED"));
    });
  }

  for (const [what, given, left] of [
    ["the matchmaker has none", { refuses: true }, 0],
    ["its source has had as many as it may in a minute", { perMinute: 1 }, 1],
    ["its player is not admitted", { admits: false }, 0],
    ["newer seats of its player have it give way", { onePlayer: true }, 4],
    ["its client has taken it", { takes: true }, 0],
  ] as const) {
    it(`does not count a seat as one that waits when ${what}`, async () => {
      const { refuses, admits, perMinute, onePlayer, takes } = {
        ...{ refuses: false, admits: true, perMinute: Infinity, onePlayer: false, takes: false },
        ...given,
      };
      const store = new MemoryStore(systemClock);
      const waiting = new Set<string>();
      const crowd = new Crowd({
        ...{ origin: HERE, sessions: new PlayerSessions() },
        ...{ clock: systemClock, logger: loggerOf(console) },
      });
      const of = ({ player, transferId }: Comer): string => `${player} ${transferId}`;
      crowd.asks = (comer) => void waiting.add(of(comer));
      crowd.waits = (comer) => void waiting.add(of(comer));
      for (const end of ["refused", "comes", "left"] as const) {
        crowd[end] = (comer) => void waiting.delete(of(comer));
      }
      const seats = new Seats({
        ...{ origin: HERE, store, transient: store, issuerKey: () => undefined, crowd },
        ...{ clock: systemClock, random: systemRandom, logger: loggerOf(console) },
        perMinute: { seats: perMinute, rooms: Infinity },
        admit: () => admits || { admit: false, reason: "banned" },
        seats: {
          hasWorld: () => true,
          reserve: ({ sessionId }) =>
            Promise.resolve(
              refuses
                ? { ok: false, code: "ERR_FED_WORLD_FULL", reason: "full" }
                : { ok: true, reservation: { sessionId }, expiresAt: seconds() + 15 },
            ),
          isReserved: () => Promise.resolve(true),
          release: () => Promise.resolve(),
        },
      });
      for (let each = 0; each < 6; each += 1) {
        const sub = onePlayer ? "ada" : `p${each}`;
        const asked = { ...claims(`${each}${T.slice(1)}`), sub, jti: `pass-${each}` };
        const answer = await seats.seat(asked, SOURCE, {});
        if (takes && answer.ok) await seats.take(`${sub}@home.example`, answer.seat);
      }
      assert.equal(waiting.size, left);
    });
  }

  for (const [where, apart] of [
    ["which this process has alone", true],
    ["that several processes share", false],
  ] as const) {
    it(`takes a pass that its client brings by itself once, also after a restart, on a store ${where}`, async () => {
      const store = new MemoryStore(systemClock);
      const reserve: SeatHost["reserve"] = ({ sessionId }) =>
        Promise.resolve({ ok: true, reservation: { sessionId }, expiresAt: seconds() + 15 });
      const started = () =>
        new Seats({
          ...{ origin: HERE, store, issuerKey: () => undefined },
          transient: apart ? new MemoryStore(systemClock) : store,
          ...{ clock: systemClock, random: systemRandom, logger: loggerOf(console) },
          seats: {
            ...{ hasWorld: () => true, reserve },
            isReserved: () => Promise.resolve(true),
            release: () => Promise.resolve(),
          },
        });
      const seats = started();
      assert.ok((await seats.seat(claims(T), SOURCE, {}, reserve)).ok);
      for (const each of [seats, started()]) {
        const again = await each.seat(claims(T), SOURCE, {}, reserve);
        assert.equal(again.ok ? undefined : again.code, "ERR_FED_PASS_REUSED");
      }
    });
  }

  it("ends a session whose custody cannot be written down, and has the player go home", async () => {
    const { home, here } = await onTheWayToAStoreThatFails({ coins: 1 }, { alone: true });
    const arrived = bodyThatCarries(undefined);
    const session = await here.arrive(arrived, (state) => ({ ...(state as object), found: 2 }));
    await eventually(() => {
      assert.deepEqual(arrived.ends, ["ERR_FED_STORE_UNAVAILABLE"]);
    });
    assert.equal(session?.ended, true);
    here.store.failing = false;
    await eventually(async () => {
      const row = await home.custody.ledger.row("ada");
      assert.equal(row?.holder, HOME);
      assert.deepEqual(row?.state, { coins: 1, found: 2 });
    });
    home.custody.stop();
    here.custody.stop();
  });

  it("gives a seat free whose claim cannot be written down", async () => {
    const { home, here, body } = await onTheWayToAStoreThatFails({}, { alone: false });
    await assert.rejects(here.arrive(bodyThatCarries(undefined)));
    assert.deepEqual(
      here.released,
      body.transits.map(({ reservation }) => reservation),
    );
    here.store.failing = false;
    home.custody.stop();
    here.custody.stop();
  });
});

/** Ada has a seat here; once home has decided her claim, this server's store does not answer any more. */
async function onTheWayToAStoreThatFails(carried: object, { alone }: { readonly alone: boolean }) {
  const servers = new CustodyServers();
  servers.alone = alone;
  const [home, here] = [servers.add(HOME), servers.add(HERE)];
  const body = bodyThatCarries(carried);
  const known = { name: "ada", jkt: undefined, guest: false };
  const login = await home.custody.login("ada", known, body);
  assert.ok(login.ok);
  void home.custody.crossings.cross(login.session, {
    ...{ uri: "aether://here.example/w", origin: HERE, world: "w", options: {} },
  });
  await eventually(() => {
    assert.equal(body.transits.length, 1);
  });
  servers.tamper = (path, answer) => {
    if (path === "/custody/claim") here.store.failing = true;
    return answer;
  };
  return { home, here, body };
}

function seconds(): number {
  return Math.floor(systemClock.now() / 1000);
}

function claims(xfer: string): PassClaims {
  return {
    iss: HOME,
    sub: "ada",
    aud: HERE,
    iat: seconds(),
    exp: seconds() + 60,
    jti: "one-pass",
    xfer,
    src: SOURCE,
    world: "pit",
    name: "Ada",
  };
}
