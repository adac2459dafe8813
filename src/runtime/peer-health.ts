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
    registry.on(() => {
      this.#watch();
    });
    health.on(({ origin, health: state }) => {
      registry.setStatus(origin, statusOf(state.status));
      events.emit("health", { origin, health: state });
    });
  }

  start(): void {
    this.#watch();
    this.#health.start();
  }

  stop(): Promise<void> {
    return this.#health.stop();
  }

  #watch(): void {
    const health = this.#health;
    // Nobody else is called: a stranger's endpoint may be a third party's.
    const trusted = this.#registry.list({ trust: TrustState.Trusted });
    const watched = new Set(trusted.map(({ origin }) => origin));
    for (const { origin } of health.list()) if (!watched.has(origin)) health.unwatch(origin);
    for (const origin of watched) health.watch(origin);
  }
}

function statusOf(status: HealthStatus): ServerStatus {
  if (status === HealthStatus.Healthy) return ServerStatus.Online;
  return status === HealthStatus.Degraded ? ServerStatus.Degraded : ServerStatus.Offline;
}
