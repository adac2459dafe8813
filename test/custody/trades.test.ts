import assert from "node:assert/strict";
import type { GiftOutcome } from "../../src/custody/holder/giving.ts";
import { inventoryOf } from "../../src/custody/home/trade-items.ts";
import { tradePurpose } from "../../src/identity/trade.ts";
import type { JsonValue } from "../../src/json.ts";
import {
  CustodyServers,
  type CustodyServer,
  type TestBody,
  bodyThatCarries,
} from "../support/custody-servers.ts";
import { eventually } from "../support/eventually.ts";
import { playerKey, proofBy } from "../support/player-proofs.ts";

const [HOME, FAR, ARENA] = ["https://home.example", "https://far.example", "https://arena.example"];
const [ADA, BOB] = ["ada@home.example", "bob@far.example"];
const SWORD = { id: "sword", name: "Sting" };
const TRADE = "00000000-0000-4000-8000-000000000001";
const HOUR = 3_600_000;

describe("custody/trades", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let far: CustodyServer;
  let arena: CustodyServer;
  let ada: TestBody;
  const key = playerKey("ada");

  beforeEach(async () => {
    servers = new CustodyServers();
    [home, far, arena] = [servers.add(HOME), servers.add(FAR), servers.add(ARENA)];
    ada = bodyThatCarries({ inventory: [SWORD, { id: "cap" }] });
    await play(home, "ada", ada, key.kid);
    await play(far, "bob", bodyThatCarries({ inventory: [] }));
    await leave(far, BOB);
  });
  afterEach(() => {
    for (const { custody } of servers.servers.values()) custody.stop();
  });

  async function play(at: CustodyServer, id: string, body: TestBody, jkt?: string): Promise<void> {
    const login = await at.custody.login(id, { name: id, jkt, guest: false }, body);
    assert.ok(login.ok, JSON.stringify(login));
    if (login.state !== undefined) body.carried = login.state;
  }
  async function leave(at: CustodyServer, player: string): Promise<void> {
    const session = at.custody.sessions.get(player);
    assert.ok(session !== undefined);
    await at.custody.leave(session);
  }
  /** Ada goes to the arena, with what she has. */
  async function goToArena(): Promise<void> {
    const session = home.custody.sessions.get(ADA);
    assert.ok(session !== undefined);
    const destination = { uri: "aether://x/w", origin: ARENA, world: "w", options: {} };
    const outcome = home.custody.crossings.cross(session, destination);
    await eventually(() => {
      assert.equal(ada.transits.length, 1);
    });
    ada = bodyThatCarries(undefined);
    assert.ok((await arena.arrive(ada)) !== undefined);
    assert.equal((await outcome).kind, "arrived");
  }
  async function give(
    at: CustodyServer,
    change: { item?: string; to?: string; toHome?: string; tradeId?: string; signed?: string } = {},
  ): Promise<GiftOutcome> {
    const { item = "sword", to = BOB, toHome = FAR, tradeId = TRADE } = change;
    const session = at.custody.sessions.get(ADA);
    assert.ok(session !== undefined, "ada plays there");
    const purpose = tradePurpose({ tradeId, item: change.signed ?? item, to });
    const proof = await proofBy(key, HOME, { use: "trade", purpose }, servers.clock.now());
    const giving = at.custody.give(session, { tradeId, item, to, toHome, proof });
    let over = false;
    void giving.finally(() => (over = true));
    await eventually(() => {
      servers.clock.advance(1_000);
      assert.ok(over);
    });
    return giving;
  }
  const idsAt = async (at: CustodyServer, localId: string): Promise<unknown[]> =>
    (inventoryOf((await at.custody.ledger.row(localId))?.state) ?? []).map(
      (item) => (item as { id: string }).id,
    );
  async function comesHome(at: CustodyServer, id: string, jkt?: string): Promise<JsonValue[]> {
    const body = bodyThatCarries(undefined);
    await play(at, id, body, jkt);
    return [...(inventoryOf(body.carried as JsonValue) ?? [])];
  }
  const callsTo = (path: string): number =>
    servers.calls.filter((call) => call.path === path).length;

  it("takes an item from one home's player to another's, who gets it at home", async () => {
    await goToArena();
    const outcome = await give(arena);
    assert.equal(outcome.kind, "given");
    assert.deepEqual(await idsAt(home, "ada"), ["cap"]);
    assert.deepEqual(await comesHome(far, "bob"), [SWORD]);
  });

  it("has a receipt of each home, at each home", async () => {
    await goToArena();
    const outcome = await give(arena);
    assert.ok(outcome.kind === "given");
    const { trade, receipt } = outcome;
    for (const at of [home, far]) {
      const record = await at.custody.trades.record(HOME, TRADE);
      assert.deepEqual(record, {
        ...{ tradeId: TRADE, from: ADA, to: BOB, item: SWORD, taken: true, trade, receipt },
      });
      assert.equal(at.events.filter(({ type }) => type === "trade").length, 1);
    }
  });

  it("works at home, too, and between players of one home", async () => {
    assert.equal((await give(home)).kind, "given");
    await play(home, "eve", bodyThatCarries({}));
    await leave(home, "eve@home.example");
    const second = "00000000-0000-4000-8000-000000000002";
    const gift = { item: "cap", to: "eve@home.example", toHome: HOME, tradeId: second };
    assert.equal((await give(home, gift)).kind, "given");
    assert.deepEqual(await comesHome(home, "eve"), [{ id: "cap" }]);
  });

  it("lets no server bring back what was given", async () => {
    await goToArena();
    await give(arena);
    // The arena goes on as if it had the item still.
    const renewed = callsTo("/custody/renew");
    await eventually(() => {
      servers.clock.advance(5_000);
      assert.ok(callsTo("/custody/renew") > renewed);
    });
    assert.deepEqual(await idsAt(home, "ada"), ["cap"]);
    await leave(arena, ADA);
    assert.deepEqual(await comesHome(home, "ada", key.kid), [{ id: "cap" }]);
  });

  it("needs the player's own word, for that very item", async () => {
    await goToArena();
    const outcome = await give(arena, { signed: "cap" });
    assert.equal(outcome.kind === "kept" ? outcome.code : outcome.kind, "ERR_FED_PROOF_INVALID");
    assert.deepEqual(await idsAt(home, "ada"), ["sword", "cap"]);
    assert.equal(callsTo("/custody/trade"), 0);
  });

  it("is for a player who can keep it, of the home that is named", async () => {
    for (const [to, toHome] of [
      ["guest-1@far.example", FAR],
      [BOB, ARENA],
      [ADA, HOME],
    ] as const) {
      const outcome = await give(home, { to, toHome });
      assert.equal(outcome.kind === "kept" ? outcome.code : outcome.kind, "ERR_FED_MALFORMED");
    }
  });

  it("is not offered to a home that knows no trades", async () => {
    servers.knowsTrades = (origin) => origin !== FAR;
    await goToArena();
    const outcome = await give(arena);
    assert.equal(outcome.kind === "kept" ? outcome.code : "", "ERR_FED_TRADE_UNSUPPORTED");
    assert.deepEqual(await idsAt(home, "ada"), ["sword", "cap"]);
  });

  it("has it once, however often it is asked for and answered", async () => {
    await goToArena();
    await give(arena);
    const again = await give(arena);
    assert.equal(again.kind, "given");
    assert.deepEqual(await comesHome(far, "bob"), [SWORD]);
    assert.deepEqual(await idsAt(home, "ada"), ["cap"]);
  });

  it("is taken once by two copies, of which the later is slow", async () => {
    let late: (() => void) | undefined;
    let asked = 0;
    servers.gifts = () => {
      asked += 1;
      if (asked > 1) return true;
      return new Promise((resolve) => {
        late = () => {
          resolve(true);
        };
      });
    };
    far = servers.restart(FAR);
    servers.refuses = (path) => (path === "/custody/trade" ? "ERR_FED_UNAVAILABLE" : undefined);
    await goToArena();
    await give(arena);
    const { trade } = servers.calls.find(({ path }) => path === "/custody/trade")?.body as {
      trade: string;
    };
    const slow = far.custody.answer(HOME, "trade", { trade }, 0);
    await eventually(() => {
      assert.ok(late !== undefined);
    });
    const quick = await far.custody.answer(HOME, "trade", { trade }, 0);
    late?.();
    assert.deepEqual(await slow, quick);
    assert.deepEqual(await comesHome(far, "bob"), [SWORD]);
  });

  it("forgets on the row what is written down, though a crash came between", async () => {
    await goToArena();
    await give(arena);
    const decided = [{ id: TRADE, home: HOME, taken: true }];
    await far.custody.ledger.amend("bob", (row) => ({
      ok: true,
      row: { ...row, trades: { ...row.trades, decided } },
    }));
    const { trade } = servers.calls.find(({ path }) => path === "/custody/trade")?.body as {
      trade: string;
    };
    assert.ok((await far.custody.answer(HOME, "trade", { trade }, 0)).ok);
    assert.equal((await far.custody.ledger.row("bob"))?.trades?.decided, undefined);
  });

  it("has an id of its own, that no other player of the home uses", async () => {
    servers.refuses = (path) => (path === "/custody/trade" ? "ERR_FED_UNAVAILABLE" : undefined);
    await goToArena();
    await give(arena);
    await play(home, "eve", bodyThatCarries({ inventory: [{ id: "ring" }] }), key.kid);
    const session = home.custody.sessions.get("eve@home.example");
    assert.ok(session !== undefined);
    const gift = { tradeId: TRADE, item: "ring", to: BOB };
    const purpose = tradePurpose(gift);
    const proof = await proofBy(key, HOME, { use: "trade", purpose }, servers.clock.now());
    const outcome = await home.custody.give(session, { ...gift, toHome: FAR, proof });
    assert.equal(outcome.kind === "kept" ? outcome.code : outcome.kind, "ERR_FED_STALE_CUSTODY");
    assert.deepEqual(await idsAt(home, "eve"), ["ring"]);
  });

  it("is no answer to who asks for another item by the id of one that was given", async () => {
    await goToArena();
    await give(arena);
    const outcome = await give(arena, { item: "cap" });
    assert.equal(outcome.kind === "kept" ? outcome.code : outcome.kind, "ERR_FED_STALE_CUSTODY");
    assert.deepEqual(await idsAt(home, "ada"), ["cap"]);
  });

  it("waits while a former session is not stored yet", async () => {
    await goToArena();
    await give(arena);
    const row = await far.custody.ledger.row("bob");
    assert.ok(row !== undefined);
    assert.equal(await far.custody.ledger.play(row, () => false), undefined);
    assert.deepEqual(await idsAt(far, "bob"), []);
    assert.ok((await far.custody.ledger.play(row, () => true)) !== undefined);
    assert.deepEqual(await idsAt(far, "bob"), ["sword"]);
  });

  it("is given to who asks again while it is settled, and plays no more where it was asked", async () => {
    servers.refuses = (path) => (path === "/custody/trade" ? "ERR_FED_UNAVAILABLE" : undefined);
    await goToArena();
    await give(arena);
    const { trades, ledger } = home.custody;
    const { body } = servers.calls.find(({ path }) => path === "/custody/offer")!;
    // Between two reads of the second answer: the trade is settled, and the player comes home.
    const read = trades.record.bind(trades);
    trades.record = async (...key) => {
      const before = await read(...key);
      trades.record = read;
      servers.refuses = () => undefined;
      await eventually(async () => {
        servers.clock.advance(20_000);
        assert.equal((await ledger.row("ada"))?.trades?.outgoing, undefined);
      });
      await leave(arena, ADA);
      await eventually(async () => {
        servers.clock.advance(1_000);
        assert.equal((await ledger.row("ada"))?.holder, HOME);
      });
      return before;
    };
    const again = await home.custody.answer(ARENA, "offer", body, 0);
    assert.ok(again.ok, JSON.stringify(again));
    assert.equal(typeof (again.body as { receipt?: string }).receipt, "string");
  });

  it("is on its way still when home deals with the other no more, and it is asked for again", async () => {
    servers.refuses = (path) => (path === "/custody/trade" ? "ERR_FED_UNAVAILABLE" : undefined);
    await goToArena();
    assert.equal((await give(arena)).kind, "pending");
    servers.knowsTrades = (origin) => origin !== FAR;
    assert.equal((await give(arena)).kind, "pending");
  });

  it("is undecided when the answer is lost, and the next try is refused at the door", async () => {
    await goToArena();
    let asked = 0;
    servers.tamper = (path, answer) => {
      if (path === "/custody/offer") throw new Error("lost on its way");
      return answer;
    };
    servers.refuses = (path) => {
      if (path !== "/custody/offer") return undefined;
      asked += 1;
      return asked > 1 ? "ERR_FED_NOT_TRUSTED" : undefined;
    };
    assert.equal((await give(arena)).kind, "undecided");
    assert.deepEqual(await idsAt(home, "ada"), ["cap"]);
  });

  it("is undecided when a copy may still come that is not refused as the next try was", async () => {
    await goToArena();
    const copies: unknown[] = [];
    servers.refuses = (path, body) => {
      if (path !== "/custody/offer") return undefined;
      copies.push(body);
      return copies.length === 1 ? "ERR_FED_UNAVAILABLE" : "ERR_FED_TRADE_BUSY";
    };
    assert.equal((await give(arena)).kind, "undecided");
    assert.ok((await home.custody.answer(ARENA, "offer", copies[0], 0)).ok);
    assert.deepEqual(await idsAt(home, "ada"), ["cap"]);
  });

  it("is undecided when the answer is lost, and what the room has then cannot be said", async () => {
    await goToArena();
    servers.tamper = (path, answer) => {
      if (path !== "/custody/offer") return answer;
      ada.carried = Array.from({ length: 40 }).reduce<JsonValue>((inner) => [inner], 0);
      throw new Error("lost on its way");
    };
    assert.equal((await give(arena)).kind, "undecided");
    assert.deepEqual(await idsAt(home, "ada"), ["cap"]);
  });

  it("is kept when the first try is refused at the door", async () => {
    await goToArena();
    servers.refuses = (path) => (path === "/custody/offer" ? "ERR_FED_NOT_TRUSTED" : undefined);
    assert.equal((await give(arena)).kind, "kept");
    assert.deepEqual(await idsAt(home, "ada"), ["sword", "cap"]);
  });

  it("is on its way while the other home does not answer, and is taken once it does", async () => {
    servers.refuses = (path) => (path === "/custody/trade" ? "ERR_FED_UNAVAILABLE" : undefined);
    await goToArena();
    assert.equal((await give(arena)).kind, "pending");
    assert.deepEqual(await idsAt(home, "ada"), ["cap"]);
    assert.deepEqual(await comesHome(far, "bob"), []);
    await leave(far, BOB);
    servers.refuses = () => undefined;
    await eventually(async () => {
      servers.clock.advance(20_000);
      assert.equal((await home.custody.ledger.row("ada"))?.trades?.outgoing, undefined);
    });
    assert.deepEqual(await comesHome(far, "bob"), [SWORD]);
  });

  it("goes on after a restart of the giver's home", async () => {
    servers.refuses = (path) => (path === "/custody/trade" ? "ERR_FED_UNAVAILABLE" : undefined);
    await goToArena();
    await give(arena);
    servers.refuses = () => undefined;
    home = servers.restart(HOME);
    await home.custody.start();
    await eventually(async () => {
      servers.clock.advance(20_000);
      assert.equal((await home.custody.ledger.row("ada"))?.trades?.outgoing, undefined);
    });
    assert.deepEqual(await comesHome(far, "bob"), [SWORD]);
  });

  it("comes back when it was not taken in time, once, whatever is heard of it later", async () => {
    servers.refuses = (path) => (path === "/custody/trade" ? "ERR_FED_UNAVAILABLE" : undefined);
    await goToArena();
    await give(arena);
    servers.clock.advance(HOUR + 60_000);
    servers.refuses = () => undefined;
    await eventually(async () => {
      servers.clock.advance(20_000);
      assert.equal((await home.custody.ledger.row("ada"))?.trades?.outgoing, undefined);
    });
    const late = servers.calls.find(({ path }) => path === "/custody/trade")?.body as {
      trade: string;
    };
    await far.custody.answer(HOME, "trade", { trade: late.trade }, 0);
    assert.deepEqual(await comesHome(far, "bob"), []);
    servers.restart(ARENA);
    // Home calls the player back, and looks every 100 ms whether it has come.
    const coming = comesHome(home, "ada", key.kid);
    let over = false;
    void coming.finally(() => (over = true));
    await eventually(() => {
      servers.clock.advance(100);
      assert.ok(over);
    });
    assert.deepEqual(await coming, [{ id: "cap" }, SWORD]);
  });

  it("comes back when the other home does not want it", async () => {
    servers.gifts = ({ item }) => item["id"] !== "sword";
    servers.restart(FAR);
    far = servers.servers.get(FAR) ?? far;
    await goToArena();
    const outcome = await give(arena);
    assert.equal(outcome.kind === "kept" ? outcome.code : outcome.kind, "ERR_FED_TRADE_REFUSED");
    assert.deepEqual((await home.custody.ledger.row("ada"))?.trades?.inbox, [
      { id: TRADE, item: SWORD },
    ]);
  });

  it("takes no item by a word that is not of the home it comes from", async () => {
    await goToArena();
    await give(arena);
    const { trade } = servers.calls.find(({ path }) => path === "/custody/trade")?.body as {
      trade: string;
    };
    const answer = await far.custody.answer(ARENA, "trade", { trade }, 0);
    assert.equal(answer.ok ? "" : answer.code, "ERR_FED_SIGNATURE_INVALID");
  });

  for (const [what, spoil] of [
    ["of another trade", (receipt: string) => receipt.replace(/^[^.]+/u, "e30")],
    ["that is none", () => "x.y.z"],
  ] as const) {
    it(`believes no receipt ${what}`, async () => {
      servers.tamper = (path, body) =>
        path === "/custody/trade"
          ? { receipt: spoil((body as { receipt: string }).receipt) }
          : body;
      await goToArena();
      assert.equal((await give(arena)).kind, "pending");
      assert.notEqual((await home.custody.ledger.row("ada"))?.trades?.outgoing, undefined);
    });
  }

  it("is not told whether somebody is known who was never there, until its time is over", async () => {
    await goToArena();
    assert.equal((await give(arena, { to: "nobody@far.example" })).kind, "pending");
    servers.clock.advance(HOUR + 60_000);
    await eventually(async () => {
      servers.clock.advance(20_000);
      assert.equal((await home.custody.ledger.row("ada"))?.trades?.outgoing, undefined);
    });
    assert.equal((await home.custody.ledger.row("ada"))?.trades?.inbox?.length, 1);
    assert.equal(await far.custody.trades.record(HOME, TRADE), undefined);
  });

  it("decides nothing anew where its record is damaged", async () => {
    await goToArena();
    await give(arena);
    const { trade } = servers.calls.find(({ path }) => path === "/custody/trade")?.body as {
      trade: string;
    };
    await far.store.set(`trade/${HOME}/${TRADE}`, "{");
    await assert.rejects(far.custody.answer(HOME, "trade", { trade }, 0), {
      code: "ERR_FED_ROW_DAMAGED",
    });
    assert.deepEqual(await comesHome(far, "bob"), [SWORD]);
  });

  it("lets a player leave with the rest while an item is on its way", async () => {
    servers.hang = (path) => path === "/custody/trade";
    await goToArena();
    assert.equal((await give(arena)).kind, "pending");
    await leave(arena, ADA);
    assert.deepEqual(await comesHome(home, "ada", key.kid), [{ id: "cap" }]);
  });
});
