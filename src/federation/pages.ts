/** The pages that a server has for people, made of its runtime: the operator's, and the public one. */
import type { AdminAccess } from "../admin/access.ts";
import { type AdminHandler, createAdmin } from "../admin/admin.ts";
import { type StatusPeer, type StatusReport, createStatus } from "../admin/status.ts";
import type { Middleware } from "../http/inbound/middleware.ts";
import { refusal, send } from "../http/inbound/answers.ts";
import { isGuest } from "../custody/shared/player-id.ts";
import type { AdminDeeds } from "../operator/actions.ts";
import { conditionOf } from "../operator/condition.ts";
import { CrossingsUnderWay } from "../operator/crossings-under-way.ts";
import { type OverviewSources, type OwnState, barOf, overviewOf } from "../operator/overview.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import type { FederationAssets } from "./assets.ts";
import type { FederationPeers } from "./peers.ts";

/** What the pages are made of. */
export interface PagesOptions {
  readonly runtime: FederationRuntime;
  readonly peers: FederationPeers;
  readonly assets: FederationAssets;
  readonly version: string;
  readonly admin: AdminAccess | undefined;
  readonly status: boolean;
}

const MAX_STATUS_PEERS = 200;

/** The pages of one federation. */
export class FederationPages {
  readonly #options: PagesOptions;
  readonly #base: string;
  readonly #underWay: CrossingsUnderWay;
  readonly #admin: AdminHandler | undefined;
  readonly #status: ReturnType<typeof createStatus> | undefined;
  #startedAt: number | undefined;

  /** @throws TypeError where the admin page is not guarded. */
  constructor(options: PagesOptions) {
    const { runtime, admin, status } = options;
    const { clock } = runtime;
    const { endpoint, logger } = runtime.options;
    this.#options = options;
    this.#base = new URL(endpoint).pathname.replace(/\/$/u, "");
    this.#underWay = new CrossingsUnderWay(clock);
    if (admin !== undefined) {
      runtime.on("progress", (progress) => {
        this.#underWay.progressed(progress);
      });
      runtime.on("crossing", ({ outcome }) => {
        this.#underWay.ended(outcome.transferId);
      });
      this.#admin = createAdmin({
        ...{ access: admin, base: this.#base, clock, logger },
        overview: (query) => overviewOf(this.#sources(), query),
        deeds: this.#deeds(),
      });
    }
    if (status) this.#status = createStatus({ clock, report: () => this.#report() });
  }

  /** The server listens. */
  started(): void {
    this.#startedAt = this.#options.runtime.clock.now();
  }

  /** Answers what is for a page; false: it is not. */
  readonly answer = (...[request, response]: Parameters<Middleware>): boolean => {
    // Express strips what it is mounted at.
    const url = (request as { originalUrl?: string }).originalUrl ?? request.url ?? "/";
    const admin = after(url, `${this.#base}/admin`, "/?");
    if (admin !== undefined && this.#admin !== undefined) {
      this.#admin(request, response, admin).catch((cause: unknown) => {
        this.#options.runtime.options.logger.error("the admin page failed", cause);
        send(response, refusal("ERR_FED_UNAVAILABLE"));
      });
      return true;
    }
    const status = after(url, `${this.#base}/status`, "/?.");
    if (status === undefined || this.#status === undefined) return false;
    this.#status(request, response, status);
    return true;
  };

  #own(): OwnState {
    const { runtime, version } = this.#options;
    const { name, origin, worlds } = runtime.options;
    return {
      ...{ name, origin, version, worlds: Object.keys(worlds) },
      keyId: runtime.signingKey().kid,
      health: runtime.ownHealth(),
      startedAt: this.#startedAt,
    };
  }

  #sources(): OverviewSources {
    const { runtime, peers, assets } = this.#options;
    const { custody, clock } = runtime;
    return {
      now: () => clock.now(),
      own: () => this.#own(),
      peers: () => peers.list(),
      slices: (origin, window) => runtime.health.slices(origin, window),
      underWay: () => this.#underWay.list(),
      crossings: runtime.crossingLog,
      playersHere: () => custody.sessions.all().length,
      visitors: async function* () {
        for await (const { player, home, held } of custody.visitors.all()) {
          const name = custody.sessions.get(player)?.name ?? "";
          yield { player, name, at: home, state: held.phase };
        }
      },
      abroad: async function* () {
        const authority = new URL(runtime.options.origin).host;
        for await (const { localId, name, holder } of custody.ledger.openRows()) {
          if (custody.ledger.isHere(holder)) continue;
          const player = `${localId}@${authority}`;
          yield { player, name, at: holder, state: isGuest(localId) ? "guest" : "" };
        }
      },
      late: async function* () {
        for await (const { player, from, at } of custody.late.list()) {
          yield { player, from, at: at * 1000 };
        }
      },
      quarantine: async () =>
        (await assets.quarantine.list()).map(
          ({ id, origin, mediaType, size, reason, quarantinedAt }) => ({
            ...{ id, origin, mediaType, size, reason },
            at: quarantinedAt,
          }),
        ),
    };
  }

  #deeds(): AdminDeeds {
    const { runtime, peers, assets } = this.#options;
    return {
      approve: (origin, options) => peers.approve(origin, options),
      block: (what) => peers.block(what),
      unblock: (what) => peers.unblock(what),
      retry: (origin) => peers.retry(origin),
      forget: (origin) => peers.remove(origin),
      recall: async (player) => {
        const localId = runtime.custody.ledger.localId(player);
        const called = localId === undefined ? undefined : await runtime.custody.recall(localId);
        if (called === undefined) throw new TypeError(`${player} is no player of this home`);
        return called.isHome
          ? `${player} is at home.`
          : `${called.holder} still has ${player}; it is taken back in ${called.secondsLeft} s at the latest.`;
      },
      release: async (asset) => (await assets.quarantine.release(asset))?.hash,
      purge: (asset) => assets.quarantine.purge(asset),
      audit: (what, subject) => runtime.audit(what, subject),
    };
  }

  #report(): StatusReport {
    const { runtime, peers } = this.#options;
    const { name, origin, status, worlds } = { ...this.#own(), status: runtime.ownHealth().status };
    const listed = peers.list().flatMap((peer): StatusPeer[] => {
      // Whether it refuses this server is nobody else's affair.
      const condition = conditionOf({ ...peer, refusal: undefined });
      const server = runtime.registry.get(peer.origin);
      const isShown = server?.listed === true && server.listing !== undefined;
      if (!isShown || peer.trust !== "trusted") return [];
      const share = (window: keyof typeof peer.uptime): number | null =>
        peer.uptime[window].share ?? null;
      return [
        {
          ...{ name: peer.name, origin: peer.origin, worlds: peer.worlds },
          state:
            condition === "down" || condition === "degraded" || condition === "unknown"
              ? condition
              : "up",
          uptime: { hour: share("hour"), day: share("day"), ninetyDays: share("ninetyDays") },
          bars: {
            hour: barOf(runtime.health.slices(peer.origin, "hour")),
            day: barOf(runtime.health.slices(peer.origin, "day")),
            ninetyDays: barOf(runtime.health.slices(peer.origin, "ninetyDays")),
          },
        },
      ];
    });
    return {
      ...{ name, origin, status, worlds },
      ...{ at: runtime.clock.now(), startedAt: this.#startedAt },
      peers: listed.sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, MAX_STATUS_PEERS),
    };
  }
}

/** What comes after a path, its query included; undefined where `url` is of another one. */
function after(url: string, path: string, ends: string): string | undefined {
  if (!url.startsWith(path)) return undefined;
  const rest = url.slice(path.length);
  return rest === "" || ends.includes(rest[0] ?? "") ? rest : undefined;
}
