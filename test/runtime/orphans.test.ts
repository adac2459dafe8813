import assert from "node:assert/strict";
import { type HeldCustody, VisitorBook } from "../../src/custody/holder/visitors.ts";
import type { LedgerRow } from "../../src/custody/home/ledger-row.ts";
import { LedgerRows } from "../../src/custody/home/ledger-rows.ts";
import { NOBODY_MOVED } from "../../src/custody/shared/moves.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { Orphans } from "../../src/runtime/orphans.ts";
import { PlayerKeys } from "../../src/runtime/player-keys.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { silentFor } from "../support/silent-peer.ts";

const HERE = "https://here.example";
const DEAD = "https://dead.example";
const ADA = "ada@dead.example";
const JKT = "k".repeat(43);
const KEY = `key-${JKT}`;
const HELD: HeldCustody = { epoch: 4, phase: "returning", state: { coins: 3 } };
const PLAIN = { merge: false, leaving: false };

/** A server whose peer has been silent for `days`, and has left it a visitor. */
async function visited({
  days = 40,
  held = HELD,
  jkt = JKT,
  trust = TrustState.Trusted,
}: {
  days?: number;
  held?: HeldCustody;
  jkt?: string | null;
  trust?: TrustState;
} = {}) {
  const clock = new ManualClock(Date.UTC(2026, 10, 29));
  const store = new MemoryStore(clock);
  const random = seededRandom("orphans");
  const registry = new ServerRegistry({ store, clock, maxPeers: 10 });
  await registry.load();
  await registry.register({ endpoint: DEAD, name: "Dead" }, { trust });
  const remember = (origin: string, silent: number): Promise<void> =>
    store.set(`health/${origin}`, JSON.stringify(silentFor(silent, { now: clock.now() })));
  await remember(DEAD, days);
  const visitors = new VisitorBook(store);
  await visitors.hold(ADA, DEAD, held, jkt ?? undefined);
  const rows = new LedgerRows({ store, origin: HERE, random });
  const own = { origin: HERE, store, clock, random };
  const orphans = new Orphans({ ...own, registry, moves: NOBODY_MOVED, afterDays: 30 });
  const there = (more: Partial<LedgerRow> = {}): Promise<unknown> =>
    rows.update(KEY, () => ({ localId: KEY, name: "Ada", holder: HERE, epoch: 2, ...more }));
  return { ...{ clock, store, registry, visitors, rows, own, orphans, remember, there } };
}

/** Why it is not kept; nothing has changed by the attempt. */
async function refused(
  { orphans, visitors, rows }: Awaited<ReturnType<typeof visited>>,
  wishes = PLAIN,
): Promise<string> {
  const before = await rows.get(KEY);
  const forecast = await orphans.forecast(ADA, wishes);
  const adoption = await orphans.adopt(ADA, wishes);
  assert.equal(adoption.ok, false);
  assert.equal((await visitors.get(ADA))?.adopted, undefined);
  assert.deepEqual(await rows.get(KEY), before);
  const { reason } = adoption as { reason: string };
  assert.equal(forecast, reason, "it says so beforehand");
  return reason;
}

describe("runtime/orphans", () => {
  it("keeps a visitor as the player whose key it has, with what it carried, marked for ever", async () => {
    const { orphans, visitors, rows, clock } = await visited();
    const [found] = await orphans.list();
    assert.deepEqual(found, {
      ...{ player: ADA, home: DEAD, silentSince: clock.now() - 40 * 86_400_000, stateBytes: 11 },
    });
    const kept = await orphans.adopt(ADA, PLAIN);
    assert.deepEqual(kept, {
      ...{ ok: true, as: `${KEY}@here.example`, formerId: ADA, again: false, leftOut: [] },
    });
    const at = Math.floor(clock.now() / 1000);
    const row = await rows.get(KEY);
    assert.deepEqual(row?.state, { coins: 3 });
    assert.deepEqual(row.brought, { coins: DEAD });
    assert.deepEqual(row.orphans, [{ formerId: ADA, home: DEAD, epoch: 4, adoptedAt: at }]);
    const visitor = await visitors.get(ADA);
    assert.deepEqual(visitor?.adopted, { as: KEY, at });
    assert.deepEqual(visitor.held, HELD, "its home gets it back as ever");
    assert.equal((await orphans.list())[0]?.adoptedAs, KEY);
  });

  it("keeps it once, however often it is said, whatever the player does meanwhile", async () => {
    const { orphans, rows } = await visited();
    await orphans.adopt(ADA, PLAIN);
    await rows.update(KEY, (row) => ({ ...row!, state: { coins: 0 }, epoch: row!.epoch + 3 }));
    const again = await orphans.adopt(ADA, PLAIN);
    assert.equal(again.ok && again.again, true);
    const row = await rows.get(KEY);
    assert.deepEqual([row?.state, row?.orphans?.length], [{ coins: 0 }, 1]);
  });

  it("keeps it once where two processes say so together", async () => {
    const { orphans, own, registry, rows } = await visited();
    const other = new Orphans({ ...own, registry, moves: NOBODY_MOVED, afterDays: 30 });
    const said = await Promise.all([orphans.adopt(ADA, PLAIN), other.adopt(ADA, PLAIN)]);
    assert.deepEqual(
      said.map((each) => each.ok),
      [true, true],
    );
    const row = await rows.get(KEY);
    assert.deepEqual([row?.epoch, row?.orphans?.length], [1, 1]);
  });

  it("goes on where a crash came between its two writes", async () => {
    const { orphans, visitors, rows } = await visited();
    await visitors.adopt(ADA, () => true, { as: KEY, at: 1_000 });
    assert.equal((await orphans.list())[0]?.adoptedAs, undefined, "it is still to be kept");
    const kept = await orphans.adopt(ADA, PLAIN);
    assert.equal(kept.ok && !kept.again, true);
    const row = await rows.get(KEY);
    assert.deepEqual([row?.state, row?.orphans?.[0]?.adoptedAt], [{ coins: 3 }, 1_000]);
  });

  it("keeps nobody by a store that fails, and can be told again", async () => {
    const { orphans, store, rows } = await visited();
    store.failing = true;
    await assert.rejects(orphans.adopt(ADA, PLAIN), { code: "ERR_FED_STORE_UNAVAILABLE" });
    store.failing = false;
    assert.equal(await rows.get(KEY), undefined);
    assert.equal((await orphans.adopt(ADA, PLAIN)).ok, true);
  });

  it("keeps nobody whose home has not been silent for so long", async () => {
    const it = await visited({ days: 20 });
    assert.deepEqual(await it.orphans.list(), []);
    assert.match(await refused(it), /not gone: it has answered within 30 days/u);
  });

  it("takes no blocked home for one that is gone", async () => {
    const it = await visited();
    await it.registry.block(DEAD);
    assert.deepEqual(await it.orphans.list(), []);
    assert.match(await refused(it), /it is blocked here/u);
  });

  for (const trust of [TrustState.Quarantined, TrustState.Pending]) {
    it(`takes no ${trust} home for one that is gone`, async () => {
      assert.match(await refused(await visited({ trust })), new RegExp(`it is ${trust} here`, "u"));
    });
  }

  it("takes no home for gone that this server does not know", async () => {
    const it = await visited();
    await it.registry.remove(DEAD);
    assert.match(await refused(it), /does not know it/u);
  });

  it("takes no home for gone that is somewhere else: its new address counts", async () => {
    const it = await visited();
    const moves = {
      version: 1,
      currentOrigin: (origin: string) => (origin === DEAD ? "https://new.example" : origin),
      formerOrigins: () => [],
    };
    await it.registry.register(
      { endpoint: "https://new.example", name: "New" },
      { trust: TrustState.Trusted },
    );
    await it.remember("https://new.example", 3);
    const orphans = new Orphans({ ...it.own, registry: it.registry, moves, afterDays: 30 });
    assert.match(await refused({ ...it, orphans }), /not gone/u);
  });

  it("takes no home for gone of which a move is in doubt", async () => {
    const it = await visited();
    const registry = {
      get: (origin: string) => ({
        ...it.registry.get(origin)!,
        moving: { to: "https://new.example", kid: "k" },
      }),
      list: () => [],
    };
    const orphans = new Orphans({ ...it.own, registry, moves: NOBODY_MOVED, afterDays: 30 });
    assert.match(
      await refused({ ...it, orphans }),
      /said to have moved to https:\/\/new\.example/u,
    );
  });

  it("keeps nobody without a key: anybody could be it", async () => {
    const it = await visited({ jkt: null });
    assert.match(await refused(it), /no key of its own/u);
    assert.match((await it.orphans.list())[0]?.why ?? "", /no key of its own/u);
  });

  it("keeps nobody who is in a room here", async () => {
    assert.match(
      await refused(await visited({ held: { epoch: 4, phase: "held" } })),
      /in a room here/u,
    );
  });

  it("keeps nobody who may have arrived elsewhere, unless its operator is sure", async () => {
    const held: HeldCustody = { ...HELD, phase: "frozen", transferId: "t" };
    const it = await visited({ held });
    assert.match(await refused(it), /may have arrived elsewhere/u);
    assert.equal((await it.orphans.adopt(ADA, { ...PLAIN, leaving: true })).ok, true);
  });

  it("keeps nobody whose key was removed from its player here", async () => {
    const it = await visited();
    const keys = new PlayerKeys(it.store);
    await keys.add(KEY, { jkt: "o".repeat(43), addedAt: 1 }, undefined);
    await keys.remove(KEY, JKT, undefined);
    assert.match(await refused(it), /it is nobody's/u);
  });

  it("changes no player that there is, unless its operator says so", async () => {
    const it = await visited();
    await it.there({ state: { coins: 9, hats: 1 } });
    assert.match(await refused(it), /a player here already, key-k+@here\.example/u);
    const kept = await it.orphans.adopt(ADA, { ...PLAIN, merge: true });
    assert.deepEqual(kept.ok && kept.leftOut, ["coins"]);
    assert.deepEqual((await it.rows.get(KEY))?.state, { coins: 9, hats: 1 });
  });

  it("keeps it as whoever its key belongs to here, not as a second player", async () => {
    const it = await visited();
    const grace = `key-${"g".repeat(43)}`;
    await new PlayerKeys(it.store).add(grace, { jkt: JKT, addedAt: 1 }, undefined);
    assert.match(await refused(it), /key-g+@here\.example/u);
    const kept = await it.orphans.adopt(ADA, { ...PLAIN, merge: true });
    assert.equal(kept.ok && kept.as, `${grace}@here.example`);
    assert.equal(await it.rows.get(KEY), undefined);
  });

  it("changes no player who is away", async () => {
    const it = await visited();
    await it.there({ holder: "https://other.example" });
    assert.match(await refused(it, { ...PLAIN, merge: true }), /is away/u);
  });

  it("keeps nobody who is not here", async () => {
    const { orphans } = await visited();
    assert.equal((await orphans.adopt("bob@dead.example", PLAIN)).ok, false);
  });

  it("knows whether anybody else answers", async () => {
    const { orphans, registry, store, clock } = await visited();
    assert.equal(await orphans.isAlone(DEAD), true);
    const trusted = { trust: TrustState.Trusted };
    await registry.register({ endpoint: "https://up.example", name: "Up" }, trusted);
    const health = { ...silentFor(1, { now: clock.now() }), status: "healthy" };
    await store.set("health/https://up.example", JSON.stringify(health));
    assert.equal(await orphans.isAlone(DEAD), false);
  });
});
