/**
 * The store and the key belong together: the store remembers whose it is, the key file that there is a
 * store. One without the other is not started with by accident: an emptied store would be the loss of
 * every player, and a fresh key a stranger to every peer.
 */
import { z } from "zod";
import { hasLedgerRows } from "../custody/home/ledger-rows.ts";
import { FederationError } from "../errors.ts";
import { MAX_MOVES, MAX_MOVE_LENGTH } from "../identity/move.ts";
import { datedKey } from "../identity/key-rotation.ts";
import type { KeyRing, SigningKey } from "../identity/server-keys.ts";
import type { Logger, Store } from "../ports.ts";
import { bindKeyRing, loadKeyRing, loadOrCreateKeyRing } from "../storage/key-file.ts";
import type { Random } from "../ports.ts";

/** What the operator says is on purpose: a store that begins anew, a key that does, or an origin. */
export type Adopt = "fresh-store" | "fresh-key" | "fresh-origin";

const IDENTITY_KEY = "identity";
/** What is there once a server has been in use. */
const DURABLE_PREFIXES = ["visitor/", "peer/"];

const identitySchema = z.looseObject({
  /** Key id that the store belongs to. */
  kid: z.string().max(64),
  origin: z.string().max(300),
  /** Origins that it had before, the latest first. */
  former: z.array(z.string().max(300)).max(MAX_MOVES).optional(),
  /** Statements of those moves, the oldest first. */
  moves: z.array(z.string().max(MAX_MOVE_LENGTH)).max(MAX_MOVES).optional(),
});

/** Whose a store is. */
export type StoreIdentity = z.infer<typeof identitySchema>;

/**
 * Reads the key ring, or makes one, and holds it and the store against each other.
 *
 * @throws FederationError `ERR_FED_STORE_IDENTITY` when one is there without the other, or with another
 * one's; `ERR_FED_KEY_FILE`.
 */
export async function openKeyRing({
  path,
  origin,
  store,
  adopt,
  random,
  logger,
  onRecoveryKey,
}: {
  /** Of the key file. */
  readonly path: string;
  readonly origin: string;
  readonly store: Store;
  readonly adopt: Adopt | undefined;
  readonly random: Random;
  readonly logger: Logger;
  /** Takes the private recovery key of a ring that is made. None: it is made without one. */
  readonly onRecoveryKey?: ((key: SigningKey) => void) | undefined;
}): Promise<KeyRing> {
  const existing = await loadKeyRing(path);
  const text = await store.get(IDENTITY_KEY);
  const identity = text === undefined ? undefined : identityOf(text);
  const used = identity !== undefined || (await isUsed(store));
  if (existing === undefined && used && adopt !== "fresh-key") {
    // Another process of this server has made both meanwhile.
    if ((await loadKeyRing(path)) !== undefined) {
      return openKeyRing({ path, origin, store, adopt, random, logger, onRecoveryKey });
    }
    throw new FederationError(
      "ERR_FED_STORE_IDENTITY",
      `The store is this server's, but there is no key at ${path}: restore keys.json from a backup. If the key is lost and you have the recovery key, run \`npx aether-federation keys recover\`: peers that know it go on. Without it, start once with adopt: "fresh-key": every peer quarantines this server until its operator approves.`,
    );
  }
  if (existing?.hasStore === true && !used && adopt !== "fresh-store") {
    throw new FederationError(
      "ERR_FED_STORE_IDENTITY",
      `The key at ${path} has had a store, but this one is empty: name the right one, or restore it from a backup. If all players may begin anew, start once with adopt: "fresh-store".`,
    );
  }
  const ring = existing ?? (await loadOrCreateKeyRing(path, random, onRecoveryKey));
  if (
    identity !== undefined &&
    datedKey(ring, identity.kid) === undefined &&
    adopt !== "fresh-key"
  ) {
    throw new FederationError(
      "ERR_FED_STORE_IDENTITY",
      `The store belongs to the key ${identity.kid} (${identity.origin}), and the one at ${path} is another: name the right dataDirectory or store. If this key is to have this store, start once with adopt: "fresh-key".`,
    );
  }
  const isElsewhere = identity !== undefined && identity.origin !== origin;
  if (isElsewhere && adopt !== "fresh-origin" && adopt !== "fresh-key" && (await isUsed(store))) {
    throw new FederationError("ERR_FED_STORE_IDENTITY", elsewhere(identity, origin));
  }
  if (isElsewhere)
    logger.warn(`the store, begun as ${identity.origin}, is ${origin}'s from now on`);
  // The store first: a key file that says there is a store is right from then on.
  if (identity === undefined || isElsewhere || datedKey(ring, identity.kid) === undefined) {
    const moves = isElsewhere ? {} : { former: identity?.former, moves: identity?.moves };
    const mine = JSON.stringify({ kid: ring.current.kid, origin, ...moves });
    if (!(await store.compareAndSet(IDENTITY_KEY, text, mine))) {
      // Another process of this server got there first: hold the key against what it wrote.
      return openKeyRing({ path, origin, store, adopt, random, logger, onRecoveryKey });
    }
  }
  return bindKeyRing(path, ring);
}

function elsewhere({ origin: there, former = [] }: StoreIdentity, origin: string): string {
  return former.includes(origin)
    ? `The store has moved from ${origin} to ${there}: start with that origin. Nobody comes back to an origin that was left.`
    : `The store is that of ${there}, and this server is started as ${origin}. If it has moved, run \`npx aether-federation move --to ${origin}\` once: players and peers follow. If its players at ${there} may be lost, start once with adopt: "fresh-origin".`;
}

/** Whose a store is, as it says itself; undefined when it does not say. */
export async function storeIdentity(store: Pick<Store, "get">): Promise<StoreIdentity | undefined> {
  const text = await store.get(IDENTITY_KEY);
  return text === undefined ? undefined : identityOf(text);
}

/** Gives a store to another key of its server: one that the recovery key has vouched for. */
export async function handStoreTo(
  store: Pick<Store, "set">,
  identity: StoreIdentity,
): Promise<void> {
  await store.set(IDENTITY_KEY, JSON.stringify(identity));
}

async function isUsed(store: Store): Promise<boolean> {
  for (const prefix of DURABLE_PREFIXES) {
    for await (const _ of store.entries(prefix)) return true;
  }
  return hasLedgerRows(store);
}

function identityOf(text: string): z.infer<typeof identitySchema> {
  try {
    return identitySchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new FederationError(
      "ERR_FED_STORE_IDENTITY",
      `The store's entry "${IDENTITY_KEY}" is damaged: restore the store from a backup, or delete the entry if you are sure that the store is this server's.`,
      { cause },
    );
  }
}
