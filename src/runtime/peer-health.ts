/** Keeps health checks and the registry together: every trusted peer is watched, its status noted. */
import type { HealthMonitor } from "../health/health-monitor.ts";
import { HealthStatus } from "../health/peer-record.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import { ServerStatus, TrustState } from "../registry/federated-server.ts";
import type { EventBus } from "./events.ts";
import type { Part } from "./part.ts";

/** Listens from the moment it is made; health checks run from its start to its stop. */
export class PeerHealthChecks implements Part {
  readonly #health: HealthMonitor;
  readonly #registry: ServerRegistry;

  constructor({
    health,
    registry,
    events,
  }: {
    readonly health: HealthMonitor;
    readonly registry: ServerRegistry;
    readonly events: EventBus;
  }) {
    this.#health = health;
    this.#registry = registry;
    registry.on(({ origin, type }) => {
      if (type !== "status-changed") this.#watch(origin);
    });
    health.on(({ origin, health: state }) => {
      registry.setStatus(origin, statusOf(state.status));
      events.emit("health", { origin, health: state });
    });
  }

  start(): void {
    for (const { origin } of this.#registry.list({ trust: TrustState.Trusted })) {
      this.#health.watch(origin);
    }
    this.#health.start();
  }

  stop(): Promise<void> {
    return this.#health.stop();
  }

  /** Nobody but trusted peers is called: a stranger's endpoint may be a third party's. */
  #watch(origin: string): void {
    if (this.#registry.get(origin)?.trust === TrustState.Trusted) this.#health.watch(origin);
    else this.#health.unwatch(origin);
  }
}

function statusOf(status: HealthStatus): ServerStatus {
  if (status === HealthStatus.Healthy) return ServerStatus.Online;
  return status === HealthStatus.Degraded ? ServerStatus.Degraded : ServerStatus.Offline;
}
