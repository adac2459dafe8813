import assert from "node:assert/strict";
import type { FederationErrorCode } from "../../../src/errors.ts";
import type { PlayerSession } from "../../../src/custody/shared/player-session.ts";
import {
  type CustodyServer,
  CustodyServers,
  type TestBody,
  bodyThatCarries,
} from "../../support/custody-servers.ts";
import { LEDGER_TABLE } from "../../../src/custody/home/ledger-columns.ts";
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

describe("custody/source, a seat asked for while the departure goes to disk", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let arena: CustodyServer;
  let body: TestBody;
  let session: PlayerSession;
  /** Holds the next write of a custody row until it is let go on, or fails. */
  let goOn: (failure?: Error) => void;

  beforeEach(async () => {
    servers = new CustodyServers();
    [home, arena] = [servers.add(HOME), servers.add(ARENA)];
    body = bodyThatCarries({ gold: 1 });
    const known = { name: "ada", jkt: undefined, guest: false };
    const login = await home.custody.login("ada", known, body);
    assert.ok(login.ok);
    session = login.session;
    const table = home.store.table(LEDGER_TABLE);
    const update = table.update.bind(table);
    const held = new Promise<Error | undefined>((resolve) => {
      goOn = resolve;
    });
    table.update = async (...row) => {
      table.update = update;
      const failure = await held;
      if (failure !== undefined) throw failure;
      return update(...row);
    };
  });

  afterEach(() => {
    home.custody.stop();
    arena.custody.stop();
  });

  const asked = (): string[] =>
    servers.calls.flatMap(({ path }) => (path.startsWith("/reservations") ? [path] : []));
  const cross = (): Promise<unknown> =>
    home.custody.crossings.cross(session, { ...PORTAL, origin: ARENA });

  it("is there by then, and told of only after it", async () => {
    void cross();
    await eventually(() => {
      assert.deepEqual(asked(), ["/reservations"]);
    });
    await eventually(async () => {
      assert.equal((await arena.custody.seats.of("ada@home.example")).length, 1);
    });
    assert.equal(body.transits.length, 0);
    goOn();
    await eventually(() => {
      assert.equal(body.transits.length, 1);
    });
    assert.deepEqual(asked(), ["/reservations"]);
  });

  it("is given free where the departure is not written", async () => {
    const outcome = cross();
    await eventually(async () => {
      assert.equal((await arena.custody.seats.of("ada@home.example")).length, 1);
    });
    goOn(new Error("disk full"));
    assert.equal(((await outcome) as { kind: string }).kind, "stayed");
    await eventually(() => {
      assert.equal(arena.released.length, 1);
    });
    assert.equal(body.transits.length, 0);
    assert.equal(session.frozen, false);
  });

  it("is given free also where it is still being asked for by then", async () => {
    let seated: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => {
      seated = resolve;
    });
    const reserve = arena.custody.seats.reserve.bind(arena.custody.seats);
    arena.custody.seats.reserve = async (...call) => {
      await waiting;
      return reserve(...call);
    };
    const outcome = cross();
    await eventually(() => {
      assert.deepEqual(asked(), ["/reservations"]);
    });
    goOn(new Error("disk full"));
    assert.equal(((await outcome) as { kind: string }).kind, "stayed");
    seated();
    await eventually(() => {
      assert.equal(arena.released.length, 1);
    });
  });

  it("is asked for again where the player has another name by then", async () => {
    void cross();
    await eventually(async () => {
      assert.equal((await arena.custody.seats.of("ada@home.example")).length, 1);
    });
    await home.custody.ledger.admit("ada", { name: "bea", jkt: undefined });
    goOn();
    await eventually(() => {
      assert.equal(body.transits.length, 1);
    });
    assert.deepEqual(asked(), ["/reservations", "/reservations/cancel", "/reservations"]);
    const [seat, ...others] = await arena.custody.seats.of("ada@home.example");
    assert.deepEqual([seat?.name, others], ["bea", []]);
  });
});

describe("custody/source, a player whose crossings fail again and again", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let body: TestBody;
  let session: PlayerSession;

  beforeEach(async () => {
    servers = new CustodyServers();
    home = servers.add(HOME);
    servers.add(ARENA);
    body = bodyThatCarries({ gold: 1 });
    const known = { name: "ada", jkt: undefined, guest: false };
    const login = await home.custody.login("ada", known, body);
    assert.ok(login.ok);
    ({ session } = login);
    refuse("ERR_FED_WORLD_FULL");
  });
  afterEach(() => {
    home.custody.stop();
  });

  function refuse(code: FederationErrorCode | undefined): void {
    servers.refuses = (path) => (path === "/reservations" ? code : undefined);
  }

  async function enter(times = 1): Promise<(string | undefined)[]> {
    const codes: (string | undefined)[] = [];
    for (let time = 0; time < times; time += 1) {
      const outcome = await home.custody.crossings.cross(session, { ...PORTAL, origin: ARENA });
      codes.push(outcome.kind === "stayed" ? outcome.code : outcome.kind);
    }
    return codes;
  }

  const FULL = "ERR_FED_WORLD_FULL";
  const LIMITED = "ERR_FED_RATE_LIMITED";

  it("waits from the fourth on, and is told how long, without anybody being asked", async () => {
    assert.deepEqual(await enter(5), [FULL, FULL, FULL, FULL, LIMITED]);
    const asked = servers.calls.length;
    assert.deepEqual(await enter(2), [LIMITED, LIMITED]);
    assert.equal(servers.calls.length, asked);
    const { message } = body.failures.at(-1) ?? {};
    assert.equal(message, "You could not get through several times. Try again in 2 s.");
    await servers.clock.advanceAsync(2_000);
    assert.deepEqual(await enter(2), [FULL, LIMITED]);
    assert.match(body.failures.at(-1)?.message ?? "", /again in 4 s/u);
  });

  it("is told so six times a minute", async () => {
    await enter(4);
    const before = body.failures.length;
    await enter(20);
    assert.equal(body.failures.length - before, 6);
  });

  it("begins anew once it has arrived", async () => {
    await enter(3);
    refuse(undefined);
    const arena = servers.servers.get(ARENA);
    const outcome = home.custody.crossings.cross(session, { ...PORTAL, origin: ARENA });
    await eventually(() => {
      assert.equal(body.transits.length, 1);
    });
    const there = bodyThatCarries(undefined);
    const visit = await arena?.arrive(there);
    assert.equal((await outcome).kind, "arrived");
    assert.ok(visit !== undefined);
    const back = arena?.custody.crossings.cross(visit, PORTAL);
    await eventually(() => {
      assert.equal(there.transits.length, 1);
    });
    body = bodyThatCarries(undefined);
    const again = await home.arrive(body);
    await back;
    assert.ok(again !== undefined);
    session = again;
    refuse(FULL);
    assert.deepEqual(await enter(5), [FULL, FULL, FULL, FULL, LIMITED]);
  });

  it("may try on where a room of this very server has taken it", async () => {
    await enter(3);
    for (const here of [1, 2]) {
      const outcome = await home.custody.crossings.cross(
        session,
        { ...PORTAL, origin: ARENA },
        undefined,
        {
          here: () =>
            Promise.resolve({
              ...{ kind: "arrived", transferId: `${here}`, to: PORTAL.uri, destination: HOME },
            }),
        },
      );
      assert.equal(outcome.kind, "arrived");
    }
    assert.deepEqual(await enter(), [FULL]);
  });

  for (const code of ["ERR_FED_RATE_LIMITED", "ERR_FED_STATE_INVALID"] as const) {
    it(`does not wait for what is its own (${code})`, async () => {
      refuse(code);
      const asked = () => servers.calls.filter(({ path }) => path === "/reservations").length;
      await enter(8);
      assert.equal(asked(), 8);
    });
  }

  it("does not wait for having turned round itself", async () => {
    refuse(undefined);
    for (let time = 1; time <= 8; time += 1) {
      const outcome = home.custody.crossings.cross(session, { ...PORTAL, origin: ARENA });
      await eventually(() => {
        assert.equal(body.transits.length, time);
      });
      home.custody.crossings.abandon(session.player, body.transits.at(-1)?.transferId ?? "");
      const { kind } = await outcome;
      assert.equal(kind, "stayed");
    }
  });
});

describe("custody/source, a player who turns round", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let arena: CustodyServer;
  let body: TestBody;
  let session: PlayerSession;
  const toArena = { uri: "aether://arena.example/w", origin: ARENA, world: "w", options: {} };

  beforeEach(async () => {
    servers = new CustodyServers();
    [home, arena] = [servers.add(HOME), servers.add(ARENA)];
    body = bodyThatCarries({ gold: 1 });
    const known = { name: "ada", jkt: undefined, guest: false };
    const login = await home.custody.login("ada", known, body);
    assert.ok(login.ok);
    session = login.session;
  });

  afterEach(() => {
    home.custody.stop();
    arena.custody.stop();
  });

  const calls = (path: string) => servers.calls.filter((call) => call.path === path);

  const turnRound = (): void => {
    const { crossings } = home.custody;
    crossings.abandon(session.player, crossings.transferOf(session.player) ?? "");
  };

  it("waits for no server that says nothing, and takes back the seat that it may yet make", async () => {
    servers.hang = (path) => path === "/reservations";
    const outcome = home.custody.crossings.cross(session, toArena);
    await eventually(() => {
      assert.equal(calls("/reservations").length, 1);
    });
    turnRound();
    const ended = await outcome;
    assert.ok(ended.kind === "stayed");
    assert.equal(ended.code, "ERR_FED_CROSSING_ABANDONED");
    assert.equal(session.frozen, false);
    servers.clock.advance(5_000);
    await eventually(() => {
      assert.equal(calls("/reservations/cancel").length, 1);
    });
    const row = await home.custody.ledger.row("ada");
    assert.deepEqual([row?.holder, row?.transfer, row?.state], [HOME, undefined, { gold: 1 }]);
  });

  it("is on its way all the same where the other server has claimed it by then", async () => {
    servers.hang = (path) => path === "/reservations";
    const outcome = home.custody.crossings.cross(session, toArena);
    await eventually(() => {
      assert.equal(calls("/reservations").length, 1);
    });
    const transferId = home.custody.crossings.transferOf(session.player);
    assert.ok((await home.custody.answer(ARENA, "claim", { transferId }, 0)).ok);
    turnRound();
    assert.equal((await outcome).kind, "arrived");
    assert.equal((await home.custody.ledger.row("ada"))?.holder, ARENA);
  });

  it("gets no seat where it turns round before its home has answered", async () => {
    const arrived = home.custody.crossings.cross(session, toArena);
    const there = bodyThatCarries({ gold: 7 });
    await eventually(() => {
      assert.equal(body.transits.length, 1);
    });
    const visitor = await arena.arrive(there);
    assert.ok(visitor !== undefined);
    await arrived;
    const before = calls("/reservations").length;
    servers.tamper = (path, answer) => {
      const { crossings } = arena.custody;
      const transferId = crossings.transferOf(visitor.player) ?? "";
      if (path === "/custody/depart") crossings.abandon(visitor.player, transferId);
      return answer;
    };
    const outcome = await arena.custody.crossings.cross(visitor, PORTAL);
    assert.ok(outcome.kind === "stayed");
    assert.equal(outcome.code, "ERR_FED_CROSSING_ABANDONED");
    assert.equal(calls("/reservations").length, before);
    assert.equal(visitor.frozen, false);
  });

  it("is on its way to another room as long as the seat there is good", () => {
    const { moves } = home.custody;
    assert.equal(moves.transferOf(session), undefined);
    const now = Math.floor(servers.clock.now() / 1000);
    const to = "aether://home.example/w";
    moves.promise(session, { seat: "one", transferId: "first", to, expiresAt: now + 15 });
    moves.promise(session, { seat: "two", transferId: "second", to, expiresAt: now + 5 });
    assert.equal(moves.transferOf(session), "second");
    servers.clock.advance(6_000);
    assert.equal(moves.transferOf(session), "first");
    servers.clock.advance(10_000);
    assert.equal(moves.transferOf(session), undefined);
  });

  it("ends no crossing by the id of another", async () => {
    const outcome = home.custody.crossings.cross(session, toArena);
    await eventually(() => {
      assert.equal(body.transits.length, 1);
    });
    home.custody.crossings.abandon(session.player, "00000000-0000-4000-8000-000000000000");
    assert.ok((await arena.arrive(bodyThatCarries(undefined))) !== undefined);
    assert.equal((await outcome).kind, "arrived");
  });
});
