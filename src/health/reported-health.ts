/** What a server says of itself at `GET /health` (PROTOCOL 10). */
export interface ReportedHealth {
  readonly status: "pass" | "warn" | "fail";
}

/** What a peer is asked, below its endpoint. */
export const HEALTH_REQUEST = {
  method: "GET",
  path: "/health",
  headers: { accept: "application/health+json" },
  maxBodyBytes: 16 * 1024,
} as const;

/** What an answer's body says; undefined when it says nothing of health. */
export function readHealth(body: Uint8Array): ReportedHealth | undefined {
  let said: unknown;
  try {
    said = JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return undefined;
  }
  const { status } = (said ?? {}) as { readonly status?: unknown };
  return status === "pass" || status === "warn" || status === "fail" ? { status } : undefined;
}
