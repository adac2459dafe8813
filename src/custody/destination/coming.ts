/** Who has been promised a place here and does not play here yet: by the source, and by the home that it is of. */

/** A player who comes by a transfer. */
export interface Comer {
  readonly player: string;
  /** Origin of its source. */
  readonly caller: string;
  readonly transferId: string;
}

/** How far one is. `asked`: for a seat; `waits`: in a seat of its own; `comes`: its client has taken that. */
type Stage = "asked" | "waits" | "comes";

interface Place {
  readonly caller: string;
  readonly home: string;
  /** Unix milliseconds: after that nobody comes by it any more. */
  readonly until: number;
  readonly stage: Stage;
}

/** Places by player and transfer, each counted until it is left, or lapses. In this process. */
export class Coming {
  readonly #now: () => number;
  /** In the order in which they were promised. */
  readonly #places = new Map<string, Place>();
  readonly #waiting = new Map<string, Set<string>>();
  readonly #from = new Map<string, Set<string>>();
  readonly #of = new Map<string, Set<string>>();

  /** @param now Unix milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A seat is asked for. One that is further is left as it is. */
  asked(comer: Comer, home: string, until: number): void {
    this.#forgetOldest();
    const key = keyOf(comer);
    if ((this.#places.get(key)?.until ?? 0) > this.#now()) return;
    this.#set(key, { caller: comer.caller, home, until, stage: "asked" });
  }

  /** Nobody was given the seat that was asked for. One that waits in it all the same is left as it is. */
  refused(comer: Comer): void {
    const key = keyOf(comer);
    if (this.#places.get(key)?.stage === "asked") this.#remove(key);
  }

  /** A seat waits for it. */
  waits(comer: Comer, home: string, until: number): void {
    this.#set(keyOf(comer), { caller: comer.caller, home, until, stage: "waits" });
  }

  /** Its client has come: its seat waits no more, and its player is not here yet. */
  comes(comer: Comer): void {
    const key = keyOf(comer);
    const place = this.#places.get(key);
    if (place !== undefined) this.#set(key, { ...place, stage: "comes" });
  }

  /** The seat is gone, or its player is here. */
  left(comer: Comer): void {
    this.#remove(keyOf(comer));
  }

  /**
   * How many seats wait for players of one source, or are asked for: where it may be `most` or more, exactly.
   * `soonest`: when the first of them lapses, in Unix milliseconds.
   */
  waiting(caller: string, most: number): { readonly count: number; readonly soonest: number } {
    const keys = this.#counted(this.#waiting, caller, most);
    const count = keys?.size ?? 0;
    if (count < most) return { count, soonest: Infinity };
    const ends = [...(keys ?? [])].map((key) => this.#places.get(key)?.until ?? Infinity);
    return { count, soonest: Math.min(...ends) };
  }

  /** How many come from one source, whether they wait or are at the door, as {@link waiting}. */
  from(caller: string, most: number): number {
    return this.#counted(this.#from, caller, most)?.size ?? 0;
  }

  /** How many players of one home come, as {@link waiting}. */
  of(home: string, most: number): number {
    return this.#counted(this.#of, home, most)?.size ?? 0;
  }

  /** What has lapsed is looked for only where it makes a difference. */
  #counted(
    index: ReadonlyMap<string, ReadonlySet<string>>,
    key: string,
    most: number,
  ): ReadonlySet<string> | undefined {
    const keys = index.get(key);
    if (keys === undefined || keys.size < most) return keys;
    const now = this.#now();
    for (const each of [...keys]) {
      if ((this.#places.get(each)?.until ?? 0) <= now) this.#remove(each);
    }
    return index.get(key);
  }

  #forgetOldest(): void {
    const now = this.#now();
    for (const [key, { until }] of this.#places) {
      if (until > now) return;
      this.#remove(key);
    }
  }

  #set(key: string, place: Place): void {
    this.#remove(key);
    this.#places.set(key, place);
    if (place.stage !== "comes") addTo(this.#waiting, place.caller, key);
    addTo(this.#from, place.caller, key);
    addTo(this.#of, place.home, key);
  }

  #remove(key: string): void {
    const place = this.#places.get(key);
    if (place === undefined) return;
    this.#places.delete(key);
    removeFrom(this.#waiting, place.caller, key);
    removeFrom(this.#from, place.caller, key);
    removeFrom(this.#of, place.home, key);
  }
}

/** One transfer id may be in passes of several players: each has a seat. */
function keyOf({ player, caller, transferId }: Comer): string {
  return `${caller} ${transferId.toLowerCase()} ${player}`;
}

function addTo(index: Map<string, Set<string>>, key: string, member: string): void {
  const members = index.get(key);
  if (members === undefined) index.set(key, new Set([member]));
  else members.add(member);
}

function removeFrom(index: Map<string, Set<string>>, key: string, member: string): void {
  const members = index.get(key);
  members?.delete(member);
  if (members?.size === 0) index.delete(key);
}
