/**
 * How the command line has the running server examine a link: it knows what this server may call, and has its
 * sessions. A wish lies in the store until it is taken, the findings until they are fetched; both expire.
 */
import { z } from "zod";
import { normalizeOrigin } from "../identity/origin.ts";
import type { Clock, Logger, Random, Store } from "../ports.ts";
import { type Finding, findingsSchema } from "./findings.ts";

const WISH_PREFIX = "link-check/";
const ANSWER_PREFIX = "link-checked/";
const KEPT_MILLISECONDS = 60_000;
/** Examinations under way at once; other wishes wait in the store. */
const AT_ONCE = 8;
/** A running server looks once a second; a slow one has taken it by then. */
const TAKEN_MILLISECONDS = 5_000;
/** From the taking on: an examination is bounded by 20 s. */
const ANSWERED_MILLISECONDS = 23_000;
const LOOK_MILLISECONDS = 200;
const UUID = /^[\da-f-]{36}$/u;

const wishSchema = z.strictObject({ origin: z.string().max(300) });

/** Options of {@link LinkCheckWishes}. */
export interface LinkCheckWishesOptions {
  readonly store: Store;
  readonly logger: Pick<Logger, "warn">;
  readonly check: (origin: string) => Promise<readonly Finding[]>;
}

/** The running server's side. */
export class LinkCheckWishes {
  readonly #options: LinkCheckWishesOptions;
  #underWay = 0;

  constructor(options: LinkCheckWishesOptions) {
    this.#options = options;
  }

  /** Takes wishes, and sees to them without being waited for. */
  async take(): Promise<void> {
    const { store } = this.#options;
    for await (const [key, text] of store.entries(WISH_PREFIX)) {
      if (this.#underWay >= AT_ONCE) return;
      // Another process of this server may have been quicker.
      if (!(await store.compareAndSet(key, text, undefined))) continue;
      const id = key.slice(WISH_PREFIX.length);
      const origin = originIn(text);
      if (origin === undefined || !UUID.test(id)) continue;
      this.#underWay += 1;
      void this.#see(id, origin).finally(() => {
        this.#underWay -= 1;
      });
    }
  }

  async #see(id: string, origin: string): Promise<void> {
    const { store, check, logger } = this.#options;
    try {
      const findings = await check(origin);
      await store.set(`${ANSWER_PREFIX}${id}`, JSON.stringify(findings), KEPT_MILLISECONDS);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : "unknown";
      logger.warn(`the link to ${origin} could not be examined: ${why}`, { peer: origin });
    }
  }
}

/** What asking needs. */
export interface AskingParts {
  readonly store: Store;
  readonly clock: Pick<Clock, "monotonic">;
  readonly random: Pick<Random, "uuid">;
  /** Waits; keeps a process that has nothing else to do alive. */
  readonly pause: (milliseconds: number) => Promise<unknown>;
}

/**
 * Asks the running server to examine a link, and waits for what it finds, at most 28 s; undefined where it does not take
 * the wish, or does not answer.
 */
export async function askForLinkCheck(
  origin: string,
  { store, clock, random, pause }: AskingParts,
): Promise<readonly Finding[] | undefined> {
  const id = random.uuid();
  const key = `${WISH_PREFIX}${id}`;
  const asked = clock.monotonic();
  await store.set(key, JSON.stringify({ origin }), KEPT_MILLISECONDS);
  let takenAt: number | undefined;
  for (;;) {
    await pause(LOOK_MILLISECONDS);
    const text = await store.get(`${ANSWER_PREFIX}${id}`);
    if (text !== undefined) {
      await store.delete(`${ANSWER_PREFIX}${id}`);
      return findingsIn(text);
    }
    const now = clock.monotonic();
    if (takenAt === undefined && (await store.get(key)) === undefined) takenAt = now;
    if (takenAt === undefined && now - asked >= TAKEN_MILLISECONDS) {
      await store.delete(key);
      return undefined;
    }
    if (takenAt !== undefined && now - takenAt >= ANSWERED_MILLISECONDS) return undefined;
  }
}

function originIn(text: string): string | undefined {
  try {
    const wish = wishSchema.parse(JSON.parse(text));
    return normalizeOrigin(wish.origin, { allowInsecure: true });
  } catch {
    return undefined;
  }
}

function findingsIn(text: string): readonly Finding[] | undefined {
  try {
    const read = findingsSchema.safeParse(JSON.parse(text));
    return read.success ? read.data : undefined;
  } catch {
    return undefined;
  }
}
