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
  const made: { pass?: string; seat?: Promise<ReservedSeat | undefined> } = {};
  const takeBack = async (): Promise<void> => {
    if (made.seat === undefined) return;
    await made.seat;
    await seats.free(by, request.transferId);
  };
  let answer: HomeAnswer<DepartAnswer>;
  try {
    answer = await answers.depart(by, request, (pass, claims) => {
      made.pass = pass;
      // Whoever gets no seat hears why when it asks for one.
      made.seat = seats.reserve(by, claims, asked.options ?? {}).catch(() => undefined);
    });
  } catch (cause) {
    // Nobody is told of it, whatever was decided.
    takeBack().catch(() => undefined);
    throw cause;
  }
  if (!answer.ok || answer.body.pass !== made.pass) {
    takeBack().catch(() => undefined);
    return answer;
  }
  const seat = made.seat && (await withinMilliseconds(clock, SEAT_MILLISECONDS, made.seat));
  return seat === undefined ? answer : { ok: true, body: { ...answer.body, seat } };
}
