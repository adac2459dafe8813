import assert from "node:assert/strict";
import type { LoginResult } from "../../src/custody/home/home-sessions.ts";
import { type CustodyServer, CustodyServers, bodyThatCarries } from "../support/custody-servers.ts";
import { Walk } from "../support/walk.ts";
import { turn } from "../support/turn.ts";

const HOME = "https://home.example";
const MALLORY = "https://mallory.example";
const ACCOMPLICE = "https://accomplice.example";
const TRANSFER = "11111111-2222-4333-8444-555555555555";
const ADA = "ada@home.example";
const LEASE_SECONDS = 30;

describe("a hostile holder that does not give a player back", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let mallory: CustodyServer;
  /** The epoch that Mallory holds the player under. */
  let epoch: number;
  const walk = new Walk();

  beforeEach(async () => {
    servers = new CustodyServers();
    [home, mallory] = [servers.add(HOME), servers.add(MALLORY)];
    servers.add(ACCOMPLICE);
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, mallory, ADA, body, TRANSFER);
    epoch = 1;
    // From here on Mallory speaks the protocol by hand.
    mallory.custody.stop();
    servers.answer = (path) =>
      path === "/custody/revoke"
        ? { ok: false, code: "ERR_FED_STALE_CUSTODY", reason: "no" }
        : undefined;
  });

  const call = (name: string, body: unknown, by = MALLORY) =>
    home.custody.answer(by, name, body, Math.floor(servers.clock.now() / 1000));

  async function login(): Promise<LoginResult> {
    const known = { name: "ada", jkt: undefined, guest: false };
    const result = home.custody.login("ada", known, bodyThatCarries(undefined));
    await turn(20);
    await servers.clock.advanceAsync(5_000);
    return result;
  }

  /** Does what Mallory does every few seconds, for a lease and a bit after the player is called back. */
  async function hold(attack: () => Promise<unknown>): Promise<LoginResult> {
    assert.equal((await login()).ok, false);
    for (let seconds = 0; seconds < LEASE_SECONDS * 1.05; seconds += 5) {
      await attack();
      await servers.clock.advanceAsync(5_000);
    }
    return login();
  }

  async function epochNow(): Promise<number> {
    return (await home.custody.ledger.row("ada"))?.epoch ?? -1;
  }

  const renew = () => call("renew", { players: [{ player: ADA, epoch }] });
  const claim = () => call("claim", { transferId: TRANSFER });
  const cancel = async () => {
    const transferId = crypto.randomUUID();
    const answer = await call("cancel", { transferId, player: ADA, epoch: await epochNow() });
    return answer;
  };
  const depart = async (to: string, by: string) => {
    const transferId = crypto.randomUUID();
    const request = { transferId, player: ADA, epoch: await epochNow(), to, world: "w" };
    await call("depart", request, by);
    return call("claim", { transferId }, to);
  };

  for (const [what, attack] of [
    ["renews it for ever", renew],
    ["claims it again and again", claim],
    ["cancels departures that never were", cancel],
    [
      "hands it to an accomplice and back",
      async () => {
        await depart(ACCOMPLICE, MALLORY);
        await depart(MALLORY, ACCOMPLICE);
      },
    ],
    [
      "does all of that",
      async () => {
        for (const each of [renew, claim, cancel]) await each();
        await depart(ACCOMPLICE, MALLORY);
      },
    ],
  ] as const) {
    it(`${what}: home has it after one lease`, async () => {
      const result = await hold(attack);
      assert.ok(result.ok, JSON.stringify(result));
      assert.deepEqual(result.state, { gold: 1 });
    });
  }

  it("never answers the recall: home has it after one lease", async () => {
    servers.hang = (path) => path === "/custody/revoke";
    assert.ok((await hold(renew)).ok);
  });

  it("renews it for ever, also while home restarts: home has it one lease after its start", async () => {
    assert.equal((await login()).ok, false);
    home = servers.restart(HOME);
    for (let seconds = 0; seconds < LEASE_SECONDS * 1.05; seconds += 5) {
      await renew();
      await servers.clock.advanceAsync(5_000);
    }
    assert.ok((await login()).ok);
  });

  it("is told of no lease that home does not keep", async () => {
    assert.equal((await login()).ok, false);
    const recalledAt = servers.clock.monotonic() - 5_000;
    for (const each of [claim, cancel, cancel]) {
      await servers.clock.advanceAsync(7_000);
      const answer = await each();
      assert.ok(answer.ok, JSON.stringify(answer));
      const { leaseSeconds } = answer.body as { leaseSeconds: number };
      const until = servers.clock.monotonic() + leaseSeconds * 1000;
      assert.ok(until <= recalledAt + LEASE_SECONDS * 1000, `${until - recalledAt} ms`);
    }
  });
});

describe("an honest holder whose player is called back", () => {
  it("loses nothing where it missed the recall: it hears of it with the next renewal", async () => {
    const servers = new CustodyServers();
    const [home, arena] = [servers.add(HOME), servers.add(MALLORY)];
    const walk = new Walk();
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    const there = await walk.cross(home, arena, ADA, body);
    there.carried = { gold: 2 };
    servers.hang = (path) => path === "/custody/revoke";
    const known = { name: "ada", jkt: undefined, guest: false };
    const first = home.custody.login("ada", known, bodyThatCarries(undefined));
    await turn(20);
    await servers.clock.advanceAsync(11_000);
    const result = await home.custody.login("ada", known, bodyThatCarries(undefined));
    assert.ok(result.ok, JSON.stringify(result));
    assert.deepEqual(result.state, { gold: 2 });
    assert.deepEqual(there.ends, ["ERR_FED_STALE_CUSTODY"]);
    await first;
  });

  it("loses nothing where the player was leaving, and the lease has run out meanwhile", async () => {
    const servers = new CustodyServers();
    const [home, arena] = [servers.add(HOME), servers.add(MALLORY)];
    const gallery = servers.add(ACCOMPLICE);
    const walk = new Walk();
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    const there = await walk.cross(home, arena, ADA, body);
    there.carried = { gold: 2 };
    const { outcome } = await walk.leave(arena, gallery, ADA, there);
    servers.hang = (path) => path === "/custody/revoke" || path === "/custody/cancel";
    const known = { name: "ada", jkt: undefined, guest: false };
    const first = home.custody.login("ada", known, bodyThatCarries(undefined));
    await turn(20);
    await servers.clock.advanceAsync(30_500);
    servers.hang = () => false;
    await servers.clock.advanceAsync(30_000);
    const result = await home.custody.login("ada", known, bodyThatCarries(undefined));
    assert.ok(result.ok, JSON.stringify(result));
    assert.deepEqual(result.state, { gold: 2 });
    await first;
    await outcome;
  });
});
