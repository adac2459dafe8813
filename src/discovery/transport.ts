/** What discovery asks of the network: reads that cannot be aimed at this server's own (PROTOCOL 10). */
export interface DiscoveryTransport {
  /** The document at an origin's well-known path. Rejects when there is none. */
  fetchDescriptor(origin: string, signal?: AbortSignal): Promise<unknown>;
  /** The JSON of a page of `GET /servers`, of at most 64 KiB. Rejects when there is none. */
  fetchServers(endpoint: string, cursor: string | undefined, signal: AbortSignal): Promise<unknown>;
  /** The text of a published list, of at most 256 KiB. Rejects when there is none. */
  fetchList(url: string, signal: AbortSignal): Promise<string>;
}
