import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { assetUrl } from "../support/assets.ts";
import { eventually } from "../support/eventually.ts";
import { assertRefused } from "../support/operator.ts";
import { ROOMS, type ServerProcess, Servers } from "../support/processes.ts";
import { ForeignServer, requirePython } from "../support/python.ts";
import { type Seat, portal, takeSeat } from "../support/sdk.ts";
import { type Transit, Visitor } from "../support/visitor.ts";

interface Row {
  readonly holder: string;
  readonly epoch: number;
  readonly state: Record<string, unknown> | null;
}

interface Claimed {
  readonly player: string;
  readonly name: string;
  readonly epoch: number;
  readonly state: Record<string, unknown>;
  readonly leaseSeconds: number;
  readonly receipt?: string;
}

for (const [what, flags] of [
  ["with links, and receipts of many crossings at once", []],
  ["without additions", ["--plain"]],
] as const) {
  describe(`a server written in Python, from the protocol page alone, ${what}`, function () {
    this.timeout(60_000);
    suite(flags.length === 0, flags);
  });
}

function suite(hasAdditions: boolean, flagsOfForeign: readonly string[]): void {
  const servers = new Servers();
  let foreign: ForeignServer;
  let ours: ServerProcess;

  before(async function () {
    requirePython(this);
    foreign = await ForeignServer.start(...flagsOfForeign);
    const flags = ["--peer", foreign.origin];
    ours = await servers.launch({ name: "ours", script: ROOMS, flags });
    await ours.ready();
    await ours.knows(foreign.origin);
  });
  after(async () => {
    await servers.stop();
    await foreign?.stop();
  });

  it("agrees to a handshake, whoever begins it", async () => {
    assert.deepEqual(await foreign.control("sessions"), [ours.origin], "ours has begun one");
    const { status, body } = await foreign.control<{ status: number; body: { trust: string } }>(
      "handshake",
      { origin: ours.origin },
    );
    assert.deepEqual([status, body.trust], [200, "trusted"]);
  });

  if (hasAdditions) {
    it("opens a link, and calls over it", async () => {
      assert.deepEqual(await foreign.control("link", { origin: ours.origin }), { usable: true });
      const answer = await foreign.call(ours.origin, "/custody/claim", {
        transferId: randomUUID(),
      });
      assertRefused(answer, 409, "ERR_FED_TRANSFER_UNKNOWN");
      const unknown = await foreign.call(ours.origin, "/custody/nothing", {});
      assertRefused(unknown, 404, "ERR_FED_NOT_FOUND");
    });
  }

  it("sends a player who holds a key, is told what becomes of it, and gets it back", async () => {
    const { player, transferId, reservation } = await reserve({ bound: true });
    const sid = reservation.sessionId;
    await assert.rejects(connect(reservation), /ERR_FED_PROOF_REQUIRED/u);
    const { token } = await foreign.control<{ token: string }>("prove", {
      ...{ player, sid, aud: ours.origin },
    });
    const visitor = await connect(reservation, token);
    const who = await visitor.whoAmI();
    assert.equal(who.player?.id, player);
    assert.equal(who.player.name, "Monty");
    assert.equal(who.player.home, foreign.origin);
    assert.deepEqual(who.player.carried, { eggs: 3 });

    await visitor.note("spam");
    await eventually(async () => {
      const { holder, epoch, state } = await row(player);
      assert.deepEqual([holder, epoch], [ours.origin, 1]);
      assert.equal(state?.["note"], "spam", "it renews its lease with what the player carries");
    });
    await visitor.leave();
    await eventually(async () => {
      const { holder, epoch, state } = await row(player);
      assert.deepEqual([holder, epoch], [foreign.origin, 2]);
      assert.deepEqual([state?.["eggs"], state?.["note"]], [3, "spam"]);
    });
    const late = await foreign.call(ours.origin, "/reservations", {
      ...(await pass(player)),
      transferId,
    });
    assert.equal(late.body["code"], "ERR_FED_PASS_TRANSFER");
  });

  it("sends a player without a key, and takes it back by revoke", async () => {
    const { player, reservation } = await reserve({});
    const visitor = await connect(reservation);
    assert.equal(await visitor.id(), player);
    const { epoch } = await row(player);
    const stale = await foreign.call(ours.origin, "/custody/revoke", { player, epoch: epoch + 1 });
    assertRefused(stale, 409, "ERR_FED_STALE_CUSTODY");
    const answer = await foreign.call(ours.origin, "/custody/revoke", { player, epoch });
    assert.deepEqual(answer, { status: 200, body: {} });
    await eventually(async () => {
      assert.equal((await row(player)).holder, foreign.origin);
      assert.equal(visitor.leaves.length, 1);
    });
  });

  it("gets the same seat for the same transfer, and frees it as often as it likes", async () => {
    const asked = await reserve({});
    const { transferId, body } = asked;
    const again = await foreign.call(ours.origin, "/reservations", body);
    assert.equal(again.status, 201);
    assert.deepEqual(again.body["reservation"], asked.reservation);
    for (const id of [transferId, transferId, randomUUID()]) {
      const freed = await foreign.call(ours.origin, "/reservations/cancel", { transferId: id });
      assert.deepEqual(freed, { status: 200, body: {} });
    }
    await assert.rejects(connect(asked.reservation));
  });

  it("keeps its player when it cancels before the claim", async () => {
    const { player, transferId, reservation } = await reserve({});
    const { epoch } = await row(player);
    await foreign.control("cancel", { transferId, player, epoch });
    await assert.rejects(connect(reservation), /ERR_FED_TRANSFER_CANCELLED/u);
    assert.equal((await row(player)).holder, foreign.origin);
  });

  it("takes a player of ours in, and sends it home through a portal", async () => {
    const visitor = await Visitor.login(ours);
    const player = await visitor.id();
    await visitor.note("from home");
    const { claimed, transferId } = await crossToForeign(visitor);
    assert.deepEqual([claimed.player, claimed.name], [player, "Visitor"]);
    assert.equal(claimed.state["note"], "from home");
    const { iat, digest, ...receipt } = await foreign.control<Record<string, unknown>>("receipt", {
      ...{ receipt: claimed.receipt, issuer: ours.origin },
    });
    assert.equal(typeof iat, "number");
    const text = JSON.stringify(claimed.state);
    assert.equal(digest, `sha-256=${createHash("sha256").update(text).digest("base64url")}`);
    assert.deepEqual(receipt, {
      ...{ iss: ours.origin, xfer: transferId, player, epoch: claimed.epoch },
      ...{ from: ours.origin, to: foreign.origin },
    });
    const { epoch } = claimed;
    const state = { ...claimed.state, note: "from abroad" };
    const renewed = await foreign.call(ours.origin, "/custody/renew", {
      players: [
        { player, epoch, state },
        { player, epoch: epoch + 7 },
      ],
    });
    assert.equal(renewed.status, 200);
    assert.deepEqual(renewed.body["lost"], [{ player, epoch: epoch + 7 }]);
    assert.ok(Number(renewed.body["leaseSeconds"]) > 0);

    const back = {
      transferId: randomUUID(),
      player,
      epoch,
      to: ours.origin,
      world: "plain",
      state,
    };
    const departed = await foreign.call(ours.origin, "/custody/depart", back);
    assert.equal(departed.status, 200);
    const reserved = await foreign.call(ours.origin, "/reservations", {
      ...{ transferId: back.transferId, world: "plain", pass: departed.body["pass"] },
    });
    assert.equal(reserved.status, 201);
    await visitor.arrive(reserved.body as unknown as Transit);
    const { player: home } = await visitor.whoAmI();
    assert.equal(home?.id, player);
    assert.equal(home.from, foreign.origin);
    assert.equal(home.carried?.["note"], "from abroad");
    await eventually(async () => {
      const told = await foreign.told("/custody/departed");
      assert.deepEqual(
        told.filter(({ body }) => body["player"] === player),
        [
          {
            caller: ours.origin,
            linked: hasAdditions,
            path: "/custody/departed",
            body: { transferId: back.transferId, player, epoch },
          },
        ],
      );
    });
    await visitor.leave();
  });

  if (hasAdditions) {
    it("gets the receipts of many players of ours in one call, all signed at once, as its own words are", async () => {
      const held: { xfer: string; player: string; epoch: number }[] = [];
      const visitors = await Promise.all([Visitor.login(ours), Visitor.login(ours)]);
      for (const visitor of visitors) {
        const transit = await visitor.transit(portal(foreign, "hall"));
        const { transferId } = transit;
        const { body } = await foreign.call(ours.origin, "/custody/claim", {
          ...{ transferId, receiptLater: true },
        });
        const { player, epoch, state, receipt } = body as unknown as Claimed;
        assert.equal(receipt, undefined);
        const digest = `sha-256=${createHash("sha256").update(JSON.stringify(state)).digest("base64url")}`;
        const ends = { from: ours.origin, to: foreign.origin };
        held.push({ xfer: transferId, player, epoch, ...ends, ...{ digest } });
      }
      const answers = await foreign.control<
        { alg: string; claims: Record<string, unknown>; words: number }[]
      >("countersign", { origin: ours.origin, held });
      assert.deepEqual(
        answers.map(({ claims: { iat, ...claims }, ...answer }) => {
          assert.equal(typeof iat, "number");
          return { ...answer, claims };
        }),
        held.map((each) => ({
          ...{ alg: "aether-tree-EdDSA", words: 1, claims: { ...each, iss: ours.origin } },
        })),
      );
      for (const { player, epoch } of held) {
        const back = await foreign.call(ours.origin, "/custody/return", { player, epoch });
        assert.equal(back.status, 200);
      }
    });

    it("is asked for its own at once by us, and told what we have signed", async () => {
      const seated = await Promise.all([reserve({}), reserve({})]);
      const visitors = await Promise.all(seated.map(({ reservation }) => connect(reservation)));
      await eventually(async () => {
        const words = await foreign.control<Record<string, unknown>[]>("words");
        for (const { transferId, player } of seated) {
          const word = words.find(({ xfer }) => xfer === transferId);
          assert.deepEqual([word?.["player"], word?.["iss"]], [player, ours.origin]);
        }
      });
      for (const visitor of visitors) {
        const receipt = (await visitor.receipt()) ?? "";
        const [header = ""] = receipt.split(".");
        const { typ } = JSON.parse(Buffer.from(header, "base64url").toString()) as { typ: string };
        assert.equal(typ, "aether-receipt+jwt");
        await visitor.leave();
      }
    });

    it("does not keep its player waiting for a receipt that it does not give, and may give it later", async () => {
      await foreign.control("busy", { busy: true });
      const { reservation } = await reserve({});
      const visitor = await connect(reservation);
      assert.equal(await visitor.receipt(), undefined);
      await foreign.control("busy", { busy: false });
      await eventually(async () => {
        assert.ok((await visitor.receipt()) !== undefined);
      });
      await visitor.leave();
    });
  }

  it("gives a player of ours back by return, and is refused what it no longer holds", async () => {
    const visitor = await Visitor.login(ours);
    const { claimed } = await crossToForeign(visitor);
    const { player, epoch } = claimed;
    const returned = { player, epoch, state: { ...claimed.state, note: "farewell" } };
    const answer = await foreign.call(ours.origin, "/custody/return", returned);
    assert.deepEqual(answer, { status: 200, body: { epoch: epoch + 1 } });
    for (const [call, body] of [
      ["return", returned],
      ["cancel", { transferId: randomUUID(), player, epoch }],
      ["depart", { transferId: randomUUID(), player, epoch, to: foreign.origin, world: "hall" }],
    ] as const) {
      const late = await foreign.call(ours.origin, `/custody/${call}`, body);
      assert.deepEqual([late.status, late.body["code"]], [409, "ERR_FED_STALE_CUSTODY"], call);
    }
    const again = await Visitor.login(ours, { key: visitor.key! });
    const { player: home } = await again.whoAmI();
    assert.equal(home?.id, player);
    assert.equal(home.carried?.["note"], "farewell");
    await again.leave();
  });

  it("is asked to give a player back who logs in at home", async () => {
    const visitor = await Visitor.login(ours);
    const { claimed } = await crossToForeign(visitor);
    const { player, epoch } = claimed;
    const login = Visitor.login(ours, { key: visitor.key! });
    await eventually(async () => {
      const [revoked] = (await foreign.told("/custody/revoke")).filter(
        ({ body }) => body["player"] === player,
      );
      assert.deepEqual(revoked?.body, { player, epoch });
    });
    const returned = await foreign.call(ours.origin, "/custody/return", { player, epoch });
    assert.equal(returned.status, 200);
    assert.equal(await (await login).id(), player);
    await (await login).leave();
  });

  it("has its player's picture kept and served here, unless its bytes are not the hash's", async () => {
    for (const honest of [true, false]) {
      const text = `<svg xmlns="http://www.w3.org/2000/svg"><!-- ${honest} --></svg>`;
      const hat = await foreign.control<{ assetHash: string }>("asset", { text, honest });
      const { reservation } = await reserve({ state: { hat } });
      const visitor = await connect(reservation);
      await eventually(async () => {
        const served = await fetch(assetUrl(ours, hat.assetHash));
        assert.equal(served.status, honest ? 200 : 404);
        if (honest) assert.equal(await served.text(), text);
        else
          assert.deepEqual(
            (await ours.peers()).map(({ wrongAssets }) => wrongAssets),
            [1],
          );
      });
      await visitor.leave();
    }
  });

  it("is refused in the protocol's words, and signed", async () => {
    const { body } = await reserve({});
    const refused = async (changes: object, code: string): Promise<void> => {
      const answer = await foreign.call(ours.origin, "/reservations", { ...body, ...changes });
      assert.equal(answer.body["code"], code);
      assert.equal(answer.body["status"], answer.status);
      assert.equal(typeof answer.body["title"], "string");
    };
    await refused({ world: "small" }, "ERR_FED_PASS_WORLD");
    await refused({ transferId: randomUUID() }, "ERR_FED_PASS_TRANSFER");
    await refused({ extra: 1 }, "ERR_FED_MALFORMED");
    const unknown = await foreign.call(ours.origin, "/custody/claim", { transferId: randomUUID() });
    assertRefused(unknown, 409, "ERR_FED_TRANSFER_UNKNOWN");
  });

  it("met no error of its own", () => {
    assert.equal(foreign.errors, "");
  });

  async function row(player: string): Promise<Row> {
    return foreign.control<Row>("row", { player });
  }

  async function pass(player: string): Promise<{ pass: string; world: string }> {
    const departed = await foreign.control<{ pass: string }>("depart", {
      ...{ player, to: ours.origin, world: "plain" },
    });
    return { pass: departed.pass, world: "plain" };
  }

  /** A player of the foreign server, with a seat here. */
  async function reserve(options: { bound?: boolean; state?: object }): Promise<{
    player: string;
    transferId: string;
    body: object;
    reservation: Seat;
  }> {
    const { player } = await foreign.control<{ player: string }>("player", {
      ...{ name: "Monty", state: { eggs: 3 }, ...options },
    });
    const departed = await foreign.control<{ transferId: string; pass: string }>("depart", {
      ...{ player, to: ours.origin, world: "plain" },
    });
    const body = { transferId: departed.transferId, pass: departed.pass, world: "plain" };
    const answer = await foreign.call(ours.origin, "/reservations", body);
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    assert.equal(answer.body["origin"], ours.origin);
    const reservation = answer.body["reservation"] as Seat;
    return { player, transferId: departed.transferId, body, reservation };
  }

  /** Takes a seat here. */
  async function connect(seat: Seat, token?: string): Promise<Visitor> {
    return new Visitor(await takeSeat(ours, seat, token));
  }

  /** Sends a player of ours there; the foreign server claims it. */
  async function crossToForeign(
    visitor: Visitor,
  ): Promise<{ claimed: Claimed; transferId: string }> {
    const transit = await visitor.transit(portal(foreign, "hall"));
    assert.equal(transit.origin, foreign.origin);
    const { transferId } = transit;
    const first = await foreign.call(ours.origin, "/custody/claim", { transferId });
    assert.equal(first.status, 200, JSON.stringify(first.body));
    const repeated = await foreign.call(ours.origin, "/custody/claim", { transferId });
    assert.deepEqual(repeated.body, first.body, "a claim may be repeated");
    await eventually(() => {
      assert.equal(visitor.leaves.length, 1, "the room lets go of the player");
    });
    return { claimed: first.body as unknown as Claimed, transferId };
  }
}
