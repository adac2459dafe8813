/** Every trust decision is a line in the audit log. */
import type { Clock, Logger } from "../ports.ts";
import { TrustState } from "../registry/federated-server.ts";
import type { RegistryEvent, ServerRegistry } from "../registry/server-registry.ts";
import type { AuditLog } from "../storage/audit-log.ts";

/** What happens too often, or decides nothing. */
const SILENT: readonly RegistryEvent["type"][] = [
  "status-changed",
  "session",
  "refuses-us",
  "their-trust",
  "descriptor-changed",
];

/** What anybody can make happen as often as it likes, as long as nothing is decided about it. */
const OF_STRANGERS: readonly RegistryEvent["type"][] = ["added", "keys-changed"];

/** Writes down what the registry decides from now on, but for what another process has written. */
export function auditPeers({
  registry,
  log,
  clock,
  logger,
}: {
  readonly registry: ServerRegistry;
  readonly log: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
}): void {
  /** Pending servers that nobody has decided about. */
  const strangers = new Set<string>();
  registry.on((event) => {
    if (event.fromStore === true || SILENT.includes(event.type)) return;
    const { server, origin, type } = event;
    if (server?.trust === TrustState.Pending && OF_STRANGERS.includes(type)) {
      strangers.add(origin);
      return;
    }
    const wasStranger = strangers.delete(origin);
    if (wasStranger && type === "removed") return;
    log
      .append({
        at: new Date(clock.now()).toISOString(),
        by: "server",
        what: event.type,
        subject: event.origin,
        ...(server === undefined
          ? {}
          : {
              trust: server.trust,
              keys: server.keys
                .filter(({ retiredAt }) => retiredAt === undefined)
                .map(({ jwk }) => jwk.kid),
            }),
      })
      .catch((cause: unknown) => {
        logger.error("a trust decision could not be written to the audit log", cause);
      });
  });
}
