/** Rows of many trusted peers with live sessions, as the registry itself writes them. */
import { generateSigningKey } from "../src/identity/server-keys.ts";
import { systemClock, systemRandom } from "../src/ports.ts";
import { TrustState } from "../src/registry/federated-server.ts";
import { ServerRegistry } from "../src/registry/server-registry.ts";
import { type MemoryDisk, MemoryStore } from "../src/storage/memory-store.ts";

const DAY_SECONDS = 24 * 3600;

/** By their keys in the store. `endpointOrigin`: where all of them are reached; default nowhere. */
export async function peerRows(
  count: number,
  endpointOrigin = "https://nowhere.invalid",
): Promise<Map<string, string>> {
  const disk: MemoryDisk = new Map();
  const registry = new ServerRegistry({ store: new MemoryStore(systemClock, disk) });
  const origin = "https://peer-template.example";
  const validUntil = Math.floor(systemClock.now() / 1000) + 7 * DAY_SECONDS;
  const { jwk } = generateSigningKey(systemRandom);
  await registry.register(
    {
      ...{ origin, name: "peer", endpoint: `${endpointOrigin}/federation`, validUntil },
      ...{ protocols: ["aether/1"], worlds: ["plaza", "arena"], keys: [jwk] },
    },
    { trust: TrustState.Trusted },
  );
  const expiresAt = validUntil - 6 * DAY_SECONDS;
  await registry.recordSession(origin, { sessionId: "bench", protocol: "aether/1", expiresAt });
  const template = disk.get(`peer/${origin}`)?.value ?? "";
  const rows = new Map<string, string>();
  for (let n = 0; n < count; n += 1) {
    const own = `https://peer-${n}.example`;
    rows.set(`peer/${own}`, template.replaceAll(origin, own));
  }
  return rows;
}
