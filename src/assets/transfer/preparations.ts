/**
 * Assets fetched ahead of the player who brings them (PROTOCOL 9, `assets/prepare`): the
 * destination's side. It fetches what the source names, and says how far it has got; asking again
 * goes on where it was.
 */
import { z } from "zod";
import { type CallAnswer, FederationError, type FederationErrorCode } from "../../errors.ts";
import type { Clock } from "../../ports.ts";
import {
  type CompleteAssetReference,
  type ReferenceLimits,
  parseAssetReference,
} from "../verify/reference.ts";
import { MAX_REFERENCES } from "../verify/references-in.ts";

/** How far assets have got. */
export interface PreparationStatus {
  /** All are here, or have failed. */
  readonly complete: boolean;
  readonly receivedBytes: number;
  readonly totalBytes: number;
  readonly failed: readonly { readonly assetHash: string; readonly code: FederationErrorCode }[];
}

/** Options of {@link Preparations}. */
export interface PreparationsOptions {
  /** What this server takes. */
  readonly limits: ReferenceLimits;
  /** Fetches one asset unless it is here already; rejects with a coded error. */
  readonly fetch: (
    reference: CompleteAssetReference,
    options: {
      readonly sources: readonly string[];
      readonly onProgress: (receivedBytes: number, totalBytes: number) => void;
    },
  ) => Promise<unknown>;
  readonly clock: Clock;
}

interface Task {
  receivedBytes: number;
  /** More than the reference's own size where it names a manifest. */
  totalBytes: number;
  state: "open" | "here" | FederationErrorCode;
  endedAt: number;
  /** Whether it came. */
  readonly over: Promise<boolean>;
}

const MAX_TASKS = 4096;
/** A failure is remembered for this long, so that asking again cannot repeat it endlessly. */
const FAILURE_MILLISECONDS = 10_000;
/** An answer waits this long for news, so that a source need not ask more often. */
const ANSWER_MILLISECONDS = 500;

const requestSchema = z.strictObject({
  assets: z.array(z.unknown()).max(MAX_REFERENCES),
});

/** What this server fetches ahead. */
export class Preparations {
  readonly #options: PreparationsOptions;
  readonly #tasks = new Map<string, Task>();

  constructor(options: PreparationsOptions) {
    this.#options = options;
  }

  /** Answers a peer's `assets/prepare`. The caller is asked for the bytes, too. */
  async answer(caller: string, body: unknown): Promise<CallAnswer> {
    const parsed = requestSchema.safeParse(body);
    if (!parsed.success) {
      const reason = "the body must be {assets: [reference, …]}, at most 32 references";
      return { ok: false, code: "ERR_FED_MALFORMED", reason };
    }
    const references: CompleteAssetReference[] = [];
    for (const asset of parsed.data.assets) {
      const read = parseAssetReference(asset, this.#options.limits);
      if (!read.verified) return { ok: false, code: read.code, reason: read.reason };
      references.push(read.reference);
    }
    this.begin(references, [caller]);
    if (!this.status(references).complete) await this.#news(references);
    return { ok: true, body: { ...this.status(references) } };
  }

  /** Begins to fetch what is not here; goes on where it has begun. */
  begin(references: readonly CompleteAssetReference[], sources: readonly string[]): void {
    for (const reference of references) {
      const known = this.#tasks.get(reference.assetHash);
      if (known !== undefined && !this.#isStale(known)) continue;
      if (this.#tasks.size >= MAX_TASKS) this.#forget();
      if (this.#tasks.size >= MAX_TASKS) return;
      this.#tasks.set(reference.assetHash, this.#start(reference, sources));
    }
  }

  /** How far these assets have got; one that was never begun counts as failed. */
  status(references: readonly CompleteAssetReference[]): PreparationStatus {
    let [receivedBytes, totalBytes, complete] = [0, 0, true];
    const failed: { assetHash: string; code: FederationErrorCode }[] = [];
    for (const { assetHash, size } of references) {
      const task = this.#tasks.get(assetHash);
      totalBytes += task?.totalBytes ?? size;
      receivedBytes += task?.receivedBytes ?? 0;
      if (task?.state === "open") complete = false;
      else if (task?.state !== "here") {
        failed.push({ assetHash, code: task?.state ?? "ERR_FED_ASSET_UNAVAILABLE" });
      }
    }
    return { complete, receivedBytes, totalBytes, failed };
  }

  /** Resolves once none of these assets is on its way any more. */
  async settled(references: readonly CompleteAssetReference[]): Promise<PreparationStatus> {
    await Promise.all(
      references.flatMap(({ assetHash }) => this.#tasks.get(assetHash)?.over ?? []),
    );
    return this.status(references);
  }

  /** Whether an asset that is on its way came, once that is known; undefined when it is not coming. */
  pending(assetHash: string): Promise<boolean> | undefined {
    const task = this.#tasks.get(assetHash);
    return task?.state === "open" ? task.over : undefined;
  }

  #start(reference: CompleteAssetReference, sources: readonly string[]): Task {
    const { fetch, clock } = this.#options;
    let task: Task | undefined = undefined as Task | undefined;
    const end = (state: Task["state"]): void => {
      if (task === undefined) return;
      Object.assign(task, { state, endedAt: clock.monotonic() });
      if (state === "here") task.receivedBytes = task.totalBytes;
    };
    const over = fetch(reference, {
      sources,
      onProgress: (receivedBytes, totalBytes) => {
        if (task !== undefined) Object.assign(task, { receivedBytes, totalBytes });
      },
    }).then(
      () => {
        end("here");
        return true;
      },
      (cause: unknown) => {
        end(cause instanceof FederationError ? cause.code : "ERR_FED_ASSET_UNAVAILABLE");
        return false;
      },
    );
    task = { receivedBytes: 0, totalBytes: reference.size, state: "open", endedAt: 0, over };
    return task;
  }

  /** What was here may have been evicted since, what failed may work again. */
  #isStale(task: Task): boolean {
    return (
      task.state !== "open" && this.#options.clock.monotonic() - task.endedAt > FAILURE_MILLISECONDS
    );
  }

  #forget(): void {
    for (const [hash, task] of this.#tasks) if (this.#isStale(task)) this.#tasks.delete(hash);
  }

  /** Waits until they are all settled, but not for long. */
  async #news(references: readonly CompleteAssetReference[]): Promise<void> {
    const { clock } = this.#options;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(resolve, ANSWER_MILLISECONDS);
      void this.settled(references).then(() => {
        clock.clearTimeout(timer);
        resolve();
      });
    });
  }
}
