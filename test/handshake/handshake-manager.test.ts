import assert from "node:assert/strict";
import fc from "fast-check";
import { createCredentials } from "../../src/handshake/credentials.ts";
import {
  HandshakeManager,
  type HandshakeManagerOptions,
  HandshakeState,
} from "../../src/handshake/handshake-manager.ts";
import { transcriptBytes } from "../../src/handshake/transcript.ts";
import { type KeyRing } from "../../src/identity/server-keys.ts";
import { flipBit } from "../support/bits.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { descriptorOf, ringOf } from "../support/parties.ts";
import { seededRandom } from "../support/seeded-random.ts";

const A = "https://a.example";
const B = "https://b.example";
const C = "https://c.example";

interface Party {
  readonly origin: string;
  readonly ring: KeyRing;
  readonly manager: HandshakeManager;
  readonly from: { origin: string; kid: string };
}

describe("handshake/handshake-manager", () => {
  let clock: ManualClock;
  let a: Party;
  let b: Party;
  let c: Party;

  const party = (origin: string, options: object = {}): Party => {
    const ring = ringOf(origin);
    const manager = new HandshakeManager({
      origin,
      signingKey: () => ring.current,
      ownDescriptor: async () => (await descriptorOf(origin, ring, clock.now())).jws,
      clock,
      random: seededRandom(origin),
      ...options,
    });
    return { origin, ring, manager, from: { origin, kid: ring.current.kid } };
  };
  beforeEach(() => {
    clock = new ManualClock();
    [a, b, c] = [party(A), party(B), party(C)];
  });

  const challenge = (by = a, to = b) => by.manager.createChallenge(to.origin);
  const respond = async (by = a, to = b, changes: object = {}) => {
    const message = { ...(await challenge(by, to)), ...changes };
    const result = await to.manager.respond(message, by.from);
    assert.ok(result.verified, JSON.stringify(result));
    return result.response;
  };
  const complete = async (by = a, to = b) => {
    const result = await by.manager.complete(await respond(by, to), to.from);
    assert.ok(result.verified, JSON.stringify(result));
    return result.completion;
  };
  interface Verdict {
    verified: boolean;
    code?: string;
    reason?: string;
  }
  const refused = (result: Verdict, code: string): void => {
    assert.equal(result.verified, false);
    assert.equal(result.code, code, result.reason);
  };

  it("ends with both sides having proven themselves", async () => {
    const completion = await complete();
    const result = b.manager.finish(completion, a.from);
    assert.ok(result.verified);
    const { protocol, peer, expiresAt } = result.session;
    assert.deepEqual([protocol, peer], ["aether/1", A]);
    assert.equal(expiresAt, Math.floor(clock.now() / 1000) + 24 * 3600);
    assert.equal(result.descriptor.origin, A);
    assert.equal(a.manager.open + b.manager.open, 0);
  });

  describe("respond refuses", () => {
    it("a challenge for another server", async () => {
      refused(await c.manager.respond(await challenge(), a.from), "ERR_FED_HANDSHAKE_MISMATCH");
    });
    it("itself", async () => {
      const message = { ...(await challenge(a, b)), responder: A };
      refused(await a.manager.respond(message, a.from), "ERR_FED_HANDSHAKE_MISMATCH");
    });
    it("a challenge that another server passes on", async () => {
      refused(await b.manager.respond(await challenge(), c.from), "ERR_FED_DESCRIPTOR_INVALID");
    });
    it("a descriptor that does not list the signing key", async () => {
      refused(
        await b.manager.respond(await challenge(), { origin: A, kid: c.from.kid }),
        "ERR_FED_HANDSHAKE_MISMATCH",
      );
    });
    it("an expired descriptor", async () => {
      const { jws } = await descriptorOf(A, a.ring, clock.now() - 3600_000);
      const message = { ...(await challenge()), descriptor: jws };
      refused(await b.manager.respond(message, a.from), "ERR_FED_DESCRIPTOR_EXPIRED");
    });
    for (const [skew, way] of [
      [31, "ahead of"],
      [-31, "behind"],
    ] as const) {
      it(`a clock ${way} ours by more than 30 s, naming the skew`, async () => {
        const message = await challenge();
        const result = await b.manager.respond(
          { ...message, issuedAt: message.issuedAt + skew },
          a.from,
        );
        refused(result, "ERR_FED_CLOCK_SKEW");
        assert.match(result.verified ? "" : result.reason, new RegExp(`31 s ${way}`, "u"));
      });
    }
    it("a protocol it does not speak", async () => {
      const message = { ...(await challenge()), protocols: ["aether/0", "aether/2"] };
      refused(await b.manager.respond(message, a.from), "ERR_FED_PROTOCOL_UNSUPPORTED");
    });
    it("an unknown member", async () => {
      const message = { ...(await challenge()), more: 1 };
      refused(await b.manager.respond(message, a.from), "ERR_FED_MALFORMED");
    });
    it("a nonce of another length", async () => {
      const message = { ...(await challenge()), nonce: "AAAA" };
      refused(await b.manager.respond(message, a.from), "ERR_FED_MALFORMED");
    });
    it("anything else, without throwing", () =>
      fc.assert(
        fc.asyncProperty(fc.anything(), async (value) => {
          refused(await b.manager.respond(value, a.from), "ERR_FED_MALFORMED");
          refused(await b.manager.complete(value, a.from), "ERR_FED_MALFORMED");
          refused(b.manager.finish(value, a.from), "ERR_FED_MALFORMED");
        }),
      ));
  });

  describe("complete refuses", () => {
    it("a response to a challenge never made", async () => {
      const response = await respond();
      refused(await c.manager.complete(response, b.from), "ERR_FED_HANDSHAKE_UNKNOWN");
    });
    it("a response twice", async () => {
      const response = await respond();
      assert.ok((await a.manager.complete(response, b.from)).verified);
      refused(await a.manager.complete(response, b.from), "ERR_FED_HANDSHAKE_UNKNOWN");
    });
    it("a response from another than the one challenged", async () => {
      const response = await respond();
      refused(await a.manager.complete(response, c.from), "ERR_FED_HANDSHAKE_MISMATCH");
      assert.ok((await a.manager.complete(response, b.from)).verified, "and B still may");
    });
    it("a response that came too late", async () => {
      const response = await respond();
      clock.advance(10_000);
      refused(await a.manager.complete(response, b.from), "ERR_FED_HANDSHAKE_EXPIRED");
    });
    it("a proof with any one bit flipped", async () => {
      for (let bit = 0; bit < 86 * 8; bit += 1) {
        const response = await respond();
        const proof = flipBit(response.proof, bit);
        const result = await a.manager.complete({ ...response, proof }, b.from);
        assert.equal(result.verified, false, `bit ${bit}`);
      }
    }).timeout(20_000);
    it("a counter nonce other than the proven one", async () => {
      const response = await respond();
      const counterNonce = Buffer.alloc(32, 9).toString("base64url");
      refused(
        await a.manager.complete({ ...response, counterNonce }, b.from),
        "ERR_FED_HANDSHAKE_PROOF",
      );
    });
    it("a version downgrade", async () => {
      const response = { ...(await respond()), protocol: "aether/0" };
      refused(await a.manager.complete(response, b.from), "ERR_FED_PROTOCOL_UNSUPPORTED");
    });
    it("a reflected proof: the initiator's role in the responder's place", async () => {
      const message = await challenge();
      const response = await b.manager.respond(message, a.from);
      assert.ok(response.verified);
      const { nonce, counterNonce, protocol } = response.response;
      const proof = b.ring.current.sign(
        transcriptBytes({
          role: "initiator",
          originA: A,
          originB: B,
          kidA: a.from.kid,
          kidB: b.from.kid,
          nonceA: nonce,
          nonceB: counterNonce,
          protocol,
        }),
      );
      refused(
        await a.manager.complete(
          { ...response.response, proof: Buffer.from(proof).toString("base64url") },
          b.from,
        ),
        "ERR_FED_HANDSHAKE_PROOF",
      );
    });
    it("another server's descriptor", async () => {
      const response = await respond();
      const { jws } = await descriptorOf(C, c.ring, clock.now());
      refused(
        await a.manager.complete({ ...response, descriptor: jws }, b.from),
        "ERR_FED_DESCRIPTOR_INVALID",
      );
    });
    it("an unknown member", async () => {
      const response = { ...(await respond()), more: 1 };
      refused(await a.manager.complete(response, b.from), "ERR_FED_MALFORMED");
    });
  });

  describe("finish refuses", () => {
    it("a completion without a challenge", () => {
      const completion = { handshakeId: "11111111", proof: "A".repeat(86) };
      refused(b.manager.finish(completion, a.from), "ERR_FED_HANDSHAKE_UNKNOWN");
    });
    it("a completion twice", async () => {
      const completion = await complete();
      assert.ok(b.manager.finish(completion, a.from).verified);
      refused(b.manager.finish(completion, a.from), "ERR_FED_HANDSHAKE_UNKNOWN");
    });
    it("a second try after a wrong proof", async () => {
      const completion = await complete();
      const wrong = { ...completion, proof: "A".repeat(86) };
      refused(b.manager.finish(wrong, a.from), "ERR_FED_HANDSHAKE_PROOF");
      refused(b.manager.finish(completion, a.from), "ERR_FED_HANDSHAKE_UNKNOWN");
    });
    it("a completion that came too late", async () => {
      const completion = await complete();
      clock.advance(10_000);
      refused(b.manager.finish(completion, a.from), "ERR_FED_HANDSHAKE_EXPIRED");
    });
    it("another server's completion, without ending the handshake", async () => {
      const completion = await complete();
      refused(b.manager.finish(completion, c.from), "ERR_FED_HANDSHAKE_UNKNOWN");
      assert.ok(b.manager.finish(completion, a.from).verified);
    });
    it("the responder's own proof, reflected", async () => {
      const response = await respond();
      const completion = { handshakeId: response.handshakeId, proof: response.proof };
      refused(b.manager.finish(completion, a.from), "ERR_FED_HANDSHAKE_PROOF");
    });
    it("another key of the same origin", async () => {
      const completion = await complete();
      refused(
        b.manager.finish(completion, { origin: A, kid: c.from.kid }),
        "ERR_FED_HANDSHAKE_MISMATCH",
      );
    });
    it("a proof with any one bit flipped", async () => {
      for (let bit = 0; bit < 86 * 8; bit += 1) {
        const completion = await complete();
        const proof = flipBit(completion.proof, bit);
        assert.equal(
          b.manager.finish({ ...completion, proof }, a.from).verified,
          false,
          `bit ${bit}`,
        );
      }
    }).timeout(20_000);
  });

  it("takes a shorter time to complete when told so", async () => {
    b = party(B, { handshakeTimeoutSeconds: 2 });
    const completion = await complete();
    clock.advance(2_000);
    refused(b.manager.finish(completion, a.from), "ERR_FED_HANDSHAKE_EXPIRED");
  });

  it("is not fooled by a wall clock set back", async () => {
    const completion = await complete();
    clock.advance(10_000);
    clock.jumpWall(-60_000);
    refused(b.manager.finish(completion, a.from), "ERR_FED_HANDSHAKE_EXPIRED");
  });

  describe("alone", () => {
    /** A manager that knows nobody's HTTP signatures. */
    const alone = (options: HandshakeManagerOptions = {}) =>
      new HandshakeManager({ clock, ...options });
    const answered = async (by: HandshakeManager, to: HandshakeManager) => {
      const result = await to.respond(await by.createChallenge(to.origin));
      assert.ok(result.verified, JSON.stringify(result));
      return result.response;
    };
    const proven = async (by: HandshakeManager, to: HandshakeManager) => {
      const result = await by.complete(await answered(by, to));
      assert.ok(result.verified, JSON.stringify(result));
      return result.completion;
    };

    it("is a server with a key and a name of its own, which leads nowhere", async () => {
      const [one, two] = [alone(), alone()];
      assert.match(one.origin, /^https:\/\/[0-9a-f]{32}\.invalid$/u);
      assert.notEqual(one.origin, two.origin);
      const result = two.finish(await proven(one, two));
      assert.ok(result.verified, JSON.stringify(result));
      assert.equal(result.session.peer, one.origin);
      assert.equal(result.descriptor.origin, one.origin);
    });

    it("answers as somebody else when it is given that one's credentials", async () => {
      const manager = alone();
      const arena = createCredentials({ origin: "https://arena.example", clock });
      const answer = await manager.respond(await manager.createChallenge(arena.origin), arena);
      assert.ok(answer.verified, JSON.stringify(answer));
      const proof = await manager.complete(answer.response);
      assert.ok(proof.verified, JSON.stringify(proof));
      assert.equal(proof.descriptor.origin, arena.origin);
      const result = manager.finish(proof.completion);
      assert.ok(result.verified && result.session.peer === manager.origin);
    });

    it("gives no session to whoever shows another's descriptor without having its key", async () => {
      const [victim, honest, thief] = [alone(), alone(), alone()];
      const challenge = {
        ...(await thief.createChallenge(victim.origin)),
        descriptor: await honest.credentials.ownDescriptor(),
      };
      const answer = await victim.respond(challenge);
      assert.ok(answer.verified, JSON.stringify(answer));
      const { handshakeId, counterNonce, nonce, protocol } = answer.response;
      const said = transcriptBytes({
        ...{ role: "initiator", protocol, nonceA: nonce, nonceB: counterNonce },
        ...{ originA: honest.origin, kidA: honest.credentials.signingKey().kid },
        ...{ originB: victim.origin, kidB: victim.credentials.signingKey().kid },
      });
      const signed = thief.credentials.signingKey().sign(said);
      const proof = Buffer.from(signed).toString("base64url");
      refused(victim.finish({ handshakeId, proof }), "ERR_FED_HANDSHAKE_PROOF");
    });

    it("believes no response with another's descriptor", async () => {
      const [one, two, other] = [alone(), alone(), alone()];
      const response = await answered(one, two);
      const descriptor = await other.credentials.ownDescriptor();
      refused(await one.complete({ ...response, descriptor }), "ERR_FED_DESCRIPTOR_INVALID");
    });

    it("answers no challenge of its own", async () => {
      const manager = alone();
      const challenge = await manager.createChallenge("https://b.example");
      const responder = manager.origin;
      refused(await manager.respond({ ...challenge, responder }), "ERR_FED_HANDSHAKE_MISMATCH");
    });

    it("says how far a handshake is, on either side", async () => {
      const [one, two] = [alone(), alone()];
      const { Challenged, Responded, Completed } = HandshakeState;
      const challenge = await one.createChallenge(two.origin);
      assert.equal(one.state(challenge.nonce), Challenged);
      const answer = await two.respond(challenge);
      assert.ok(answer.verified);
      const { handshakeId } = answer.response;
      assert.equal(two.state(handshakeId), Responded);
      const proof = await one.complete(answer.response);
      assert.ok(proof.verified);
      assert.equal(one.state(challenge.nonce), Completed);
      two.finish(proof.completion);
      assert.equal(two.state(handshakeId), Completed);
      assert.equal(one.state("nobody's"), undefined);
    });

    it("says that one has failed, and that one took too long", async () => {
      const [one, two] = [alone(), alone()];
      const response = await answered(one, two);
      await one.complete({ ...response, proof: "A".repeat(86) });
      assert.equal(one.state(response.nonce), HandshakeState.Failed);
      const late = await answered(one, two);
      clock.advance(10_000);
      assert.equal(one.state(late.nonce), HandshakeState.Expired);
      await one.complete(late);
      assert.equal(one.state(late.nonce), HandshakeState.Expired);
      assert.equal(two.state(late.handshakeId), HandshakeState.Expired);
    });

    it("remembers how the last ones ended, and no more", async () => {
      const [one, two] = [alone({ maxOpenHandshakes: 2 }), alone()];
      const nonces: string[] = [];
      for (let each = 0; each < 3; each += 1) {
        const response = await answered(one, two);
        nonces.push(response.nonce);
        await one.complete(response);
      }
      assert.deepEqual(
        nonces.map((nonce) => one.state(nonce)),
        [undefined, HandshakeState.Completed, HandshakeState.Completed],
      );
    });
  });

  it("challenges not itself", async () => {
    await assert.rejects(a.manager.createChallenge(A), TypeError);
  });

  it("refuses options that make no sense", () => {
    assert.throws(() => party(A, { handshakeTimeoutSeconds: 0 }), TypeError);
    assert.throws(() => party(A, { maxOpenHandshakes: 0 }), TypeError);
  });

  it("keeps memory bounded under 100,000 opened and never finished", async () => {
    const { jws } = await descriptorOf(B, b.ring, clock.now());
    const cheap = new HandshakeManager({
      origin: A,
      signingKey: () => a.ring.current,
      ownDescriptor: () => Promise.resolve(jws),
      clock,
      random: seededRandom("flood"),
      maxOpenHandshakes: 100,
    });
    for (let index = 0; index < 100_000; index += 1) {
      await cheap.createChallenge(B);
      assert.ok(cheap.open <= 100);
    }
    clock.advance(10_000);
    await cheap.createChallenge(B);
    assert.equal(cheap.open, 1, "the expired ones are gone");
  }).timeout(20_000);

  it("leaves no session unproven, in any order of messages of three servers", async () => {
    let finished = 0;
    const server = fc.integer({ min: 0, max: 2 });
    const step = fc.record({
      // Mostly the honest next step; else a message is repeated, late, or sent by or to another.
      act: fc.constantFrom("challenge", "honest", "honest", "honest", "misuse", "wait"),
      sender: server,
      receiver: server,
      back: fc.integer({ min: 0, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        clock = new ManualClock();
        const parties = [party(A), party(B), party(C)];
        const messages: { kind: 1 | 2 | 3; by: Party; to: Party; body: unknown }[] = [];
        /** What each initiator itself chose to prove, and to whom. */
        const proven = new Set<string>();
        for (const { act, sender, receiver, back } of steps) {
          const [one = a, two = b] = [parties[sender], parties[receiver]];
          if (act === "wait") clock.advance(4_000);
          if (act === "challenge" && one !== two) {
            const body = await one.manager.createChallenge(two.origin);
            messages.push({ kind: 1, by: one, to: two, body });
          }
          const message = messages.at(-1 - (act === "misuse" ? back : 0));
          if (message === undefined || act === "wait" || act === "challenge") continue;
          const { kind, body } = message;
          const [from, to] = act === "misuse" ? [one, two] : [message.by, message.to];
          if (kind === 1) {
            const result = await to.manager.respond(body, from.from);
            if (!result.verified) continue;
            assert.deepEqual([message.by, message.to], [from, to]);
            messages.push({ kind: 2, by: to, to: from, body: result.response });
          } else if (kind === 2) {
            const result = await to.manager.complete(body, from.from);
            if (!result.verified) continue;
            assert.deepEqual([message.by, message.to], [from, to]);
            proven.add(`${to.origin} to ${from.origin}: ${result.completion.handshakeId}`);
            messages.push({ kind: 3, by: to, to: from, body: result.completion });
          } else {
            const result = to.manager.finish(body, from.from);
            if (!result.verified) continue;
            finished += 1;
            const { handshakeId } = body as { handshakeId: string };
            const session = `${from.origin} to ${to.origin}: ${handshakeId}`;
            assert.ok(proven.delete(session), "proven by the initiator, and finished once");
          }
        }
      }),
      { numRuns: 200 },
    );
    assert.ok(finished > 50, `only ${finished} handshakes got to their end`);
  }).timeout(60_000);
});
