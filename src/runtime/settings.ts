/** What the runtime is told: the host's options with every default filled in. */
import type { ResolvedIntegrityPolicy } from "../assets/verify/reference.ts";
import type { AdmissionPolicy } from "../custody/destination/admission.ts";
import type { OnAway } from "../custody/home/home-sessions.ts";
import type { ImportPolicy } from "../custody/home/import-policy.ts";
import type { TrustPolicy } from "../handshake/trust-policy.ts";
import type { Identify } from "../identity/local-id.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import type { Logger } from "../ports.ts";
import type { PortalRoute } from "../routing/routing-table.ts";
import type { Adopt } from "./store-identity.ts";

/** `FederationOptions` with every default filled in, frozen; what each means is said there. */
export interface ResolvedOptions {
  readonly origin: string;
  readonly worlds: Readonly<Record<string, string>>;
  readonly name: string;
  readonly endpoint: string;
  readonly routes: readonly PortalRoute[];
  readonly peers: readonly string[];
  readonly trust: TrustPolicy;
  readonly dataDirectory: string;
  readonly store: unknown;
  readonly adopt: Adopt | undefined;
  readonly onRecoveryKey: ((key: SigningKey) => void) | undefined;
  readonly allowInsecure: boolean;
  readonly allowPrivateNetwork: boolean;
  readonly maxPeers: number;
  readonly handshakeTimeoutSeconds: number;
  readonly healthCheckIntervalSeconds: number;
  readonly leaseSeconds: number;
  readonly stopTimeoutSeconds: number;
  readonly joinTimeoutSeconds: number;
  readonly maxRequestsPerMinutePerAddress: number;
  readonly maxRequestsPerMinutePerPeer: number;
  readonly maxCrossingsPerMinutePerPlayer: number;
  readonly maxTravelsPerMinutePerAddress: number;
  readonly maxSeatsPerMinutePerPeer: number;
  readonly maxRoomsPerMinutePerPeer: number;
  readonly identify: Identify;
  readonly admit: AdmissionPolicy | undefined;
  readonly accept: ImportPolicy | undefined;
  readonly assets: {
    readonly directory: string;
    readonly maxBytes: number;
    readonly policy: ResolvedIntegrityPolicy;
    readonly timeoutSeconds: number;
  };
  readonly onAway: OnAway;
  readonly logger: Logger;
}
