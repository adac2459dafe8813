import assert from "node:assert/strict";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { RECALL_PREFIX } from "../../src/runtime/data-folder.ts";
import { takeOverChanges } from "../../src/runtime/operator-changes.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { quietLogger } from "../support/loggers.ts";

describe("runtime/operator-changes", () => {
  it("leaves it to the keeper, which bounds them, to tell peers of a new key", async () => {
    const store = new MemoryStore();
    const registry = new ServerRegistry({ store });
    for (let n = 0; n < 40; n += 1) {
      const trust = n % 2 === 0 ? TrustState.Trusted : TrustState.Pending;
      await registry.register({ endpoint: `https://p${n}.example` }, { trust });
    }
    const renewed: string[] = [];
    let descriptors = 0;
    await takeOverChanges({
      ...{ store, registry, logger: quietLogger() },
      handshake: { connect: () => Promise.reject(new Error("nobody is to be called at once")) },
      keeper: { renew: (origin) => void renewed.push(origin) },
      keys: { reload: () => Promise.resolve(true) },
      descriptor: { renew: () => void (descriptors += 1) },
      custody: { recall: () => Promise.reject(new Error("nobody is to be called home")) },
      linkChecks: { take: () => Promise.resolve() },
    });
    assert.equal(renewed.length, 20);
    assert.equal(descriptors, 1);
  });

  it("calls a player home once for each wish, and waits for no holder", async () => {
    const store = new MemoryStore();
    const recalled: string[] = [];
    const look = (): Promise<void> =>
      takeOverChanges({
        ...{ store, registry: new ServerRegistry({ store }), logger: quietLogger() },
        handshake: { connect: () => Promise.reject(new Error("nobody is to be called")) },
        keeper: { renew: () => undefined },
        keys: { reload: () => Promise.resolve(false) },
        descriptor: { renew: () => undefined },
        custody: {
          recall: (localId) => {
            recalled.push(localId);
            return new Promise(() => undefined);
          },
        },
        linkChecks: { take: () => Promise.resolve() },
      });
    await store.set(`${RECALL_PREFIX}ada`, "1");
    await look();
    await look();
    assert.deepEqual(recalled, ["ada"]);
  });
});
