/** The same server with the federation, with and without portals in its room. */
import { definePlugins } from "@colyseus/core";
import { createFederation } from "aether-federation";
import { BenchRoom, CARRIED, listen, readFlags } from "./room.ts";

const { name, port, origin, data, peer, lease, routes, ...flags } = readFlags();
const [server = origin] = peer;
const federation = createFederation({
  origin,
  name,
  worlds: { portals: "portals" },
  peers: peer,
  routes: Array.from({ length: Number(routes) }, (_, index) => ({
    pattern: `aether://w${index}.example/plaza`,
    server,
  })),
  maxPeers: Number(flags["max-peers"]),
  dataDirectory: data,
  allowInsecure: true,
  healthCheckIntervalSeconds: 10,
  // Renewals are the price of staying, not of coming in: by default there are none while it is measured.
  leaseSeconds: Number(lease),
  maxRequestsPerMinutePerAddress: 1_000_000,
  maxRequestsPerMinutePerPeer: 1_000_000,
  maxCrossingsPerMinutePerPlayer: 1_000_000,
  maxTravelsPerMinutePerAddress: 1_000_000,
  maxSeatsPerMinutePerPeer: 1_000_000,
  maxRoomsPerMinutePerPeer: 1_000_000,
});

class PortalsRoom extends BenchRoom {
  override plugins = definePlugins([
    federation.portals({ allowEnter: true, carry: () => CARRIED }),
  ]);
}

await listen(
  port,
  { bare: BenchRoom, portals: PortalsRoom },
  {
    express: (app) => {
      app.get("/status", (_request, response) => {
        response.json({ peers: federation.peers.list() });
      });
    },
    attach: (server) => {
      federation.attach(server);
    },
  },
);
