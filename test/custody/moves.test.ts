import assert from "node:assert/strict";
import type { PlayerSession } from "../../src/custody/shared/player-session.ts";
import { importVerifyKey } from "../../src/identity/ed25519.ts";
import { verifyReceipt } from "../../src/identity/receipt.ts";
import {
  type CustodyServer,
  CustodyServers,
  type TestBody,
  bodyThatCarries,
} from "../support/custody-servers.ts";
import { eventually } from "../support/eventually.ts";
import { Walk } from "../support/walk.ts";

const OLD = "https://home.example";
const NEW = "https://house.example";
const ARENA = "https://arena.example";
const GALLERY = "https://gallery.example";
const ELSEWHERE = "https://elsewhere.example";
const ADA = "ada@home.example";
const ADA_NOW = "ada@house.example";
const TRANSFER = "11111111-2222-4333-8444-555555555555";

describe("custody, and servers that move", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let arena: CustodyServer;
  let gallery: CustodyServer;
  let there: TestBody;
  const walk = new Walk();

  beforeEach(async () => {
    servers = new CustodyServers();
    [home, arena, gallery] = [servers.add(OLD), servers.add(ARENA), servers.add(GALLERY)];
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    there = await walk.cross(home, arena, ADA, body);
  });
  afterEach(() => {
    for (const { custody } of servers.servers.values()) custody.stop();
  });

  const ada = (at: CustodyServer, player: string): PlayerSession => {
    const session = at.custody.sessions.get(player);
    assert.ok(session !== undefined, `${player} plays at ${at.origin}`);
    return session;
  };
  const rowOf = async () => home.custody.ledger.row("ada");

  describe("a home", () => {
    it("has its player back, under the id that it left with", async () => {
      home = servers.move(OLD, NEW);
      there.carried = { gold: 2 };
      await arena.custody.leave(ada(arena, ADA));
      await eventually(async () => {
        const row = await rowOf();
        assert.deepEqual([row?.holder, row?.state], [NEW, { gold: 2 }]);
      });
      assert.equal(await arena.custody.visitors.get(ADA), undefined);
    });

    it("renews the leases of its players that are abroad", async () => {
      home = servers.move(OLD, NEW);
      const { epoch } = ada(arena, ADA);
      there.carried = { gold: 3 };
      servers.clock.advance(12_000);
      await eventually(async () => {
        assert.deepEqual((await rowOf())?.state, { gold: 3 });
      });
      assert.equal(ada(arena, ADA).epoch, epoch);
    });

    it("lets its player go on to a third, where it is known by its new id", async () => {
      home = servers.move(OLD, NEW);
      there.carried = { gold: 2 };
      const beyond = await walk.cross(arena, gallery, ADA, there);
      assert.deepEqual(beyond.carried, { gold: 2 });
      assert.equal(ada(gallery, ADA_NOW).home, NEW);
      assert.equal(arena.custody.sessions.get(ADA), undefined);
      assert.equal(await arena.custody.visitors.get(ADA), undefined);
      assert.equal((await rowOf())?.holder, GALLERY);
    });

    it("takes its player in by a portal", async () => {
      home = servers.move(OLD, NEW);
      const back = await walk.cross(arena, home, ADA, there);
      assert.deepEqual(back.carried, { gold: 1 });
      assert.ok(ada(home, ADA_NOW).atHome);
    });

    it("calls its player back", async () => {
      home = servers.move(OLD, NEW);
      const epoch = ada(arena, ADA).epoch;
      const answer = await arena.custody.answer(NEW, "revoke", { player: ADA_NOW, epoch }, 0);
      assert.ok(answer.ok, JSON.stringify(answer));
      await eventually(async () => {
        assert.equal((await rowOf())?.holder, NEW);
      });
    });

    it("logs in who was at home when it moved", async () => {
      await walk.login(home, "bob", bodyThatCarries({ gold: 7 }));
      await home.custody.saveAll();
      home = servers.move(OLD, NEW);
      const session = await walk.login(home, "bob", bodyThatCarries(undefined));
      assert.equal(session.player, "bob@house.example");
      assert.deepEqual((await home.custody.ledger.row("bob"))?.state, { gold: 7 });
    });

    it("is given what it hands to who claims in the middle of its move, and tells the source", async () => {
      const beyond = bodyThatCarries(undefined);
      const { outcome } = await walk.leave(arena, gallery, ADA, there, TRANSFER);
      home = servers.move(OLD, NEW);
      assert.ok((await gallery.arrive(beyond)) !== undefined);
      assert.equal((await outcome).kind, "arrived");
      await eventually(async () => {
        assert.equal(await arena.custody.visitors.get(ADA), undefined);
      });
    });

    it("gives receipts of crossings from before its move that still verify, once each", async () => {
      const beyond = await walk.cross(arena, gallery, ADA, there, TRANSFER);
      assert.ok(beyond);
      servers.clock.advance(100);
      const before = await home.custody.history.find(TRANSFER, OLD);
      home = servers.move(OLD, NEW);
      await home.custody.start();
      const answer = await home.custody.answer(GALLERY, "receipt", { transferId: TRANSFER }, 0);
      assert.ok(answer.ok);
      assert.equal((answer.body as { receipt: string }).receipt, before?.receipt);
      const read = await verifyReceipt(before?.receipt, () =>
        importVerifyKey(servers.keyOf(NEW).jwk),
      );
      assert.ok(read.verified);
      assert.equal(read.claims.iss, OLD);
    });

    it("answers a claim that is repeated after its move with the receipt of the first", async () => {
      const { outcome } = await walk.leave(arena, gallery, ADA, there, TRANSFER);
      const claim = { transferId: TRANSFER };
      const receiptOf = async (): Promise<string> => {
        const answer = await home.custody.answer(GALLERY, "claim", claim, 0);
        assert.ok(answer.ok, JSON.stringify(answer));
        return (answer.body as { receipt: string }).receipt;
      };
      const first = await receiptOf();
      assert.equal((await outcome).kind, "arrived");
      await home.custody.history.flush();
      home = servers.move(OLD, NEW);
      assert.equal(await receiptOf(), first);
    });

    it("lets the arena keep the receipt of a crossing that it was told of by the new one", async () => {
      home = servers.move(OLD, NEW);
      await walk.cross(arena, gallery, ADA, there, TRANSFER);
      servers.clock.advance(100);
      await eventually(async () => {
        servers.clock.advance(100);
        const [kept] = await arena.custody.history.ofTransfer(TRANSFER);
        assert.equal(kept?.home, NEW);
        const filed = await home.custody.history.find(TRANSFER, NEW);
        assert.equal(filed?.countersignatures.length, 2);
      });
    });

    it("comes back under its former id to who holds it by that", async () => {
      home = servers.move(OLD, NEW);
      // Its way home is not settled when it comes again.
      servers.refuses = (path) =>
        path === "/custody/return" || path === "/custody/returns"
          ? "ERR_FED_UNAVAILABLE"
          : undefined;
      await arena.custody.leave(ada(arena, ADA));
      const named = await arena.custody.visitors.get(ADA);
      assert.equal(named?.held.phase, "returning");
      servers.refuses = () => undefined;
      await eventually(async () => {
        arena.custody.wake();
        assert.equal((await rowOf())?.holder, NEW);
      });
      const body = bodyThatCarries(undefined);
      await walk.login(home, "ada", body);
      await walk.cross(home, arena, ADA_NOW, body);
      assert.equal((await arena.custody.visitors.get(ADA_NOW))?.home, NEW);
    });

    it("is nobody whom it has not moved to", async () => {
      const epoch = ada(arena, ADA).epoch;
      servers.add(ELSEWHERE);
      const answer = await arena.custody.answer(ELSEWHERE, "revoke", { player: ADA, epoch }, 0);
      assert.ok(!answer.ok);
      assert.equal(answer.code, "ERR_FED_NOT_HOME");
    });

    it("is heard of no player of another home", async () => {
      home = servers.move(OLD, NEW);
      const epoch = ada(arena, ADA).epoch;
      const player = "ada@elsewhere.example";
      const answer = await arena.custody.answer(NEW, "revoke", { player, epoch }, 0);
      assert.ok(!answer.ok);
      assert.equal(answer.code, "ERR_FED_NOT_HOME");
    });

    it("that is blocked after its move has its players sent away", async () => {
      home = servers.move(OLD, NEW);
      arena.custody.endDealings(NEW);
      assert.equal(arena.custody.sessions.get(ADA), undefined);
      assert.deepEqual(there.ends, ["ERR_FED_BLOCKED"]);
    });
  });

  describe("a visited server", () => {
    it("gives back, from where it is then, whom it held", async () => {
      there.carried = { gold: 5 };
      servers.clock.advance(12_000);
      await eventually(async () => {
        assert.deepEqual((await rowOf())?.state, { gold: 5 });
      });
      arena = servers.move(ARENA, ELSEWHERE);
      await arena.custody.start();
      await eventually(async () => {
        const row = await rowOf();
        assert.deepEqual([row?.holder, row?.state], [OLD, { gold: 5 }]);
      });
    });

    it("may claim from where it is then whom it was to get", async () => {
      const { outcome } = await walk.leave(arena, gallery, ADA, there, TRANSFER);
      gallery = servers.move(GALLERY, ELSEWHERE);
      const answer = await home.custody.answer(ELSEWHERE, "claim", { transferId: TRANSFER }, 0);
      assert.ok(answer.ok, JSON.stringify(answer));
      assert.equal((await outcome).kind, "arrived");
    });

    it("still owns what it brought, and nobody else does", async () => {
      there.carried = { gold: 1, badge: { of: "the arena" } };
      const beyond = await walk.cross(arena, gallery, ADA, there);
      beyond.carried = { gold: 1, badge: { of: "the gallery" } };
      await gallery.custody.leave(ada(gallery, ADA));
      arena = servers.move(ARENA, ELSEWHERE);
      const body = bodyThatCarries(undefined);
      await eventually(async () => {
        assert.deepEqual((await rowOf())?.state, { gold: 1, badge: { of: "the arena" } });
      });
      const session = await walk.login(home, "ada", body);
      body.carried = (await rowOf())?.state;
      const again = await walk.cross(home, arena, session.player, body);
      again.carried = { gold: 1, badge: { of: "the arena, elsewhere" } };
      await arena.custody.leave(ada(arena, ADA));
      await eventually(async () => {
        const row = await rowOf();
        assert.deepEqual(row?.state, { gold: 1, badge: { of: "the arena, elsewhere" } });
      });
    });

    it("may bring late, from where it is then, what the player carried", async () => {
      const { epoch } = ada(arena, ADA);
      arena.custody.stop();
      servers.clock.advance(40_000);
      assert.ok(await home.custody.ledger.expire("ada"));
      arena = servers.move(ARENA, ELSEWHERE);
      const state = { gold: 9 };
      const answer = await home.custody.answer(
        ELSEWHERE,
        "return",
        { player: ADA, epoch, state },
        0,
      );
      assert.ok(answer.ok, JSON.stringify(answer));
      assert.deepEqual((await rowOf())?.state, state);
    });

    it("is not obeyed where nobody knows of its move", async () => {
      servers.add(ELSEWHERE);
      const { epoch } = ada(arena, ADA);
      const answer = await home.custody.answer(ELSEWHERE, "return", { player: ADA, epoch }, 0);
      assert.ok(!answer.ok);
      assert.equal(answer.code, "ERR_FED_STALE_CUSTODY");
    });
  });
});
