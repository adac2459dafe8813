import assert from "node:assert/strict";
import type { PlayerSession } from "../../../src/custody/shared/player-session.ts";
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
const PORTAL = { uri: "aether://home.example/w", origin: HOME, world: "w", options: {} };

describe("custody/source, a visitor whose client goes while its crossing cannot be written down", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let arena: CustodyServer;
  let session: PlayerSession;

  beforeEach(async () => {
    servers = new CustodyServers();
    [home, arena] = [servers.add(HOME), servers.add(ARENA)];
    const body = bodyThatCarries({ gold: 1 });
    const known = { name: "ada", jkt: undefined, guest: false };
    const result = await home.custody.login("ada", known, body);
    assert.ok(result.ok);
    const outcome = home.custody.crossings.cross(result.session, {
      ...{ ...PORTAL, origin: ARENA },
    });
    await eventually(() => {
      assert.equal(body.transits.length, 1);
    });
    const there: TestBody = bodyThatCarries(undefined);
    const arrived = await arena.arrive(there);
    assert.ok(arrived !== undefined);
    await outcome;
    session = arrived;
    there.carried = { gold: 7 };
    arena.store.failing = true;
    void arena.custody.crossings.cross(session, PORTAL);
    await turn(10);
    await arena.custody.leave(session);
  });

  afterEach(() => {
    home.custody.stop();
    arena.custody.stop();
  });

  async function isHome(): Promise<void> {
    await eventually(async () => {
      const row = await home.custody.ledger.row("ada");
      assert.deepEqual([row?.holder, row?.state], [HOME, { gold: 7 }]);
    });
  }

  it("goes home with what it carried once it can", async () => {
    arena.store.failing = false;
    servers.clock.advance(1_000);
    await isHome();
  });

  it("goes home with it, too, when home calls it back before that", async () => {
    arena.store.failing = false;
    const asked = { player: "ada@home.example", epoch: session.epoch };
    const answer = await arena.custody.answer(HOME, "revoke", asked, 0);
    assert.ok(answer.ok, JSON.stringify(answer));
    await isHome();
  });
});

describe("custody/source, a crossing whose player is settled meanwhile", () => {
  it("is over as soon as home has answered, long before its deadline", async () => {
    const servers = new CustodyServers();
    const [home, arena] = [servers.add(HOME), servers.add(ARENA)];
    servers.add("https://gallery.example");
    const body = bodyThatCarries({ gold: 1 });
    const known = { name: "ada", jkt: undefined, guest: false };
    const login = await home.custody.login("ada", known, body);
    assert.ok(login.ok);
    void home.custody.crossings.cross(login.session, { ...PORTAL, origin: ARENA });
    await eventually(() => {
      assert.equal(body.transits.length, 1);
    });
    const there: TestBody = bodyThatCarries({ gold: 1 });
    const session = await arena.arrive(there);
    assert.ok(session !== undefined);
    const outcome = arena.custody.crossings.cross(session, {
      ...{ ...PORTAL, uri: "aether://gallery.example/w", origin: "https://gallery.example" },
    });
    await eventually(() => {
      assert.equal(there.transits.length, 1);
    });
    const startedAt = servers.clock.monotonic();
    await arena.custody.settlement.settle(session.player);
    assert.equal((await outcome).kind, "stayed");
    assert.equal(servers.clock.monotonic(), startedAt, "nothing had to time out");
    home.custody.stop();
    arena.custody.stop();
  });
});
