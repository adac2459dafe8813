/** Reads other servers' lists through the guarded fetch: unsigned, bounded in bytes and time. */
import { FederationError } from "../../errors.ts";
import type { DiscoveryTransport } from "../../discovery/transport.ts";
import { MAX_LIST_LENGTH } from "../../discovery/server-list.ts";
import type { Fetch } from "../../ports.ts";

const PAGE_BYTES = 64 * 1024;

/** What discovery asks of the network; descriptors are read as the handshake reads them. */
export function createListingClient(
  fetch: Fetch,
  { fetchDescriptor }: Pick<DiscoveryTransport, "fetchDescriptor">,
): DiscoveryTransport {
  const read = async (
    url: string,
    { accept, maxBodyBytes, signal }: { accept: string; maxBodyBytes: number; signal: AbortSignal },
  ): Promise<string> => {
    const headers = { accept };
    const response = await fetch({ method: "GET", url, headers, maxBodyBytes, signal });
    if (response.status === 200) return Buffer.from(response.body).toString("utf8");
    const reason = `${new URL(url).origin} serves no list (HTTP ${response.status}).`;
    throw new FederationError("ERR_FED_BAD_RESPONSE", reason);
  };
  return {
    fetchDescriptor,
    async fetchServers(endpoint, cursor, signal) {
      const query = cursor === undefined ? "" : `?cursor=${encodeURIComponent(cursor)}`;
      const url = `${endpoint.replace(/\/$/u, "")}/servers${query}`;
      const accept = "application/json";
      const text = await read(url, { accept, maxBodyBytes: PAGE_BYTES, signal });
      try {
        return JSON.parse(text) as unknown;
      } catch {
        return undefined;
      }
    },
    fetchList: (url, signal) =>
      read(url, { accept: "application/jose, */*;q=0.1", maxBodyBytes: MAX_LIST_LENGTH, signal }),
  };
}
