/**
 * This server's own move to another origin: the statement for its peers, and the store that belongs to the
 * other origin from then on. Done while it does not run, on a store and a key that may come from a backup.
 */
import { SUPPORTED_PROTOCOLS } from "../handshake/messages.ts";
import { type DescriptorDocument, signDescriptor } from "../identity/descriptor.ts";
import { MAX_MOVES, readMove, signMove } from "../identity/move.ts";
import type { KeyRing, SigningKey } from "../identity/server-keys.ts";
import type { Store } from "../ports.ts";
import { type StoreIdentity, handStoreTo, storeIdentity } from "./store-identity.ts";

/** Where several processes are one server, each has an entry of its own while it runs. */
const PROCESS_PREFIX = "process/";
/** The old origin's last word is served for so long; its readers trust it for a week at most, each time. */
const LAST_WORD_SECONDS = 10 * 365 * 24 * 3600;

/** What a move has come to. */
export interface OwnMove {
  readonly from: string;
  readonly to: string;
  /** Whether the store was that of the new origin already: only its papers were made again. */
  readonly again: boolean;
  readonly signedBy: "server key" | "recovery key";
  /** What the old origin has to serve from now on, at `/.well-known/aether-federation`. */
  readonly lastWord: DescriptorDocument;
}

/**
 * Moves the store to another origin. May be repeated, with another key, too: one durable step decides it.
 *
 * @throws TypeError that says what cannot be right.
 */
export async function moveStore(
  store: Pick<Store, "get" | "set" | "entries">,
  ring: KeyRing,
  {
    to,
    recoveryKey,
    nowSeconds,
  }: {
    /** The new origin, in its one form. */
    readonly to: string;
    /** Signs the move in place of the server's key. */
    readonly recoveryKey?: SigningKey | undefined;
    readonly nowSeconds: number;
  },
): Promise<OwnMove> {
  const identity = await storeIdentity(store);
  if (identity === undefined) throw new TypeError("this store has never been a server's");
  const again = identity.origin === to;
  const former = again ? identity.former : [identity.origin, ...(identity.former ?? [])];
  const [from] = former ?? [];
  if (from === undefined) throw new TypeError(`this server is ${to} already`);
  assertMayMove(identity, { from, to, again });
  for await (const _ of store.entries(PROCESS_PREFIX)) {
    throw new TypeError("a process of this server runs on this store: stop it, and wait 12 s");
  }
  const by = recoveryKey ?? ring.current;
  if (recoveryKey !== undefined && recoveryKey.kid !== ring.recovery?.kid) {
    throw new TypeError("that is not the recovery key of this server: see keys show");
  }
  const keys = [ring.current.kid, ...(ring.next === undefined ? [] : [ring.next.kid])];
  const statement = await signMove({ from, to, keys, iat: nowSeconds }, by);
  const earlier = (identity.moves ?? []).filter((token) => !leadsTo(token, to));
  await handStoreTo(store, {
    ...identity,
    ...{ kid: ring.current.kid, origin: to, former, moves: [...earlier, statement] },
  });
  const lastWord = await signDescriptor(
    {
      ...{ origin: from, movedTo: to, name: new URL(from).host.slice(0, 64), worlds: [] },
      ...{ endpoint: `${from}/federation`, protocols: SUPPORTED_PROTOCOLS },
      validUntil: nowSeconds + LAST_WORD_SECONDS,
    },
    ring,
  );
  const signedBy = recoveryKey === undefined ? "server key" : "recovery key";
  return { from, to, again, signedBy, lastWord };
}

function assertMayMove(
  { former = [] }: StoreIdentity,
  { from, to, again }: { readonly from: string; readonly to: string; readonly again: boolean },
): void {
  if (to.startsWith("http:") && !from.startsWith("http:")) {
    throw new TypeError(`${to} is not https, and no peer would follow there`);
  }
  if (again) return;
  if (former.includes(to)) {
    throw new TypeError(`this server was ${to} before: no peer follows back to an origin`);
  }
  if (former.length >= MAX_MOVES) {
    throw new TypeError(`this server has moved ${MAX_MOVES} times, and no peer follows further`);
  }
}

function leadsTo(token: string, to: string): boolean {
  const read = readMove(token);
  return read.verified && read.move.to === to;
}
