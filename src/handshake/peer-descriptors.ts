/**
 * Descriptors of other servers, read from their own origins. Anybody can make this server ask for
 * one: how often and how many at once is bounded here.
 */
import { type FederationErrorCode, type Refusal, refuse } from "../errors.ts";
import { type ServerDescriptor, verifyDescriptor } from "../identity/descriptor.ts";
import { type VerifyKey, importVerifyKey } from "../identity/ed25519.ts";
import type { Clock } from "../ports.ts";
import type { ReadDescriptor } from "../registry/move-verdict.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import type { HandshakeTransport } from "./transport.ts";

/** Options of {@link PeerDescriptors}. */
export interface PeerDescriptorsOptions {
  readonly registry: ServerRegistry;
  readonly transport: Pick<HandshakeTransport, "fetchDescriptor">;
  readonly clock: Clock;
  readonly allowInsecure?: boolean;
  /** A known server's own descriptor was read again: it may say where that has moved to. */
  readonly onRead?: (read: ReadDescriptor) => Promise<unknown>;
}

/** A descriptor that is its origin's own word, and the key that signed it; or why it is not. */
export type FetchedDescriptor =
  | { readonly verified: true; readonly descriptor: ServerDescriptor; readonly signedBy: string }
  | Refusal;

const REFRESH_COOL_DOWN_MILLISECONDS = 60_000;
const MAX_STRANGER_READS = 16;
/** A stranger's origin answers within this time; when it does not, the stranger hears so after it. */
const STRANGER_READ_MILLISECONDS = 3_000;
const TOLD_TO_STRANGERS: ReadonlySet<FederationErrorCode> = new Set<FederationErrorCode>([
  "ERR_FED_DESCRIPTOR_EXPIRED",
  "ERR_FED_WEAK_KEY",
]);
/** How long a stranger's descriptor is not asked for again. */
const STRANGER_COOL_DOWN_MILLISECONDS = 1_000;
const MAX_REMEMBERED_STRANGERS = 1_024;

/** Reads descriptors. */
export class PeerDescriptors {
  readonly #options: PeerDescriptorsOptions;
  /** Strangers' reads under way, by origin, the oldest first. */
  readonly #reads = new Map<
    string,
    {
      readonly address: string;
      readonly abort: AbortController;
      readonly result: Promise<FetchedDescriptor>;
    }
  >();
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
  async fetch(origin: string, signal?: AbortSignal): Promise<FetchedDescriptor> {
    const { transport, clock, allowInsecure } = this.#options;
    return verifyDescriptor(await transport.fetchDescriptor(origin, signal), {
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

  /**
   * The descriptor of whoever calls from `address`: one read per origin and second, each short, a bounded
   * number at once, of which the oldest gives way to a newcomer. Never rejects. Whatever keeps it from being
   * read, the answer is the same and takes as long: what stands where a stranger points is not told.
   */
  ofStranger(origin: string, address?: string): Promise<FetchedDescriptor> {
    const at = this.#options.clock.monotonic();
    for (const [known, asked] of this.#strangers) {
      const fresh = at - asked.at < STRANGER_COOL_DOWN_MILLISECONDS;
      if (fresh && this.#strangers.size < MAX_REMEMBERED_STRANGERS) break;
      this.#strangers.delete(known);
    }
    const running = this.#reads.get(origin)?.result ?? this.#strangers.get(origin)?.result;
    if (running !== undefined) return running;
    if (this.#reads.size >= MAX_STRANGER_READS) this.#giveWay(address);
    const abort = new AbortController();
    const result = this.#readStranger(origin, abort);
    this.#reads.set(origin, { address: address ?? "", abort, result });
    this.#strangers.set(origin, { at, result });
    return result;
  }

  /** Of the address that reads most, the newcomer counted, the oldest read ends. */
  #giveWay(newcomer = ""): void {
    const counts = new Map([[newcomer, 1]]);
    for (const { address } of this.#reads.values()) {
      counts.set(address, (counts.get(address) ?? 0) + 1);
    }
    const most = Math.max(...counts.values());
    for (const [origin, { address, abort }] of this.#reads) {
      if (counts.get(address) !== most) continue;
      this.#reads.delete(origin);
      abort.abort();
      return;
    }
  }

  async #readStranger(origin: string, abort: AbortController): Promise<FetchedDescriptor> {
    const { clock } = this.#options;
    const { signal } = abort;
    const until = clock.monotonic() + STRANGER_READ_MILLISECONDS;
    const given = new Promise<undefined>((resolve) => {
      signal.addEventListener("abort", () => {
        resolve(undefined);
      });
    });
    const timer = clock.setTimeout(() => {
      abort.abort();
    }, STRANGER_READ_MILLISECONDS);
    const read = await Promise.race([this.fetch(origin, signal), given]).catch(() => undefined);
    clock.clearTimeout(timer);
    if (this.#reads.get(origin)?.abort === abort) this.#reads.delete(origin);
    if (read?.verified === true) return read;
    const left = until - clock.monotonic();
    if (left > 0) {
      await new Promise<void>((resolve) => {
        clock.setTimeout(resolve, left);
      });
    }
    // These are said of a descriptor only: there is none where a stranger has no business.
    return read !== undefined && TOLD_TO_STRANGERS.has(read.code)
      ? read
      : refuse("ERR_FED_UNREACHABLE", "your descriptor could not be read from your origin");
  }

  async #apply(origin: string): Promise<void> {
    const { registry } = this.#options;
    const verified = await this.fetch(origin);
    if (verified.verified && registry.has(origin)) {
      await registry.applyDescriptor(verified);
      await this.#options.onRead?.(verified);
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
