import assert from "node:assert/strict";
import type { RefusedState } from "../../../src/custody/holder/visitors.ts";
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

interface Sent {
  readonly state?: { readonly odd?: boolean };
  readonly players?: readonly Sent[];
}

describe("custody/holder, returns to a home that does not take a state", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let arena: CustodyServer;

  beforeEach(() => {
    servers = new CustodyServers();
    [home, arena] = [servers.add(HOME), servers.add(ARENA)];
  });

  /** A player of home stands in the arena and carries `carried` there. */
  async function visitor(localId: string, carried: unknown): Promise<TestBody> {
    const body = bodyThatCarries({ gold: 1 });
    const known = { name: localId, jkt: undefined, guest: false };
    const result = await home.custody.login(localId, known, body);
    assert.ok(result.ok);
    const outcome = home.custody.crossings.cross(result.session, {
      ...{ uri: "aether://arena.example/w", origin: ARENA, world: "w", options: {} },
    });
    await eventually(() => {
      assert.equal(body.transits.length, 1);
    });
    const there = bodyThatCarries(undefined);
    const session = await arena.arrive(there);
    assert.ok(session !== undefined);
    await outcome;
    there.carried = carried;
    return there;
  }

  const calls = (path: string): Sent[] =>
    servers.calls.filter((call) => call.path === path).map(({ body }) => body as Sent);

  it("gives the player back without it, once, keeps it aside and says so", async () => {
    await visitor("ada", { odd: true });
    servers.refuses = (path, body) =>
      path === "/custody/return" && (body as Sent).state?.odd === true
        ? "ERR_FED_MALFORMED"
        : undefined;
    const session = arena.custody.sessions.get("ada@home.example");
    assert.ok(session !== undefined);
    await arena.custody.leave(session);
    await eventually(async () => {
      assert.equal(await arena.custody.visitors.get("ada@home.example"), undefined);
    });
    assert.deepEqual(
      calls("/custody/return").map(({ state }) => state),
      [{ odd: true }, undefined],
    );
    const row = await home.custody.ledger.row("ada");
    assert.deepEqual([row?.holder, row?.state], [HOME, { gold: 1 }]);
    assert.ok(
      arena.said.some((line) => line.includes("ada@home.example") && line.includes("refused/")),
      arena.said.join("\n"),
    );
    const aside = arena.custody.visitors.refused();
    const { value } = (await aside.next()) as { value: RefusedState };
    assert.deepEqual(
      [value.player, value.home, value.state],
      ["ada@home.example", HOME, { odd: true }],
    );
  });

  it("asks again with it while home refuses for a reason that passes", async () => {
    await visitor("ada", { odd: true });
    servers.refuses = (path) => (path === "/custody/return" ? "ERR_FED_UNAVAILABLE" : undefined);
    const session = arena.custody.sessions.get("ada@home.example");
    assert.ok(session !== undefined);
    await arena.custody.leave(session);
    await turn(20);
    servers.refuses = () => undefined;
    servers.clock.advance(60_000);
    await eventually(async () => {
      assert.deepEqual((await home.custody.ledger.row("ada"))?.state, { gold: 1, odd: true });
    });
  });

  it("harms nobody else in the same call", async () => {
    await visitor("ada", { odd: true });
    await visitor("bob", { coin: 2 });
    await visitor("cyd", { coin: 3 });
    const isOdd = ({ state, players }: Sent): boolean =>
      state?.odd === true || players?.some(isOdd) === true;
    servers.refuses = (path, body) =>
      path.startsWith("/custody/return") && isOdd(body as Sent) ? "ERR_FED_MALFORMED" : undefined;
    await Promise.all(arena.custody.sessions.all().map((session) => arena.custody.leave(session)));
    await eventually(async () => {
      for (const player of ["ada", "bob", "cyd"]) {
        assert.equal((await home.custody.ledger.row(player))?.holder, HOME, player);
      }
    });
    assert.deepEqual((await home.custody.ledger.row("bob"))?.state, { gold: 1, coin: 2 });
    assert.deepEqual((await home.custody.ledger.row("cyd"))?.state, { gold: 1, coin: 3 });
    assert.deepEqual((await home.custody.ledger.row("ada"))?.state, { gold: 1 });
  });

  it("home, too, judges every player of one call by itself", async () => {
    await visitor("ada", {});
    await visitor("bob", {});
    let deep: unknown = 1;
    for (let level = 0; level < 33; level += 1) deep = [deep];
    const answer = await home.custody.answer(
      ARENA,
      "returns",
      {
        players: [
          { player: "ada@home.example", epoch: 1, state: { deep } },
          { player: "bob@home.example", epoch: 1, state: { coin: 2 } },
        ],
      },
      0,
    );
    assert.ok(answer.ok, JSON.stringify(answer));
    assert.deepEqual(answer.body, {
      returned: [{ player: "bob@home.example", epoch: 1 }],
      refused: [{ player: "ada@home.example", epoch: 1, code: "ERR_FED_MALFORMED" }],
    });
    assert.equal((await home.custody.ledger.row("ada"))?.holder, ARENA);
  });
});
