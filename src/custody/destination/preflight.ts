/**
 * What a player would meet here, asked by another server before it lets the player go (PROTOCOL 7,
 * `preflight`): nothing is reserved, nothing is decided, nobody is frozen for it.
 */
import { z } from "zod";
import type { CallAnswer, FederationErrorCode } from "../../errors.ts";
import { Quota } from "../../limits/quota.ts";
import type { Clock, Logger } from "../../ports.ts";
import { malformed, refusal } from "../shared/calls.ts";
import { MAX_PREFLIGHT_ASSETS, worldSchema } from "../shared/messages.ts";
import { type Moves, NOBODY_MOVED, currentPlayer } from "../shared/moves.ts";
import { isHomeOf } from "../shared/player-id.ts";
import { type AdmissionPolicy, admitted } from "./admission.ts";
import type { Crowd } from "./crowd.ts";
import type { SeatHost } from "./seat-host.ts";

const preflightSchema = z.strictObject({
  player: z.string().max(330),
  name: z.string().max(128),
  home: z.string().max(300),
  world: worldSchema,
  options: z
    .record(z.string().max(64), z.string().max(256))
    .refine((options) => Object.keys(options).length <= 16, "more than 16 options")
    .optional(),
  assets: z.array(z.string().max(128)).max(MAX_PREFLIGHT_ASSETS).optional(),
});

/** Options of {@link Preflight}. */
export interface PreflightOptions {
  readonly seats: SeatHost;
  readonly admit?: AdmissionPolicy | undefined;
  /** Whether anybody is let in; not while the server stops. */
  readonly isOpen: () => boolean;
  /** Whether players of a home are taken here. Default: of every home. */
  readonly takesPlayersOf?: ((home: string) => boolean) | undefined;
  /** Whether an asset is here. Default: none is known of. */
  readonly hasAsset?: ((hash: string) => Promise<boolean>) | undefined;
  /** How many of one server may be here at once. Default: any number. */
  readonly crowd?: Pick<Crowd, "isFull"> | undefined;
  /** Questions that each other server may ask in a minute. Default: any number. */
  readonly perMinute?: number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: nobody has moved. */
  readonly moves?: Moves | undefined;
}

/** Answers what other servers ask ahead of a player. */
export class Preflight {
  readonly #options: PreflightOptions;
  readonly #quota: Quota;

  constructor(options: PreflightOptions) {
    const { clock, perMinute = Infinity } = options;
    this.#options = options;
    this.#quota = new Quota({ clock, perMinute });
  }

  /** `POST /preflight`. Of a player whose home is not the caller, admission is not answered. */
  async answer(caller: string, body: unknown): Promise<CallAnswer> {
    const parsed = preflightSchema.safeParse(body);
    if (!parsed.success) return malformed(parsed.error);
    const { player, name, home: named, world, options = {}, assets } = parsed.data;
    const { moves = NOBODY_MOVED } = this.#options;
    const home = moves.currentOrigin(named);
    if (!isHomeOf(home, currentPlayer(moves, player))) {
      return refusal("ERR_FED_MALFORMED", "the player is not of that home");
    }
    const { seats, admit, logger, isOpen, takesPlayersOf, hasAsset, crowd } = this.#options;
    const wait = this.#quota.take(caller);
    if (wait > 0) {
      const reason = "your server has asked as much as it may for now";
      return { ...refusal("ERR_FED_RATE_LIMITED", reason), retryAfterSeconds: wait };
    }
    const no = (code: FederationErrorCode, reason?: string): CallAnswer => ({
      ok: true,
      body: { admitted: "no", code, ...(reason === undefined ? {} : { reason }), room: "unknown" },
    });
    if (!isOpen()) return no("ERR_FED_UNAVAILABLE");
    if (!seats.hasWorld(world)) return no("ERR_FED_WORLD_UNKNOWN");
    // About players of others, and about which homes are trusted here, a caller learns nothing.
    const isTheirs = caller === home;
    if (isTheirs && takesPlayersOf?.(home) === false) return no("ERR_FED_PASS_ISSUER");
    if (isTheirs && crowd?.isFull({ player, home, caller }) === true) {
      return no("ERR_FED_TOO_MANY_VISITORS");
    }
    if (isTheirs) {
      const asked = { player, name, home, from: caller, world, options, preflight: true };
      const admission = await admitted(admit, asked, logger);
      if (admission !== true) return no("ERR_FED_ADMISSION_REFUSED", admission.reason);
    }
    const room = (await seats.hasRoom?.(world, options)) === true ? "free" : "unknown";
    const there =
      assets === undefined || hasAsset === undefined
        ? undefined
        : await Promise.all(assets.map((hash) => hasAsset(hash).catch(() => false)));
    return {
      ok: true,
      body: {
        admitted: isTheirs ? "yes" : "unknown",
        room,
        ...(there && { missingAssets: there.filter((each) => !each).length }),
      },
    };
  }
}
