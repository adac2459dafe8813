/** The harbour's part of the federation: who it is, which page is its own, whom it trusts. */
import { type Federation, createFederation } from "aether-federation";
import { federationLogger } from "../process.ts";
import { SEATS } from "./messages.ts";
import type { HarbourOptions } from "./options.ts";

/** World and room have one name. */
export const WORLD = "harbour";

export function harbourFederation({ name, port, data, trust, peers }: HarbourOptions): Federation {
  const origin = `http://localhost:${port}`;
  const adminToken = process.env["FEDERATION_ADMIN_TOKEN"];
  return createFederation({
    ...{ origin, name, peers, trust, dataDirectory: data },
    worlds: { [WORLD]: { room: WORLD, capacity: SEATS } },
    // Players who come here go on in this page, and not in the one that they come from.
    game: { client: `${origin}/play`, kind: "fishing", wants: "aether-carried/1" },
    // Others may show that there is a harbour, and how many sit on its pier.
    listed: { kind: "fishing" },
    status: true,
    ...(adminToken === undefined ? {} : { admin: { token: adminToken } }),
    // On one machine, over http, and with a failure noticed within seconds:
    allowInsecure: true,
    healthCheckIntervalSeconds: 3,
    leaseSeconds: 15,
    maxRequestsPerMinutePerAddress: 60_000,
    logger: federationLogger,
  });
}
