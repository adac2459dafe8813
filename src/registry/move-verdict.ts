/**
 * Whether a server that comes with a statement of its move is the one that was known before (PROTOCOL 2).
 * Pure: the registry writes it down.
 *
 * A move takes over trust, keys and players. So it needs more than a key that signs: the word of the old
 * origin itself; or, where that is silent, the recovery key; or, of who has none, a silence long enough
 * for its operator to have noticed.
 */
import { type Refusal, refuse } from "../errors.ts";
import type { ServerDescriptor } from "../identity/descriptor.ts";
import { MAX_MOVES, readMoves } from "../identity/move.ts";
import { followRecoveries } from "../identity/recovery.ts";
import { type FederatedServer, TrustState } from "./federated-server.ts";
import type { MovedOrigins } from "./moved-origins.ts";
import { type PinnedKey, repin, repinApproved, vouches } from "./pinned-keys.ts";

/** A descriptor that was read from its own origin, and the key that signed it. */
export interface ReadDescriptor {
  readonly descriptor: ServerDescriptor;
  readonly signedBy: string;
}

/** What the verdict is made of. */
export interface MoveSources {
  readonly get: (origin: string) => FederatedServer | undefined;
  readonly isBlocked: (origin: string, kid?: string) => boolean;
  readonly moved: Pick<MovedOrigins, "get" | "current" | "former" | "isDamaged">;
  /** Unix seconds. */
  readonly now: number;
}

/** A move that a key of the known server has signed, before its old origin has been asked. */
export interface ClaimedMove {
  readonly verified: true;
  /** The server as it is known. */
  readonly server: FederatedServer;
  readonly to: string;
  /** Whether the pinned recovery key stands behind it, by itself or by a recovery. */
  readonly byRecovery: boolean;
  readonly keys: readonly PinnedKey[];
  readonly recovery: string | undefined;
}

/** What the old origin says when it is asked now. */
export type OldOriginsWord =
  /** Its descriptor, signed by a pinned key, says that it has moved there. */
  | "confirms"
  /** Its descriptor, signed by a pinned key, says nothing of that move. */
  | "denies"
  /** There is no descriptor that a pinned key has signed. */
  | "silent";

/** What becomes of a claim: `since` is how long the old origin is known to be silent, Unix seconds. */
export type MoveVerdict =
  | { readonly follow: true }
  | { readonly follow: false; readonly silentSince: number | undefined; readonly why: string };

/**
 * Whose move a descriptor claims, of the servers that are known here; undefined: of none. Refuses with
 * `ERR_FED_MOVE_INVALID`, `ERR_FED_MOVE_CONFLICT`, `ERR_FED_UNKNOWN_KEY`, `ERR_FED_KEY_CHANGED`,
 * `ERR_FED_BLOCKED`, `ERR_FED_NOT_TRUSTED` or `ERR_FED_ROW_DAMAGED`.
 */
export function claimedMove(
  { descriptor, signedBy }: ReadDescriptor,
  { get, isBlocked, moved, now }: MoveSources,
): ClaimedMove | Refusal | undefined {
  const { origin: to } = descriptor;
  if (descriptor.moves === undefined) return undefined;
  // Between which schemes servers may move is the descriptor's own question: it has been verified.
  const read = readMoves(descriptor.moves, { to, now, allowInsecure: to.startsWith("http:") });
  if (!read.verified) return read;
  const { moves } = read;
  for (const { from } of moves) {
    if (moved.isDamaged(from)) return refuse("ERR_FED_ROW_DAMAGED", `${from} is damaged here`);
    const went = moved.get(from) === undefined ? undefined : moved.current(from);
    if (went !== undefined && went !== to && !moves.some((move) => move.from === went)) {
      return refuse("ERR_FED_MOVE_CONFLICT", `${from} has moved to ${went}`);
    }
  }
  const index = moves.findLastIndex(({ from }) => get(from) !== undefined);
  const move = moves[index];
  const server = move === undefined ? undefined : get(move.from);
  if (move === undefined || server === undefined) return undefined;
  const { from } = move;
  if (moved.get(to) !== undefined) {
    return refuse("ERR_FED_MOVE_INVALID", `${to} has been left: nobody comes back to an origin`);
  }
  const kids = descriptor.keys.map(({ kid }) => kid);
  const isOut =
    server.trust === TrustState.Blocked ||
    [undefined, move.kid, ...kids].some((kid) => isBlocked(from, kid) || isBlocked(to, kid));
  if (isOut) return refuse("ERR_FED_BLOCKED", "the server, or one of its keys, is blocked");
  const there = get(to);
  if (there !== undefined && there.movedFrom !== from && there.trust !== TrustState.Pending) {
    return refuse("ERR_FED_MOVE_CONFLICT", `${to} is known here as a server of its own`);
  }
  if (server.trust === TrustState.Quarantined) {
    return refuse("ERR_FED_NOT_TRUSTED", `${from} is quarantined: ask the operator`);
  }
  if (moved.former(from).length >= MAX_MOVES) {
    return refuse("ERR_FED_MOVE_INVALID", `${from} has moved ${MAX_MOVES} times already`);
  }
  const followed = followRecoveries(descriptor.recoveries ?? [], {
    iss: from,
    pinned: server.recovery,
  });
  const byRecovery =
    (followed.recovery !== undefined && move.kid === followed.recovery) ||
    followed.keys?.includes(move.kid) === true;
  if (!byRecovery && !vouches(server.keys, move.kid)) {
    return refuse("ERR_FED_UNKNOWN_KEY", `no key that is pinned for ${from} has signed its move`);
  }
  const names = [...moves.slice(index + 1).map(({ kid }) => kid), signedBy];
  const unnamed = names.find((kid, each) => moves[index + each]?.keys.includes(kid) !== true);
  if (unnamed !== undefined) {
    return refuse("ERR_FED_UNKNOWN_KEY", `the move does not name the key ${unnamed}`);
  }
  const { recovery = descriptor.recovery } = followed;
  if (recovery !== descriptor.recovery) {
    return refuse(
      "ERR_FED_KEY_CHANGED",
      "the descriptor names another recovery key, and the one that is pinned does not vouch for it",
    );
  }
  const keys =
    followed.keys === undefined
      ? repin(server.keys, descriptor.keys, { now })
      : repinApproved(server.keys, descriptor.keys, now);
  return { verified: true, server, to, byRecovery, keys, recovery };
}

/** Whether a claim is followed now. */
export function judgeMove(
  { server, to, byRecovery }: Pick<ClaimedMove, "server" | "to" | "byRecovery">,
  word: OldOriginsWord,
  {
    now,
    graceSeconds,
    signedBy,
  }: {
    /** Unix seconds. */
    readonly now: number;
    readonly graceSeconds: number;
    /** The key that signs at the new origin. */
    readonly signedBy: string;
  },
): MoveVerdict {
  const { origin: from, moving } = server;
  const before = moving?.to === to ? moving : undefined;
  const doubt = (why: string, silentSince?: number): MoveVerdict => ({
    ...{ follow: false, silentSince, why },
  });
  if (word === "confirms") return { follow: true };
  if (before?.approved === true && before.kid === signedBy) return { follow: true };
  if (word === "denies") return doubt(`${from} still answers, and says nothing of a move to ${to}`);
  if (byRecovery) return { follow: true };
  if (server.recovery !== undefined) {
    return doubt(`${from} does not answer, and its recovery key has not signed the move`);
  }
  const silentSince = before?.silentSince ?? now;
  const left = silentSince + graceSeconds - now;
  return left <= 0
    ? { follow: true }
    : doubt(`${from} does not answer; its move is followed in ${left} s`, silentSince);
}
