import assert from "node:assert/strict";
import { PlayerKey } from "aether-federation/client";
import { generateSigningKey } from "../../src/identity/server-keys.ts";
import { systemRandom } from "../../src/ports.ts";
import { rooms } from "../support/running.ts";
import { portal } from "../support/sdk.ts";
import { isBack, ledgerRow } from "../support/stored.ts";
import { type Transit, Visitor } from "../support/visitor.ts";
import { HostilePlayer, handOverWith, travelWith } from "./support/hostile-player.ts";

const INVALID = /ERR_FED_DELEGATION_INVALID/u;

/** What a destination's page has once it was given a delegation, and what it makes of it. */
describe("attack: a page that a player was handed over to, with the key it has of its own", function () {
  this.timeout(60_000);
  const at = rooms("home", "away", "third");

  /** A player whose own key is elsewhere, the page's key, and a seat that waits at `away`. */
  async function handedOver(to = portal(at.away)) {
    const player = new HostilePlayer();
    const page = new HostilePlayer();
    const visitor = await Visitor.login(at.home, {
      token: await player.prove({ aud: at.home.origin }),
    });
    const transit = await visitor.transit(to);
    return { player, page, visitor, transit, id: player.idAt(at.home) };
  }

  const seatOf = ({ origin, reservation: { sessionId: sid }, transferId: xfer }: Transit) => ({
    proof: { aud: origin, use: "seat", sid },
    delegation: { aud: origin, sid, xfer },
  });

  it("(the seat it was given it takes, and the session is that key's)", async () => {
    const { player, page, visitor, transit, id } = await handedOver();
    const { proof, delegation } = seatOf(transit);
    const token = `${await page.prove(proof)}~${await player.delegate(page.key, delegation)}`;
    await visitor.arrive(transit, token);
    assert.equal(await visitor.id(), id);
    assert.equal(ledgerRow(at.home, id)?.holder, at.away.origin);
    // Into another room of the same server, by the page's key alone.
    const move = await visitor.transit(portal(at.away, "dropping"));
    await visitor.arrive(move, await page.prove(seatOf(move).proof));
    assert.equal(await visitor.id(), id);
    await visitor.leave();
    await isBack(at.home, id);
  });

  it("takes the seat once more with what it showed", async () => {
    const { player, page, visitor, transit, id } = await handedOver();
    const { proof, delegation } = seatOf(transit);
    const token = `${await page.prove(proof)}~${await player.delegate(page.key, delegation)}`;
    await visitor.arrive(transit, token);
    await assert.rejects(new Visitor(visitor.room).arrive(transit, token), /ERR_FED_|seat/u);
    await visitor.leave();
    await isBack(at.home, id);
  });

  it("takes a second seat there with the delegation of the first", async () => {
    const { player, page, visitor, transit, id } = await handedOver();
    const old = await player.delegate(page.key, seatOf(transit).delegation);
    await visitor.giveUp(transit);
    const next = await visitor.transit(portal(at.away));
    const proof = await page.prove(seatOf(next).proof);
    await assert.rejects(visitor.arrive(next, `${proof}~${old}`), INVALID);
    assert.equal(ledgerRow(at.home, id)?.holder, at.home.origin);
    await visitor.leave();
  });

  for (const [what, change] of Object.entries({
    "names the seat, but another crossing": { xfer: "2f0dbb4c-9c2e-4a0e-8f4e-0d6a35d4a001" },
    "names the crossing, but another seat": { sid: "another" },
    "is for another server": { aud: "http://localhost:1" },
    "lives for an hour": { exp: Math.floor(Date.now() / 1000) + 3600 },
  })) {
    it(`takes the seat with one that ${what}`, async () => {
      const { player, page, visitor, transit } = await handedOver();
      const { proof, delegation } = seatOf(transit);
      const bad = await player.delegate(page.key, { ...delegation, ...change });
      await assert.rejects(visitor.arrive(transit, `${await page.prove(proof)}~${bad}`), INVALID);
      await visitor.leave();
    });
  }

  it("takes the seat with one that it has signed itself", async () => {
    const { page, visitor, transit } = await handedOver();
    const { proof, delegation } = seatOf(transit);
    const other = generateSigningKey(systemRandom);
    const own = await new HostilePlayer().delegate(page.key, delegation);
    await assert.rejects(visitor.arrive(transit, `${await page.prove(proof)}~${own}`), INVALID);
    const self = await page.delegate(other, delegation);
    const proven = await new HostilePlayer(other).prove(proof);
    await assert.rejects(visitor.arrive(transit, `${proven}~${self}`), INVALID);
    await visitor.leave();
  });

  it("takes the seat with somebody else's, which it saw go by, and a key of its own", async () => {
    const { player, page, visitor, transit } = await handedOver();
    const { proof, delegation } = seatOf(transit);
    const seen = await player.delegate(page.key, delegation);
    const thief = await new HostilePlayer().prove(proof);
    await assert.rejects(visitor.arrive(transit, `${thief}~${seen}`), INVALID);
    await visitor.leave();
  });

  it("takes the seat with the delegation alone, or its key alone", async () => {
    const { player, page, visitor, transit } = await handedOver();
    const { proof, delegation } = seatOf(transit);
    const token = await player.delegate(page.key, delegation);
    for (const shown of [token, `~${token}`, await page.prove(proof)]) {
      await assert.rejects(visitor.arrive(transit, shown), /ERR_FED_PROOF_/u);
    }
    await visitor.leave();
  });

  it("goes on to a third server as the player, with the key of its stay", async () => {
    const { player, page, visitor, transit, id } = await handedOver();
    const { proof, delegation } = seatOf(transit);
    const given = await player.delegate(page.key, delegation);
    await visitor.arrive(transit, `${await page.prove(proof)}~${given}`);
    // Its server may send the player on, but the seat there is bound to the player's own key.
    const onward = await visitor.transit(portal(at.third));
    const there = await page.prove(seatOf(onward).proof);
    await assert.rejects(visitor.arrive(onward, there), /ERR_FED_PROOF_INVALID/u);
    await assert.rejects(visitor.arrive(onward, `${there}~${given}`), INVALID);
    const forged = await page.delegate(generateSigningKey(systemRandom), seatOf(onward).delegation);
    await assert.rejects(visitor.arrive(onward, `${there}~${forged}`), /ERR_FED_/u);
    await visitor.giveUp(onward);
    await visitor.leave();
    await isBack(at.home, id);
  });

  it("takes a seat at the player's home with a delegation for it", async () => {
    const { player, page, visitor, transit, id } = await handedOver();
    const { proof, delegation } = seatOf(transit);
    const given = await player.delegate(page.key, delegation);
    await visitor.arrive(transit, `${await page.prove(proof)}~${given}`);
    const back = await visitor.transit(portal(at.home));
    const { proof: shown, delegation: named } = seatOf(back);
    const token = `${await page.prove(shown)}~${await player.delegate(page.key, named)}`;
    await assert.rejects(visitor.arrive(back, token), INVALID);
    await visitor.giveUp(back);
    await visitor.leave();
    await isBack(at.home, id);
  });

  it("logs in at home with the key of its stay: it is somebody else there", async () => {
    const { player, page, visitor, transit, id } = await handedOver();
    const { proof, delegation } = seatOf(transit);
    const given = await player.delegate(page.key, delegation);
    await visitor.arrive(transit, `${await page.prove(proof)}~${given}`);
    const login = { aud: at.home.origin };
    const asItself = await Visitor.login(at.home, { token: await page.prove(login) });
    assert.equal(await asItself.id(), page.idAt(at.home));
    await asItself.leave();
    await assert.rejects(
      Visitor.login(at.home, { token: `${await page.prove(login)}~${given}` }),
      /ERR_FED_PROOF_INVALID/u,
    );
    // To a room that takes anybody it is any token: whoever brings it is a guest.
    const asGuest = await Visitor.login(at.home, { token: given });
    assert.match(await asGuest.id(), /^guest-/u);
    await asGuest.leave();
    assert.equal(await visitor.id(), id, "the player plays on");
    await visitor.leave();
    await isBack(at.home, id);
  });

  it("travels, or asks for a hand-over, with what it was given", async () => {
    const { player, page, visitor, transit, id } = await handedOver();
    const { proof, delegation } = seatOf(transit);
    const given = await player.delegate(page.key, delegation);
    await visitor.arrive(transit, `${await page.prove(proof)}~${given}`);
    const proofs = {
      travel: await page.prove({ aud: at.home.origin, use: "travel" }),
      handOver: await page.prove({ aud: at.home.origin, use: "hand-over" }),
    };
    for (const token of [given, `${proofs.travel}~${given}`]) {
      const { status } = await travelWith(at.home, token, portal(at.third));
      assert.equal(status, 403);
    }
    const onward = await visitor.transit(portal(at.third));
    const { transferId } = onward;
    for (const token of [given, `${proofs.handOver}~${given}`]) {
      const { status, body } = await handOverWith(at.home, token, { transferId });
      assert.equal(status, 403, JSON.stringify(body));
    }
    const { body } = await handOverWith(at.home, proofs.handOver, { transferId });
    assert.equal(body["code"], "ERR_FED_TRANSFER_UNKNOWN", "it is on no such crossing itself");
    await visitor.giveUp(onward);
    assert.equal(ledgerRow(at.home, id)?.holder, at.away.origin);
    await visitor.leave();
    await isBack(at.home, id);
  });

  it("stands there again after the stay", async () => {
    const { player, page, visitor, transit, id } = await handedOver();
    const { proof, delegation } = seatOf(transit);
    const given = await player.delegate(page.key, delegation);
    await visitor.arrive(transit, `${await page.prove(proof)}~${given}`);
    await visitor.leave();
    await isBack(at.home, id);
    const again = `${await page.prove(proof)}~${given}`;
    await assert.rejects(new Visitor(visitor.room).arrive(transit, again), /ERR_FED_|seat/u);
    assert.equal(ledgerRow(at.home, id)?.holder, at.home.origin);
  });
});

describe("attack: hand-overs that no crossing is behind", function () {
  this.timeout(60_000);
  const at = rooms("home", "away");

  async function asked(
    key: PlayerKey,
    body: unknown,
    use: "hand-over" | "travel" | "login" = "hand-over",
  ) {
    return handOverWith(at.home, await key.prove(at.home.origin, use), body);
  }

  it("(home says where an open crossing leads, and lets it go on)", async () => {
    const visitor = await Visitor.login(at.home);
    const transit = await visitor.transit(portal(at.away));
    const { status, body } = await asked(visitor.key!, { transferId: transit.transferId });
    assert.deepEqual(
      [status, body],
      [200, { to: at.away.origin, from: at.home.origin, world: "plain" }],
    );
    await visitor.arrive(transit);
    await visitor.leave();
  });

  it("asks with no crossing at all", async () => {
    const visitor = await Visitor.login(at.home);
    const { status, body } = await asked(visitor.key!, { transferId: crypto.randomUUID() });
    assert.deepEqual([status, body["code"]], [409, "ERR_FED_TRANSFER_UNKNOWN"]);
    await visitor.leave();
  });

  it("asks about another crossing than the one that it is on", async () => {
    const visitor = await Visitor.login(at.home);
    const transit = await visitor.transit(portal(at.away));
    const { body } = await asked(visitor.key!, { transferId: crypto.randomUUID() });
    assert.equal(body["code"], "ERR_FED_TRANSFER_UNKNOWN");
    await visitor.giveUp(transit);
    await visitor.leave();
  });

  it("asks about a crossing that is over", async () => {
    const visitor = await Visitor.login(at.home);
    const transit = await visitor.transit(portal(at.away));
    await visitor.giveUp(transit);
    const { body } = await asked(visitor.key!, { transferId: transit.transferId });
    assert.equal(body["code"], "ERR_FED_TRANSFER_UNKNOWN");
    const second = await visitor.transit(portal(at.away));
    await visitor.arrive(second);
    const arrived = await asked(visitor.key!, { transferId: second.transferId });
    assert.equal(arrived.body["code"], "ERR_FED_TRANSFER_UNKNOWN");
    await visitor.leave();
  });

  it("asks about somebody else's crossing", async () => {
    const visitor = await Visitor.login(at.home);
    const thief = await Visitor.login(at.home);
    const { transferId } = await visitor.transit(portal(at.away));
    const { body } = await asked(thief.key!, { transferId });
    assert.equal(body["code"], "ERR_FED_TRANSFER_UNKNOWN");
    await Promise.all([visitor.leave(), thief.leave()]);
  });

  for (const use of ["travel", "login"] as const) {
    it(`asks with a proof for a ${use}`, async () => {
      const visitor = await Visitor.login(at.home);
      const { transferId } = await visitor.transit(portal(at.away));
      const { status, body } = await asked(visitor.key!, { transferId }, use);
      assert.deepEqual([status, body["code"]], [403, "ERR_FED_PROOF_INVALID"]);
      await visitor.leave();
    });
  }

  it("travels, or logs in, with a proof for a hand-over", async () => {
    const key = PlayerKey.generate();
    const token = await key.prove(at.home.origin, "hand-over");
    const { body } = await travelWith(at.home, token, portal(at.away));
    assert.equal(body["code"], "ERR_FED_PROOF_INVALID");
    await assert.rejects(Visitor.login(at.home, { token }), /ERR_FED_PROOF_INVALID/u);
  });

  it("asks twice with one proof", async () => {
    const visitor = await Visitor.login(at.home);
    const { transferId } = await visitor.transit(portal(at.away));
    const token = await visitor.key!.prove(at.home.origin, "hand-over");
    assert.equal((await handOverWith(at.home, token, { transferId })).status, 200);
    const { body } = await handOverWith(at.home, token, { transferId });
    assert.equal(body["code"], "ERR_FED_PROOF_REPLAYED");
    await visitor.leave();
  });

  for (const [what, body] of [
    ["no JSON", "{"],
    ["another shape", { transferId: 1 }],
    ["a long id", { transferId: "t".repeat(65) }],
    ["unknown members", { transferId: "t", more: true }],
  ] as const) {
    it(`asks with a body that is ${what}`, async () => {
      const { status, body: said } = await asked(PlayerKey.generate(), body);
      assert.deepEqual([status, said["code"]], [400, "ERR_FED_MALFORMED"]);
    });
  }

  it("asks without a login", async () => {
    const { status, body } = await handOverWith(at.home, undefined, { transferId: "t" });
    assert.deepEqual([status, body["code"]], [403, "ERR_FED_PROOF_REQUIRED"]);
  });
});
