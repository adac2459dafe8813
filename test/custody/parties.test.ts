import assert from "node:assert/strict";
import type { Arrival } from "../../src/custody/destination/arrivals.ts";
import type { WaitingConnection } from "../../src/custody/destination/gatherings.ts";
import type { SeatClaim } from "../../src/custody/destination/seat-host.ts";
import type { PartyMessage } from "../../src/custody/shared/party.ts";
import type { PlayerSession } from "../../src/custody/shared/player-session.ts";
import type { PartyOutcome } from "../../src/custody/source/parties.ts";
import type { CallAnswer, FederationErrorCode } from "../../src/errors.ts";
import {
  type CustodyServer,
  CustodyServers,
  type TestBody,
  bodyThatCarries,
} from "../support/custody-servers.ts";
import { eventually } from "../support/eventually.ts";
import { turn } from "../support/turn.ts";
import { Walk } from "../support/walk.ts";

const SOURCE = "https://source.example";
const [NORTH, SOUTH] = ["https://north.example", "https://south.example"];
const ARENA = "https://arena.example";
const URI = "aether://arena.example/w";
const DESTINATION = { uri: URI, origin: ARENA, world: "w", options: {} };
const BOB = "bob@north.example";

/** A client's connection that a test can cut. */
class TestConnection implements WaitingConnection {
  #open = true;
  readonly #listeners = new Set<() => void>();
  isOpen = (): boolean => this.#open;
  onClose(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  cut(): void {
    this.#open = false;
    for (const listener of [...this.#listeners]) listener();
  }
}

type Claimed = { readonly ok: true; readonly arrival: Arrival } | Exclude<CallAnswer, { ok: true }>;

/** One member, as its client sees it. */
interface Member {
  readonly player: string;
  readonly body: TestBody;
  readonly session: PlayerSession;
  connection: TestConnection;
  claimed: Promise<Claimed> | undefined;
  answer: Claimed | undefined;
}

describe("custody, parties", () => {
  let servers: CustodyServers;
  let source: CustodyServer;
  let arena: CustodyServer;
  let members: Member[];
  let told: PartyMessage[];
  const walk = new Walk();

  beforeEach(async () => {
    servers = new CustodyServers();
    source = servers.add(SOURCE);
    arena = servers.add(ARENA);
    [members, told] = [[], []];
    for (const [localId, home] of [
      ["ada", SOURCE],
      ["bob", NORTH],
      ["cyd", SOUTH],
    ] as const) {
      const player = `${localId}@${new URL(home).host}`;
      const there = servers.servers.get(home) ?? servers.add(home);
      const body = bodyThatCarries({ of: localId });
      await walk.login(there, localId, body);
      const here = home === SOURCE ? body : await walk.cross(there, source, player, body);
      here.carried = { of: localId };
      here.party = (message) => void told.push(message);
      const session = source.custody.sessions.get(player);
      assert.ok(session !== undefined);
      members.push({
        ...{ player, session, body: here, connection: new TestConnection() },
        ...{ claimed: undefined, answer: undefined },
      });
    }
    servers.calls.splice(0);
  });

  afterEach(() => {
    for (const { custody } of servers.servers.values()) custody.stop();
  });

  const enter = (ifSomeCannot: "nobody" | "others" = "nobody"): Promise<PartyOutcome> =>
    source.custody.parties.enter(
      members.map(({ session }) => session),
      DESTINATION,
      ifSomeCannot,
    );
  const paths = (path: string) => servers.calls.filter((call) => call.path === path);
  const holders = (): Promise<(string | undefined)[]> =>
    Promise.all(
      members.map(async ({ session, player }) => {
        const home = servers.servers.get(session.home);
        return (await home?.custody.ledger.row(player.split("@")[0] ?? ""))?.holder;
      }),
    );

  /** Waits until each of these has been told of its seat. */
  async function seated(...who: Member[]): Promise<void> {
    await eventually(() => {
      for (const { body } of who) assert.equal(body.transits.length, 1);
    });
  }

  /** A member's client takes its seat; who is let in there plays there. */
  async function comes(member: Member): Promise<void> {
    const transit = member.body.transits[0];
    assert.ok(transit !== undefined, "it was told of a seat");
    const claim: SeatClaim = {
      ...{ player: member.player, caller: SOURCE, transferId: transit.transferId },
    };
    const { sessionId } = transit.reservation as { sessionId: string };
    const seat = await arena.custody.seats.find(claim, sessionId);
    assert.ok(seat !== undefined, "the seat is there");
    member.connection = new TestConnection();
    const claimed = arena.custody.gatherings.arrive(claim, seat, member.connection);
    member.claimed = claimed;
    void claimed.then((answer) => {
      member.answer = answer;
      if (answer.ok) arena.custody.arrivals.begin(answer.arrival, bodyThatCarries(undefined));
    });
  }

  /** As a `Traveler` that is not let in. */
  async function turnsBack(member: Member): Promise<void> {
    await member.claimed;
    const { transferId } = member.body.transits[0] ?? { transferId: "" };
    source.custody.crossings.abandon(member.player, transferId);
  }

  const playing = (): string[] => arena.custody.sessions.all().map(({ player }) => player);

  function assertStayed(outcome: PartyOutcome, code: FederationErrorCode): void {
    assert.equal(outcome.kind, "stayed", JSON.stringify(outcome));
    assert.equal(outcome.reason?.code, code);
    for (const { outcome: each } of outcome.members) {
      assert.ok(each.kind === "stayed");
      assert.deepEqual([each.code, each.message], [code, outcome.reason.message]);
    }
    for (const { session } of members) {
      assert.deepEqual([session.ended, session.frozen], [false, false], session.player);
    }
    assert.deepEqual(playing(), []);
  }

  it("arrive together: all homes have pledged before any is asked for the player", async () => {
    const outcome = enter();
    await seated(...members);
    for (const member of members) await comes(member);
    const ended = await outcome;
    assert.equal(ended.kind, "arrived");
    assert.deepEqual(await holders(), [ARENA, ARENA, ARENA]);
    const order = servers.calls.map(({ path }) => path);
    assert.ok(order.lastIndexOf("/custody/pledge") < order.indexOf("/custody/claim"));
    await eventually(() => {
      assert.deepEqual(playing().sort(), members.map(({ player }) => player).sort());
    });
    const states = await Promise.all(members.map(async ({ claimed }) => claimed));
    for (const [at, claimed] of states.entries()) {
      assert.ok(claimed?.ok === true);
      assert.deepEqual(claimed.arrival.state, { of: members[at]?.player.split("@")[0] });
    }
  });

  it("wait for the last one: nobody is claimed before it has come", async () => {
    const outcome = enter();
    await seated(...members);
    const [ada, bob, cyd] = members;
    assert.ok(ada && bob && cyd);
    await comes(ada);
    await comes(bob);
    await turn(20);
    assert.deepEqual([paths("/custody/pledge"), paths("/custody/claim")], [[], []]);
    assert.deepEqual([ada.answer, bob.answer], [undefined, undefined]);
    await comes(cyd);
    assert.equal((await outcome).kind, "arrived");
  });

  it("are shown to all of them, with whose client waits there", async () => {
    const outcome = enter();
    await seated(...members);
    const [ada] = members;
    assert.ok(ada);
    await comes(ada);
    await eventually(() => {
      const stages = told.at(-1)?.members.map(({ stage }) => stage);
      assert.deepEqual(stages, ["waiting", "reserved", "reserved"]);
    });
    assert.deepEqual([told[0]?.to, told[0]?.members.length], [URI, 3]);
    for (const member of members.slice(1)) await comes(member);
    await outcome;
  });

  it("stay together where one does not come in time, and play on with the same reason", async () => {
    const outcome = enter();
    await seated(...members);
    for (const member of members.slice(0, 2)) await comes(member);
    await servers.clock.advanceAsync(10_500);
    for (const member of members.slice(0, 2)) {
      const answer = await member.claimed;
      assert.ok(answer?.ok === false);
      assert.deepEqual(
        [answer.code, answer.reason],
        ["ERR_FED_PARTY_BROKEN", "cyd did not come in time."],
      );
      await turnsBack(member);
    }
    assertStayed(await outcome, "ERR_FED_PARTY_BROKEN");
  });

  it("stay together where one turns round: the source gives the seats back", async () => {
    const outcome = enter();
    await seated(...members);
    const [ada, bob, cyd] = members;
    assert.ok(ada && bob && cyd);
    await comes(ada);
    source.custody.crossings.abandon(cyd.player, cyd.body.transits[0]?.transferId ?? "");
    assertStayed(await outcome, "ERR_FED_PARTY_BROKEN");
    const answer = await ada.claimed;
    assert.ok(answer?.ok === false);
    assert.equal(answer.code, "ERR_FED_PARTY_BROKEN");
  });

  it("stay together where one's connection is gone, and does not come again", async () => {
    const outcome = enter();
    await seated(...members);
    const [ada, bob] = members;
    assert.ok(ada && bob);
    await comes(ada);
    await comes(bob);
    bob.connection.cut();
    await servers.clock.advanceAsync(3_100);
    const answer = await ada.claimed;
    assert.ok(answer?.ok === false && answer.code === "ERR_FED_PARTY_BROKEN");
    await turnsBack(ada);
    assertStayed(await outcome, "ERR_FED_PARTY_BROKEN");
  });

  it("go on where one's connection is gone for a moment", async () => {
    const outcome = enter();
    await seated(...members);
    const [ada, bob, cyd] = members;
    assert.ok(ada && bob && cyd);
    await comes(bob);
    bob.connection.cut();
    await servers.clock.advanceAsync(1_000);
    for (const member of [ada, bob, cyd]) await comes(member);
    assert.equal((await outcome).kind, "arrived");
  });

  it("stay together where one's home refuses to pledge: nobody is claimed", async () => {
    servers.answer = (path) =>
      path === "/custody/pledge"
        ? { ok: false, code: "ERR_FED_NOT_FOUND", reason: "no such call" }
        : undefined;
    const outcome = enter();
    await seated(...members);
    for (const member of members) await comes(member);
    for (const member of members) await turnsBack(member);
    assertStayed(await outcome, "ERR_FED_PARTY_BROKEN");
    assert.deepEqual(paths("/custody/claim"), []);
  });

  it("stay together where one's home is down: the others' pledges are ended", async () => {
    servers.refuses = (path, body) =>
      path === "/custody/pledge" && (body as { transferId: string }).transferId === lastTransfer()
        ? "ERR_FED_UNAVAILABLE"
        : undefined;
    const outcome = enter();
    await seated(...members);
    for (const member of members) await comes(member);
    await servers.clock.advanceAsync(6_000);
    for (const member of members) await turnsBack(member);
    await servers.clock.advanceAsync(1_000);
    assertStayed(await outcome, "ERR_FED_PARTY_BROKEN");
    assert.ok(paths("/custody/unpledge").length >= 2);
  });

  const lastTransfer = (): string | undefined => members[2]?.body.transits[0]?.transferId;

  it("go home where a claim is lost after others were won, and nobody plays there", async () => {
    servers.refuses = (path, body) =>
      path === "/custody/claim" && (body as { transferId: string }).transferId === lastTransfer()
        ? "ERR_FED_STALE_CUSTODY"
        : undefined;
    const outcome = enter();
    await seated(...members);
    for (const member of members) await comes(member);
    const [, bob, cyd] = members;
    assert.ok(bob && cyd);
    await turnsBack(cyd);
    const ended = await outcome;
    assert.equal(ended.kind, "parted");
    assert.deepEqual(playing(), []);
    await eventually(async () => {
      assert.deepEqual(await holders(), [SOURCE, NORTH, SOURCE]);
    });
    const answer = await bob.claimed;
    assert.ok(answer?.ok === false);
    assert.equal(answer.reason, "cyd could not be brought along.");
  });

  it("are not begun where one cannot depart: the others are taken back with its reason", async () => {
    servers.refuses = (path) => (path === "/custody/depart" ? "ERR_FED_UNAVAILABLE" : undefined);
    const ended = await enter();
    assertStayed(ended, "ERR_FED_UNAVAILABLE");
    assert.deepEqual(paths("/parties"), []);
  });

  for (const [what, lacking] of [
    ["their destination", ARENA],
    ["the home of one", SOUTH],
  ] as const) {
    it(`are not begun where ${what} knows no parties: nobody is frozen`, async () => {
      servers.knowsParties = (origin) => origin !== lacking;
      const outcome = enter();
      for (const { session } of members) assert.equal(session.frozen, false);
      assertStayed(await outcome, "ERR_FED_PARTY_UNSUPPORTED");
      assert.deepEqual(servers.calls, []);
    });
  }

  it("do not go to a room of the same server", () => {
    const obstacle = source.custody.parties.obstacle(SOURCE, [SOURCE]);
    assert.equal(obstacle?.code, "ERR_FED_PARTY_UNSUPPORTED");
  });

  it("are refused together where there is no room for all", async () => {
    servers.full = (places) => (places > 2 ? "ERR_FED_WORLD_FULL" : undefined);
    assertStayed(await enter(), "ERR_FED_WORLD_FULL");
  });

  it("are refused together where one is not admitted", async () => {
    servers.answer = (path) =>
      path === "/parties"
        ? { ok: false, code: "ERR_FED_ADMISSION_REFUSED", reason: "no bobs" }
        : undefined;
    assertStayed(await enter(), "ERR_FED_ADMISSION_REFUSED");
  });

  it("leave behind who cannot, where the others shall go", async () => {
    const outcome = enter("others");
    await seated(...members);
    const [ada, bob, cyd] = members;
    assert.ok(ada && bob && cyd);
    await comes(ada);
    await comes(cyd);
    source.custody.crossings.abandon(BOB, bob.body.transits[0]?.transferId ?? "");
    const ended = await outcome;
    assert.equal(ended.kind, "parted");
    assert.deepEqual(
      ended.members.map(({ outcome: { kind } }) => kind),
      ["arrived", "stayed", "arrived"],
    );
    await eventually(() => {
      assert.deepEqual(playing().sort(), ["ada@source.example", "cyd@south.example"]);
    });
    assert.equal(bob.session.frozen, false);
  });

  it("go without those who did not come in time, where the others shall go", async () => {
    const outcome = enter("others");
    await seated(...members);
    const [ada, bob, cyd] = members;
    assert.ok(ada && bob && cyd);
    await comes(ada);
    await comes(cyd);
    await servers.clock.advanceAsync(10_500);
    assert.equal((await ada.claimed)?.ok, true);
    await servers.clock.advanceAsync(10_000);
    assert.equal((await outcome).kind, "parted");
    assert.deepEqual(await holders(), [ARENA, SOURCE, ARENA]);
  });

  it("that a destination pledges and never claims play on once the pledges are over", async () => {
    const outcome = enter();
    await seated(...members);
    const [, bob] = members;
    assert.ok(bob);
    const transferId = bob.body.transits[0]?.transferId ?? "";
    const north = servers.servers.get(NORTH);
    const pledge = { transferId, partyId: "99999999-9999-4999-8999-999999999999" };
    const pledged = await north?.custody.answer(ARENA, "pledge", pledge, 0);
    assert.equal(pledged?.ok, true);
    source.custody.crossings.abandon(BOB, transferId);
    await servers.clock.advanceAsync(20_000);
    assert.equal(bob.session.frozen, true, "nobody knows yet");
    await servers.clock.advanceAsync(26_000);
    assertStayed(await outcome, "ERR_FED_PARTY_BROKEN");
  });

  it("that gather where the server stops are let go of", async () => {
    const outcome = enter();
    await seated(...members);
    const [ada] = members;
    assert.ok(ada);
    await comes(ada);
    void arena.custody.drain(1_000);
    const answer = await ada.claimed;
    assert.ok(answer?.ok === false && answer.code === "ERR_FED_PARTY_BROKEN");
    await turnsBack(ada);
    assertStayed(await outcome, "ERR_FED_PARTY_BROKEN");
  });

  it("do not let a member in twice by two connections", async () => {
    const outcome = enter();
    await seated(...members);
    const [ada] = members;
    assert.ok(ada);
    await comes(ada);
    const first = ada.claimed;
    await comes(ada);
    const second = await ada.claimed;
    assert.ok(second?.ok === false && second.code === "ERR_FED_SEAT_BUSY");
    for (const member of members.slice(1)) await comes(member);
    assert.equal((await first)?.ok, true);
    assert.equal((await outcome).kind, "arrived");
  });

  it("are told of no seat before every departure is decided", async () => {
    servers.hang = (path) => path === "/custody/depart";
    const outcome = enter();
    await turn(20);
    assert.deepEqual(paths("/parties"), []);
    for (const { body } of members) assert.deepEqual(body.transits, []);
    servers.hang = () => false;
    await servers.clock.advanceAsync(6_000);
    assert.equal((await outcome).kind, "stayed");
  });

  describe("asked for by a source that cannot be trusted", () => {
    const ask = (body: object): Promise<CallAnswer> =>
      arena.custody.partySeats.reserve(SOURCE, {
        ...{ partyId: "99999999-9999-4999-8999-999999999999", world: "w", ifSomeCannot: "nobody" },
        ...body,
      });
    const id = (digit: number): string => `${digit}`.repeat(8) + "-1111-4111-8111-111111111111";
    const refused = (answer: CallAnswer, code: FederationErrorCode): void => {
      assert.ok(!answer.ok, "refused");
      assert.equal(answer.code, code, answer.reason);
    };

    it("have 8 members at most", async () => {
      const all = Array.from({ length: 9 }, (_, at) => ({ transferId: id(at), pass: "x" }));
      refused(await ask({ members: all }), "ERR_FED_MALFORMED");
    });

    it("have no member twice", async () => {
      const member = { transferId: id(1), pass: "x" };
      refused(await ask({ members: [member, member] }), "ERR_FED_MALFORMED");
    });

    it("have no member whose pass is not its home's", async () => {
      const all = [1, 2].map((at) => ({ transferId: id(at), pass: "x.y.z" }));
      refused(await ask({ members: all }), "ERR_FED_PASS_INVALID");
    });
  });

  it("are not heard of from whoever is not their destination", async () => {
    const outcome = enter();
    await seated(...members);
    const { partyId } = told[0] ?? { partyId: "" };
    const said = source.custody.parties.progress(NORTH, { partyId, waiting: [] });
    assert.ok(!said.ok && said.code === "ERR_FED_NOT_FOUND");
    for (const member of members) await comes(member);
    await outcome;
  });

  it("get the same seats when the source asks again", async () => {
    const outcome = enter();
    await seated(...members);
    const body = paths("/parties")[0]?.body;
    const again = await arena.custody.partySeats.reserve(SOURCE, body);
    assert.ok(again.ok);
    assert.deepEqual(
      again.body.members.map((each) => ("reservation" in each ? each.reservation : undefined)),
      members.map((member) => member.body.transits[0]?.reservation),
    );
    for (const member of members) await comes(member);
    assert.equal((await outcome).kind, "arrived");
  });
});
