/**
 * Descriptors of other servers, read from their own origins. Anybody can make this server ask for
 * one: how often and how many at once is bounded here.
 */
import { type Refusal, refuse } from "../errors.ts";
import { type ServerDescriptor, verifyDescriptor } from "../identity/descriptor.ts";
import { type VerifyKey, importVerifyKey } from "../identity/ed25519.ts";
import type { Clock } from "../ports.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import type { HandshakeTransport } from "./transport.ts";

/** Options of {@link PeerDescriptors}. */
export interface PeerDescriptorsOptions {
  readonly registry: ServerRegistry;
  readonly transport: Pick<HandshakeTransport, "fetchDescriptor">;
  readonly clock: Clock;
  readonly allowInsecure?: boolean;
}

/** A descriptor that is its origin's own word, and the key that signed it; or why it is not. */
export type FetchedDescriptor =
  | { readonly verified: true; readonly descriptor: ServerDescriptor; readonly signedBy: string }
  | Refusal;

const REFRESH_COOL_DOWN_MILLISECONDS = 60_000;
const MAX_DESCRIPTOR_FETCHES = 16;
/** How long a stranger's descriptor is not asked for again. */
const STRANGER_COOL_DOWN_MILLISECONDS = 1_000;
const MAX_REMEMBERED_STRANGERS = 1_024;

/** Reads descriptors. */
export class PeerDescriptors {
  readonly #options: PeerDescriptorsOptions;
  readonly #fetching = new Map<string, Promise<FetchedDescriptor>>();
  readonly #strangers = new Map<
    string,
    { readonly at: number; readonly result: Promise<FetchedDescriptor> }
  >();
  readonly #rereads = new Map<
    string,
    { readonly done: Promise<void>; after: Promise<void> | undefined }
  >();
  /** When a moved endpoint was last looked for. */
  readonly #relocations = new Map<string, number>();
  readonly #refreshes = new Map<string, { readonly at: number; readonly done: Promise<void> }>();

  constructor(options: PeerDescriptorsOptions) {
    this.#options = options;
  }

  /** A server's descriptor, asked for now. Rejects when it cannot be asked. */
  async fetch(origin: string): Promise<FetchedDescriptor> {
    const { transport, clock, allowInsecure } = this.#options;
    return verifyDescriptor(await transport.fetchDescriptor(origin), {
      now: clock.now(),
      origin,
      allowInsecure: allowInsecure ?? false,
    });
  }

  /**
   * Reads a known peer's descriptor from its own origin, at most once a minute; whoever asks
   * meanwhile waits for the same answer. Rejects when the peer cannot be asked.
   */
  refresh(origin: string): Promise<void> {
    const { registry, clock } = this.#options;
    if (!registry.has(origin)) return Promise.resolve();
    const at = clock.monotonic();
    for (const [known, refresh] of this.#refreshes) {
      if (at - refresh.at >= REFRESH_COOL_DOWN_MILLISECONDS) this.#refreshes.delete(known);
    }
    const last = this.#refreshes.get(origin);
    if (last !== undefined) return last.done;
    const done = this.#apply(origin);
    this.#refreshes.set(origin, { at, done });
    return done;
  }

  /**
   * Reads the descriptor of a known peer that has just proved itself: what its origin says after this
   * call. One read at once for each origin; whoever asks meanwhile waits for the one after it.
   * Rejects when the origin cannot be asked.
   */
  reread(origin: string): Promise<void> {
    const running = this.#rereads.get(origin);
    if (running === undefined) {
      const done = this.#apply(origin).finally(() => this.#rereads.delete(origin));
      this.#rereads.set(origin, { done, after: undefined });
      return done;
    }
    running.after ??= running.done.catch(() => undefined).then(() => this.reread(origin));
    return running.after;
  }

  /**
   * Reads the descriptor of a known peer whose endpoint does not answer: it may have moved. At most once a
   * minute, apart from {@link refresh}, which a new key needs. Rejects when the origin cannot be asked.
   */
  async relocate(origin: string): Promise<void> {
    if (!this.#options.registry.has(origin)) return;
    const at = this.#options.clock.monotonic();
    for (const [known, looked] of this.#relocations) {
      if (at - looked >= REFRESH_COOL_DOWN_MILLISECONDS) this.#relocations.delete(known);
    }
    if (this.#relocations.has(origin)) return;
    this.#relocations.set(origin, at);
    await this.reread(origin);
  }

  /** The descriptor of whoever calls: one fetch per origin and second, a bounded number at once. */
  ofStranger(origin: string): Promise<FetchedDescriptor> {
    const running = this.#fetching.get(origin);
    if (running !== undefined) return running;
    const at = this.#options.clock.monotonic();
    for (const [known, asked] of this.#strangers) {
      const fresh = at - asked.at < STRANGER_COOL_DOWN_MILLISECONDS;
      if (fresh && this.#strangers.size < MAX_REMEMBERED_STRANGERS) break;
      this.#strangers.delete(known);
    }
    const asked = this.#strangers.get(origin);
    if (asked !== undefined) return asked.result;
    if (this.#fetching.size >= MAX_DESCRIPTOR_FETCHES) {
      return Promise.resolve(
        refuse("ERR_FED_UNAVAILABLE", "too many strangers at once: try again"),
      );
    }
    const result = this.fetch(origin).finally(() => this.#fetching.delete(origin));
    this.#fetching.set(origin, result);
    this.#strangers.set(origin, { at, result });
    return result;
  }

  async #apply(origin: string): Promise<void> {
    const { registry } = this.#options;
    const verified = await this.fetch(origin);
    if (verified.verified && registry.has(origin)) {
      await registry.applyDescriptor(verified);
    }
  }
}

/** The key of this id that a descriptor lists. */
export function keyIn(
  descriptor: ServerDescriptor | undefined,
  kid: string,
): VerifyKey | undefined {
  const jwk = descriptor?.keys.find((key) => key.kid === kid);
  return jwk === undefined ? undefined : importVerifyKey(jwk);
}
