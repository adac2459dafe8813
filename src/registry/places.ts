/**
 * Who gives way when there is no more room for servers. Strangers compete with strangers, and first with
 * those that came from the same address: whoever has many names has one place's worth of them.
 */
import { type FederatedServer, TrustState } from "./federated-server.ts";

/** Whether nobody but the policy has decided about a server, so that it can give way. */
export function isStranger(
  server: Pick<FederatedServer, "origin" | "trust" | "byPolicy">,
  named: ReadonlySet<string>,
): boolean {
  const { origin, trust, byPolicy } = server;
  if (named.has(origin) || trust === TrustState.Blocked) return false;
  return byPolicy === true || trust === TrustState.Pending;
}

/**
 * The stranger that gives way to a newcomer from `via`: of those from the address that has most, the
 * newcomer counted; who waits before who is trusted, who has no session before who has one, the oldest
 * first. Undefined when nobody is a stranger.
 */
export function whoGivesWay(
  servers: Iterable<FederatedServer>,
  named: ReadonlySet<string>,
  { via, now }: { readonly via: string | undefined; readonly now: number },
): FederatedServer | undefined {
  const groups = new Map<string, FederatedServer[]>();
  for (const server of servers) {
    if (!isStranger(server, named)) continue;
    const group = groups.get(server.via ?? "");
    if (group === undefined) groups.set(server.via ?? "", [server]);
    else group.push(server);
  }
  const own = groups.get(via ?? "") ?? [];
  let largest = own;
  // The newcomer's own address gives way first, where others have no more.
  let most = own.length === 0 ? 0 : own.length + 1;
  for (const group of groups.values()) {
    if (group === own || group.length <= most) continue;
    [largest, most] = [group, group.length];
  }
  const rank = ({ trust, session, firstSeenAt }: FederatedServer): [number, number, number] => [
    trust === TrustState.Trusted ? 1 : 0,
    session !== undefined && session.expiresAt > now ? 1 : 0,
    firstSeenAt,
  ];
  return largest
    .map((server) => ({ server, rank: rank(server) }))
    .sort((a, b) => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1] || a.rank[2] - b.rank[2])[0]
    ?.server;
}
