/** A trusted peer says that its endpoint is another server's: what is meant for it is said there. */
import assert from "node:assert/strict";
import { signedPost } from "../../src/testing/signed-post.ts";
import { assertRefused, operatorKey } from "../support/operator.ts";
import { ROOMS, type ServerProcess, Servers } from "../support/processes.ts";
import { portal, takeSeat } from "../support/sdk.ts";
import { isBack, ledgerRow } from "../support/stored.ts";
import { Visitor } from "../support/visitor.ts";
import { HostilePeer } from "./support/hostile-peer.ts";

describe("attack: a peer that borrows another server's endpoint", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let hostile: HostilePeer;
  let victim: ServerProcess;
  let caller: ServerProcess;

  before(async () => {
    hostile = await HostilePeer.start();
    const flags = ["--peer", hostile.origin];
    [victim, caller] = (await servers.start([
      { name: "victim", script: ROOMS, flags },
      { name: "caller", script: ROOMS, flags },
    ])) as [ServerProcess, ServerProcess];
    await Promise.all([victim.knows(hostile.origin), caller.knows(hostile.origin)]);
  });
  after(async () => {
    await servers.stop();
    await hostile?.stop();
  });

  it("does not have a claim that was meant for it answered there: nobody is moved", async () => {
    const player = await Visitor.login(victim);
    const id = await player.id();
    // On its way to the caller: the transfer is open, the player has not gone yet.
    const { transferId } = await player.transit(portal(caller));
    assert.equal(ledgerRow(victim, id)?.holder, victim.origin);

    hostile.says = { endpoint: `${victim.origin}/federation` };
    assert.equal((await hostile.shakeHands(caller)).status, 200);
    const pass = await hostile.pass({
      ...{ sub: "puppet", aud: caller.origin, xfer: transferId, world: "plain" },
    });
    const seat = await hostile.call(caller, "/reservations", { transferId, pass, world: "plain" });
    assert.equal(seat.status, 201, JSON.stringify(seat.body));
    // The caller claims the puppet at its home, which it believes to be reached at the victim's.
    await assert.rejects(takeSeat(caller, seat.body["reservation"]));
    const row = ledgerRow(victim, id);
    assert.deepEqual([row?.holder, row?.transfer?.id], [victim.origin, transferId]);
    await player.giveUp({ transferId } as never);
    await isBack(victim, id);
    await player.leave();
  });

  it("does not get a call accepted whose recipient is another server, or nobody", async () => {
    const url = `${victim.origin}/federation/custody/renew`;
    const signer = { origin: caller.origin, key: await operatorKey(caller) };
    const body = { players: [] };
    const meant = await signedPost(signer, url, body, hostile.origin);
    assertRefused(meant, 421, "ERR_FED_WRONG_RECIPIENT");
    assert.equal(meant.headers.get("signature"), null, "nobody acts on the answer");
    const slash = await signedPost(signer, url, body, `${victim.origin}/`);
    assertRefused(slash, 421, "ERR_FED_WRONG_RECIPIENT");
    assert.equal((await signedPost(signer, url, body, victim.origin)).status, 200);
  });

  it("does not get a handshake that was meant for it answered there", async () => {
    const url = `${victim.origin}/federation/handshake`;
    const signer = { origin: hostile.origin, key: hostile.ring.current };
    const challenge = {
      ...{ protocols: ["aether/1"], responder: hostile.origin, nonce: "A".repeat(43) },
      ...{ descriptor: (await hostile.descriptor()).jws, issuedAt: Math.floor(Date.now() / 1000) },
    };
    const meant = await signedPost(signer, url, challenge, hostile.origin);
    assertRefused(meant, 421, "ERR_FED_WRONG_RECIPIENT");
  });
});
