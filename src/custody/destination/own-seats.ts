import { type OwnSeats, reservationAnswerSchema } from "../shared/reservation.ts";
import type { Seats } from "./seats.ts";

/** Seats for passes that this server makes out itself: there is nothing to verify, all else is as for any other. */
export function ownSeats(seats: Seats): OwnSeats {
  return {
    async reserve(caller, claims, options) {
      const made = await seats.seat(claims, caller, options);
      // What its reader would refuse is not said.
      return made.ok
        ? reservationAnswerSchema.safeParse(await seats.told(made.seat)).data
        : undefined;
    },
    free: (caller, transferId) => seats.cancel(caller, { transferId }),
  };
}
