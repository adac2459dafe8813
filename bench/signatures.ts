/** What signing and verifying cost, against `node:crypto` on the same bytes. */
import { sign, verify } from "node:crypto";
import { HandshakeManager } from "../src/handshake/handshake-manager.ts";
import { signDescriptor } from "../src/identity/descriptor.ts";
import { importVerifyKey } from "../src/identity/ed25519.ts";
import {
  signRequest,
  signResponse,
  verifyRequest,
  verifyResponse,
} from "../src/identity/http-signatures.ts";
import { signJws } from "../src/identity/jws.ts";
import { type SigningKey, generateSigningKey } from "../src/identity/server-keys.ts";
import { systemClock, systemRandom } from "../src/ports.ts";
import { type Measured, type Section, compare, measure, report, sample } from "./measure.ts";

const ports = { clock: systemClock, random: systemRandom };
const A = "https://a.example";
const B = "https://b.example";
const VERIFY = "verifyRequest, whole policy";
const VERIFY_ANSWER = "verifyResponse, whole policy";
const TARGET = `${B}/federation/custody/claim`;

export async function benchSignatures(): Promise<Section[]> {
  return [...(await requests()), await handshake()];
}

async function requests(): Promise<Section[]> {
  const key = generateSigningKey(systemRandom);
  const verifyKey = importVerifyKey(key.jwk);
  const claims = { transferId: crypto.randomUUID(), iss: A, aud: B, iat: 1, exp: 61, name: "x" };
  const body = Buffer.from(JSON.stringify(claims));
  const request = { method: "POST", targetUri: TARGET, recipient: B, body };
  const response = { status: 200, body };
  // In turn, since what is read twice in a row is read once.
  const exchanges = await Promise.all(
    Array.from({ length: 64 }, async () => {
      const { headers } = await signRequest(request, by(A, key), ports);
      const message = { method: "POST", targetUri: TARGET, headers, body };
      const signed = await signResponse(response, message, by(B, key), ports);
      return { message, answer: { ...response, ...signed } };
    }),
  );
  let turn = 0;
  const next = (): (typeof exchanges)[number] => {
    turn += 1;
    const exchange = exchanges[turn % exchanges.length];
    if (exchange === undefined) throw new Error("no exchange");
    return exchange;
  };
  // What is signed is about as long as this.
  const base = Buffer.from("x".repeat(430));
  const signature = sign(null, base, key.privateKey);
  const verifyNext = () =>
    verifyRequest(next().message, {
      clock: systemClock,
      recipient: B,
      keyFor: () => verifyKey,
      consumeNonce: () => Promise.resolve(true),
    });
  const verifyNextAnswer = () => {
    const { answer, message } = next();
    return verifyResponse(answer, message, {
      clock: systemClock,
      origin: B,
      keyFor: () => verifyKey,
    });
  };
  for (const verdict of [await verifyNext(), await verifyNextAnswer()]) {
    if (!verdict.verified) throw new Error(`the benchmark's own is refused: ${verdict.reason}`);
  }
  const verifying = await sample({
    "node:crypto verify": () => verify(null, base, verifyKey.keyObject, signature),
    [VERIFY]: verifyNext,
    [VERIFY_ANSWER]: verifyNextAnswer,
  });
  const signing = await sample({
    "node:crypto sign": () => sign(null, base, key.privateKey),
    "signRequest, end to end": () => signRequest(request, by(A, key), ports),
    "signResponse, end to end": () => signResponse(response, next().message, by(B, key), ports),
    "a token": () => signJws(claims, "aether-pass+jwt", key),
  });
  return [
    compare(verifying, {
      title: "verify a message",
      ratio: "speed",
      targets: { [VERIFY]: 0.85, [VERIFY_ANSWER]: 0.85 },
    }),
    compare(signing, { title: "sign a message", ratio: "speed" }),
  ];
}

async function handshake(): Promise<Section> {
  const [a, b] = await Promise.all([manager(A), manager(B)]);
  const results = await measure(
    {
      "one verify": await oneVerify(),
      initiator: async () => {
        const challenge = await a.manager.createChallenge(B);
        const responded = await b.manager.respond(challenge, { origin: A, kid: a.key.kid });
        if (!responded.verified) throw new Error(responded.reason);
        const done = await a.manager.complete(responded.response, { origin: B, kid: b.key.kid });
        if (!done.verified) throw new Error(done.reason);
        const end = b.manager.finish(done.completion, { origin: A, kid: a.key.kid });
        if (!end.verified) throw new Error(end.reason);
      },
    },
    { roundMilliseconds: 80 },
  );
  return section(
    "a handshake, both sides",
    results.map((each) => (each.name === "initiator" ? { ...each, name: "all four steps" } : each)),
  );
}

function by(origin: string, key: SigningKey): { origin: string; key: SigningKey } {
  return { origin, key };
}

async function oneVerify(): Promise<() => boolean> {
  const key = generateSigningKey(systemRandom);
  const base = Buffer.from("x".repeat(430));
  const signature = sign(null, base, key.privateKey);
  const { keyObject } = importVerifyKey(key.jwk);
  return () => verify(null, base, keyObject, signature);
}

async function manager(origin: string) {
  const key = generateSigningKey(systemRandom);
  const { jws } = await signDescriptor(
    {
      origin,
      name: "bench",
      endpoint: `${origin}/federation`,
      protocols: ["aether/1"],
      worlds: ["plaza"],
      validUntil: Math.floor(Date.now() / 1000) + 3600,
    },
    { current: key, next: undefined, retired: [] },
  );
  return {
    key,
    manager: new HandshakeManager({
      origin,
      signingKey: () => key,
      ownDescriptor: () => Promise.resolve(jws),
      ...ports,
    }),
  };
}

function section(title: string, results: readonly Measured[]): Section {
  return { title, results, text: report(title, results) };
}
