/**
 * The registry's rows in the store, which several processes of one server may share: each is written
 * by compare-and-set, and a version counted up by every change says when there is something to read.
 */
import { FederationError } from "../errors.ts";
import type { Store } from "../ports.ts";
import { type FederatedServer, ServerStatus } from "./federated-server.ts";

/** Another process changed the same row meanwhile. */
export class ConflictError extends Error {}

/** Rewritten by every change, so that other processes notice. */
const VERSION_KEY = "registry/version";
const PREFIX = "peer/";

const rowKey = (origin: string): string => `${PREFIX}${origin}`;

/** One row per known server. */
export class PeerRows {
  readonly #store: Store;
  /** What the store has under each server's key, for compare-and-set. */
  readonly #texts = new Map<string, string>();
  #version: string | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Every row of the store; `changed` when it is not as this process last read or wrote it. */
  async *read(): AsyncGenerator<{ readonly server: FederatedServer; readonly changed: boolean }> {
    for await (const [key, text] of this.#store.entries(PREFIX)) {
      const server = parseRow(key, text);
      const changed = this.#texts.get(server.origin) !== text;
      this.#texts.set(server.origin, text);
      yield { server, changed };
    }
  }

  /** Writes one row. @throws ConflictError when another process has changed it. */
  async write(server: FederatedServer): Promise<void> {
    const text = JSON.stringify(server);
    const { origin } = server;
    const expected = this.#texts.get(origin);
    if (!(await this.#store.compareAndSet(rowKey(origin), expected, text))) {
      throw new ConflictError();
    }
    this.#texts.set(origin, text);
  }

  /** Deletes one row. @throws ConflictError when another process has changed it. */
  async delete(origin: string): Promise<void> {
    const expected = this.#texts.get(origin);
    if (!(await this.#store.compareAndSet(rowKey(origin), expected, undefined))) {
      throw new ConflictError();
    }
    this.#texts.delete(origin);
  }

  /** Takes note that a row is not in the store any more. */
  forget(origin: string): void {
    this.#texts.delete(origin);
  }

  /** The version in the store when it is not the one last seen here. */
  async newVersion(): Promise<{ readonly version: string | undefined } | undefined> {
    const version = await this.#store.get(VERSION_KEY);
    return version === this.#version ? undefined : { version };
  }

  /** Takes note that everything up to a version has been read. */
  sawVersion(version: string | undefined): void {
    this.#version = version;
  }

  /** Counts up in the store; a count that is not ours plus one has changes of others in it. */
  async bumpVersion(): Promise<void> {
    for (;;) {
      const current = await this.#store.get(VERSION_KEY);
      const next = String(Number(current ?? 0) + 1);
      if (!(await this.#store.compareAndSet(VERSION_KEY, current, next))) continue;
      if (current === this.#version) this.#version = next;
      return;
    }
  }
}

/** A row as it was written. How a peer is was not durable: it is unknown until it is probed. */
function parseRow(key: string, text: string): FederatedServer {
  let server: FederatedServer;
  try {
    server = JSON.parse(text) as FederatedServer;
  } catch (cause) {
    throw new FederationError(
      "ERR_FED_STORE_UNAVAILABLE",
      `The store's entry "${key}" is damaged: restore the store, or delete the entry to meet that server as a stranger.`,
      { cause },
    );
  }
  // Named, so that they are there also where JSON leaves out what is undefined.
  const { session, lastHandshakeAt } = server;
  return { ...server, session, lastHandshakeAt, status: ServerStatus.Offline };
}
