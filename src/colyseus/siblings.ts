/**
 * How the processes of one server ask each other, through the host's presence.
 *
 * What it costs: one message each way for a login, a recall or a departure that concerns a player
 * of another process; nothing else. An answer that takes longer than three seconds counts as none.
 */
import { LocalPresence, type Presence, matchMaker } from "@colyseus/core";
import { z } from "zod";
import { FederationError } from "../errors.ts";
import type { JsonValue } from "../json.ts";
import type { Logger, Random } from "../ports.ts";
import type { RedisClient } from "../storage/redis-engine.ts";
import type { ProcessRequest } from "../runtime/shared-probing.ts";

const ANSWER_MILLISECONDS = 3_000;

const messageSchema = z.union([
  z.object({ kind: z.literal("ask"), id: z.string(), from: z.string(), request: z.unknown() }),
  z.object({ kind: z.literal("answer"), id: z.string(), answer: z.unknown() }),
]);

/** Whether the host runs several processes: its presence is shared. */
export function isShared(): boolean {
  return !(matchMaker.presence instanceof LocalPresence);
}

/**
 * A connection of its own to the Redis that the host's presence uses.
 *
 * @throws FederationError `ERR_FED_STORE_WITHOUT_CAS` when the host's presence is shared, but is not
 * Colyseus' RedisPresence: nothing it offers compares and sets.
 */
export function redisOfHost(): RedisClient {
  const { pub } = matchMaker.presence as { pub?: { duplicate?: () => RedisClient } };
  if (typeof pub?.duplicate !== "function") {
    throw new FederationError(
      "ERR_FED_STORE_WITHOUT_CAS",
      "This server's processes share a presence that is not RedisPresence: give createFederation a store they all share, e.g. new RedisEngine({ client }).",
    );
  }
  return pub.duplicate();
}

/** Messages between processes, over the host's presence. */
export class PresenceLink {
  readonly #presence: Presence;
  readonly #origin: string;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #waiting = new Map<string, (answer: JsonValue) => void>();
  #topic: string | undefined;

  constructor(options: { origin: string; random: Random; logger: Logger }) {
    this.#presence = matchMaker.presence;
    this.#origin = options.origin;
    this.#random = options.random;
    this.#logger = options.logger;
  }

  /** Hears what is asked of `life`, instead of a former one. */
  async listen(
    life: string,
    handle: (request: ProcessRequest) => Promise<JsonValue>,
  ): Promise<void> {
    if (this.#topic !== undefined) await this.#presence.unsubscribe(this.#topic);
    this.#topic = this.#topicOf(life);
    await this.#presence.subscribe(this.#topic, (message: unknown) => {
      const parsed = messageSchema.safeParse(message);
      if (!parsed.success) return;
      const { data } = parsed;
      if (data.kind === "answer") {
        this.#waiting.get(data.id)?.(data.answer as JsonValue);
        return;
      }
      handle(data.request as ProcessRequest)
        .then(async (answer) => {
          const { id, from } = data;
          await this.#presence.publish(this.#topicOf(from), { kind: "answer", id, answer });
        })
        .catch((cause: unknown) => {
          this.#logger.error("another process of this server could not be answered", cause);
        });
    });
  }

  /** Asks the process of a life; undefined when it does not answer in time. */
  async ask(from: string, life: string, request: ProcessRequest): Promise<JsonValue | undefined> {
    const id = this.#random.uuid();
    const answer = new Promise<JsonValue | undefined>((resolve) => {
      const timer = setTimeout(() => {
        resolve(undefined);
      }, ANSWER_MILLISECONDS);
      this.#waiting.set(id, (word) => {
        clearTimeout(timer);
        resolve(word);
      });
    });
    try {
      await this.#presence.publish(this.#topicOf(life), { kind: "ask", id, from, request });
      return await answer;
    } finally {
      this.#waiting.delete(id);
    }
  }

  #topicOf(life: string): string {
    return `aether-federation:${this.#origin}:${life}`;
  }
}
