/** What a peer is trusted for, by what is known of it now. */
import type { VerifyKey } from "../identity/ed25519.ts";
import type { Moves } from "../custody/shared/moves.ts";
import { ALL_ROLES, type FederatedServer, TrustState } from "../registry/federated-server.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import type { OwnKeys } from "./own-keys.ts";
import { isReachable, mayGoTo, withAuthority } from "./way-out.ts";

/** Answers from the registry; decides nothing. */
export class PeerTrust {
  readonly #origin: string;
  readonly #registry: ServerRegistry;
  readonly #keys: OwnKeys;
  readonly #moves: Moves;

  constructor({
    origin,
    registry,
    keys,
    moves,
  }: {
    readonly origin: string;
    readonly registry: ServerRegistry;
    readonly keys: OwnKeys;
    readonly moves: Moves;
  }) {
    this.#moves = moves;
    this.#origin = origin;
    this.#registry = registry;
    this.#keys = keys;
  }

  /** The key of an issuer whose passes are taken here: a trusted peer, or this server itself. */
  readonly issuerKey = (named: string, kid: string): VerifyKey | undefined => {
    const issuer = this.#moves.currentOrigin(named);
    if (issuer === this.#origin) return this.#keys.verifyKey(kid);
    const server = this.#registry.get(issuer);
    if (this.#registry.isBlocked(issuer, kid)) return undefined;
    return isTrusted(server) && (server.roles ?? ALL_ROLES).inbound
      ? this.#registry.keyFor(issuer, kid)
      : undefined;
  };

  /** Whether a home's players are taken here. */
  readonly takesPlayersOf = (named: string): boolean => {
    const home = this.#moves.currentOrigin(named);
    if (home === this.#origin) return true;
    const server = this.#registry.get(home);
    if (this.#registry.isBlocked(home)) return false;
    return isTrusted(server) && (server.roles ?? ALL_ROLES).inbound;
  };

  /** Whether our players may go to a server: see {@link mayGoTo}. */
  readonly mayGoTo = (origin: string): boolean =>
    mayGoTo(this.#registry, this.#origin, this.#moves.currentOrigin(origin));

  /** Where a trusted server's assets are; undefined for any other. */
  readonly endpointOf = (origin: string): string | undefined => {
    const server = this.#registry.get(this.#moves.currentOrigin(origin));
    return isTrusted(server) ? server.endpoint : undefined;
  };

  /** Whether a peer has said which of our keys it knows, and one that we publish is not among them. */
  lacksOurKeys(origin: string): boolean {
    const seen = this.#registry.get(origin)?.seenKeys;
    const { current, next } = this.#keys.ring;
    return (
      seen !== undefined &&
      (!seen.includes(current.kid) || (next !== undefined && !seen.includes(next.kid)))
    );
  }

  /** Whether players can be sent to a server now, as far as health checks know. */
  isReachable(origin: string): boolean {
    return isReachable(this.#registry, this.#origin, this.#moves.currentOrigin(origin));
  }

  /** The known peer with an authority, or this server, by one that it had before included. */
  withAuthority(authority: string): string | undefined {
    for (const scheme of ["https", "http"]) {
      const origin = `${scheme}://${authority}`;
      const current = this.#moves.currentOrigin(origin);
      if (current !== origin) return current;
    }
    return withAuthority(this.#registry, authority);
  }

  /** Whether a session is wanted with a server: see {@link wanted}. */
  isWanted(origin: string, named: ReadonlySet<string>): boolean {
    // Whoever has left an origin is sought where it is.
    if (this.#moves.currentOrigin(origin) !== origin) return false;
    return origin !== this.#origin && (named.has(origin) || isTrusted(this.#registry.get(origin)));
  }

  /** Origins of the peers that are trusted. */
  trusted(): string[] {
    return this.#registry.list({ trust: TrustState.Trusted }).map(({ origin }) => origin);
  }

  /** Sessions are wanted with whoever the operator named and with every peer that is trusted. */
  *wanted(named: readonly string[]): Generator<string> {
    const current = new Set(named.map((origin) => this.#moves.currentOrigin(origin)));
    current.delete(this.#origin);
    yield* current;
    for (const server of this.#registry.list({ trust: TrustState.Trusted })) yield server.origin;
  }
}

function isTrusted(server: FederatedServer | undefined): server is FederatedServer {
  return server?.trust === TrustState.Trusted;
}
