import assert from "node:assert/strict";
import {
  CallPlaces,
  MAX_CALLS,
  MAX_CALLS_OF_HOME,
  MAX_CALLS_UNANSWERED,
} from "../../../src/custody/holder/call-places.ts";
import type { Home } from "../../../src/custody/shared/home.ts";
import { CustodyServers } from "../../support/custody-servers.ts";
import { eventually } from "../../support/eventually.ts";
import { turn } from "../../support/turn.ts";

const ARENA = "https://arena.example";
const homeOf = (n: number): string => `https://home-${n}.example`;

describe("custody/holder/call-places", () => {
  let places: CallPlaces;
  /** Calls under way, who came first in front, and how to end each. */
  let calls: { readonly home: string; readonly end: (fails?: boolean) => void }[];
  let settled: Promise<unknown>[];
  beforeEach(() => {
    places = new CallPlaces();
    calls = [];
    settled = [];
  });

  const cancel = (home: string): void => {
    const called: Pick<Home, "cancel"> = {
      cancel: () =>
        new Promise((resolve, reject) => {
          const call = {
            home,
            end: (fails = false) => {
              calls.splice(calls.indexOf(call), 1);
              if (fails) reject(new Error("no answer"));
              else resolve({ ok: false, code: "ERR_FED_STALE_CUSTODY", reason: "" });
            },
          };
          calls.push(call);
        }),
    };
    const request = { transferId: "t", player: "p", epoch: 1 };
    const done = places.home(home, called as Home).cancel(request);
    settled.push(done.catch((cause: unknown) => cause));
  };
  const under = (home: string): number => calls.filter((call) => call.home === home).length;

  it("has so many calls under way to one home, and makes all of them", async () => {
    for (let each = 0; each < 100; each += 1) cancel(homeOf(1));
    let made = 0;
    for (; calls.length > 0; made += 1) {
      assert.ok(under(homeOf(1)) <= MAX_CALLS_OF_HOME);
      calls[0]?.end();
      await turn();
    }
    assert.equal(made, 100);
    await Promise.all(settled);
  });

  it("has so many under way in all, and each home in its turn", async () => {
    for (let each = 0; each < 4; each += 1) for (let n = 0; n < 200; n += 1) cancel(homeOf(n));
    assert.equal(calls.length, MAX_CALLS);
    const order: string[] = [];
    for (;;) {
      const [call] = calls;
      if (call === undefined) break;
      order.push(call.home);
      call.end();
      await turn();
      assert.ok(calls.length <= MAX_CALLS);
    }
    assert.equal(order.length, 800);
    assert.equal(new Set(order.slice(MAX_CALLS, MAX_CALLS + 136)).size, 136);
  });

  it("leaves half of the places to homes that answer", async () => {
    for (let n = 0; n < MAX_CALLS; n += 1) cancel(homeOf(n));
    for (const call of [...calls]) call.end(true);
    await turn();
    for (let n = 0; n < MAX_CALLS; n += 1)
      for (let each = 0; each < 2; each += 1) cancel(homeOf(n));
    assert.equal(calls.length, MAX_CALLS_UNANSWERED);
    cancel(homeOf(1_000));
    assert.equal(under(homeOf(1_000)), 1);
  });

  it("gives a home all places again once it answers", async () => {
    cancel(homeOf(1));
    calls[0]?.end(true);
    await turn();
    cancel(homeOf(1));
    calls[0]?.end();
    await turn();
    for (let n = 2; n < 2 + MAX_CALLS_UNANSWERED; n += 1) cancel(homeOf(n));
    for (const call of [...calls]) call.end(true);
    await turn();
    for (let n = 2; n < 2 + MAX_CALLS_UNANSWERED; n += 1) cancel(homeOf(n));
    assert.equal(calls.length, MAX_CALLS_UNANSWERED);
    cancel(homeOf(1));
    assert.equal(under(homeOf(1)), 1);
  });

  it("refuses whoever waits when it stops, and whoever comes after", async () => {
    for (let each = 0; each <= MAX_CALLS_OF_HOME; each += 1) cancel(homeOf(1));
    places.stop();
    cancel(homeOf(2));
    const refused = await Promise.all(settled.slice(MAX_CALLS_OF_HOME));
    assert.deepEqual(
      refused.map((cause) => (cause as { code?: string }).code),
      ["ERR_FED_UNAVAILABLE", "ERR_FED_UNAVAILABLE"],
    );
    assert.equal(under(homeOf(2)), 0);
  });
});

describe("custody/holder, settling after a restart with very many rows open", () => {
  let servers: CustodyServers;
  beforeEach(() => {
    servers = new CustodyServers();
  });

  const fill = async (phase: string, homes: number, players: number): Promise<void> => {
    const { store } = servers.add(ARENA);
    for (let n = 0; n < players; n += 1) {
      const home = homeOf(n % homes);
      const player = `p${n}@home-${n % homes}.example`;
      const held = { epoch: 2, phase, ...(phase === "frozen" ? { transferId: `t${n}` } : {}) };
      await store.set(`visitor/${player}`, JSON.stringify({ player, home, held }));
    }
  };
  const byHome = (): number[] => {
    const counts = new Map<string, number>();
    for (const { body } of servers.calls) {
      const { player = "", players = [] } = body as {
        player?: string;
        players?: { player: string }[];
      };
      const host = (players[0]?.player ?? player).split("@")[1] ?? "";
      counts.set(host, (counts.get(host) ?? 0) + 1);
    }
    return [...counts.values()];
  };

  for (const phase of ["frozen", "held", "returning"]) {
    it(`calls a bounded number of homes at once, ${phase}`, async () => {
      await fill(phase, 200, 1_000);
      servers.hang = () => true;
      const arena = servers.restart(ARENA);
      await arena.custody.start();
      await turn(20);
      assert.equal(servers.calls.length, MAX_CALLS);
      arena.custody.stop();
    });
  }

  it("calls one home a bounded number of times at once", async () => {
    await fill("frozen", 1, 1_000);
    servers.hang = () => true;
    const arena = servers.restart(ARENA);
    await arena.custody.start();
    await turn(20);
    assert.deepEqual(byHome(), [MAX_CALLS_OF_HOME]);
    arena.custody.stop();
  });

  it("brings all of them to an end", async () => {
    await fill("frozen", 20, 1_000);
    servers.answer = () => ({ ok: false, code: "ERR_FED_TRANSFER_UNKNOWN", reason: "" });
    for (let n = 0; n < 20; n += 1) servers.add(homeOf(n));
    const arena = servers.restart(ARENA);
    await arena.custody.start();
    await eventually(async () => {
      for await (const row of arena.custody.visitors.all()) assert.fail(row.player);
    });
    assert.equal(servers.calls.length, 1_000);
  });

  it("wakes those who wait for the home that was heard of, and nobody else", async () => {
    await fill("frozen", 20, 20);
    const arena = servers.restart(ARENA);
    await arena.custody.start();
    await turn(20);
    const before = servers.calls.length;
    arena.custody.wake(homeOf(3));
    await turn(20);
    assert.deepEqual(
      servers.calls.slice(before).map(({ body }) => (body as { player: string }).player),
      ["p3@home-3.example"],
    );
    arena.custody.stop();
  });
});
