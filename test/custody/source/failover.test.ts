import assert from "node:assert/strict";
import type { PlayerSession } from "../../../src/custody/shared/player-session.ts";
import type { CrossingOutcome } from "../../../src/custody/source/crossings.ts";
import { FAILOVER_MILLISECONDS } from "../../../src/custody/source/failover.ts";
import {
  type CustodyServer,
  CustodyServers,
  type TestBody,
  bodyThatCarries,
} from "../../support/custody-servers.ts";
import { eventually } from "../../support/eventually.ts";
import { turn } from "../../support/turn.ts";

const HOME = "https://home.example";
const NAMES = ["one", "two", "three", "four", "five"].map((name) => `https://${name}.example`);
const [ONE = "", TWO = ""] = NAMES;
const to = (origin: string) => ({
  ...{ uri: "aether://portal.example/w", origin, world: "w", options: {} },
});

describe("custody/source, a crossing with other servers to try", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let body: TestBody;
  let session: PlayerSession;
  /** By origin, what a request for a seat there is refused with. */
  let asked: string[];

  beforeEach(async () => {
    servers = new CustodyServers();
    home = servers.add(HOME);
    for (const origin of NAMES) servers.add(origin);
    body = bodyThatCarries({ gold: 1 });
    const login = await home.custody.login(
      "ada",
      { name: "ada", jkt: undefined, guest: false },
      body,
    );
    assert.ok(login.ok);
    session = login.session;
    asked = [];
  });

  afterEach(() => {
    for (const { custody } of servers.servers.values()) custody.stop();
  });

  /** So many requests for seats are refused, whoever is asked. */
  function refuse(count: number): void {
    servers.refuses = (path) => {
      if (path !== "/reservations") return undefined;
      asked.push(path);
      return asked.length <= count ? "ERR_FED_WORLD_FULL" : undefined;
    };
  }

  const cross = (first: string, ...next: string[]): Promise<CrossingOutcome> =>
    home.custody.crossings.cross(session, to(first), undefined, { next: next.map(to) });
  const arrives = async (origin: string, outcome: Promise<CrossingOutcome>) => {
    await eventually(() => {
      assert.equal(body.transits.length, 1);
    });
    const there = servers.servers.get(origin);
    assert.ok((await there?.arrive(bodyThatCarries(undefined))) !== undefined);
    return outcome;
  };

  it("goes to the next where the first is full, and says so", async () => {
    refuse(1);
    const outcome = await arrives(TWO, cross(ONE, TWO));
    assert.equal(outcome.kind, "arrived");
    assert.ok(outcome.kind === "arrived");
    assert.equal(outcome.destination, TWO);
    assert.deepEqual(
      outcome.tried?.map(({ destination, code }) => [destination, code]),
      [[ONE, "ERR_FED_WORLD_FULL"]],
    );
    assert.notEqual(outcome.tried[0]?.transferId, outcome.transferId);
    assert.deepEqual(body.failures, [], "the player hears of no error");
    assert.match(home.said.join("\n"), /one\.example does not take .*two\.example is asked/u);
    const row = await home.custody.ledger.row("ada");
    assert.deepEqual([row?.holder, row?.state], [TWO, { gold: 1 }]);
  });

  it("goes to the next where the first cannot be reached", async () => {
    const outcome = await arrives(TWO, cross("https://nowhere.example", TWO));
    assert.equal(outcome.kind, "arrived");
  });

  it("takes a visitor on to the next, too, by its home's cancel", async () => {
    await arrives(ONE, cross(ONE));
    const one = servers.servers.get(ONE);
    const visitor = one?.custody.sessions.get("ada@home.example");
    assert.ok(one !== undefined && visitor !== undefined);
    refuse(1);
    const outcome = one.custody.crossings.cross(visitor, to(TWO), undefined, {
      next: [to(NAMES[2] ?? "")],
    });
    const there = servers.servers.get(NAMES[2] ?? "");
    await eventually(async () => {
      assert.ok((await there?.arrive(bodyThatCarries(undefined))) !== undefined);
    });
    assert.equal((await outcome).kind, "arrived");
  });

  it("gives the seat of the first free that answered too late", async () => {
    servers.hang = (path) => path === "/reservations" && asked.push(path) === 1;
    const outcome = cross(ONE, TWO);
    await turn(20);
    servers.clock.advance(5_000);
    await arrives(TWO, outcome);
    const freed = servers.calls.filter(({ path }) => path === "/reservations/cancel");
    assert.equal(freed.length, 1);
  });

  it("freezes the player once for all", async () => {
    const frozen: boolean[] = [];
    body.setFrozen = (now) => void frozen.push(now);
    refuse(2);
    await arrives(NAMES[2] ?? "", cross(ONE, TWO, NAMES[2] ?? ""));
    assert.deepEqual(frozen, [true]);
  });

  it("tries four servers at most, then tells the player once", async () => {
    refuse(9);
    const outcome = await cross(ONE, ...NAMES.slice(1));
    assert.ok(outcome.kind === "stayed");
    assert.equal(outcome.code, "ERR_FED_WORLD_FULL");
    assert.equal(asked.length, 4);
    assert.equal(outcome.tried?.length, 3);
    assert.equal(body.failures.length, 1);
    assert.equal(session.frozen, false);
    const row = await home.custody.ledger.row("ada");
    assert.deepEqual([row?.holder, row?.transfer, row?.epoch], [HOME, undefined, session.epoch]);
  });

  it("tries no other where it is not the destination that refuses", async () => {
    refuse(0);
    body.carried = "x".repeat(33_000);
    const outcome = await cross(ONE, TWO);
    assert.ok(outcome.kind === "stayed");
    assert.deepEqual([outcome.code, outcome.tried], ["ERR_FED_STATE_INVALID", undefined]);
    assert.deepEqual(asked, []);
  });

  it("has one deadline for all", async () => {
    servers.hang = (path) => path === "/reservations" && asked.push(path) > 0;
    const outcome = cross(ONE, ...NAMES.slice(1));
    for (let milliseconds = 0; milliseconds <= FAILOVER_MILLISECONDS; milliseconds += 500) {
      await turn(20);
      servers.clock.advance(500);
    }
    await turn(20);
    assert.equal((await outcome).kind, "stayed");
    assert.equal(asked.length, 3, "5 s each, within 15 s");
  });

  it("goes nowhere else once the player has turned round", async () => {
    servers.hang = (path) => path === "/reservations" && asked.push(path) > 0;
    const outcome = cross(ONE, TWO);
    await turn(20);
    home.custody.crossings.abandon(
      session.player,
      home.custody.crossings.transferOf(session.player) ?? "",
    );
    const ended = await outcome;
    assert.ok(ended.kind === "stayed");
    assert.equal(ended.code, "ERR_FED_CROSSING_ABANDONED");
    assert.equal(asked.length, 1);
  });

  it("goes nowhere else where the first has claimed the player, and does not answer", async () => {
    servers.hang = (path) => path === "/reservations" && asked.push(path) > 0;
    const outcome = cross(ONE, TWO);
    await turn(20);
    const transferId = home.custody.crossings.transferOf(session.player) ?? "";
    const claimed = await home.custody.answer(ONE, "claim", { transferId }, 0);
    assert.ok(claimed.ok);
    servers.clock.advance(5_000);
    await outcome;
    assert.equal(asked.length, 1);
    assert.equal((await home.custody.ledger.row("ada"))?.holder, ONE);
  });
});
