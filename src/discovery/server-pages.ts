/**
 * What `GET /servers` answers (PROTOCOL 10): this server and the trusted peers that agree to be listed, in
 * pages.
 *
 * Anybody may ask, so an answer costs no more than a page: who is named is put in order at most once in
 * {@link FRESH_MILLISECONDS}, and each entry is written once for all who ask meanwhile.
 */
import { isOrigin } from "../identity/origin.ts";
import type { ListedAs } from "../identity/listed-as.ts";
import type { Clock } from "../ports.ts";
import { type FederatedServer, ServerStatus, TrustState } from "../registry/federated-server.ts";
import { type Populations, type ServerEntry, entryOf } from "./server-entry.ts";

/** Servers on one page. */
export const SERVERS_PER_PAGE = 32;
/** And no more of them than make a body of this length, so that it is within 64 KiB with what is around. */
const PAGE_BYTES = 60 * 1024;
const FRESH_MILLISECONDS = 5_000;

/** A page, ready to be sent. */
export type ServersPage = { readonly ok: true; readonly text: string } | { readonly ok: false };

/** Options of {@link ServerPages}. */
export interface ServerPagesOptions {
  readonly origin: string;
  readonly name: string;
  /** How this server agrees to be listed; undefined: it does not, and names nobody. */
  readonly listing: ListedAs | undefined;
  /** Players in this server's worlds now; rejects or leaves out what is not known. */
  readonly populations: () => Promise<Populations>;
  /** Everybody who is known. */
  readonly peers: () => readonly FederatedServer[];
  /** What a peer has said of its players itself; undefined: nothing. */
  readonly claimed: (origin: string) => Populations | undefined;
  readonly clock: Clock;
}

/** Makes the pages. */
export class ServerPages {
  readonly #options: ServerPagesOptions;
  #made: { readonly at: number; readonly peers: Promise<readonly Written[]> } | undefined;

  constructor(options: ServerPagesOptions) {
    this.#options = options;
  }

  /**
   * One page: this server first, then its peers in the order of their origins.
   *
   * @param cursor Where a former page ended, as that said. Default: from the beginning.
   * @returns `ok: false` for a cursor that is none.
   */
  async page(cursor?: string): Promise<ServersPage> {
    if (cursor !== undefined && !isOrigin(cursor, { allowInsecure: true })) return { ok: false };
    const { listing } = this.#options;
    if (listing === undefined) return { ok: true, text: '{"servers":[]}' };
    const written = await this.#written();
    const first = cursor === undefined ? 0 : firstAfter(written, cursor);
    const texts: string[] = [];
    let left = PAGE_BYTES;
    // This server is in the order by its place at the beginning, which no cursor names.
    for (const { text } of written.slice(first, first + SERVERS_PER_PAGE)) {
      left -= Buffer.byteLength(text);
      if (left < 0 && texts.length > 0) break;
      texts.push(text);
    }
    const next = first + texts.length;
    const last = written[next - 1]?.origin;
    const more = next < written.length && last !== undefined;
    const end = more ? `,"next":${JSON.stringify(last)}` : "";
    return { ok: true, text: `{"servers":[${texts.join(",")}]${end}}` };
  }

  /** Everybody who is named, without what changes from minute to minute: for a list that is published. */
  standing(): ServerEntry[] {
    const { origin, name, listing } = this.#options;
    if (listing === undefined) return [];
    return [entryOf({ origin, name, listing }), ...this.#named().map((peer) => entryOf(peer))];
  }

  #written(): Promise<readonly Written[]> {
    const at = this.#options.clock.monotonic();
    if (this.#made === undefined || at - this.#made.at >= FRESH_MILLISECONDS) {
      this.#made = { at, peers: this.#write() };
    }
    return this.#made.peers;
  }

  async #write(): Promise<readonly Written[]> {
    const { origin, name, listing, populations, claimed } = this.#options;
    if (listing === undefined) return [];
    const own = await populations().catch(() => undefined);
    const self = entryOf({ origin, name, listing }, { status: "online", populations: own });
    const peers = this.#named().map((peer) => {
      const status =
        peer.status === ServerStatus.Online || peer.status === ServerStatus.Degraded
          ? peer.status
          : "offline";
      return entryOf(peer, { status, populations: claimed(peer.origin) });
    });
    return [self, ...peers].map((entry) => ({
      origin: entry.origin,
      text: JSON.stringify(entry),
    }));
  }

  /** The peers that may be named, in order: who agrees by a descriptor that still counts, and is trusted. */
  #named(): Listed[] {
    const { peers, clock, origin } = this.#options;
    const now = clock.now() / 1000;
    return peers()
      .filter(
        (peer): peer is Listed =>
          peer.trust === TrustState.Trusted &&
          peer.listed &&
          peer.listing !== undefined &&
          peer.descriptorValidUntil > now &&
          peer.origin !== origin,
      )
      .sort((one, other) => (one.origin < other.origin ? -1 : 1));
  }
}

type Listed = FederatedServer & { readonly listing: ListedAs };

interface Written {
  readonly origin: string;
  readonly text: string;
}

/** The place after a cursor, also where who stood there is not named any more. */
function firstAfter(written: readonly Written[], cursor: string): number {
  if (written[0]?.origin === cursor) return 1;
  let [low, high] = [1, written.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((written[middle]?.origin ?? "") <= cursor) low = middle + 1;
    else high = middle;
  }
  return low;
}
