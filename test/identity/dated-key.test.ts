import assert from "node:assert/strict";
import { countedAt, signDatedKey, verifyDatedKey } from "../../src/identity/dated-key.ts";
import { importVerifyKey } from "../../src/identity/ed25519.ts";
import { signJws } from "../../src/identity/jws.ts";
import {
  announceNextKey,
  datedKey,
  revokeKey,
  switchToNextKey,
} from "../../src/identity/key-rotation.ts";
import {
  type ReceiptClaims,
  digestOfState,
  issueReceipt,
  verifyReceipt,
} from "../../src/identity/receipt.ts";
import type { KeyRing } from "../../src/identity/server-keys.ts";
import { ringOf } from "../support/parties.ts";
import { seededRandom } from "../support/seeded-random.ts";

const A = "https://a.example";
const DAY = 24 * 3600;
const T = 1_790_000_000;

const claims = (iat: number): ReceiptClaims => ({
  ...{ iss: A, xfer: "11111111-2222-4333-8444-555555555555", player: "p@a.example", epoch: 3 },
  ...{ from: A, to: "https://b.example", iat },
});
const rotated = (ring: KeyRing, at: number): KeyRing =>
  switchToNextKey(announceNextKey(ring, seededRandom(`next ${at}`)), at);

describe("identity/dated-key", () => {
  const first = ringOf("first");
  const ring = rotated(first, T);
  const verdict = async (receipt: string, from: KeyRing): Promise<string> => {
    const result = await verifyReceipt(receipt, (_, kid) => datedKey(from, kid));
    return result.verified ? "verified" : result.code;
  };

  it("lets receipts verify that were issued before their key was retired", async () => {
    const receipt = await issueReceipt(claims(T - DAY), first.current);
    const now = rotated(rotated(ring, T + 30 * DAY), T + 60 * DAY);
    assert.equal(await verdict(receipt, now), "verified");
    const after = await issueReceipt(claims(T + DAY), first.current);
    assert.equal(await verdict(after, now), "ERR_FED_UNKNOWN_KEY", "issued when it was retired");
  });

  it("lets nothing count that was issued after a key was revoked", async () => {
    const revoked = revokeKey(first, first.current.kid, seededRandom(2), T);
    for (const [iat, expected] of [
      [T - 1, "verified"],
      [T, "ERR_FED_UNKNOWN_KEY"],
    ] as const) {
      const receipt = await issueReceipt(claims(iat), first.current);
      assert.equal(await verdict(receipt, revoked), expected);
    }
  });

  it("marks a key that is revoked after it was retired, as of the first time", () => {
    const { kid } = first.current;
    const once = revokeKey(ring, kid, seededRandom(2), T + 5);
    const twice = revokeKey(once, kid, seededRandom(2), T + 9);
    assert.deepEqual(datedKey(twice, kid), {
      ...{ jwk: first.current.jwk, since: undefined, retiredAt: T, revokedAt: T + 5 },
    });
    assert.equal(twice.current.kid, ring.current.kid);
  });

  it("keeps every key for as long as receipts are kept, however often it is rotated", () => {
    let many = ringOf("many");
    const kids: string[] = [];
    for (let round = 0; round < 150; round += 1) {
      kids.push(many.current.kid);
      many = rotated(many, T + round * 3600);
    }
    assert.ok(kids.every((kid) => datedKey(many, kid) !== undefined));
    const later = rotated(many, T + 365 * DAY);
    assert.equal(later.retired.length, 100);
  });

  it("is what its server says of it, by a key that is known", async () => {
    const { kid } = first.current;
    const key = datedKey(ring, kid);
    assert.ok(key !== undefined);
    const word = await signDatedKey(key, { iss: A, iat: T }, ring.current);
    const verify = (token: unknown, changes: object = {}) =>
      verifyDatedKey(token, {
        ...{ iss: A, kid },
        keyFor: (by) => (by === ring.current.kid ? importVerifyKey(ring.current.jwk) : undefined),
        ...changes,
      });
    const result = verify(word);
    assert.ok(result.verified);
    assert.equal(result.key.retiredAt, T);
    const body = { iss: A, jwk: key.jwk, iat: T };
    for (const [what, refused] of [
      ["another server's", verify(word, { iss: "https://b.example" })],
      ["about another key", verify(word, { kid: ring.current.kid })],
      ["by itself", verify(await signDatedKey(key, { iss: A, iat: T }, first.current))],
      ["of another type", verify(await signJws(body, "aether-pass+jwt", ring.current))],
      ["with more in it", verify(await signJws({ ...body, x: 1 }, "aether-key+jwt", ring.current))],
      ["nothing", verify(undefined)],
    ] as const) {
      assert.equal(refused.verified, false, what);
    }
  });

  it("counts for a moment after it was retired, as rotations are noticed a moment later", () => {
    const { jwk } = first.current;
    assert.ok(countedAt({ jwk }, T));
    assert.ok(countedAt({ jwk, retiredAt: T }, T + 10));
    assert.ok(!countedAt({ jwk, retiredAt: T }, T + 3600));
    assert.ok(!countedAt({ jwk, retiredAt: T, revokedAt: T + 5 }, T + 10));
  });

  it("goes with the digest of what was carried", async () => {
    // echo -n '{"gold":5}' | sha256sum, in base64url
    assert.equal(
      digestOfState({ gold: 5 }),
      `sha-256=${Buffer.from("de5c39b574cc7eabe49a08a30059755b86541680861b780e329645720d3e07e1", "hex").toString("base64url")}`,
    );
    const digest = digestOfState({ gold: 5 });
    const receipt = await issueReceipt({ ...claims(T), digest }, ring.current);
    const result = await verifyReceipt(receipt, (_, kid) => datedKey(ring, kid));
    assert.ok(result.verified);
    assert.equal(result.claims.digest, digest);
  });
});
