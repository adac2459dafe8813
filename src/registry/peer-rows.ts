/**
 * The registry's rows in the store, which several processes of one server may share: each is written
 * by compare-and-set, and a version counted up by every change says when there is something to read.
 */
import { z } from "zod";
import { FederationError, isFederationErrorCode } from "../errors.ts";
import type { Logger, Store } from "../ports.ts";
import { type RowKind, RowReader } from "../rows/rows.ts";
import { type FederatedServer, ServerStatus, TrustState } from "./federated-server.ts";

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
  readonly #reader: RowReader<FederatedServer>;
  /** Origins whose rows are damaged. */
  readonly #damaged = new Set<string>();
  #version: string | undefined;

  constructor(store: Store, logger?: Pick<Logger, "error">) {
    this.#store = store;
    this.#reader = new RowReader(store, logger, PEER_ROW);
  }

  /** Whether the row of an origin is damaged: it is not met anew before the operator has removed it. */
  isDamaged(origin: string): boolean {
    return this.#damaged.has(origin);
  }

  /** Every sound row of the store; `changed` when it is not as this process last read or wrote it. */
  async *read(): AsyncGenerator<{ readonly server: FederatedServer; readonly changed: boolean }> {
    this.#damaged.clear();
    for await (const [key, text] of this.#store.entries(PREFIX)) {
      const row = this.#reader.parse(key, text);
      if (row === undefined) {
        await this.#reader.setAside(key, text);
        this.#damaged.add(key.slice(PREFIX.length));
        continue;
      }
      const server = asRead(row);
      const changed = this.#texts.get(server.origin) !== text;
      this.#texts.set(server.origin, text);
      yield { server, changed };
    }
  }

  /**
   * Writes one row.
   *
   * @throws ConflictError when another process has changed it, FederationError `ERR_FED_ROW_DAMAGED`.
   */
  async write(server: FederatedServer): Promise<void> {
    const text = JSON.stringify(server);
    const { origin } = server;
    if (this.#damaged.has(origin)) {
      const reason = `What is stored of ${origin} is damaged: see peers list.`;
      throw new FederationError("ERR_FED_ROW_DAMAGED", reason);
    }
    const expected = this.#texts.get(origin);
    if (!(await this.#store.compareAndSet(rowKey(origin), expected, text))) {
      throw new ConflictError();
    }
    this.#texts.set(origin, text);
  }

  /** Deletes one row. @throws ConflictError when another process has changed it. */
  async delete(origin: string): Promise<void> {
    if (this.#damaged.delete(origin)) {
      await this.#store.delete(rowKey(origin));
      return;
    }
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

/** How a peer is was not durable: it is unknown until it is probed. */
function asRead(server: FederatedServer): FederatedServer {
  // Named, so that they are there also where JSON leaves out what is undefined.
  const { session, lastHandshakeAt } = server;
  return { ...server, session, lastHandshakeAt, status: ServerStatus.Offline };
}

const jwkSchema = z.looseObject({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string().max(64),
  kid: z.string().max(64),
  use: z.literal("sig"),
});

const PEER_ROW: RowKind<FederatedServer> = {
  what: "row of a peer",
  schema: z.looseObject({
    origin: z.string().max(300),
    name: z.string().max(256),
    endpoint: z.string().max(1024),
    protocols: z.array(z.string().max(64)).max(64),
    worlds: z.array(z.string().max(64)).max(1024),
    keys: z
      .array(
        z.looseObject({
          jwk: jwkSchema,
          pinnedAt: z.number(),
          retiredAt: z.number().optional(),
        }),
      )
      .max(1024),
    recovery: z.string().max(64).optional(),
    proposedKeys: z.array(jwkSchema).max(64).optional(),
    proposal: z
      .looseObject({ signedBy: z.string().max(64), recovery: z.string().max(64).optional() })
      .optional(),
    status: z.enum(Object.values(ServerStatus)),
    trust: z.enum(Object.values(TrustState)),
    byPolicy: z.literal(true).optional(),
    via: z.string().max(64).optional(),
    roles: z.looseObject({ inbound: z.boolean(), outbound: z.boolean() }).optional(),
    refusal: z.looseObject({ code: z.custom(isFederationErrorCode), at: z.number() }).optional(),
    seenKeys: z.array(z.string().max(64)).max(16).optional(),
    session: z
      .looseObject({
        sessionId: z.string().max(256),
        protocol: z.string().max(64),
        expiresAt: z.number(),
      })
      .optional(),
    lastHandshakeAt: z.number().optional(),
    descriptorValidUntil: z.number(),
    firstSeenAt: z.number(),
    listed: z.boolean(),
  }),
  belongs: ({ origin }, key) => key === rowKey(origin),
  blocks: true,
  advice:
    "That server is not dealt with until you put the row back from a backup of the store, or `peers remove <origin>` to meet it as a stranger",
};
