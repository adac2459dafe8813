/** A seat as its source is told of it, and what it asks with (PROTOCOL 7). */
import { z } from "zod";
import type { PassClaims } from "../../identity/pass.ts";

/** What a server says of itself in its descriptor's `protocols` that gives a player who comes home its seat with the departure. */
export const WAY_HOME_CAPABILITY = "aether-way-home/1";

/** What a room is told by its portal. */
export const portalOptionsSchema = z
  .record(z.string().max(64), z.string().max(256))
  .refine((options) => Object.keys(options).length <= 16, "more than 16 options");

/** A destination's answer to `reservations`. */
export const reservationAnswerSchema = z.strictObject({
  reservation: z.strictObject({
    name: z.string().max(128),
    sessionId: z.string().min(1).max(128),
    roomId: z.string().min(1).max(128),
    processId: z.string().min(1).max(128),
    publicAddress: z.string().max(256).optional(),
    protocol: z.string().max(32).optional(),
    fingerprint: z.string().max(256).optional(),
    devMode: z.boolean().optional(),
  }),
  origin: z.string().max(300),
  expiresAt: z.int().nonnegative(),
  /** The destination's word for the client, which verifies it. */
  seat: z.string().max(2048).optional(),
});

/** A seat at the destination. */
export type ReservedSeat = z.infer<typeof reservationAnswerSchema>;

/** Seats in this very server's worlds, as home asks for them when it lets a player of its own come home. */
export interface OwnSeats {
  /** The seat for a pass that this server has just made out; undefined: it has none to give. */
  reserve(
    caller: string,
    claims: PassClaims,
    options: Readonly<Record<string, string>>,
  ): Promise<ReservedSeat | undefined>;
  /** Takes it back, also one that is not there. */
  free(caller: string, transferId: string): Promise<unknown>;
}
