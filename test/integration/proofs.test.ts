import assert from "node:assert/strict";
import { CompactSign, UnsecuredJWT } from "jose";
import {
  type SigningKey,
  exportSigningKey,
  generateSigningKey,
} from "../../src/identity/server-keys.ts";
import { systemRandom } from "../../src/ports.ts";
import type { ServerProcess } from "../support/processes.ts";
import { rooms } from "../support/running.ts";
import { askSeat, portal, takeSeat } from "../support/sdk.ts";
import { ledgerRow } from "../support/stored.ts";
import { type Transit, Visitor } from "../support/visitor.ts";

/** How a proof is spoilt: claims and header members that are not those of a good one. */
interface Spoilt {
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  /** Signs instead of the key in the header. */
  readonly signer?: SigningKey | Uint8Array;
}

const now = (): number => Math.floor(Date.now() / 1000);

describe("proofs that are refused", function () {
  this.timeout(60_000);
  /** `doomed` is the home of a player who will not find it again. */
  const at = rooms("home", "away", "doomed");

  /** What is wrong with a proof at either door; the player's key where it matters. */
  const cases: [string, (key: SigningKey) => Spoilt, RegExp][] = [
    [
      "that has expired",
      () => ({ claims: { iat: now() - 90, exp: now() - 35 } }),
      /ERR_FED_PROOF_INVALID/u,
    ],
    [
      "that lives longer than a minute",
      () => ({ claims: { iat: now(), exp: now() + 61 } }),
      /ERR_FED_PROOF_INVALID/u,
    ],
    [
      "from the future",
      () => ({ claims: { iat: now() + 45, exp: now() + 60 } }),
      /ERR_FED_PROOF_INVALID/u,
    ],
    [
      "for another server",
      () => ({ claims: { aud: "http://localhost:9" } }),
      /ERR_FED_PROOF_INVALID/u,
    ],
    [
      "for several servers",
      () => ({ claims: { aud: [at.home.origin, at.away.origin] } }),
      /ERR_FED_PROOF_INVALID/u,
    ],
    ["without a jti", () => ({ claims: { jti: undefined } }), /ERR_FED_PROOF_INVALID/u],
    [
      "that does not say what for",
      () => ({ claims: { use: undefined } }),
      /ERR_FED_PROOF_INVALID/u,
    ],
    ["for travel", () => ({ claims: { use: "travel" } }), /ERR_FED_PROOF_INVALID/u],
    ["with claims of its own", () => ({ claims: { admin: true } }), /ERR_FED_PROOF_INVALID/u],
    [
      "with alg HS256, keyed with the public key",
      ({ jwk }) => ({ header: { alg: "HS256" }, signer: new TextEncoder().encode(jwk.x) }),
      /ERR_FED_PROOF_INVALID/u,
    ],
    [
      "that another key signed",
      () => ({ signer: generateSigningKey(systemRandom) }),
      /ERR_FED_PROOF_INVALID/u,
    ],
    [
      "that gives its private key away",
      (key) => ({ header: { jwk: exportSigningKey(key) } }),
      /ERR_FED_PROOF_INVALID/u,
    ],
    [
      "of a key of small order",
      () => ({ header: { jwk: { kty: "OKP", crv: "Ed25519", x: `${"A".repeat(42)}A` } } }),
      /ERR_FED_WEAK_KEY/u,
    ],
  ];

  describe("at a seat", () => {
    for (const [what, spoil, refusal] of cases) {
      it(`a proof ${what}: nothing is claimed, and a good one gets in`, async () => {
        const { visitor, key, player, transit } = await onTheWay();
        await assert.rejects(
          visitor.arrive(transit, await seatProof(key, transit, spoil(key))),
          refusal,
        );
        await stillGetsIn(visitor, key, player, transit);
      });
    }

    it("a proof with alg none: nothing is claimed, and a good one gets in", async () => {
      const { visitor, key, player, transit } = await onTheWay();
      const { jwk, claims } = goodProof(key, at.away, transit.reservation.sessionId);
      const [, payload] = new UnsecuredJWT(claims).encode().split(".");
      const header = { alg: "none", typ: "aether-pop+jwt", jwk };
      const token = `${Buffer.from(JSON.stringify(header)).toString("base64url")}.${payload!}.`;
      await assert.rejects(visitor.arrive(transit, token), /ERR_FED_PROOF_INVALID/u);
      await stillGetsIn(visitor, key, player, transit);
    });

    it("a proof for no seat, good for a login: nothing is claimed, and a good one gets in", async () => {
      const { visitor, key, player, transit } = await onTheWay();
      const token = await proof(key, at.away, undefined);
      await assert.rejects(visitor.arrive(transit, token), /ERR_FED_PROOF_INVALID/u);
      await stillGetsIn(visitor, key, player, transit);
    });

    it("a proof that was used already, though it did not get its player in", async () => {
      const { visitor, key, transit } = await onTheWay(at.doomed);
      const token = await seatProof(key, transit);
      await at.doomed.kill();
      await assert.rejects(visitor.arrive(transit, token), /ERR_FED_UNREACHABLE/u);
      await assert.rejects(visitor.arrive(transit, token), /ERR_FED_PROOF_REPLAYED/u);
      const fresh = await seatProof(key, transit);
      await assert.rejects(visitor.arrive(transit, fresh), /ERR_FED_UNREACHABLE/u);
    });

    it("a proof that two connections share lets one in", async () => {
      const { visitor, key, player, transit } = await onTheWay();
      const token = await seatProof(key, transit);
      const ends = await Promise.allSettled([
        visitor.arrive(transit, token),
        visitor.arrive(transit, token),
      ]);
      assert.deepEqual(ends.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
      assert.equal(await visitor.id(), player);
      await visitor.leave();
    });
  });

  describe("at a login", () => {
    for (const [what, spoil, refusal] of cases) {
      it(`a proof ${what}`, async () => {
        const key = generateSigningKey(systemRandom);
        const token = await proof(key, at.home, undefined, spoil(key));
        await assert.rejects(Visitor.login(at.home, { token }), refusal);
        assert.equal(ledgerRow(at.home, `key-${key.kid}@${at.home.authority}`), undefined);
      });
    }

    it("a proof for a seat", async () => {
      const key = generateSigningKey(systemRandom);
      const token = await proof(key, at.home, "some-seat");
      await assert.rejects(Visitor.login(at.home, { token }), /ERR_FED_PROOF_INVALID/u);
    });

    it("a proof that was used already, by then also in another room", async () => {
      const token = await proof(generateSigningKey(systemRandom), at.home, undefined);
      const visitor = await Visitor.login(at.home, { token });
      for (const world of ["plain", "uncaught"]) {
        await assert.rejects(Visitor.login(at.home, { token, world }), /ERR_FED_PROOF_REPLAYED/u);
      }
      await visitor.whoAmI();
      await visitor.leave();
    });

    it("another proof of the same key than the one the seat was reserved with", async () => {
      const key = generateSigningKey(systemRandom);
      const seat = await askSeat(at.home, "plain", await proof(key, at.home, undefined));
      const other = await proof(key, at.home, undefined);
      await assert.rejects(takeSeat(at.home, seat, other), /ERR_FED_PROOF_INVALID/u);
    });
  });

  /** A player whose seat at `away` waits. */
  async function onTheWay(
    from = at.home,
  ): Promise<{ visitor: Visitor; key: SigningKey; player: string; transit: Transit }> {
    const key = generateSigningKey(systemRandom);
    const visitor = await Visitor.login(from, { token: await proof(key, from, undefined) });
    const player = await visitor.id();
    assert.equal(player, `key-${key.kid}@${from.authority}`);
    return {
      visitor,
      key,
      player,
      transit: await visitor.transit(portal(at.away)),
    };
  }

  async function stillGetsIn(
    visitor: Visitor,
    key: SigningKey,
    player: string,
    transit: Transit,
  ): Promise<void> {
    const row = ledgerRow(at.home, player);
    assert.deepEqual([row?.holder, row?.transfer?.id], [at.home.origin, transit.transferId]);
    await visitor.arrive(transit, await seatProof(key, transit));
    assert.equal(await visitor.id(), player);
    await visitor.leave();
  }

  function seatProof(key: SigningKey, transit: Transit, spoilt: Spoilt = {}): Promise<string> {
    return proof(key, at.away, transit.reservation.sessionId, spoilt);
  }

  function goodProof(
    { jwk: { kty, crv, x } }: SigningKey,
    server: ServerProcess,
    sid: string | undefined,
  ): { jwk: object; claims: Record<string, unknown> } {
    const iat = now();
    const claims = { aud: server.origin, jti: crypto.randomUUID(), iat, exp: iat + 55 };
    const use = sid === undefined ? { use: "login" } : { use: "seat", sid };
    return { jwk: { kty, crv, x }, claims: { ...claims, ...use } };
  }

  async function proof(
    key: SigningKey,
    server: ServerProcess,
    sid: string | undefined,
    { claims, header, signer = key }: Spoilt = {},
  ): Promise<string> {
    const good = goodProof(key, server, sid);
    const protectedHeader = { alg: "EdDSA", typ: "aether-pop+jwt", jwk: good.jwk, ...header };
    return new CompactSign(new TextEncoder().encode(JSON.stringify({ ...good.claims, ...claims })))
      .setProtectedHeader(protectedHeader)
      .sign("privateKey" in signer ? signer.privateKey : signer);
  }
});
