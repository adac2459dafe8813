/**
 * Where the servers of the simulation are: one that moves keeps its name here, its key and its disk, and comes
 * back under another origin, of which each of the others hears in its own time, and never forgets.
 */
import type { LedgerRow } from "../../src/custody/home/ledger-row.ts";
import type { Moves } from "../../src/custody/shared/moves.ts";
import type { World } from "./world.ts";

/** Moves of one server at most: each former origin is a name more that its players may be held by. */
const MAX_MOVES = 12;
/** How long the others may take to follow. */
const FOLLOWING_MILLISECONDS = 20_000;

/** All addresses, by the names that servers have in the simulation. */
export class Addresses {
  readonly #world: World;
  /** By name: every origin it has had, the present one last. */
  readonly #origins = new Map<string, string[]>();
  /** By origin, whose it is or was. */
  readonly #names = new Map<string, string>();
  /** By who knows: how many origins of each it knows. */
  readonly #known = new Map<string, Map<string, number>>();

  constructor(world: World) {
    this.#world = world;
  }

  /** A server is where it begins. */
  add(name: string): void {
    this.#origins.set(name, [name]);
    this.#names.set(name, name);
    this.#known.set(name, new Map());
  }

  /** The present origin of a server. */
  of(name: string): string {
    return this.#origins.get(name)?.at(-1) ?? name;
  }

  /** Whose an origin is or was; itself, where nobody's. */
  nameOf(origin: string): string {
    return this.#names.get(origin) ?? origin;
  }

  /** A player by the name of its home. */
  player(id: string): string {
    const at = id.lastIndexOf("@") + 1;
    const name = this.#names.get(`https://${id.slice(at)}`);
    return name === undefined ? id : `${id.slice(0, at)}${new URL(name).host}`;
  }

  /** A home's row by the names of all servers in it. */
  row(row: LedgerRow): LedgerRow {
    const ends = <Ends extends { readonly from: string; readonly to: string }>(of: Ends): Ends => ({
      ...of,
      from: this.nameOf(of.from),
      to: this.nameOf(of.to),
    });
    return {
      ...row,
      holder: this.nameOf(row.holder),
      ...(row.transfer && { transfer: ends(row.transfer) }),
      ...(row.last && { last: ends(row.last) }),
    };
  }

  /** Moves a server that does not run, unless it has moved often. */
  move(name: string): void {
    const origins = this.#origins.get(name) ?? [];
    if (origins.length > MAX_MOVES) return;
    const origin = `https://${new URL(name).host.replace(".", `-${origins.length}.`)}`;
    origins.push(origin);
    this.#names.set(origin, name);
    this.#learn(name, name, origins.length);
    const world = this.#world;
    world.note(() => `${new URL(name).host} has moved to ${new URL(origin).host}`);
    for (const other of this.#known.keys()) {
      if (other === name) continue;
      world.schedule(world.between(0, FOLLOWING_MILLISECONDS), () => {
        world.note(() => `${new URL(other).host} has followed ${new URL(name).host}`);
        this.#learn(other, name, origins.indexOf(origin) + 1);
      });
    }
  }

  #learn(who: string, name: string, count: number): void {
    const known = this.#known.get(who);
    known?.set(name, Math.max(count, known.get(name) ?? 1));
  }

  /** Whether a server hears an origin as that of another: it knows it, and nothing later. */
  hears(who: string, origin: string): boolean {
    const name = this.#names.get(origin);
    return name === undefined || this.#knownOf(who, name).at(-1) === origin;
  }

  #knownOf(who: string, name: string): readonly string[] {
    const count = this.#known.get(who)?.get(name) ?? 1;
    return this.#origins.get(name)?.slice(0, count) ?? [name];
  }

  /** The moves that a server knows of. */
  knownTo(who: string): Moves {
    const known = this.#known.get(who) ?? new Map<string, number>();
    return {
      get version() {
        let version = 0;
        for (const count of known.values()) version += count;
        return version;
      },
      currentOrigin: (origin) => {
        const name = this.#names.get(origin);
        const origins = name === undefined ? [] : this.#knownOf(who, name);
        return origins.includes(origin) ? (origins.at(-1) ?? origin) : origin;
      },
      formerOrigins: (origin) => {
        const name = this.#names.get(origin);
        const origins = name === undefined ? [] : this.#knownOf(who, name);
        return origins.at(-1) === origin ? origins.slice(0, -1).reverse() : [];
      },
    };
  }
}
