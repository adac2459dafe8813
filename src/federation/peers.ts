import { z } from "zod";
import { checkOptions, optionsSchema } from "../options.ts";
import {
  type PeerSources,
  type PeerSummary,
  approvePeer,
  summarizePeers,
} from "../operator/peers.ts";
import type { BlockOutcome } from "../registry/blocking.ts";
import { ALL_ROLES, type TrustRoles } from "../registry/federated-server.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";

const KEYS = "an array of key ids";
const APPROVE_OPTIONS = optionsSchema(
  {
    keys: z.array(z.string("a key id"), KEYS).optional(),
    inbound: z.boolean("true or false").optional(),
    outbound: z.boolean("true or false").optional(),
  } satisfies Record<keyof TrustRoles | "keys", z.ZodType>,
  "options such as { outbound: false }",
);

/** The operator's view of the peers, and the decisions that are the operator's to take. */
export class FederationPeers {
  readonly #runtime: FederationRuntime;

  /** By origin of known peers; strangers are never asked for assets. */
  readonly #wrongAssets = new Map<string, number>();

  constructor(runtime: FederationRuntime) {
    this.#runtime = runtime;
    runtime.on("asset", ({ source }) => {
      this.#wrongAssets.set(source, (this.#wrongAssets.get(source) ?? 0) + 1);
    });
  }

  /**
   * Every known peer, and every one that the configuration names though it was never met, by origin. Empty before
   * the server listens.
   */
  list(): PeerSummary[] {
    if (!this.#runtime.started) return [];
    return summarizePeers(this.#sources());
  }

  /**
   * Lets players cross to and from a peer, or one way only; ends quarantine. A blocked peer has to be
   * unblocked first. Nothing is pinned but the keys that you name (see {@link list}); a peer that is trusted
   * already needs none.
   *
   * @throws TypeError for a peer that is not known, or blocked, or whose keys are not named, and for an
   * option that is wrong.
   */
  async approve(
    origin: string,
    options: Partial<TrustRoles> & { readonly keys?: readonly string[] } = {},
  ): Promise<void> {
    const { keys, ...roles } = checkOptions<typeof options>(APPROVE_OPTIONS, options, "approve");
    const asked = { roles: { ...ALL_ROLES, ...roles }, kids: keys };
    await approvePeer(this.#runtime.registry, origin, asked);
  }

  /**
   * Refuses everything from an origin, a host, a domain (`*.example.org`) or a key from now on, under whatever
   * name its keys come; with `!`, makes an exception to the domains. What is under way ends: its players
   * here are shown out, crossings to it are called off. Says whom it has matched.
   *
   * @throws TypeError for what cannot be blocked.
   */
  async block(what: string): Promise<BlockOutcome> {
    return this.#runtime.registry.block(what);
  }

  /**
   * Takes a block away; whom nothing else blocks is pending until it is approved.
   *
   * @throws TypeError for what is not blocked.
   */
  async unblock(what: string): Promise<BlockOutcome> {
    return this.#runtime.registry.unblock(what);
  }

  /** Forgets a peer: its keys, its session, its trust. */
  async remove(origin: string): Promise<boolean> {
    return this.#runtime.registry.remove(origin);
  }

  /** Performs a handshake now. @throws FederationError with the reason when it fails. */
  async retry(origin: string): Promise<void> {
    await this.#runtime.handshake.connect(origin);
  }

  #sources(): PeerSources {
    const { registry, health, named } = this.#runtime;
    const attempt = (origin: string): ReturnType<FederationRuntime["attempt"]> =>
      this.#runtime.attempt(origin);
    return { registry, health, named, attempt, wrongAssets: this.#wrongAssets };
  }
}
