/** Asks a destination what a player would meet there, before anybody is frozen (PROTOCOL 7, `preflight`). */
import { z } from "zod";
import {
  FederationError,
  type FederationErrorCode,
  failureOf,
  isFederationErrorCode,
} from "../../errors.ts";
import type { PeerCalls } from "../../ports.ts";
import { MAX_PREFLIGHT_ASSETS } from "../shared/messages.ts";
import type { PlayerSession } from "../shared/player-session.ts";
import { type CrossingDestination, NO_ANSWER, seatRefusal } from "./departing.ts";

const CALL_TIMEOUT_MILLISECONDS = 5_000;

/** What a destination says; what it does not know, or does not say, is unknown. */
export interface Forecast {
  /** Whether it would take the player. */
  readonly admitted: "yes" | "no" | "unknown";
  /** Why it would not, and a sentence for the player. */
  readonly code?: FederationErrorCode;
  readonly message?: string;
  /** Whether a room of that world has a place; unknown where one would have to be made. */
  readonly room: "free" | "unknown";
  /** How many of the player's assets it does not have yet; undefined: it does not say. */
  readonly missingAssets: number | undefined;
}

const answerSchema = z.object({
  admitted: z.enum(["yes", "no", "unknown"]),
  code: z.string().max(64).optional(),
  reason: z.string().max(500).optional(),
  room: z.enum(["free", "unknown"]),
  missingAssets: z.int().min(0).max(MAX_PREFLIGHT_ASSETS).optional(),
});

const UNKNOWN: Forecast = { admitted: "unknown", room: "unknown", missingAssets: undefined };

/** What servers without this call answer; some of them unsigned, or without a code. */
const UNKNOWN_CALL: ReadonlySet<FederationErrorCode> = new Set([
  "ERR_FED_NOT_FOUND",
  "ERR_FED_METHOD_NOT_ALLOWED",
  "ERR_FED_BAD_RESPONSE",
  // It was asked too often: that says nothing of the player.
  "ERR_FED_RATE_LIMITED",
]);

/** Asks within 5 s. Never rejects. */
export async function preflight(
  peers: PeerCalls,
  { player, name, home }: Pick<PlayerSession, "player" | "name" | "home">,
  { origin, world, options }: Omit<CrossingDestination, "uri">,
  assets: readonly string[],
): Promise<Forecast> {
  const no = (code: FederationErrorCode, message: string): Forecast => ({
    ...UNKNOWN,
    ...{ admitted: "no", code, message },
  });
  const body = {
    player,
    name,
    home,
    world,
    options,
    assets: assets.slice(0, MAX_PREFLIGHT_ASSETS),
  };
  const answer = await peers
    .call(origin, "/preflight", body, { timeoutMilliseconds: CALL_TIMEOUT_MILLISECONDS })
    .catch((cause: unknown) => cause);
  if (answer instanceof Error) {
    if (answer instanceof FederationError && UNKNOWN_CALL.has(answer.code)) return UNKNOWN;
    const { code, message } = failureOf(answer, NO_ANSWER);
    return no(code, message);
  }
  const said = answer as Awaited<ReturnType<PeerCalls["call"]>>;
  if (!said.ok) {
    return UNKNOWN_CALL.has(said.code) ? UNKNOWN : no(said.code, seatRefusal(said));
  }
  const parsed = answerSchema.safeParse(said.body);
  if (!parsed.success) return UNKNOWN;
  const { admitted, code, reason, room, missingAssets } = parsed.data;
  if (admitted !== "no") return { admitted, room, missingAssets };
  const known = isFederationErrorCode(code) ? code : "ERR_FED_ADMISSION_REFUSED";
  const refused = { code: known, ...(reason === undefined ? {} : { detail: reason }) };
  return { ...no(known, seatRefusal(refused)), room, missingAssets };
}
