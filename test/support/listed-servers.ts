/** Servers that are nothing but what they say: descriptors and lists, for whoever discovers them. */
import type { DiscoveryTransport } from "../../src/discovery/transport.ts";
import { FederationError } from "../../src/errors.ts";
import type { ListedAs } from "../../src/identity/listed-as.ts";
import type { Clock } from "../../src/ports.ts";
import { descriptorOf, ringOf } from "./parties.ts";

/** A world that is listed, and nothing more. */
export const PLAZA: ListedAs = { worlds: [{ name: "plaza" }] };

/** One server. */
export interface SaidServer {
  /** Undefined: it does not agree to be listed. */
  listing?: ListedAs | undefined;
  /** Whom its list names, or pages by cursor, or whatever it does instead. */
  names?:
    readonly string[] | ((cursor: string | undefined, signal: AbortSignal) => unknown) | undefined;
  isDown?: boolean;
}

/** What such a list is made of. */
export function page(origins: readonly string[], more: object = {}): object {
  return { servers: origins.map((origin) => ({ origin, name: "Said", worlds: [] })), ...more };
}

/** The network that they are in. */
export class ListedServers implements DiscoveryTransport {
  readonly servers = new Map<string, SaidServer>();
  readonly lists = new Map<string, string>();
  /** Origins whose descriptors were read, and endpoints whose lists were. */
  readonly asked: string[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(origin: string, server: SaidServer = {}): SaidServer {
    const said = { listing: PLAZA, names: [], ...server };
    this.servers.set(origin, said);
    return said;
  }

  async fetchDescriptor(origin: string): Promise<unknown> {
    this.asked.push(origin);
    const { listing } = this.#reach(origin);
    return descriptorOf(origin, ringOf(origin), this.#clock.now(), { listing });
  }

  async fetchServers(
    endpoint: string,
    cursor: string | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    this.asked.push(`${endpoint}?${cursor ?? ""}`);
    const { names } = this.#reach(new URL(endpoint).origin);
    return typeof names === "function" ? names(cursor, signal) : page(names ?? []);
  }

  async fetchList(url: string): Promise<string> {
    const list = this.lists.get(url);
    if (list === undefined) throw new FederationError("ERR_FED_UNREACHABLE");
    return list;
  }

  #reach(origin: string): SaidServer {
    const server = this.servers.get(origin);
    if (server === undefined || server.isDown === true) {
      throw new FederationError("ERR_FED_UNREACHABLE");
    }
    return server;
  }
}
