import assert from "node:assert/strict";
import type { LoginResult } from "../../src/custody/home/home-sessions.ts";
import type { ImportNotice } from "../../src/custody/home/import-notices.ts";
import { playerIdSchema } from "../../src/custody/shared/messages.ts";
import type { CrossingOutcome } from "../../src/custody/source/crossings.ts";
import { MAX_STATE_BYTES } from "../../src/json.ts";
import {
  type CustodyServer,
  CustodyServers,
  type TestBody,
  bodyThatCarries,
} from "../support/custody-servers.ts";
import { eventually } from "../support/eventually.ts";

const HOME = "https://home.example";
const ARENA = "https://arena.example";
const GALLERY = "https://gallery.example";

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let each = 0; each < levels; each += 1) value = { in: value };
  return value;
}

describe("custody, and the state that players carry", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let arena: CustodyServer;
  let gallery: CustodyServer;

  beforeEach(() => {
    servers = new CustodyServers();
    [home, arena, gallery] = [servers.add(HOME), servers.add(ARENA), servers.add(GALLERY)];
  });

  async function login(localId: string, body: TestBody) {
    const result: LoginResult = await home.custody.login(
      localId,
      { name: localId, jkt: undefined, guest: false },
      body,
    );
    assert.ok(result.ok, JSON.stringify(result));
    return result.session;
  }

  /** Begins a crossing; resolves once its seat is there, or it has ended without one. */
  async function leave(
    from: CustodyServer,
    to: CustodyServer,
    player: string,
    body: TestBody,
  ): Promise<{ readonly outcome: Promise<CrossingOutcome> }> {
    const session = from.custody.sessions.get(player);
    assert.ok(session !== undefined, `${player} plays at ${from.origin}`);
    const transits = body.transits.length;
    let over = false;
    const outcome = from.custody.crossings
      .cross(session, { uri: "aether://x/w", origin: to.origin, world: "w", options: {} })
      .finally(() => {
        over = true;
      });
    await eventually(() => {
      if (body.transits.length === transits && !over) throw new Error("under way");
    });
    return { outcome };
  }

  async function cross(
    from: CustodyServer,
    to: CustodyServer,
    player: string,
    body: TestBody,
    carry?: (state: unknown) => unknown,
  ): Promise<TestBody> {
    const { outcome } = await leave(from, to, player, body);
    const there = bodyThatCarries(undefined);
    assert.ok((await to.arrive(there, carry)) !== undefined, "home gives the player");
    assert.equal((await outcome).kind, "arrived");
    return there;
  }

  async function stays(
    from: CustodyServer,
    to: CustodyServer,
    player: string,
    body: TestBody,
  ): Promise<string> {
    const { outcome } = await leave(from, to, player, body);
    assert.equal(body.transits.length, 0, "no seat is asked for");
    const ended = await outcome;
    assert.equal(ended.kind, "stayed");
    assert.equal(from.custody.sessions.get(player)?.frozen, false, "it plays on");
    return ended.kind === "stayed" ? ended.code : "";
  }

  async function goesHome(from: CustodyServer, player: string): Promise<void> {
    const session = from.custody.sessions.get(player);
    assert.ok(session !== undefined);
    await from.custody.leave(session);
    await eventually(async () => {
      const row = await home.custody.ledger.row(player.split("@")[0] ?? "");
      assert.equal(row?.holder, HOME);
    });
  }

  const stateOf = async (localId: string): Promise<unknown> =>
    (await home.custody.ledger.row(localId))?.state;

  it("keeps a player where it is whose state could not be read at the other end", async () => {
    for (const carried of [
      nested(33),
      "x".repeat(MAX_STATE_BYTES),
      { gold: Number.NaN },
      { purse: new Map() },
    ]) {
      const localId = `p${servers.calls.length}`;
      const body = bodyThatCarries(carried);
      await login(localId, body);
      assert.equal(
        await stays(home, arena, `${localId}@home.example`, body),
        "ERR_FED_STATE_INVALID",
      );
      const row = await home.custody.ledger.row(localId);
      assert.equal(row?.holder, HOME);
      assert.equal(row.transfer, undefined);
      assert.match(body.failures[0]?.message ?? "", /You carry|what you carry/u);
    }
    const guest = bodyThatCarries(nested(33));
    const known = { name: "G", jkt: undefined, guest: true };
    await home.custody.login("guest-1", known, guest);
    const code = await stays(home, arena, "guest-1@home.example", guest);
    assert.equal(code, "ERR_FED_STATE_INVALID");
  });

  it("keeps a visitor where it is whose state could not be read at home", async () => {
    const body = bodyThatCarries({ gold: 1 });
    await login("ada", body);
    const there = await cross(home, arena, "ada@home.example", body);
    there.carried = nested(33);
    assert.equal(await stays(arena, gallery, "ada@home.example", there), "ERR_FED_STATE_INVALID");
    assert.equal((await home.custody.ledger.row("ada"))?.holder, ARENA);
    assert.ok(!servers.calls.some(({ path, from }) => path.endsWith("depart") && from === ARENA));
  });

  it("puts nothing into a ledger row that a claim could not say", async () => {
    const body = bodyThatCarries({ gold: 1 });
    const session = await login("ada", body);
    body.carried = nested(40);
    await home.custody.saveAll();
    assert.equal(await home.custody.ledger.save("ada", session.epoch, nested(40) as never), true);
    assert.equal(await stateOf("ada"), undefined);
    body.carried = { gold: 2 };
    await home.custody.saveAll();
    assert.deepEqual(await stateOf("ada"), { gold: 2 });
  });

  it("decides no claim whose answer the destination could not read", async () => {
    const body = bodyThatCarries({ gold: 1 });
    await login("ada", body);
    const { outcome } = await leave(home, arena, "ada@home.example", body);
    // As an older version may have left it.
    const row = await home.custody.ledger.decide("ada", undefined, (now) => ({
      ok: true,
      row: { ...now, state: nested(36) as never },
    }));
    assert.ok(row.ok);
    assert.equal(await arena.arrive(bodyThatCarries(undefined)), undefined);
    assert.equal((await home.custody.ledger.row("ada"))?.holder, HOME);
    home.custody.crossings.abandon("ada@home.example", body.transits[0]?.transferId ?? "");
    assert.equal((await outcome).kind, "stayed");
    assert.equal(home.custody.sessions.get("ada@home.example")?.frozen, false);
  });

  it("sends a player straight back whose home says what cannot be read", async () => {
    const body = bodyThatCarries({ gold: 1 });
    await login("ada", body);
    const { outcome } = await leave(home, arena, "ada@home.example", body);
    servers.tamper = (path, answer) =>
      path === "/custody/claim" ? { ...(answer as object), state: nested(34) } : answer;
    assert.equal(await arena.arrive(bodyThatCarries(undefined)), undefined);
    assert.equal((await outcome).kind, "arrived");
    await eventually(async () => {
      assert.equal((await home.custody.ledger.row("ada"))?.holder, HOME);
      assert.equal((await arena.custody.visitors.get("ada@home.example"))?.held, undefined);
    });
    assert.deepEqual(await stateOf("ada"), { gold: 1 });
  });

  it("refuses to let a player go whose belongings are too large with those of a third server", async () => {
    const body = bodyThatCarries({ log: "" });
    await login("ada", body);
    const abroad = await cross(home, arena, "ada@home.example", body, (state) => state);
    abroad.carried = { trophy: "t".repeat(12_000) };
    await goesHome(arena, "ada@home.example");
    const back = bodyThatCarries({ log: "l".repeat(25_000) });
    await login("ada", back);
    await home.custody.saveAll();
    assert.deepEqual(await stateOf("ada"), { log: "", trophy: "t".repeat(12_000) });
    assert.equal(await stays(home, gallery, "ada@home.example", back), "ERR_FED_STATE_INVALID");
    back.carried = { log: "l".repeat(15_000) };
    await cross(home, gallery, "ada@home.example", back);
    assert.deepEqual(await stateOf("ada"), {
      log: "l".repeat(15_000),
      trophy: "t".repeat(12_000),
    });
  });

  it("undoes no spending when what was gained is too large, and says what was not kept", async () => {
    const book = "b".repeat(20_000);
    const body = bodyThatCarries({ book, gold: 100 });
    await login("ada", body);
    const abroad = await cross(home, arena, "ada@home.example", body);
    abroad.carried = { gold: 1, statue: "s".repeat(20_000) };
    assert.equal(await stays(arena, gallery, "ada@home.example", abroad), "ERR_FED_STATE_INVALID");
    await goesHome(arena, "ada@home.example");
    assert.deepEqual(await stateOf("ada"), { book, gold: 1 });
    const notice: ImportNotice = { from: ARENA, kept: ["/gold"], lost: ["/statue"], more: 0 };
    assert.deepEqual(
      home.events.flatMap((event) => (event.type === "import" ? [event] : [])),
      [{ type: "import", player: "ada@home.example", notice }],
    );
    assert.match(home.said.join("\n"), /did not keep.*arena\.example: \/statue/u);

    const back = bodyThatCarries({ book, gold: 1 });
    const session = await login("ada", back);
    const told: ImportNotice[] = [];
    // Whoever is gone before it hears of it is told the next time.
    await home.custody.tellNotKept(session, () => false);
    await home.custody.tellNotKept(session, (each) => told.push(each) > 0);
    await home.custody.tellNotKept(session, (each) => told.push(each) > 0);
    assert.deepEqual(told, [notice]);
  });

  it("keeps all belongings when a visited room says it carries nothing, or no object", async () => {
    for (const said of [null, [], "x", 0]) {
      const localId = `p${servers.calls.length}`;
      const player = `${localId}@home.example`;
      const body = bodyThatCarries({ coins: ["a"], bag: { sword: 1 } });
      await login(localId, body);
      const abroad = await cross(home, arena, player, body);
      abroad.carried = { rank: 5 };
      const other = await cross(arena, gallery, player, abroad, () => said);
      other.carried = said;
      await goesHome(gallery, player);
      assert.deepEqual(await stateOf(localId), { coins: ["a"], bag: { sword: 1 }, rank: 5 });
    }
  });

  it("renews every player of a message, whatever one of them carries", async () => {
    const bodies = new Map<string, TestBody>();
    for (const localId of ["ada", "bob"]) {
      const body = bodyThatCarries({ gold: 1 });
      await login(localId, body);
      bodies.set(localId, await cross(home, arena, `${localId}@home.example`, body));
    }
    const players = ["ada", "bob"].map((localId) => ({
      player: `${localId}@home.example`,
      epoch: 1,
      state: localId === "ada" ? nested(33) : { gold: 2 },
    }));
    const answer = await home.custody.answer(ARENA, "renew", { players }, 0);
    assert.deepEqual(answer, { ok: true, body: { leaseSeconds: 30, lost: [] } });
    assert.deepEqual(await stateOf("ada"), { gold: 1 });
    assert.deepEqual(await stateOf("bob"), { gold: 2 });
    assert.match(
      home.said.join("\n"),
      /arena\.example renewed ada@home\.example with what cannot/u,
    );

    // The sender leaves it out by itself.
    const [ada, bob] = [bodies.get("ada"), bodies.get("bob")];
    assert.ok(ada !== undefined && bob !== undefined);
    ada.carried = { gold: Number.NaN };
    bob.carried = { gold: 3 };
    for (let each = 0; each < 6; each += 1) {
      servers.clock.advance(10_000);
      await eventually(async () => {
        const sent = servers.calls.filter(({ path }) => path === "/custody/renew");
        assert.equal(sent.length, each + 1);
        assert.deepEqual(await stateOf("bob"), { gold: 3 });
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const localId of ["ada", "bob"]) {
      const session = arena.custody.sessions.get(`${localId}@home.example`);
      assert.equal(session?.frozen, false, localId);
    }
    const said = arena.said.filter((line) => line.includes("ada@home.example"));
    assert.equal(said.length, 1, said.join("\n"));
    assert.match(said[0] ?? "", /\/gold/u);
  });

  it("keeps a renewal of many players with much state within what home reads", async () => {
    const carried = { log: "x".repeat(210) };
    for (let each = 0; each < 200; each += 1) {
      const localId = `${String(each).padStart(3, "0")}-${"k".repeat(60)}`;
      const body = bodyThatCarries(carried);
      await login(localId, body);
      await cross(home, arena, `${localId}@home.example`, body);
    }
    servers.clock.advance(10_000);
    await eventually(() => {
      const sent = servers.calls.filter(({ path }) => path === "/custody/renew");
      const named = sent.flatMap(({ body }) => (body as { players: unknown[] }).players);
      assert.equal(named.length, 200);
      for (const { body } of sent) {
        assert.ok(Buffer.byteLength(JSON.stringify(body)) <= 64 * 1024);
      }
    });
  });

  it("names players of every home that can be configured", () => {
    assert.ok(playerIdSchema.safeParse("ada@xn--bcher-kva.example:8443").success);
    assert.ok(!playerIdSchema.safeParse("ada@my_home.example").success);
  });
});
