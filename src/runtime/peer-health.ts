/**
 * Keeps health checks, the registry and the store together: every trusted peer is watched, its status noted,
 * its history kept beyond a restart.
 */
import type { HealthMemory } from "../health/health-memory.ts";
import type { HealthMonitor } from "../health/health-monitor.ts";
import { HealthStatus } from "../health/peer-record.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import { ServerStatus, TrustState } from "../registry/federated-server.ts";
import type { EventBus } from "./events.ts";
import type { Part } from "./part.ts";
import type { SharedProbing } from "./shared-probing.ts";

/** Listens from the moment it is made; health checks run from its start to its stop. */
export class PeerHealthChecks implements Part {
  readonly #health: HealthMonitor;
  readonly #registry: ServerRegistry;
  readonly #memory: HealthMemory;
  readonly #shared: SharedProbing | undefined;
  #started = false;
  #stopped = false;

  constructor({
    health,
    registry,
    memory,
    shared,
    events,
  }: {
    readonly health: HealthMonitor;
    readonly memory: HealthMemory;
    /** Where several processes are this server. */
    readonly shared?: SharedProbing | undefined;
    readonly registry: ServerRegistry;
    readonly events: EventBus;
  }) {
    this.#health = health;
    this.#registry = registry;
    this.#memory = memory;
    this.#shared = shared;
    registry.on(({ origin, type }) => {
      if (type !== "status-changed") this.#watch(origin);
    });
    health.on(({ origin, health: state }) => {
      registry.setStatus(origin, statusOf(state.status));
      events.emit("health", { origin, health: state });
    });
  }

  async start(): Promise<void> {
    const past = await this.#memory.read((origin) => this.#registry.get(origin) !== undefined);
    if (this.#stopped) return;
    this.#started = true;
    for (const { origin } of this.#registry.list({ trust: TrustState.Trusted })) {
      this.#health.watch(origin, past.get(origin));
    }
    await this.#shared?.start();
    // Stopped meanwhile.
    if (!this.#isRunning()) return;
    this.#health.start();
    this.#memory.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#health.stop();
    if (this.#started) await this.#memory.stop();
    await this.#shared?.stop();
  }

  #isRunning(): boolean {
    return this.#started && !this.#stopped;
  }

  /** Nobody but trusted peers is called: a stranger's endpoint may be a third party's. */
  #watch(origin: string): void {
    // Who is trusted before the start is found by it.
    if (!this.#started || this.#stopped) return;
    const server = this.#registry.get(origin);
    if (server?.trust === TrustState.Trusted) {
      if (this.#health.record(origin) === undefined) void this.#watchAgain(origin);
      return;
    }
    this.#health.unwatch(origin);
    if (server === undefined) void this.#memory.forget(origin);
  }

  /** With what is remembered of it: who was blocked for a while has a past here. */
  async #watchAgain(origin: string): Promise<void> {
    const past = await this.#memory.readOne(origin);
    if (this.#stopped || this.#registry.get(origin)?.trust !== TrustState.Trusted) return;
    this.#health.watch(origin, past);
  }
}

function statusOf(status: HealthStatus): ServerStatus {
  if (status === HealthStatus.Healthy) return ServerStatus.Online;
  return status === HealthStatus.Degraded ? ServerStatus.Degraded : ServerStatus.Offline;
}
