import type { VerifyKey } from "../identity/ed25519.ts";

/** What the handshake asks of the network. */
export interface HandshakeTransport {
  /** The document at an origin's well-known path; `signal` ends the reading. */
  fetchDescriptor(origin: string, signal?: AbortSignal): Promise<unknown>;
  /**
   * A signed POST to `url`, answered by `origin` under one of the keys that `keyFor` knows.
   * Rejects when no verified answer came.
   */
  exchange(
    origin: string,
    url: string,
    body: unknown,
    keyFor: (kid: string) => VerifyKey | undefined,
  ): Promise<{
    readonly status: number;
    readonly body: unknown;
    readonly kid: string;
  }>;
}
