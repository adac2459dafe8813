/**
 * The latest crossings that left this server, for its operator: how each ended, and why the player stayed. Nobody's
 * custody hangs on it, and nobody waits for it.
 *
 * Each run of a process writes one row of its own, 5 s after a crossing at the earliest, of at most
 * {@link MOST_ARRIVED} and {@link MOST_FAILED} crossings, which is gone a week after it was written last. What was not
 * written when a process dies is lost.
 */
import { z } from "zod";
import type { CrossingOutcome } from "../custody/source/crossings.ts";
import { type FederationErrorCode, isFederationErrorCode } from "../errors.ts";
import type { Clock, Logger, Random, Store } from "../ports.ts";
import { type RowKind, RowReader } from "../rows/rows.ts";
import type { Part } from "./part.ts";
import { Repeating } from "./repeating.ts";

/** How one crossing that left this server ended. */
export interface LoggedCrossing {
  /** When it ended, Unix milliseconds. */
  readonly at: number;
  readonly transferId: string;
  /** `<local id>@<home authority>`. */
  readonly player: string;
  /** The portal URI, its first 300 characters. */
  readonly to: string;
  readonly outcome: CrossingOutcome["kind"];
  /** Of one that did not arrive. */
  readonly code?: FederationErrorCode | undefined;
  /** What the player was told, its first 300 characters. */
  readonly message?: string | undefined;
}

const PREFIX = "crossing-log/";
const WRITE_MILLISECONDS = 5_000;
const KEPT_MILLISECONDS = 7 * 24 * 3600 * 1000;
const MOST_ARRIVED = 100;
/** Apart from those that arrived, so that these do not push out what an operator looks for. */
const MOST_FAILED = 200;
const MAX_URI_LENGTH = 300;
const MAX_MESSAGE_LENGTH = 300;

const crossingSchema = z.strictObject({
  at: z.number().min(0),
  transferId: z.string().max(64),
  player: z.string().max(400),
  to: z.string().max(MAX_URI_LENGTH),
  outcome: z.enum(["arrived", "stayed", "undecided"]),
  code: z.custom<FederationErrorCode>(isFederationErrorCode).optional(),
  message: z.string().max(MAX_MESSAGE_LENGTH).optional(),
});
const LOG_ROW: RowKind<readonly LoggedCrossing[]> = {
  what: "log of crossings",
  schema: z.array(crossingSchema).max(MOST_ARRIVED + MOST_FAILED),
  blocks: false,
  advice: "Nobody's custody hangs on it",
};

/** Options of {@link CrossingLog}. */
export interface CrossingLogOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Pick<Random, "uuid">;
  readonly logger: Pick<Logger, "warn">;
}

/** Writes them down. */
export class CrossingLog implements Part {
  readonly #options: CrossingLogOptions;
  readonly #repeating: Repeating;
  readonly #arrived: LoggedCrossing[] = [];
  readonly #failed: LoggedCrossing[] = [];
  readonly #counts = new Map<string, number>();
  #key: string | undefined;
  #isWritten = true;
  #isFailing = false;

  constructor(options: CrossingLogOptions) {
    this.#options = options;
    this.#repeating = new Repeating({
      work: () => this.#write(),
      everyMilliseconds: WRITE_MILLISECONDS,
      onFailure: () => undefined,
      clock: options.clock,
    });
  }

  /** A crossing has ended. */
  add(player: string, { kind, transferId, to, ...more }: CrossingOutcome): void {
    const kept = kind === "arrived" ? this.#arrived : this.#failed;
    kept.push({
      ...{ at: this.#options.clock.now(), transferId, player },
      ...{ to: to.slice(0, MAX_URI_LENGTH), outcome: kind },
      ...("code" in more
        ? { code: more.code, message: more.message.slice(0, MAX_MESSAGE_LENGTH) }
        : {}),
    });
    if (kept.length > (kind === "arrived" ? MOST_ARRIVED : MOST_FAILED)) kept.shift();
    const counted = "code" in more ? more.code : kind;
    this.#counts.set(counted, (this.#counts.get(counted) ?? 0) + 1);
    this.#isWritten = false;
  }

  /** Those of this run, the newest first. */
  ended(): LoggedCrossing[] {
    return newestFirst([...this.#arrived, ...this.#failed]);
  }

  /** Those of this run that did not arrive, the newest first. */
  failed(): LoggedCrossing[] {
    return newestFirst(this.#failed);
  }

  /** How many ended in which way in this run: `arrived`, or by the code of what kept them. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  start(): void {
    this.#repeating.start();
  }

  /** Writes what is not written yet. */
  async stop(): Promise<void> {
    this.#repeating.stop();
    await this.#write();
  }

  /** Never rejects: what the store does not take is tried again. */
  async #write(): Promise<void> {
    if (this.#isWritten) return;
    const { store, random, logger } = this.#options;
    this.#key ??= `${PREFIX}${random.uuid()}`;
    this.#isWritten = true;
    try {
      const text = JSON.stringify([...this.#arrived, ...this.#failed]);
      await store.set(this.#key, text, KEPT_MILLISECONDS);
      this.#isFailing = false;
    } catch (cause) {
      this.#isWritten = false;
      if (!this.#isFailing) {
        logger.warn("the log of crossings cannot be stored now", {
          cause: cause instanceof Error ? cause.message : undefined,
        });
      }
      this.#isFailing = true;
    }
  }
}

/** What every run has logged in the last week, the newest first; what cannot be read is left out. */
export async function loggedCrossings(store: Store): Promise<LoggedCrossing[]> {
  const reader = new RowReader(store, undefined, LOG_ROW);
  const found: LoggedCrossing[] = [];
  for await (const [key, text] of store.entries(PREFIX)) {
    for (const each of reader.parse(key, text) ?? []) found.push(each);
  }
  return newestFirst(found);
}

/** Of the same kind and millisecond: the later one first. */
function newestFirst(crossings: readonly LoggedCrossing[]): LoggedCrossing[] {
  return crossings.toReversed().sort((one, other) => other.at - one.at);
}
