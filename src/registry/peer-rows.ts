/**
 * The registry's rows in the store, which several processes of one server may share: each is written
 * by compare-and-set, and a version counted up by every change says when there is something to read, and
 * what the last changes were about.
 */
import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import { listedAsSchema } from "../identity/listed-as.ts";
import { FederationError, isFederationErrorCode } from "../errors.ts";
import type { Logger, Store } from "../ports.ts";
import { type RowKind, RowReader } from "../rows/rows.ts";
import { type FederatedServer, ServerStatus, TrustState } from "./federated-server.ts";

/** Another process changed the same row meanwhile. */
export class ConflictError extends Error {}

/** Rewritten by every change, so that other processes notice. */
const VERSION_KEY = "registry/version";
/** Changes that the version tells the origins of; who is further behind reads everything. */
const MAX_TOLD_CHANGES = 16;
/** In place of an origin: the change may concern anybody. */
const ANYBODY = "*";
/** Rows that are read in one stretch: a few milliseconds. */
const READ_AT_ONCE = 50;
const PREFIX = "peer/";

const rowKey = (origin: string): string => `${PREFIX}${origin}`;

/** A row, as the store has it. */
export interface ReadRow {
  readonly server: FederatedServer;
  readonly changed: boolean;
}

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

  /**
   * Every sound row of the store; `changed` when it is not as this process last read or wrote it. The event
   * loop goes on in between.
   */
  async *read(): AsyncGenerator<ReadRow> {
    this.#damaged.clear();
    let count = 0;
    for await (const [key, text] of this.#store.entries(PREFIX)) {
      const row = await this.#sound(key, text);
      if (row !== undefined) yield row;
      count += 1;
      if (count % READ_AT_ONCE === 0) await setImmediate();
    }
  }

  /** One row, as {@link read} gives it; undefined when there is none, or it is damaged. */
  async readOne(origin: string): Promise<ReadRow | undefined> {
    this.#damaged.delete(origin);
    const text = await this.#store.get(rowKey(origin));
    return text === undefined ? undefined : this.#sound(rowKey(origin), text);
  }

  async #sound(key: string, text: string): Promise<ReadRow | undefined> {
    const origin = key.slice(PREFIX.length);
    const changed = this.#texts.get(origin) !== text;
    const row = this.#reader.parse(key, text);
    if (row === undefined) {
      await this.#reader.setAside(key, text);
      this.#damaged.add(origin);
      return undefined;
    }
    this.#texts.set(origin, text);
    return { server: asRead(row), changed };
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

  /**
   * Whom the changes concern that came since the version last seen; undefined: perhaps anybody. A
   * version is its count and the origins of the last changes, the latest first.
   */
  changedSince(version: string | undefined): ReadonlySet<string> | undefined {
    const [count = "", ...told] = (version ?? "").split(" ");
    const [seen = "0"] = (this.#version ?? "").split(" ");
    const since = Number(count) - Number(seen);
    if (!(since >= 0 && since <= told.length)) return undefined;
    const origins = new Set(told.slice(0, since));
    return origins.has(ANYBODY) ? undefined : origins;
  }

  /**
   * Counts up in the store; a count that is not ours plus one has changes of others in it.
   *
   * @param origin Whom the change is about. Default: perhaps anybody.
   */
  async bumpVersion(origin = ANYBODY): Promise<void> {
    for (;;) {
      const current = await this.#store.get(VERSION_KEY);
      const [count = "", ...told] = (current ?? "0").split(" ");
      const changes = [origin, ...told].slice(0, MAX_TOLD_CHANGES);
      const next = [String(Number(count) + 1), ...changes].join(" ");
      if (!(await this.#store.compareAndSet(VERSION_KEY, current, next))) continue;
      if (current === this.#version) this.#version = next;
      return;
    }
  }
}

/** How a peer is was not durable: it is unknown until it is probed. */
function asRead(server: FederatedServer): FederatedServer {
  // Named, so that they are there also where JSON leaves out what is undefined.
  const { session, lastHandshakeAt, listing } = server;
  return { ...server, session, lastHandshakeAt, listing, status: ServerStatus.Offline };
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
    theirTrust: z
      .looseObject({ inbound: z.boolean(), outbound: z.boolean(), at: z.number() })
      .optional(),
    refusal: z.looseObject({ code: z.custom(isFederationErrorCode), at: z.number() }).optional(),
    movedFrom: z.string().max(300).optional(),
    moving: z
      .looseObject({
        to: z.string().max(300),
        kid: z.string().max(64),
        silentSince: z.number().optional(),
        approved: z.literal(true).optional(),
      })
      .optional(),
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
    // Who is not known to agree is not listed; the next descriptor says it anew.
    listing: listedAsSchema.optional().catch(undefined),
  }),
  belongs: ({ origin }, key) => key === rowKey(origin),
  blocks: true,
  advice:
    "That server is not dealt with until you put the row back from a backup of the store, or `peers remove <origin>` to meet it as a stranger",
};
