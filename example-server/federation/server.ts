/** This server in the federation: who it is, whom it trusts, what its players may bring home. */
import { createHash } from "node:crypto";
import { type Federation, createFederation, policy } from "aether-federation";
import { picturesOf } from "../art/pictures.ts";
import type { WorldOptions } from "../options.ts";
import { federationLogger } from "../process.ts";
import { SVG } from "./assets.ts";

/** Players that one room takes. */
export const MAX_PLAYERS = 64;
const KIND = "a walk";

/** Attach it before the server listens: `federation.attach(server)`. */
export function federationOf(options: WorldOptions): Federation {
  const { name, peers, trust, data } = options;
  const origin = originOf(options);
  const picture = pictureOf(name, origin);
  const adminToken = process.env["FEDERATION_ADMIN_TOKEN"];
  return createFederation({
    // Who we are. A world is a name in portals: aether://localhost:2567/plaza.
    ...{ origin, name, dataDirectory: data },
    worlds: { [name]: { room: name, capacity: MAX_PLAYERS } },
    // Whom we deal with, and what becomes of strangers.
    ...{ peers, trust },
    // What others are shown of us, and the page that plays this world: it is entered there.
    listed: { kind: KIND, picture },
    game: { client: `${origin}/`, kind: KIND, picture },
    // How many play at the others.
    discovery: { depth: 1 },
    // What our players may bring home. Things come and stay: they go by their owner's own gift alone.
    accept: policy({
      inventory: "append-only",
      coins: "may-change",
      colour: "home-only",
      displayName: "home-only",
    }),
    // What our players may be given by those of other homes.
    gifts: ({ item }) => item["kind"] !== "stamp",
    // Files of others: checked against their hash; wrong bytes are put aside, for the operator to see.
    assets: { policy: { action: "quarantine", mediaTypes: [SVG, "image/png"] } },
    // Pages for everybody, and for the operator.
    status: true,
    ...(adminToken === undefined ? {} : { admin: { token: adminToken } }),
    // For a play on one machine: without TLS, quick to notice, and all requests from one address.
    ...{ allowInsecure: true, healthCheckIntervalSeconds: 3, leaseSeconds: 15 },
    maxRequestsPerMinutePerAddress: 60_000,
    logger: federationLogger,
  });
}

/** Several processes that are one server share an origin. */
export function originOf({ cluster, port }: WorldOptions): string {
  return cluster?.origin ?? `http://localhost:${port}`;
}

/** A reference says which bytes are meant before they are in the store: `federation.assets.add` puts them there. */
function pictureOf(world: string, originServer: string) {
  const bytes = Buffer.from(picturesOf(world)[0]?.svg ?? "");
  const assetHash = `sha256-${createHash("sha256").update(bytes).digest("base64")}`;
  return { originServer, assetHash, size: bytes.length, mediaType: SVG };
}
