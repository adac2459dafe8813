import assert from "node:assert/strict";
import type { Room } from "@colyseus/sdk";
import { PlayerKey } from "aether-federation/client";
import { CompactSign, UnsecuredJWT } from "jose";
import type { PassClaims } from "../../src/identity/pass.ts";
import type { ReceiptClaims } from "../../src/identity/receipt.ts";
import { generateSigningKey, type SigningKey } from "../../src/identity/server-keys.ts";
import { systemRandom } from "../../src/ports.ts";
import { eventually } from "../support/eventually.ts";
import {
  type Answer,
  assertRefused,
  callAs,
  goodClaims,
  operatorKey,
  passOf,
} from "../support/operator.ts";
import { type Player, RoomWatch, playerIn } from "../support/player.ts";
import { WORLD } from "../support/processes.ts";
import { worlds } from "../support/running.ts";
import { askTransit, nextMessage, portal, sdkClient, takeSeat } from "../support/sdk.ts";

describe("passes and seats that are refused", function () {
  this.timeout(60_000);
  const at = worlds("plaza", "arena", "gallery");
  let key: SigningKey;
  before(async () => {
    key = await operatorKey(at.plaza);
  });

  function claims(changes: Partial<PassClaims> = {}): PassClaims {
    return { ...goodClaims(at.plaza, at.arena, "arena"), ...changes };
  }

  async function reserve(
    pass: string,
    of: PassClaims,
    changes: Record<string, unknown> = {},
  ): Promise<Answer> {
    const body = { transferId: of.xfer, pass, world: of.world, ...changes };
    return callAs(at.plaza, at.arena, "/reservations", body);
  }

  async function refuses(
    code: string,
    changes: Partial<PassClaims>,
    signer: SigningKey = key,
  ): Promise<void> {
    const spoilt = claims(changes);
    const { status, body } = await reserve(await passOf(spoilt, signer), spoilt);
    assert.equal(body["code"], code, JSON.stringify(body));
    assert.equal(status, body["status"]);
    assert.ok(status >= 400 && status < 500);
  }

  it("gives a seat for a good pass, and the same again for the same transfer", async () => {
    const good = claims();
    const pass = await passOf(good, key);
    const first = await reserve(pass, good);
    assert.equal(first.status, 201, JSON.stringify(first.body));
    assert.equal(first.body["origin"], at.arena.origin);
    const second = await reserve(pass, good);
    assert.equal(second.status, 201);
    assert.deepEqual(second.body["reservation"], first.body["reservation"]);
  });

  it("a forged pass: signed by a key that is not the issuer's", () =>
    refuses("ERR_FED_PASS_ISSUER", {}, generateSigningKey(systemRandom)));

  it("a forged pass: another key under the issuer's kid", async () => {
    // Of its own players the source may say what it likes.
    const { kid } = await operatorKey(at.gallery);
    const forger = { ...generateSigningKey(systemRandom), kid };
    await refuses("ERR_FED_PASS_INVALID", { iss: at.gallery.origin }, forger);
  });

  it("a pass of an unknown issuer", () =>
    refuses("ERR_FED_PASS_ISSUER", { iss: "http://localhost:9" }));

  it("a pass of an issuer that has not been approved", async () => {
    const flags = ["--peer", at.arena.origin];
    const stranger = await at.servers.launch({ name: "stranger", script: WORLD, flags });
    const { origin } = stranger;
    await stranger.ready();
    await eventually(async () => {
      const peer = (await at.arena.peers()).find((other) => other.origin === origin);
      assert.equal(peer?.trust, "pending");
    });
    await refuses("ERR_FED_PASS_ISSUER", { iss: origin }, await operatorKey(stranger));
    await stranger.kill();
  });

  it("a pass that pretends the destination issued it", () =>
    refuses("ERR_FED_PASS_ISSUER", { iss: at.arena.origin }));

  it("a pass for another server", () =>
    refuses("ERR_FED_PASS_AUDIENCE", { aud: "http://localhost:9" }));

  it("a pass for several servers at once", () =>
    refuses("ERR_FED_PASS_AUDIENCE", { aud: [at.arena.origin] as unknown as string }));

  it("a pass for no server", () =>
    refuses("ERR_FED_PASS_AUDIENCE", { aud: undefined as unknown as string }));

  it("an expired pass", () => {
    const now = Math.floor(Date.now() / 1000);
    return refuses("ERR_FED_PASS_EXPIRED", { iat: now - 90, exp: now - 31 });
  });

  it("a pass that lives too long", () => {
    const now = Math.floor(Date.now() / 1000);
    return refuses("ERR_FED_PASS_EXPIRED", { iat: now, exp: now + 121 });
  });

  it("a pass from the future", () => {
    const now = Math.floor(Date.now() / 1000);
    return refuses("ERR_FED_PASS_INVALID", { iat: now + 45, exp: now + 60 });
  });

  it("a pass whose source is not the caller", () =>
    refuses("ERR_FED_PASS_SOURCE", { src: "http://localhost:9" }));

  it("a pass for an unknown world", () => refuses("ERR_FED_WORLD_UNKNOWN", { world: "cellar" }));

  it("a pass with a malformed player id", () => refuses("ERR_FED_PASS_INVALID", { sub: "a b" }));

  it("a pass for another world than the body's", async () => {
    const good = claims();
    const { body } = await reserve(await passOf(good, key), good, { world: "other" });
    assert.equal(body["code"], "ERR_FED_PASS_WORLD");
  });

  it("a pass for another transfer than the body's", async () => {
    const good = claims();
    const { body } = await reserve(await passOf(good, key), good, {
      transferId: crypto.randomUUID(),
    });
    assert.equal(body["code"], "ERR_FED_PASS_TRANSFER");
  });

  it("a pass used again under another transfer", async () => {
    const first = claims();
    assert.equal((await reserve(await passOf(first, key), first)).status, 201);
    const second = { ...first, xfer: crypto.randomUUID() };
    const { body } = await reserve(await passOf(second, key), second);
    assert.equal(body["code"], "ERR_FED_PASS_REUSED");
  });

  it("a pass with alg none", async () => {
    const good = claims();
    const { body } = await reserve(new UnsecuredJWT({ ...good }).encode(), good);
    assert.equal(body["code"], "ERR_FED_PASS_INVALID");
  });

  it("a pass with alg HS256", async () => {
    const good = claims();
    const token = await new CompactSign(new TextEncoder().encode(JSON.stringify(good)))
      .setProtectedHeader({ alg: "HS256", typ: "aether-pass+jwt", kid: key.kid })
      .sign(new TextEncoder().encode(key.jwk.x));
    assert.equal((await reserve(token, good)).body["code"], "ERR_FED_PASS_INVALID");
  });

  it("a token of another type", async () => {
    const good = claims();
    const token = await new CompactSign(new TextEncoder().encode(JSON.stringify(good)))
      .setProtectedHeader({ alg: "EdDSA", typ: "aether-receipt+jwt", kid: key.kid })
      .sign(key.privateKey);
    assert.equal((await reserve(token, good)).body["code"], "ERR_FED_PASS_INVALID");
  });

  it("a reservation with unknown members", async () => {
    const good = claims();
    const answer = await reserve(await passOf(good, key), good, { extra: true });
    assertRefused(answer, 400, "ERR_FED_MALFORMED");
  });

  it("a seat whose transfer home never opened: the client is not let in", async () => {
    const good = claims();
    const { body } = await reserve(await passOf(good, key), good);
    await assert.rejects(takeSeat(at.arena, body["reservation"]), /ERR_FED_TRANSFER_UNKNOWN/u);
  });

  describe("somebody else's reservation", () => {
    const thieves: [
      string,
      (seat: { sessionId: string }, owner: PlayerKey) => string | undefined | Promise<string>,
      RegExp,
    ][] = [
      ["without a proof", () => undefined, /ERR_FED_PROOF_REQUIRED/u],
      [
        "with another key's proof",
        ({ sessionId }) => PlayerKey.generate().prove(at.arena.origin, { seat: sessionId }),
        /ERR_FED_PROOF_INVALID/u,
      ],
      [
        "with the owner's proof for another seat",
        (_seat, owner) => owner.prove(at.arena.origin, { seat: "another-seat" }),
        /ERR_FED_PROOF_INVALID/u,
      ],
      [
        "with the owner's proof for another server",
        ({ sessionId }, owner) => owner.prove(at.plaza.origin, { seat: sessionId }),
        /ERR_FED_PROOF_INVALID/u,
      ],
      [
        "with the owner's login",
        (_seat, owner) => owner.prove(at.arena.origin),
        /ERR_FED_PROOF_INVALID/u,
      ],
      [
        "with an expired proof of the owner's",
        ({ sessionId }, owner) =>
          atTime(-120, () => owner.prove(at.arena.origin, { seat: sessionId })),
        /ERR_FED_PROOF_INVALID/u,
      ],
      [
        "with the owner's proof from the future",
        ({ sessionId }, owner) =>
          atTime(120, () => owner.prove(at.arena.origin, { seat: sessionId })),
        /ERR_FED_PROOF_INVALID/u,
      ],
      ["with garbage", () => "garbage", /ERR_FED_PROOF_INVALID/u],
    ];
    for (const [how, token, refusal] of thieves) {
      it(`is refused ${how}, and its owner still gets in`, async () => {
        const key = PlayerKey.generate();
        const owner = await keyJoin(key, "Owner");
        const { id } = owner.me;
        // The owner's client gets the reservation, but a thief is faster.
        const { reservation } = await transit(owner);
        const stolen = await token(reservation, key);
        await assert.rejects(takeSeat(at.arena, reservation, stolen), refusal);

        const proof = await key.prove(at.arena.origin, { seat: reservation.sessionId });
        const watch = new RoomWatch(await takeSeat(at.arena, reservation, proof));
        await watch.settled();
        assert.equal(watch.me.id, id);
        await watch.leave();
      });
    }
  });

  it("a proof used twice for one seat", async () => {
    const owner = PlayerKey.generate();
    const { reservation } = await transit(await keyJoin(owner, "Twice"));
    const proof = await owner.prove(at.arena.origin, { seat: reservation.sessionId });
    const enter = (): Promise<Room> => takeSeat(at.arena, reservation, proof);
    const tries = await Promise.allSettled([enter(), enter()]);
    const rooms = tries.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    assert.equal(rooms.length, 1);
    const refused = tries.find((each) => each.status === "rejected");
    // Which of the two refuses depends on whether the other connection was let in before this one
    // knocked: the seat is gone then, and Colyseus says so before the proof is looked at.
    assert.match(
      String(refused?.reason),
      /ERR_FED_PROOF_REPLAYED|seat reservation expired|already consumed/u,
    );
    await rooms[0]?.leave();
  });

  it("a proof used twice for a login", async () => {
    const proof = await PlayerKey.generate().prove(at.plaza.origin);
    const client = sdkClient(at.plaza, proof);
    const room = await client.joinOrCreate("plaza", { name: "Once" });
    await assert.rejects(client.joinOrCreate("plaza", {}), /ERR_FED_PROOF_REPLAYED/u);
    await room.leave();
  });

  it("a proof for another server at a login", async () => {
    const client = sdkClient(at.plaza, await PlayerKey.generate().prove(at.arena.origin));
    await assert.rejects(client.joinOrCreate("plaza", {}), /ERR_FED_PROOF_INVALID/u);
  });

  it("custody calls for a player the caller does not hold", async () => {
    const resident = await playerIn(at.plaza, "Resident");
    const player = resident.at.me.id;
    const transferId = crypto.randomUUID();
    const calls: [string, Record<string, unknown>][] = [
      ["depart", { transferId, player, epoch: 0, to: at.arena.origin, world: "arena" }],
      ["cancel", { transferId, player, epoch: 0 }],
      ["return", { player, epoch: 0, state: { coins: ["forged"] } }],
    ];
    for (const [call, body] of calls) {
      const answer = await callAs(at.arena, at.plaza, `/custody/${call}`, body);
      assert.equal(answer.status, 409, call);
      assert.equal(answer.body["code"], "ERR_FED_STALE_CUSTODY", call);
      assert.ok(answer.headers.has("signature"), "refusals are signed");
    }
    const players = [{ player, epoch: 0 }];
    const renew = await callAs(at.arena, at.plaza, "/custody/renew", { players });
    assert.deepEqual(renew.body["lost"], players);
    const revoke = await callAs(at.arena, at.plaza, "/custody/revoke", { player, epoch: 0 });
    assert.equal(revoke.body["code"], "ERR_FED_NOT_HOME");
    await resident.leave();
  });

  it("a claim by anyone but the destination", async () => {
    const player = await keyJoin(PlayerKey.generate(), "Claimed");
    const { room } = player;
    const { transferId } = await transit(player);
    const { body } = await callAs(at.plaza, at.arena, "/custody/claim", { transferId });
    assert.equal(body["code"], "ERR_FED_TRANSFER_UNKNOWN");
    const failed = nextMessage<{ code: string }>(room, "federation:failed");
    room.send("federation:cancel", { transferId });
    assert.equal((await failed).code, "ERR_FED_CROSSING_ABANDONED");
    await player.pickUpCoin();
    const late = await callAs(at.arena, at.plaza, "/custody/claim", { transferId });
    assertRefused(late, 409, "ERR_FED_TRANSFER_CANCELLED");
    await room.leave();
  });

  it("a claim by a trusted server that is not the destination", async () => {
    const player = await keyJoin(PlayerKey.generate(), "Wanted");
    const { transferId } = await transit(player);
    const answer = await callAs(at.gallery, at.plaza, "/custody/claim", { transferId });
    assertRefused(answer, 403, "ERR_FED_NOT_DESTINATION");
    await player.leave();
  });

  describe("a stale epoch", () => {
    let visitor: Player;
    let player: string;
    let epoch: number;
    before(async () => {
      visitor = await playerIn(at.plaza, "Visitor");
      player = visitor.at.me.id;
      await visitor.cross(portal(at.arena, "arena"));
      const [, payload = ""] = (await visitor.traveler.receipt())?.split(".") ?? [];
      const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as ReceiptClaims;
      ({ epoch } = claims);
    });
    after(() => visitor.leave());

    const transferId = crypto.randomUUID();
    for (const off of [-1, 1]) {
      const which = off < 0 ? "an epoch that is over" : "an epoch that is to come";
      it(`depart with ${which}`, async () => {
        const to = at.gallery.origin;
        const body = { transferId, player, epoch: epoch + off, to, world: "gallery" };
        const answer = await callAs(at.arena, at.plaza, "/custody/depart", body);
        assertRefused(answer, 409, "ERR_FED_STALE_CUSTODY");
      });

      it(`cancel with ${which}`, async () => {
        const body = { transferId, player, epoch: epoch + off };
        const answer = await callAs(at.arena, at.plaza, "/custody/cancel", body);
        assertRefused(answer, 409, "ERR_FED_STALE_CUSTODY");
      });

      it(`return with ${which}`, async () => {
        const body = { player, epoch: epoch + off, state: { coins: ["forged"] } };
        const answer = await callAs(at.arena, at.plaza, "/custody/return", body);
        assertRefused(answer, 409, "ERR_FED_STALE_CUSTODY");
      });

      it(`renew with ${which}`, async () => {
        const players = [{ player, epoch: epoch + off }];
        const answer = await callAs(at.arena, at.plaza, "/custody/renew", { players });
        assert.deepEqual([answer.status, answer.body["lost"]], [200, players]);
      });

      it(`preview with ${which}`, async () => {
        const body = { player, epoch: epoch + off, state: {} };
        const answer = await callAs(at.arena, at.plaza, "/custody/preview", body);
        assertRefused(answer, 409, "ERR_FED_STALE_CUSTODY");
      });

      it(`revoke with ${which}: the session goes on`, async () => {
        const answer = await callAs(at.plaza, at.arena, "/custody/revoke", {
          player,
          epoch: epoch + off,
        });
        assertRefused(answer, 409, "ERR_FED_STALE_CUSTODY");
        await visitor.at.pickUpCoin();
      });

      it(`departed with ${which}: the session goes on`, async () => {
        const body = { transferId, player, epoch: epoch + off };
        assert.equal((await callAs(at.plaza, at.arena, "/custody/departed", body)).status, 200);
        await visitor.at.pickUpCoin();
      });
    }

    it("revoke and departed by a server that is not home", async () => {
      const body = { transferId, player, epoch };
      for (const [name, sent] of [
        ["revoke", { player, epoch }],
        ["departed", body],
      ] as const) {
        const answer = await callAs(at.gallery, at.arena, `/custody/${name}`, sent);
        assert.deepEqual([answer.status, answer.body["code"]], [403, "ERR_FED_NOT_HOME"], name);
      }
    });

    it("a receipt for a server at neither end of the crossing", async () => {
      const [crossing] = visitor.arrivals.slice(-1);
      const body = { transferId: crossing?.transferId ?? "" };
      assert.equal((await callAs(at.gallery, at.plaza, "/custody/receipt", body)).status, 403);
      assert.equal((await callAs(at.arena, at.plaza, "/custody/receipt", body)).status, 200);
    });
  });

  /** A player with a key, but without a Traveler that would follow a transit by itself. */
  async function keyJoin(holder: PlayerKey, name: string): Promise<RoomWatch> {
    const client = sdkClient(at.plaza, await holder.prove(at.plaza.origin));
    const watch = new RoomWatch(await client.joinOrCreate("plaza", { name }));
    await watch.settled();
    return watch;
  }

  function transit({ room }: RoomWatch): ReturnType<typeof askTransit> {
    return askTransit(room, portal(at.arena, "arena"));
  }
});

/** Makes something at another time. */
function atTime<T>(seconds: number, make: () => T): T {
  const { now } = Date;
  Date.now = () => now() + seconds * 1000;
  try {
    return make();
  } finally {
    Date.now = now;
  }
}
