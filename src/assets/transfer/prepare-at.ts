/**
 * Assets sent ahead of the player who brings them (PROTOCOL 9, `assets/prepare`): the source's side.
 * It asks the destination until all is there.
 */
import { z } from "zod";
import {
  FederationError,
  type FederationErrorCode,
  failureOf,
  isFederationErrorCode,
  refusalSentence,
} from "../../errors.ts";
import type { Clock, PeerCalls } from "../../ports.ts";
import { MAX_REFERENCES } from "../verify/references-in.ts";
import type { CompleteAssetReference } from "../verify/reference.ts";
import type { PreparationStatus } from "./preparations.ts";

/** A source asks no sooner than this, however fast the answers come. */
const ASK_MILLISECONDS = 250;

const statusSchema = z.object({
  complete: z.boolean(),
  receivedBytes: z.int().nonnegative(),
  totalBytes: z.int().nonnegative(),
  failed: z
    .array(z.object({ assetHash: z.string().max(128), code: z.string().max(64) }))
    .max(MAX_REFERENCES),
});

/** What servers without this call answer; some of them unsigned, or without a code. */
const UNKNOWN_CALL: ReadonlySet<FederationErrorCode> = new Set([
  "ERR_FED_NOT_FOUND",
  "ERR_FED_METHOD_NOT_ALLOWED",
  "ERR_FED_BAD_RESPONSE",
]);

const NO_ANSWER = {
  code: "ERR_FED_DESTINATION_DOWN",
  message: "The other server does not answer right now.",
} as const;

/** How {@link prepareAt} ended. */
export type PreparedAt =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: FederationErrorCode; readonly reason: string };

/**
 * Has a destination fetch assets, and resolves when it has them all. A destination that does not
 * know the call gets them when the player is there.
 */
export async function prepareAt(
  destination: string,
  references: readonly CompleteAssetReference[],
  options: {
    readonly peers: PeerCalls;
    readonly clock: Clock;
    readonly timeoutSeconds: number;
    readonly signal: AbortSignal;
    readonly onProgress: (status: PreparationStatus) => void;
  },
): Promise<PreparedAt> {
  const { peers, clock, timeoutSeconds, signal, onProgress } = options;
  const deadline = clock.monotonic() + timeoutSeconds * 1000;
  const body = { assets: references };
  for (;;) {
    const answer = await peers
      .call(destination, "/assets/prepare", body)
      .catch((cause: unknown) => (cause instanceof FederationError ? cause : undefined));
    if (signal.aborted) return failed("ERR_FED_CROSSING_ABANDONED", "You did not want to go on.");
    if (answer === undefined || answer instanceof FederationError) {
      if (answer !== undefined && UNKNOWN_CALL.has(answer.code)) return { ok: true };
      const { code, message } = failureOf(answer, NO_ANSWER);
      return failed(code, message);
    }
    if (!answer.ok) {
      if (UNKNOWN_CALL.has(answer.code)) return { ok: true };
      const { code } = answer;
      return failed(code, refusalSentence(code) ?? "The other server refuses what you carry.");
    }
    const parsed = statusSchema.safeParse(answer.body);
    if (!parsed.success) {
      return failed("ERR_FED_BAD_RESPONSE", "The other server's answer makes no sense.");
    }
    const { complete, receivedBytes, totalBytes, failed: failures } = parsed.data;
    const known = failures.map(({ assetHash, code }) => ({
      assetHash,
      code: isFederationErrorCode(code) ? code : ("ERR_FED_ASSET_UNAVAILABLE" as const),
    }));
    onProgress({ complete, receivedBytes, totalBytes, failed: known });
    const [first] = known;
    if (first !== undefined) {
      return failed(first.code, "Something you carry did not reach the other server unharmed.");
    }
    if (complete) return { ok: true };
    if (clock.monotonic() >= deadline) {
      return failed("ERR_FED_TIMEOUT", "What you carry took too long to reach the other server.");
    }
    await new Promise<void>((resolve) => clock.setTimeout(resolve, ASK_MILLISECONDS));
  }
}

function failed(code: FederationErrorCode, reason: string): PreparedAt {
  return { ok: false, code, reason };
}
