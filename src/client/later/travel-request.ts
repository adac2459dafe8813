/** Travel without a room, the client's side (PROTOCOL 8). */
import type { Transit } from "../messages.ts";
import type { Identity } from "../identity.ts";
import type { Whereabouts } from "../whereabouts.ts";
import { kit } from "./kit.ts";

/** Home may have to call the player back, then asks the destination. */
const TRAVEL_MILLISECONDS = 30_000;

/** `POST {endpoint}/travel` at home; the answer is a transit, as a room would send it. */
export function requestTravel(
  whereabouts: Whereabouts,
  identity: Identity,
  body: Readonly<Record<string, string>>,
  outer: AbortSignal,
): Promise<Transit> {
  return kit.within(TRAVEL_MILLISECONDS, outer, async (signal) => {
    await identity.findHome(whereabouts, signal);
    const { home } = identity;
    const endpoint = await whereabouts.endpointOf(home, signal);
    return kit.byTheRightTime(identity, home, async () => {
      const { bearer, proof } = await identity.shows("travel");
      return request(endpoint, bearer, { ...body, ...(proof && { proof }) }, signal);
    });
  });
}

async function request(
  endpoint: string,
  bearer: string,
  body: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Transit> {
  const response = await fetch(`${endpoint}/travel`, {
    method: "POST",
    signal,
    headers: { "content-type": "application/json", authorization: `Bearer ${bearer}` },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as { code?: unknown; detail?: unknown };
  const transit = kit.parseTransit(answer);
  if (transit !== undefined) return transit;
  const code = typeof answer.code === "string" ? answer.code : "ERR_FED_UNAVAILABLE";
  throw new Error(`${code}: ${kit.shownText(answer.detail, 300) ?? "try again"}`);
}
