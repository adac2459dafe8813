/** The messages of PROTOCOL 4. */
import { z } from "zod";
import { MAX_TOKEN_LENGTH, isCanonicalBase64url } from "../identity/jws.ts";

/** Protocol versions this implementation speaks, best first. */
export const SUPPORTED_PROTOCOLS = ["aether/1"] as const;

const nonceSchema = z
  .string()
  .length(43)
  .refine(isCanonicalBase64url, "not 32 bytes in canonical base64url");
const proofSchema = z
  .string()
  .length(86)
  .refine(isCanonicalBase64url, "not 64 bytes in canonical base64url");
const idSchema = z.string().min(1).max(128);
const secondsSchema = z.int().nonnegative();

export const challengeSchema = z.strictObject({
  protocols: z.array(z.string().min(1).max(32)).min(1).max(16),
  responder: z.string().max(300),
  descriptor: z.string().max(MAX_TOKEN_LENGTH),
  nonce: nonceSchema,
  issuedAt: secondsSchema,
});
export const responseSchema = z.strictObject({
  handshakeId: idSchema,
  protocol: z.string().min(1).max(32),
  descriptor: z.string().max(MAX_TOKEN_LENGTH),
  nonce: nonceSchema,
  counterNonce: nonceSchema,
  proof: proofSchema,
  expiresAt: secondsSchema,
});
export const completionSchema = z.strictObject({ handshakeId: idSchema, proof: proofSchema });
export const sessionSchema = z.strictObject({
  sessionId: idSchema,
  peer: z.string().max(300),
  protocol: z.string().min(1).max(32),
  trust: z.enum(["trusted", "pending"]),
  expiresAt: secondsSchema,
  /** Which keys of A's B has pinned. */
  keys: z.array(z.string().min(1).max(64)).max(16).optional(),
});

/** What either tells the other of what it trusts it for (PROTOCOL 4). */
export const trustWordSchema = z.object({
  /** Whether its players are let in. */
  inbound: z.boolean(),
  /** Whether ours are let go to it. */
  outbound: z.boolean(),
  /** Which of its keys we have pinned. */
  keys: z.array(z.string().min(1).max(64)).max(16),
});

/** A asks B. */
export type HandshakeChallenge = z.infer<typeof challengeSchema>;
/** B proves itself and asks back. */
export type HandshakeResponse = z.infer<typeof responseSchema>;
/** A proves itself. */
export type HandshakeCompletion = z.infer<typeof completionSchema>;
/** What both have then. */
export type HandshakeSession = z.infer<typeof sessionSchema>;
/** Of the one for the other, between two that trust each other. */
export type TrustWord = z.infer<typeof trustWordSchema>;
