import assert from "node:assert/strict";
import { PlayerKey } from "aether-federation/client";
import { rooms } from "../support/running.ts";
import { askSeat, portal, takeSeat } from "../support/sdk.ts";
import { ledgerRow } from "../support/stored.ts";
import { Visitor } from "../support/visitor.ts";
import { HostilePlayer, travelWith } from "./support/hostile-player.ts";

const REFUSED = /^ERR_FED_PROOF_(?:INVALID|REPLAYED)$/u;

describe("attack: a proof that was read in a log, or on the way", function () {
  this.timeout(60_000);
  const at = rooms("home", "away");

  it("throws its owner out by travel, once its login has used it", async () => {
    const token = await PlayerKey.generate().prove(at.home.origin);
    const victim = await Visitor.login(at.home, { token });
    const player = await victim.id();
    const { status, body } = await travelWith(at.home, token, portal(at.away));
    assert.equal(status, 403, JSON.stringify(body));
    assert.match(String(body["code"]), REFUSED);
    assert.equal(await victim.id(), player, "it plays on");
    assert.deepEqual(victim.leaves, []);
    assert.equal(ledgerRow(at.home, player)?.transfer, undefined);
    await victim.leave();
  });

  it("logs in, once its owner has travelled with it", async () => {
    const owner = new HostilePlayer();
    const token = await owner.prove({ aud: at.home.origin, use: "travel" });
    const { status, body } = await travelWith(at.home, token, portal(at.away));
    assert.equal(status, 200, JSON.stringify(body));
    const taken = await askSeat(at.home, "plain", token);
    assert.ok("error" in taken, "it gets no seat");
    assert.equal(ledgerRow(at.home, owner.idAt(at.home))?.transfer?.to, at.away.origin);
  });

  for (const use of ["login", "seat", "Travel", "", 7, ["travel"], undefined]) {
    it(`travels with an unspent one for ${JSON.stringify(use) ?? "nothing"}`, async () => {
      const owner = new HostilePlayer();
      const token = await owner.prove({ aud: at.home.origin, use });
      const { body } = await travelWith(at.home, token, portal(at.away));
      assert.equal(body["code"], "ERR_FED_PROOF_INVALID");
      assert.equal(ledgerRow(at.home, owner.idAt(at.home)), undefined);
    });
  }

  for (const use of ["travel", "seat", undefined]) {
    it(`logs in with an unspent one for ${use ?? "nothing"}`, async () => {
      const owner = new HostilePlayer();
      const token = await owner.prove({ aud: at.home.origin, use });
      await assert.rejects(Visitor.login(at.home, { token }), /ERR_FED_PROOF_INVALID/u);
    });
  }

  it("takes a seat with one for a login, or for that seat and something else", async () => {
    const owner = new HostilePlayer();
    const login = await owner.prove({ aud: at.home.origin });
    const visitor = await Visitor.login(at.home, { token: login });
    const transit = await visitor.transit(portal(at.away));
    const { sessionId: sid } = transit.reservation;
    for (const use of ["login", "travel", undefined]) {
      const token = await owner.prove({ aud: at.away.origin, sid, use });
      await assert.rejects(visitor.arrive(transit, token), /ERR_FED_PROOF_INVALID/u);
    }
    await visitor.arrive(transit, await owner.prove({ aud: at.away.origin, sid, use: "seat" }));
    await visitor.leave();
  });

  it("signs two proofs with one jti, to use it twice", async () => {
    const owner = new HostilePlayer();
    const jti = crypto.randomUUID();
    const visitor = await Visitor.login(at.home, {
      token: await owner.prove({ aud: at.home.origin, jti }),
    });
    const token = await owner.prove({ aud: at.home.origin, jti, use: "travel" });
    const { body } = await travelWith(at.home, token, portal(at.away));
    assert.equal(body["code"], "ERR_FED_PROOF_REPLAYED");
    await visitor.leave();
  });

  it("starts several seats with one login", async () => {
    const token = await new HostilePlayer().prove({ aud: at.home.origin });
    const asked = await Promise.all(
      ["plain", "uncaught", "plain", "small"].map((world) => askSeat(at.home, world, token)),
    );
    const seats = asked.filter((answer) => "sessionId" in answer);
    assert.equal(seats.length, 1);
    const room = await takeSeat(at.home, seats[0], token);
    await assert.rejects(takeSeat(at.home, seats[0], token));
    await room.leave();
  });
});
