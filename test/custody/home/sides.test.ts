import assert from "node:assert/strict";
import { LEDGER_TABLE } from "../../../src/custody/home/ledger-columns.ts";
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
const GALLERY = "https://gallery.example";
const TRANSFER = "11111111-1111-4111-8111-111111111111";
const OTHER = "22222222-2222-4222-8222-222222222222";

describe("custody/home, where the simulation does not go", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let arena: CustodyServer;

  beforeEach(() => {
    servers = new CustodyServers();
    [home, arena] = [servers.add(HOME), servers.add(ARENA)];
    servers.add(GALLERY);
  });

  afterEach(() => {
    for (const { custody } of servers.servers.values()) custody.stop();
  });

  async function login(localId: string, body: TestBody): Promise<PlayerSession> {
    const known = { name: localId, jkt: undefined, guest: false };
    const result = await home.custody.login(localId, known, body);
    assert.ok(result.ok);
    return result.session;
  }

  async function visits(localId: string): Promise<PlayerSession> {
    const body = bodyThatCarries({ of: localId });
    const session = await login(localId, body);
    const portal = { uri: "aether://arena.example/w", origin: ARENA, world: "w", options: {} };
    const outcome = home.custody.crossings.cross(session, portal);
    await eventually(() => {
      assert.equal(body.transits.length, 1);
    });
    const arrived = await arena.arrive(bodyThatCarries({ of: localId }));
    assert.ok(arrived !== undefined);
    assert.equal((await outcome).kind, "arrived");
    return arrived;
  }

  const depart = ({ player, epoch }: PlayerSession, transferId: string) =>
    home.custody.answer(
      ARENA,
      "depart",
      { transferId, player, epoch, to: GALLERY, world: "w", state: { of: player } },
      0,
    );
  const rowOf = (localId: string) => home.custody.ledger.row(localId);

  it("one transfer is of one player: its id is refused for another, who stays", async () => {
    const [ada, bob] = [await visits("ada"), await visits("bob")];
    assert.ok((await depart(ada, TRANSFER)).ok);
    const second = await depart(bob, TRANSFER);
    assert.ok(!second.ok);
    assert.equal(second.code, "ERR_FED_STALE_CUSTODY");
    const row = await rowOf("bob");
    assert.deepEqual([row?.holder, row?.transfer], [ARENA, undefined]);
    const claimed = await home.custody.answer(GALLERY, "claim", { transferId: TRANSFER }, 0);
    assert.ok(claimed.ok);
    assert.equal((claimed.body as { player: string }).player, ada.player);
  });

  it("a departure that is refused leaves its id free", async () => {
    const [ada, bob] = [await visits("ada"), await visits("bob")];
    assert.ok((await depart(ada, TRANSFER)).ok);
    const twice = await depart(ada, OTHER);
    assert.ok(!twice.ok, "another transfer is open");
    assert.ok((await depart(bob, OTHER)).ok);
  });

  it("called back: whoever repeats a cancel after the last lease may bring what it has", async () => {
    const visitor = await visits("ada");
    assert.ok((await depart(visitor, TRANSFER)).ok);
    servers.refuses = (path) => (path === "/custody/revoke" ? "ERR_FED_UNAVAILABLE" : undefined);
    const known = { name: "ada", jkt: undefined, guest: false };
    void home.custody.login("ada", known, bodyThatCarries({ of: "ada" })).catch(() => undefined);
    await eventually(async () => {
      assert.equal((await rowOf("ada"))?.recalled, true);
    });
    const { player, epoch } = visitor;
    const request = { player, epoch, transferId: TRANSFER };
    const cancel = () => home.custody.answer(ARENA, "cancel", request, 0);
    // Its answer is lost.
    assert.ok((await cancel()).ok);
    servers.clock.advance(40_000);
    assert.ok(!(await cancel()).ok);
    const state = { of: player, crown: 1 };
    const returned = await home.custody.answer(ARENA, "return", { player, epoch, state }, 0);
    assert.ok(returned.ok, JSON.stringify(returned));
    assert.deepEqual((await rowOf("ada"))?.state, state);
  });

  it("now and then stores what players carry, but not what was given to a frozen one", async () => {
    const body = bodyThatCarries({ gold: 1 });
    const session = await login("ada", body);
    await home.custody.saveAll();
    assert.deepEqual((await rowOf("ada"))?.state, { gold: 1 });
    session.freeze("process");
    body.carried = { gold: 2 };
    await home.custody.saveAll();
    assert.deepEqual((await rowOf("ada"))?.state, { gold: 1 });
    session.thaw("process");
    await home.custody.saveAll();
    assert.deepEqual((await rowOf("ada"))?.state, { gold: 2 });
  });

  it("stores some at a time, and nothing of who leaves meanwhile", async () => {
    const bodies = await Promise.all(
      Array.from({ length: 250 }, async (_, index) => {
        const body = bodyThatCarries({ index });
        return { body, session: await login(`p${index}`, body) };
      }),
    );
    let asked = 0;
    for (const { body } of bodies) {
      body.carry = () => {
        asked += 1;
        return body.carried as never;
      };
    }
    const table = home.store.table(LEDGER_TABLE);
    const write = table.update.bind(table);
    table.update = async (...args) => {
      await turn();
      return write(...args);
    };
    const saved = home.custody.saveAll();
    await turn(1);
    assert.ok(asked > 0 && asked <= 100, `${asked} in one turn`);
    const last = bodies.at(-1);
    assert.ok(last !== undefined);
    await home.custody.leave(last.session);
    last.body.carried = { index: "gone" };
    await servers.clock.advanceAsync(10);
    await saved;
    assert.deepEqual((await rowOf("p249"))?.state, { index: 249 });
  });

  it("asks the store nothing about who carries the same as when it was stored last", async () => {
    const body = bodyThatCarries({ gold: 1 });
    const session = await login("ada", body);
    await home.custody.saveAll();
    let asked = 0;
    const table = home.store.table(LEDGER_TABLE);
    const read = table.get.bind(table);
    table.get = (key) => {
      asked += 1;
      return read(key);
    };
    await home.custody.saveAll();
    assert.equal(asked, 0);
    body.carried = { gold: 2 };
    await home.custody.saveAll();
    assert.deepEqual((await rowOf("ada"))?.state, { gold: 2 });
    session.epoch += 1;
    asked = 0;
    await home.custody.saveAll();
    assert.ok(asked > 0, "what another epoch stored says nothing of this one");
  });

  it("stores nothing of a guest", async () => {
    const known = { name: "guest", jkt: undefined, guest: true };
    const result = await home.custody.login("gil", known, bodyThatCarries({ gold: 1 }));
    assert.ok(result.ok);
    await home.custody.saveAll();
    assert.equal(await rowOf("gil"), undefined);
  });

  it("gives whoever logs in a state of its own, that it may alter", async () => {
    const first = await login("ada", bodyThatCarries({ gold: 1 }));
    await home.custody.leave(first);
    const known = { name: "Ada", jkt: undefined };
    const admitted = (await home.custody.ledger.admit("ada", known)).state as { gold: number };
    admitted.gold = 7;
    await home.custody.ledger.decide("ada", undefined, (row) => {
      assert.deepEqual(row.state, { gold: 1 });
      return { ok: true, row: { ...row, epoch: row.epoch + 1 } };
    });
    assert.deepEqual((await rowOf("ada"))?.state, { gold: 1 });
  });
});
