import assert from "node:assert/strict";
import { MAX_MOVES, type Move, readMove, readMoves, signMove } from "../../src/identity/move.ts";
import { signJws } from "../../src/identity/jws.ts";
import { ringOf } from "../support/parties.ts";

const [A, B, C] = ["https://a.example", "https://b.example", "https://c.example"] as const;
const key = ringOf("mover").current;
const NOW = 1_790_000_000;

const moveOf = (from: string, to: string, more: Partial<Move> = {}): Promise<string> =>
  signMove({ from, to, keys: [key.kid], iat: NOW, ...more }, key);

describe("identity/move", () => {
  const refused = (
    tokens: readonly string[],
    why: RegExp,
    given: { to?: string; allowInsecure?: boolean } = {},
  ): void => {
    const read = readMoves(tokens, { to: B, now: NOW, ...given });
    assert.ok(!read.verified);
    assert.equal(read.code, "ERR_FED_MOVE_INVALID");
    assert.match(read.reason, why);
  };

  it("reads a statement, and who signed it", async () => {
    const read = readMove(await moveOf(A, B));
    assert.deepEqual(read, {
      verified: true,
      move: { from: A, to: B, keys: [key.kid], iat: NOW, kid: key.kid },
    });
  });

  it("reads a chain, the oldest first", async () => {
    const read = readMoves([await moveOf(A, B), await moveOf(B, C)], { to: C, now: NOW });
    assert.ok(read.verified);
    assert.deepEqual(
      read.moves.map(({ from, to }) => [from, to]),
      [
        [A, B],
        [B, C],
      ],
    );
  });

  it("refuses a statement with another signature", async () => {
    const [head, payload] = (await moveOf(A, B)).split(".");
    const [, , signature] = (await moveOf(A, C)).split(".");
    refused([`${head}.${payload}.${signature}`], /signature/u);
  });

  it("refuses a statement by another key than the one that it carries", async () => {
    const other = ringOf("other").current;
    const payload = { from: A, to: B, jwk: key.jwk, keys: [key.kid], iat: NOW };
    refused([await signJws(payload, "aether-move+jwt", other)], /carries/u);
  });

  it("refuses a statement of another type", async () => {
    const payload = { from: A, to: B, jwk: key.jwk, keys: [key.kid], iat: NOW };
    refused([await signJws(payload, "aether-recovery+jwt", key)], /typ/u);
  });

  it("refuses a statement with a member that nobody knows", async () => {
    const payload = { from: A, to: B, jwk: key.jwk, keys: [key.kid], iat: NOW, more: 1 };
    refused([await signJws(payload, "aether-move+jwt", key)], /malformed/u);
  });

  it("refuses a statement of the future", async () => {
    refused([await moveOf(A, B, { iat: NOW + 31 })], /future/u);
  });

  it("refuses moves that lead elsewhere", async () => {
    refused([await moveOf(A, C)], /does not end/u);
  });

  it("refuses moves with a gap", async () => {
    refused([await moveOf(A, B), await moveOf(C, B)], /does not begin/u);
  });

  it("refuses moves that come back", async () => {
    refused([await moveOf(A, B), await moveOf(B, A)], /come back/u, { to: A });
  });

  it("refuses a move to where the server was", async () => {
    refused([await moveOf(B, B)], /come back/u);
  });

  it("refuses one move too many", async () => {
    const origins = Array.from({ length: MAX_MOVES + 2 }, (_, each) => `https://m${each}.example`);
    const moves = await Promise.all(
      origins.slice(1).map((to, each) => moveOf(origins[each] ?? "", to)),
    );
    refused(moves, /more than/u, { to: origins.at(-1) ?? "" });
  });

  it("refuses what is no origin in its one form", async () => {
    refused([await moveOf(`${A}/`, B)], /origins/u);
  });

  it("refuses plain http, but in development", async () => {
    const [from, to] = ["http://localhost:1", "http://localhost:2"];
    const move = await moveOf(from, to);
    refused([move], /https/u, { to });
    assert.ok(readMoves([move], { to, now: NOW, allowInsecure: true }).verified);
  });
});
