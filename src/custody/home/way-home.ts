/**
 * The way home in one call (PROTOCOL 6, `depart` with `seat`): home lets its player go to itself, and has the seat made
 * while the decision goes to disk. The source is told of it with the decision, and not before.
 */
import type { Clock } from "../../ports.ts";
import { withinMilliseconds } from "../shared/deadlines.ts";
import type { HomeAnswer } from "../shared/home.ts";
import type { DepartAnswer, DepartRequest } from "../shared/messages.ts";
import type { OwnSeats, ReservedSeat } from "../shared/reservation.ts";
import type { HomeAnswers } from "./answers.ts";

/** What a departure for home needs beside the decision. */
export interface WayHome {
  readonly origin: string;
  readonly seats: OwnSeats;
  readonly clock: Clock;
}

/** The source waits for no seat longer than this: it can ask for it once more, and gets the same one. */
const SEAT_MILLISECONDS = 1_500;

/**
 * Rule 1, and a seat where it is asked for and home is the destination. Where there is none to give the departure is
 * decided all the same, and the answer has none: the source asks for it as it would anybody, and hears why.
 */
export async function departForHome(
  { answers, seats, origin, clock }: WayHome & { readonly answers: HomeAnswers },
  by: string,
  { seat: asked, ...request }: DepartRequest,
): Promise<HomeAnswer<DepartAnswer>> {
  if (asked === undefined || request.to !== origin) return answers.depart(by, request);
  let early:
    { readonly pass: string; readonly seat: Promise<ReservedSeat | undefined> } | undefined;
  const answer = await answers.depart(by, request, (pass, claims) => {
    // Whoever gets no seat hears why when it asks for one.
    const seat = seats.reserve(by, claims, asked.options ?? {}).catch(() => undefined);
    early = { pass, seat };
  });
  if (early === undefined) return answer;
  const { pass, seat } = early as { pass: string; seat: Promise<ReservedSeat | undefined> };
  if (!answer.ok || answer.body.pass !== pass) {
    // Nobody was told of it.
    void seat.then(() => seats.free(by, request.transferId)).catch(() => undefined);
    return answer;
  }
  const given = await withinMilliseconds(clock, SEAT_MILLISECONDS, seat);
  return given === undefined ? answer : { ok: true, body: { ...answer.body, seat: given } };
}
