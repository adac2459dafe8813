/** Travel without a room, the client's side (PROTOCOL 8). */
import { type Transit, parseTransit } from "./messages.ts";
import { shownText } from "../words.ts";
import { within } from "./patience.ts";
import type { Whereabouts } from "./whereabouts.ts";

/** Home may have to call the player back, then asks the destination. */
const TRAVEL_MILLISECONDS = 30_000;

/** `POST {endpoint}/travel` at home; the answer is a transit, as a room would send it. */
export function requestTravel(
  whereabouts: Whereabouts,
  home: string,
  proof: string,
  body: Readonly<Record<string, string>>,
  outer: AbortSignal,
): Promise<Transit> {
  return within(TRAVEL_MILLISECONDS, outer, async (signal) =>
    request(await whereabouts.endpointOf(home, signal), proof, body, signal),
  );
}

async function request(
  endpoint: string,
  proof: string,
  body: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Transit> {
  const response = await fetch(`${endpoint}/travel`, {
    method: "POST",
    signal,
    headers: { "content-type": "application/json", authorization: `Bearer ${proof}` },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as { code?: unknown; detail?: unknown };
  const transit = parseTransit(answer);
  if (transit !== undefined) return transit;
  const code = typeof answer.code === "string" ? answer.code : "ERR_FED_UNAVAILABLE";
  throw new Error(`${code}: ${shownText(answer.detail, 300) ?? "try again"}`);
}
