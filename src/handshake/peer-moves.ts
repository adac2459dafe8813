/**
 * Follows peers that have moved (PROTOCOL 2): asks the old origin what it says of it, and has the registry
 * judge. What asks for a read has been signed by a key of the known server, so that no stranger makes this
 * one ask another.
 */
import type { Refusal } from "../errors.ts";
import type { Clock } from "../ports.ts";
import type { OldOriginsWord, ReadDescriptor } from "../registry/move-verdict.ts";
import { vouches } from "../registry/pinned-keys.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import type { FetchedDescriptor, PeerDescriptors } from "./peer-descriptors.ts";

/** Options of {@link PeerMoves}. */
export interface PeerMovesOptions {
  readonly registry: ServerRegistry;
  readonly descriptors: Pick<PeerDescriptors, "fetch">;
  readonly clock: Clock;
  /** How long an old origin without a recovery key has to be silent. */
  readonly graceSeconds: number;
}

/** An old origin answers within this time, or is silent. */
const READ_MILLISECONDS = 3_000;
/** What an old origin has said is not asked again for so long. */
const COOL_DOWN_MILLISECONDS = 1_000;

/** What a descriptor is of: a server that has not moved here, one that was followed, or one that is not. */
export type MoveOutcome = "none" | "followed" | Refusal;

/** Moves of known peers. */
export class PeerMoves {
  readonly #options: PeerMovesOptions;
  /** By the new origin: one at a time, and its answer for a moment. */
  readonly #following = new Map<
    string,
    { readonly at: number; readonly outcome: Promise<MoveOutcome> }
  >();

  constructor(options: PeerMovesOptions) {
    this.#options = options;
  }

  /** A descriptor was read from its own origin: whether it is of a known server that has moved there. */
  follow(read: ReadDescriptor): Promise<MoveOutcome> {
    const { registry, clock } = this.#options;
    const { origin } = read.descriptor;
    // Who is known here by this origin needs no statement of how it came there.
    const isKnown = registry.has(origin) && registry.claimedMove(read) === undefined;
    if (read.descriptor.moves === undefined || isKnown) return Promise.resolve("none");
    const at = clock.monotonic();
    for (const [known, last] of this.#following) {
      if (at - last.at >= COOL_DOWN_MILLISECONDS) this.#following.delete(known);
    }
    const running = this.#following.get(origin);
    if (running !== undefined) return running.outcome;
    const outcome = this.#follow(read);
    this.#following.set(origin, { at, outcome });
    return outcome;
  }

  /**
   * A known server's own descriptor says where it has moved to: reads what stands there. `none` where it says
   * nothing, or no key that is pinned for it does. Rejects when the new origin cannot be asked.
   */
  async followFrom({ descriptor, signedBy }: ReadDescriptor): Promise<MoveOutcome> {
    const { registry, descriptors } = this.#options;
    const { origin, movedTo } = descriptor;
    if (movedTo === undefined || !vouches(registry.get(origin)?.keys ?? [], signedBy))
      return "none";
    const read = await descriptors.fetch(movedTo);
    return read.verified ? this.follow(read) : read;
  }

  async #follow(read: ReadDescriptor): Promise<MoveOutcome> {
    const { registry, graceSeconds } = this.#options;
    const claim = registry.claimedMove(read);
    if (claim === undefined) return "none";
    if (!claim.verified) return claim;
    const { server, to } = claim;
    const word = await this.#ask(server.origin, to);
    const followed = await registry.followMove(read, word, graceSeconds);
    return "accepted" in followed ? "followed" : followed;
  }

  /** What an old origin says of a move of its server, now. */
  async #ask(from: string, to: string): Promise<OldOriginsWord> {
    const { registry, descriptors, clock } = this.#options;
    const abort = new AbortController();
    const given = new Promise<undefined>((resolve) => {
      abort.signal.addEventListener("abort", () => {
        resolve(undefined);
      });
    });
    const timer = clock.setTimeout(() => {
      abort.abort();
    }, READ_MILLISECONDS);
    let read: FetchedDescriptor | undefined;
    try {
      read = await Promise.race([descriptors.fetch(from, abort.signal), given]);
    } catch {
      read = undefined;
    } finally {
      clock.clearTimeout(timer);
    }
    const isItsWord =
      read?.verified === true && vouches(registry.get(from)?.keys ?? [], read.signedBy);
    if (read?.verified !== true || !isItsWord) return "silent";
    return read.descriptor.movedTo === to ? "confirms" : "denies";
  }
}
