/** Many servers that answer health checks and nothing else, on addresses of this machine's own. */
import { once } from "node:events";
import { type Server, createServer } from "node:http";
import { join } from "node:path";
import { verifyDescriptor } from "../../src/identity/descriptor.ts";
import { systemClock } from "../../src/ports.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { DATA_FILES } from "../../src/runtime/data-folder.ts";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { freePort } from "../../src/testing/test-place.ts";
import { descriptorOf, ringOf } from "./parties.ts";

/** One port, an address of 127.0.1.0/24 for each of them. */
export class HealthCrowd {
  readonly origins: readonly string[];
  /** Who hangs up. */
  readonly down = new Set<string>();
  readonly #server: Server;

  private constructor(origins: readonly string[], port: number) {
    this.origins = origins;
    this.#server = createServer((request, response) => {
      const origin = `http://${request.headers.host ?? ""}`;
      if (this.down.has(origin)) {
        request.socket.destroy();
        return;
      }
      if (request.url?.endsWith("/health") === true) {
        response.setHeader("Content-Type", "application/health+json");
        response.end('{"status":"pass","version":"1"}');
        return;
      }
      response.statusCode = 404;
      response.end();
    }).listen(port);
  }

  static async open(count: number): Promise<HealthCrowd> {
    const port = await freePort();
    const origins = Array.from(
      { length: count },
      (_, index) => `http://127.0.1.${index + 1}:${port}`,
    );
    const crowd = new HealthCrowd(origins, port);
    await once(crowd.#server, "listening");
    return crowd;
  }

  /** Writes them as trusted peers into the data folder of a server that has run and has stopped. */
  async befriend(data: string, nameOf: (index: number) => string): Promise<void> {
    const store = new KeyvStore(new SqliteEngine({ path: join(data, DATA_FILES.store) }));
    const registry = new ServerRegistry({ store, clock: systemClock, maxPeers: 1_000 });
    await registry.load();
    for (const [index, origin] of this.origins.entries()) {
      const document = await descriptorOf(origin, ringOf(origin), systemClock.now(), {
        name: nameOf(index),
        listing: { worlds: [{ name: "plaza" }] },
      });
      const now = systemClock.now();
      const verified = await verifyDescriptor(document, { now, allowInsecure: true });
      if (!verified.verified) throw new Error(verified.reason);
      await registry.register(verified.descriptor, { trust: TrustState.Trusted });
    }
    await store.close();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
