/** Travel without a room, the client's side (PROTOCOL 8). */
import { type Transit, parseTransit } from "./messages.ts";

/** `POST {endpoint}/travel` at home; the answer is a transit, as a room would send it. */
export async function requestTravel(
  home: string,
  proof: string,
  body: Readonly<Record<string, string>>,
): Promise<Transit> {
  const descriptor = (await (await fetch(`${home}/.well-known/aether-federation`)).json()) as {
    endpoint?: unknown;
  };
  const endpoint = typeof descriptor.endpoint === "string" ? descriptor.endpoint : home;
  const response = await fetch(`${endpoint}/travel`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${proof}` },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as { code?: unknown; detail?: unknown };
  const transit = parseTransit(answer);
  if (transit !== undefined) return transit;
  const code = typeof answer.code === "string" ? answer.code : "ERR_FED_UNAVAILABLE";
  throw new Error(`${code}: ${typeof answer.detail === "string" ? answer.detail : "try again"}`);
}
