/**
 * The move of a server to another origin (PROTOCOL 2): a statement by a key of the old origin, which the
 * new origin's descriptor carries. So both have signed it: the old one where it goes, the new one that it
 * comes from there.
 *
 * What is read here is form and signatures alone. Whether a key speaks for the old origin is known to those
 * who have pinned it: the registry.
 */
import { z } from "zod";
import { type Refusal, refuse } from "../errors.ts";
import { type PublicJwk, importVerifyKey } from "./ed25519.ts";
import { signJws, verifyJws } from "./jws.ts";
import { isOrigin } from "./origin.ts";
import { CLOCK_SKEW_SECONDS } from "./pass.ts";
import type { SigningKey } from "./server-keys.ts";

/** Moves that a descriptor carries at most, and former origins that a server is known by. */
export const MAX_MOVES = 4;
/** Characters of one statement, at most. */
export const MAX_MOVE_LENGTH = 2048;

const MOVE_TYPE = "aether-move+jwt";

const kidSchema = z.string().length(43);
const originSchema = z.string().min(1).max(300);
const payloadSchema = z.strictObject({
  from: originSchema,
  to: originSchema,
  jwk: z.strictObject({
    kty: z.literal("OKP"),
    crv: z.literal("Ed25519"),
    x: z.string().length(43),
    kid: kidSchema,
    use: z.literal("sig"),
  }),
  keys: z.array(kidSchema).min(1).max(4),
  iat: z.int().nonnegative(),
});

/** What a server says of its move. */
export interface Move {
  /** The origin that it had. */
  readonly from: string;
  /** The origin that it has from then on. */
  readonly to: string;
  /** Key ids that are the server's there. */
  readonly keys: readonly string[];
  /** Unix seconds. */
  readonly iat: number;
}

/** A statement whose signature verifies, by whatever key. */
export interface ReadMove extends Move {
  /** The key that signed it. */
  readonly kid: string;
}

/** Signs a move, by a server key of the old origin, or by its recovery key. */
export function signMove({ from, to, keys, iat }: Move, by: SigningKey): Promise<string> {
  return signJws({ from, to, jwk: by.jwk satisfies PublicJwk, keys, iat }, MOVE_TYPE, by);
}

/** Reads a statement by the key that it carries. Refuses with `ERR_FED_MOVE_INVALID` or `ERR_FED_WEAK_KEY`. */
export function readMove(token: unknown): { verified: true; move: ReadMove } | Refusal {
  let move: ReadMove | undefined;
  const result = verifyJws(token, {
    typ: MOVE_TYPE,
    invalid: "ERR_FED_MOVE_INVALID",
    maxLength: MAX_MOVE_LENGTH,
    keyFor: ({ kid }, payload) => {
      const shape = payloadSchema.safeParse(payload);
      if (!shape.success) return invalid("the statement is malformed");
      const { jwk, from, to, keys, iat } = shape.data;
      if (jwk.kid !== kid) return invalid("it is not by the key that it carries");
      try {
        const key = importVerifyKey(jwk);
        if (key.kid !== kid) return invalid("the kid is not the key's thumbprint");
        move = { from, to, keys, iat, kid };
        return key;
      } catch {
        return refuse("ERR_FED_WEAK_KEY", "the key of the statement cannot be used");
      }
    },
  });
  if (!result.verified) return result;
  return move === undefined ? invalid("malformed") : { verified: true, move };
}

/**
 * Reads the moves of a descriptor of `to`, the oldest first: each begins where the one before it ends, the
 * last one ends at `to`, and no origin is come back to. Refuses anything else with `ERR_FED_MOVE_INVALID`.
 */
export function readMoves(
  tokens: readonly string[],
  {
    to,
    now,
    allowInsecure = false,
  }: {
    /** The descriptor's origin. */
    readonly to: string;
    /** Unix seconds. */
    readonly now: number;
    readonly allowInsecure?: boolean;
  },
): { verified: true; moves: readonly ReadMove[] } | Refusal {
  if (tokens.length > MAX_MOVES) return invalid(`more than ${MAX_MOVES} moves`);
  const moves: ReadMove[] = [];
  for (const token of tokens) {
    const read = readMove(token);
    if (!read.verified) return read;
    const { move } = read;
    const wellFormed = [move.from, move.to].every((origin) => isOrigin(origin, { allowInsecure }));
    if (!wellFormed) return invalid("a move is between https origins");
    if (move.iat > now + CLOCK_SKEW_SECONDS) {
      return invalid("the statement is of the future: check the clocks");
    }
    const before = moves.at(-1);
    if (before !== undefined && before.to !== move.from) {
      return invalid("a move does not begin where the one before it ends");
    }
    moves.push(move);
  }
  if (moves.at(-1)?.to !== to)
    return invalid("the last move does not end at the descriptor's origin");
  if (new Set([...moves.map(({ from }) => from), to]).size !== moves.length + 1) {
    return invalid("the moves come back to an origin that was left");
  }
  return { verified: true, moves };
}

function invalid(reason: string): Refusal {
  return refuse("ERR_FED_MOVE_INVALID", reason);
}
