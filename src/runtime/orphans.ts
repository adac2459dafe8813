/**
 * Visitors whose home is gone without a trace, and keeping them as players of this server (docs/moving-house.md). The
 * operator decides, one by one; nothing of it happens by itself.
 *
 * What can go wrong, and what is done: the home is only away, moved, blocked, or cut off (gone is who has been silent
 * for days, by what this server itself remembers, and nobody whom it does not trust); somebody else claims the player
 * (who it is, is its key, which home's pass named and its client proved here); a crash comes between the two writes
 * (the visitor's row says first, once for each stay, whom it is kept as; the player's own row then remembers the stay,
 * in the same write that gives it its belongings: either is harmless when repeated); it is adopted twice at once (one
 * write of each row wins); the home comes back (it gets its player as ever, and the two are two players from then on).
 */
import { type VisitorRow, VisitorBook } from "../custody/holder/visitors.ts";
import { LedgerRows } from "../custody/home/ledger-rows.ts";
import type { Orphanhood } from "../custody/home/ledger-row.ts";
import { hasKept, keepOrphan } from "../custody/home/orphans.ts";
import type { Moves } from "../custody/shared/moves.ts";
import { rememberedHealth } from "../health/health-memory.ts";
import { HealthStatus, type RememberedHealth } from "../health/peer-record.ts";
import { type Silence, silenceOf } from "../health/silence.ts";
import { localIdOfKey } from "../identity/local-id.ts";
import { jsonBytes } from "../json.ts";
import type { Clock, Logger, Random, Store } from "../ports.ts";
import { TrustState } from "../registry/federated-server.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import { PlayerKeys } from "./player-keys.ts";

/** Options of {@link Orphans}. */
export interface OrphansOptions {
  /** This server's origin. */
  readonly origin: string;
  readonly store: Store;
  readonly registry: Pick<ServerRegistry, "get" | "list">;
  readonly moves: Moves;
  readonly clock: Clock;
  readonly random: Pick<Random, "bytes">;
  readonly logger?: Pick<Logger, "error">;
  /** For how many days a home has to have been silent; within `SILENT_DAYS`. */
  readonly afterDays: number;
}

/** A visitor whose home is gone. */
export interface Orphan {
  /** Whom its home knew it as. */
  readonly player: string;
  /** Origin of its home, by the name that it had last. */
  readonly home: string;
  /** Since when its home is silent, Unix milliseconds. */
  readonly silentSince: number;
  /** Bytes of what it carries, as this server has it; undefined: it has nothing of it. */
  readonly stateBytes: number | undefined;
  /** Local id of the player of this server that it was kept as. */
  readonly adoptedAs?: string;
  /** Why it cannot be kept; absent: it can. */
  readonly why?: string;
}

/** What the operator says beside who is meant. */
export interface AdoptionWishes {
  /** Also into a player that there is already. This server does not run meanwhile. */
  readonly merge: boolean;
  /** Also one that was about to leave: it may have arrived elsewhere. */
  readonly leaving: boolean;
}

/** What keeping one has come to. */
export type Adoption =
  | {
      readonly ok: true;
      /** `<local id>@<authority of this server>`. */
      readonly as: string;
      readonly formerId: string;
      /** It was kept before: nothing was done. */
      readonly again: boolean;
      /** Members that the player has not got by it. */
      readonly leftOut: readonly string[];
    }
  | { readonly ok: false; readonly reason: string };

const no = (reason: string): Extract<Adoption, { ok: false }> => ({ ok: false, reason });

/** The visitors of one server whose homes are gone. */
export class Orphans {
  readonly #options: OrphansOptions;
  readonly #visitors: VisitorBook;
  readonly #rows: LedgerRows;
  readonly #keys: PlayerKeys;

  constructor(options: OrphansOptions) {
    const { store, logger } = options;
    this.#options = options;
    this.#visitors = new VisitorBook(store, logger);
    this.#rows = new LedgerRows(options);
    this.#keys = new PlayerKeys(store);
  }

  /** Every visitor whose home is gone. */
  async list(): Promise<readonly Orphan[]> {
    const found: Orphan[] = [];
    const remembered = await rememberedHealth(this.#options.store);
    for await (const row of this.#visitors.all()) {
      const silence = this.#silenceOf(row, remembered);
      if (!silence.isSilent) continue;
      const { state } = row.held;
      const isKept =
        row.adopted !== undefined && hasKept(await this.#rows.get(row.adopted.as), stayOf(row, 0));
      const why = whyNot(row, { merge: true, leaving: false });
      found.push({
        player: row.player,
        home: this.#options.moves.currentOrigin(row.home),
        silentSince: silence.since,
        stateBytes: state === undefined ? undefined : jsonBytes(state),
        ...(isKept ? { adoptedAs: row.adopted.as } : {}),
        ...(why === undefined ? {} : { why }),
      });
    }
    return found;
  }

  /** Whether no other trusted peer answers either: then it may be this server that is cut off. */
  async isAlone(home: string): Promise<boolean> {
    const remembered = await rememberedHealth(this.#options.store);
    const others = this.#options.registry
      .list({ trust: TrustState.Trusted })
      .filter(({ origin }) => origin !== home);
    return others.every(({ origin }) => {
      const status = remembered.get(origin)?.status;
      return status === undefined || status === HealthStatus.Unreachable;
    });
  }

  /** Why a visitor cannot be kept; undefined: it can. Nothing is changed. */
  async forecast(player: string, wishes: AdoptionWishes): Promise<string | undefined> {
    const asked = await this.#ask(player, wishes);
    return asked.ok ? undefined : asked.reason;
  }

  /**
   * Keeps a visitor as a player of this server: the one whose key it has, with what it carried here last. May be
   * repeated, whatever became of it before.
   *
   * @throws FederationError `ERR_FED_STORE_UNAVAILABLE`, `ERR_FED_ROW_DAMAGED`.
   */
  async adopt(player: string, wishes: AdoptionWishes): Promise<Adoption> {
    const asked = await this.#ask(player, wishes);
    if (!asked.ok) return asked;
    const { row, jkt, as } = asked;
    const { clock, origin } = this.#options;
    const at = Math.floor(clock.now() / 1000);
    const { epoch } = row.held;
    const standing = await this.#visitors.adopt(
      player,
      (now) => now.held.epoch === epoch && whyNot(now, wishes) === undefined,
      { as, at },
    );
    if (standing === undefined) return no("its home has just answered");
    const orphanhood = stayOf(row, standing.at);
    let again = false;
    let kept: ReturnType<typeof keepOrphan>;
    let exists = false;
    await this.#rows.update(standing.as, (now) => {
      again = hasKept(now, orphanhood);
      exists = now !== undefined && !again && !wishes.merge;
      kept = exists
        ? undefined
        : keepOrphan(now, { localId: standing.as, jkt, origin }, orphanhood, row.held.state);
      return kept?.row ?? now;
    });
    const id = `${standing.as}@${new URL(origin).host}`;
    if (exists) return no(alreadyThere(id));
    if (kept === undefined) return no(cannotTake(id));
    return { ok: true, as: id, formerId: row.player, again, leftOut: kept.leftOut };
  }

  async #ask(
    player: string,
    wishes: AdoptionWishes,
  ): Promise<
    | { readonly ok: true; readonly row: VisitorRow; readonly jkt: string; readonly as: string }
    | Extract<Adoption, { ok: false }>
  > {
    const { store, origin } = this.#options;
    const row = await this.#visitors.get(player);
    if (row === undefined) return no("no such visitor is here, or its home has it again");
    const silence = this.#silenceOf(row, await rememberedHealth(store));
    if (!silence.isSilent) return no(`its home is not gone: ${silence.why}`);
    const { jkt } = row;
    const why = whyNot(row, wishes);
    if (why !== undefined) return no(why);
    if (jkt === undefined) return no(NO_KEY);
    const as = row.adopted?.as ?? (await this.#keys.playerOf(jkt));
    if (as === undefined) return no("its key was removed from a player here: it is nobody's");
    const there = await this.#rows.get(as);
    const id = `${as}@${new URL(origin).host}`;
    const isAnother = there !== undefined || as !== localIdOfKey(jkt);
    if (isAnother && !hasKept(there, stayOf(row, 0))) {
      if (!wishes.merge) return no(alreadyThere(id));
      if (
        there !== undefined &&
        keepOrphan(there, { localId: as, jkt, origin }, stayOf(row, 0), undefined) === undefined
      ) {
        return no(cannotTake(id));
      }
    }
    return { ok: true, row, jkt, as };
  }

  #silenceOf(
    { home: named }: VisitorRow,
    remembered: ReadonlyMap<string, RememberedHealth>,
  ): Silence {
    const { registry, moves, clock, afterDays } = this.#options;
    const home = moves.currentOrigin(named);
    const not = (why: string): Silence => ({ isSilent: false, why });
    const server = registry.get(home);
    if (server === undefined) return not("this server does not know it, nor how it is");
    if (server.trust !== TrustState.Trusted)
      return not(`it is ${server.trust} here: decide that first`);
    if (server.moving !== undefined) {
      return not(`it is said to have moved to ${server.moving.to}: decide that first`);
    }
    return silenceOf(remembered.get(home), clock.now(), afterDays);
  }
}

const NO_KEY = "it has no key of its own here: nobody could be it";

function stayOf({ player, home, held }: VisitorRow, adoptedAt: number): Orphanhood {
  return { formerId: player, home, epoch: held.epoch, adoptedAt };
}

const cannotTake = (id: string): string => `${id} is away, or on its way, or was kept too often`;

function alreadyThere(id: string): string {
  return `its key is a player here already, ${id}: stop this server, and say --merge, to add what it carries to that one`;
}

/** Why the row itself cannot be adopted. */
function whyNot(
  { held, jkt, adopted }: VisitorRow,
  { leaving }: AdoptionWishes,
): string | undefined {
  if (adopted !== undefined) return undefined;
  if (jkt === undefined) return NO_KEY;
  if (held.phase === "held") return "it is still in a room here: it can be kept once it has left";
  if (held.phase === "frozen" && !leaving) {
    return "it was about to leave, and may have arrived elsewhere: say --leaving if you are sure that it has not";
  }
  return undefined;
}
