import assert from "node:assert/strict";
import { LedgerRows } from "../../src/custody/home/ledger-rows.ts";
import { type CustodyServer, CustodyServers, bodyThatCarries } from "../support/custody-servers.ts";
import { eventually } from "../support/eventually.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { Walk } from "../support/walk.ts";

const HOME = "https://home.example";
const ARENA = "https://arena.example";
const GALLERY = "https://gallery.example";
const JKT = "k".repeat(43);
const KEY = `key-${JKT}`;
const ADA = "ada@home.example";

describe("custody, and visitors whose home is gone", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let arena: CustodyServer;
  let gallery: CustodyServer;
  const walk = new Walk();

  beforeEach(() => {
    servers = new CustodyServers();
    [home, arena, gallery] = [servers.add(HOME), servers.add(ARENA), servers.add(GALLERY)];
  });
  afterEach(() => {
    for (const { custody } of [home, arena, gallery]) custody.stop();
  });

  /** Ada visits the arena, by her key. */
  async function visit() {
    const body = bodyThatCarries({ gold: 1 });
    const known = { name: "Ada", jkt: JKT, guest: false };
    assert.ok((await home.custody.login("ada", known, body)).ok);
    return walk.cross(home, arena, ADA, body);
  }
  const adopt = () => arena.custody.visitors.adopt(ADA, () => true, { as: KEY, at: 1 });
  const atHome = async () => {
    const row = await home.custody.ledger.row("ada");
    return [row?.holder, row?.state];
  };

  it("remembers by which key a visitor came", async () => {
    await visit();
    assert.equal((await arena.custody.visitors.get(ADA))?.jkt, JKT);
  });

  it("gives one that was kept back as ever, should its home come back", async () => {
    const there = await visit();
    servers.servers.delete(HOME);
    there.carried = { gold: 2 };
    await arena.custody.leave(arena.custody.sessions.get(ADA)!);
    assert.deepEqual(await adopt(), { as: KEY, at: 1 });
    servers.servers.set(HOME, home);
    arena.custody.wake();
    await eventually(async () => {
      assert.deepEqual(await atHome(), [HOME, { gold: 2 }]);
    });
    assert.equal(await arena.custody.visitors.get(ADA), undefined);
  });

  it("lets nobody play one that was kept under its home's id, though its home lets it stay", async () => {
    const there = await visit();
    servers.refuses = (path) => (path === "/custody/depart" ? "ERR_FED_UNAVAILABLE" : undefined);
    servers.hang = (path) => path === "/custody/cancel";
    const session = arena.custody.sessions.get(ADA);
    assert.ok(session !== undefined);
    const destination = { uri: "aether://x/w", origin: GALLERY, world: "w", options: {} };
    const outcome = arena.custody.crossings.cross(session, destination);
    outcome.catch(() => undefined);
    await eventually(async () => {
      assert.equal((await arena.custody.visitors.get(ADA))?.held.phase, "frozen");
      assert.ok(servers.calls.some(({ path }) => path === "/custody/cancel"));
    });
    await adopt();
    servers.hang = () => false;
    await servers.clock.advanceAsync(20_000);
    await eventually(async () => {
      assert.deepEqual(await atHome(), [HOME, { gold: 1 }]);
    });
    assert.equal(session.ended, true);
    assert.equal(there.ends.length, 1);
    assert.equal(arena.custody.sessions.get(ADA), undefined);
  });

  describe("a player of its own that was one", () => {
    const ORPHAN = `${KEY}@arena.example`;
    const FORMER = "eve@dead.example";

    beforeEach(async () => {
      const rows = new LedgerRows({
        ...{ store: arena.store, origin: ARENA, random: seededRandom("rows") },
      });
      const orphans = [{ formerId: FORMER, home: "https://dead.example", epoch: 4, adoptedAt: 1 }];
      const who = { localId: KEY, name: "Eve", jkt: JKT };
      await rows.update(KEY, () => ({ ...who, holder: ARENA, epoch: 1, orphans, state: {} }));
    });

    it("is known for it in this server's rooms, to whichever it comes, and to nobody else", async () => {
      const body = bodyThatCarries({ gold: 1 });
      const session = await walk.login(arena, KEY, body);
      assert.deepEqual([session.player, session.orphanOf], [ORPHAN, [FORMER]]);
      const promised = { seat: "s", transferId: "t", to: "aether://arena/other", expiresAt: 9e9 };
      arena.custody.moves.promise(session, promised);
      const next = bodyThatCarries({ gold: 1 });
      const moved = arena.custody.move(ORPHAN, "s", next);
      assert.deepEqual(moved?.session.orphanOf, [FORMER]);
      const abroad = await walk.cross(arena, gallery, ORPHAN, next);
      assert.equal(gallery.custody.sessions.get(ORPHAN)?.orphanOf, undefined);
      await walk.cross(gallery, arena, ORPHAN, abroad);
      assert.deepEqual(arena.custody.sessions.get(ORPHAN)?.orphanOf, [FORMER]);
      assert.doesNotMatch(JSON.stringify(servers.calls), /dead\.example/u);
    });

    it("is one for ever", async () => {
      const body = bodyThatCarries({ gold: 1 });
      await walk.login(arena, KEY, body);
      await arena.custody.leave(arena.custody.sessions.get(ORPHAN)!);
      const row = await arena.custody.ledger.row(KEY);
      assert.deepEqual([row?.orphans?.[0]?.formerId, row?.state], [FORMER, { gold: 1 }]);
    });
  });
});
