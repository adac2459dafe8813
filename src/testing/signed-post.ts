/** A signed call of one server to another (PROTOCOL 3), by hand: whatever its body is. */
import { signRequest } from "../identity/http-signatures.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import { systemClock, systemRandom } from "../ports.ts";

/** What a call was answered; nobody has looked at the answer's signature. */
export interface RawAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
}

/** A POST signed as `from`, for whoever `url` belongs to, or meant for another `recipient`. */
export async function signedPost(
  from: { readonly origin: string; readonly key: SigningKey },
  url: string,
  body: unknown,
  recipient = new URL(url).origin,
): Promise<RawAnswer> {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const { headers } = await signRequest(
    { method: "POST", targetUri: url, recipient, body: bytes },
    { origin: from.origin, key: from.key },
    { clock: systemClock, random: systemRandom },
  );
  const response = await fetch(url, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: bytes,
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}
