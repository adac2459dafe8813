import assert from "node:assert/strict";
import { Crowd, type VisitorLimit } from "../../../src/custody/destination/crowd.ts";
import { PlayerSession, PlayerSessions } from "../../../src/custody/shared/player-session.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import { bodyThatCarries } from "../../support/custody-servers.ts";
import { quietLogger } from "../../support/loggers.ts";

const HERE = "https://here.example";
const SOURCE = "https://source.example";
const OTHER = "https://other.example";
const HOME = "https://home.example";

describe("custody/destination/crowd", () => {
  let clock: ManualClock;
  let sessions: PlayerSessions;
  beforeEach(() => {
    clock = new ManualClock();
    sessions = new PlayerSessions();
  });

  const crowd = (given: { seatsWaiting?: number; visitors?: VisitorLimit }): Crowd =>
    new Crowd({ origin: HERE, sessions, clock, logger: quietLogger(), ...given });
  const comer = (name: string, caller = SOURCE) => ({
    ...{ player: `${name}@home.example`, caller, transferId: `transfer-of-${name}` },
  });
  const seconds = (more: number): number => clock.now() / 1000 + more;
  const session = (name: string, from = SOURCE, home = HOME, atHome = false): PlayerSession =>
    new PlayerSession({
      ...{ player: `${name}@home.example`, home, atHome, name, guest: false, epoch: 1, from },
      body: bodyThatCarries(undefined),
    });

  describe("seats that wait", () => {
    it("are so many of one source, and of another as many", () => {
      const of = crowd({ seatsWaiting: 2 });
      for (const name of ["ada", "bob"]) {
        assert.equal(of.asks(comer(name), HOME), undefined);
        of.waits(comer(name), HOME, seconds(15));
      }
      assert.equal(of.asks(comer("eve", OTHER), HOME), undefined);
      clock.advance(5_000);
      const refused = of.asks(comer("eve"), HOME);
      assert.equal(refused?.code, "ERR_FED_RATE_LIMITED");
      assert.equal(refused.retryAfterSeconds, 10);
    });

    it("are counted while they are asked for", () => {
      const of = crowd({ seatsWaiting: 1 });
      of.asks(comer("ada"), HOME);
      assert.equal(of.asks(comer("eve"), HOME)?.code, "ERR_FED_RATE_LIMITED");
      of.refused(comer("ada"));
      assert.equal(of.asks(comer("eve"), HOME), undefined);
    });

    it("are counted apart for players under one transfer id", () => {
      const of = crowd({ seatsWaiting: 1 });
      of.asks(comer("ada"), HOME);
      const other = { ...comer("eve"), transferId: comer("ada").transferId };
      assert.equal(of.asks(other, HOME)?.code, "ERR_FED_RATE_LIMITED");
    });

    for (const [how, end] of [
      [
        "taken",
        (of: Crowd) => {
          of.comes(comer("ada"));
        },
      ],
      [
        "given back",
        (of: Crowd) => {
          of.left(comer("ada"));
        },
      ],
      [
        "lapsed",
        () => {
          clock.advance(15_000);
        },
      ],
    ] as const) {
      it(`make place for others once they are ${how}`, () => {
        const of = crowd({ seatsWaiting: 1 });
        of.asks(comer("ada"), HOME);
        of.waits(comer("ada"), HOME, seconds(15));
        end(of);
        assert.equal(of.asks(comer("eve"), HOME), undefined);
      });
    }

    it("are not given free by another call for the same transfer that comes to nothing", () => {
      const of = crowd({ seatsWaiting: 1 });
      of.asks(comer("ada"), HOME);
      of.waits(comer("ada"), HOME, seconds(15));
      of.refused(comer("ada"));
      assert.equal(of.asks(comer("eve"), HOME)?.code, "ERR_FED_RATE_LIMITED");
    });

    it("are not counted for this server's own players", () => {
      const of = crowd({ seatsWaiting: 1, visitors: 1 });
      for (const name of ["ada", "bob", "eve"]) {
        assert.equal(of.asks(comer(name), HERE), undefined);
        of.waits(comer(name), HERE, seconds(15));
      }
      assert.equal(of.asks(comer("dan"), HOME), undefined);
    });
  });

  describe("visitors", () => {
    const code = (of: Crowd, name: string, caller = SOURCE, home = HOME): string | undefined =>
      of.asks(comer(name, caller), home)?.code;

    it("are so many from one source, whose home each is", () => {
      const of = crowd({ visitors: (origin) => (origin === SOURCE ? 2 : Infinity) });
      for (const name of ["ada", "bob"])
        sessions.add(session(name, SOURCE, `https://${name}.example`));
      assert.equal(code(of, "eve", SOURCE, "https://eve.example"), "ERR_FED_TOO_MANY_VISITORS");
      assert.equal(code(of, "eve", OTHER, "https://eve.example"), undefined);
    });

    it("are so many of one home, wherever they come from", () => {
      const of = crowd({ visitors: (origin) => (origin === HOME ? 2 : Infinity) });
      for (const name of ["ada", "bob"]) sessions.add(session(name, `https://${name}.example`));
      assert.equal(code(of, "eve", OTHER), "ERR_FED_TOO_MANY_VISITORS");
      assert.equal(code(of, "eve", OTHER, OTHER), undefined);
    });

    it("make place for others when they leave, or change rooms", () => {
      const of = crowd({ visitors: 1 });
      const ada = session("ada");
      sessions.add(ada);
      const moved = session("ada");
      sessions.remove(ada);
      sessions.add(moved);
      assert.equal(code(of, "eve"), "ERR_FED_TOO_MANY_VISITORS");
      sessions.remove(moved);
      sessions.remove(moved);
      assert.equal(code(of, "eve"), undefined);
    });

    it("are counted from the asking to the leaving", () => {
      const of = crowd({ visitors: 1 });
      const isFull = (): boolean => code(of, "eve") === "ERR_FED_TOO_MANY_VISITORS";
      assert.equal(code(of, "ada"), undefined);
      assert.ok(isFull(), "asked");
      of.waits(comer("ada"), HOME, seconds(15));
      assert.ok(isFull(), "waits");
      of.comes(comer("ada"));
      assert.ok(isFull(), "comes");
      const ada = session("ada");
      sessions.add(ada);
      of.left(comer("ada"));
      assert.ok(isFull(), "is here");
    });

    it("may come in again that are here", () => {
      const of = crowd({ visitors: 1 });
      sessions.add(session("ada"));
      assert.equal(code(of, "ada"), undefined);
    });

    it("are counted by the origin that their server has now", () => {
      const moves = {
        version: 1,
        currentOrigin: (origin: string) => (origin === OTHER ? SOURCE : origin),
        formerOrigins: (origin: string) => (origin === SOURCE ? [OTHER] : []),
      };
      const of = new Crowd({
        ...{ origin: HERE, sessions, clock, logger: quietLogger(), moves },
        visitors: (origin) => (origin === SOURCE ? 1 : Infinity),
      });
      sessions.add(session("ada", OTHER));
      assert.equal(code(of, "eve"), "ERR_FED_TOO_MANY_VISITORS");
    });

    it("are none of whoever has come home", () => {
      const of = crowd({ visitors: 1 });
      sessions.add(session("ada", SOURCE, HERE, true));
      assert.equal(code(of, "eve"), undefined);
    });

    for (const [what, visitors] of [
      ["0", 0],
      ["0 for it", () => 0],
      ["no number", NaN],
      ["no number for it", () => NaN],
      [
        "an error",
        () => {
          throw new Error("no database");
        },
      ],
    ] as const) {
      it(`are none where the limit is ${what}`, () => {
        assert.equal(code(crowd({ visitors }), "ada"), "ERR_FED_TOO_MANY_VISITORS");
      });
    }
  });
});
