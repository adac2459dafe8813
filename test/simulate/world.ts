/** The world of the simulation: one clock, a faulty network, disks that survive, clocks that drift. */
import { FederationError } from "../../src/errors.ts";
import type {
  Clock,
  Random,
  Store,
  Table,
  TableRow,
  TableSpec,
  TimerHandle,
} from "../../src/ports.ts";
import { seededRandom } from "../support/seeded-random.ts";

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Faults, per chance or duration; all off is a perfect world. */
export interface Faults {
  /** Chance that a message, or its answer, is lost. */
  loss: number;
  /** Chance that a message is delivered twice. */
  duplication: number;
  /** Chance that a message takes seconds, and overtakes or is overtaken. */
  delay: number;
  /** Chance that a server dies at one of its durable writes. */
  crash: number;
  /** Chance, per message, that two servers lose sight of each other for a while. */
  partition: number;
  /** Chance that the disk takes its time, so that others come in between. */
  slow: number;
  /** Chance that the store refuses one call; a write may have been made all the same. */
  fail: number;
  /** Chance, per call, that the store is away for a while. */
  outage: number;
  /** Chance, per message, that the server it is for is stopped, and started again. */
  stop: number;
  /** Chance, per message, that the process of the server it is for stands still for a while. */
  hang: number;
  /** Chance, each time a room is asked what a player carries, that its answer is rubbish. */
  rubbish: number;
  /** Chance, per join, that the room's `onJoin` throws, or stalls. */
  unruly: number;
  /** Chance, at each step, that a client goes, sleeps, turns round, or comes twice. */
  fickle: number;
  /** Chance, per call, that it is answered by a 5xx, or by what nobody can read. */
  unwell: number;
  /** Chance, per call with a state, that the state is not what the room said. */
  lie: number;
  /** Chance, per return with a state, that home refuses the state. */
  picky: number;
  /** Chance, per recall, that the holder will not give that player back for a long time, and plays it on. */
  hostage: number;
  /** Chance, per frame, that its link's connection is cut. */
  cut: number;
  /** Chance, per frame, that the connection dies without a word: both sides believe that it lives. */
  halfOpen: number;
  /** Chance, per frame, that somebody on the way repeats it, changes it, or puts another in its place. */
  tamper: number;
  /** Chance, per link that is to be opened, that a proxy lets none through. */
  noUpgrade: number;
  /** Chance, per end of a process, that a row of its store is damaged meanwhile. */
  rot: number;
  /** Chance, per end of a process, that its server comes back at another origin. */
  move: number;
}

export const NO_FAULTS: Faults = {
  loss: 0,
  duplication: 0,
  delay: 0,
  crash: 0,
  partition: 0,
  slow: 0,
  fail: 0,
  outage: 0,
  stop: 0,
  hang: 0,
  rubbish: 0,
  unruly: 0,
  fickle: 0,
  unwell: 0,
  lie: 0,
  picky: 0,
  hostage: 0,
  cut: 0,
  halfOpen: 0,
  tamper: 0,
  noUpgrade: 0,
  rot: 0,
  move: 0,
};

/** Signing runs in other threads; the world moves on only when none is under way. */
let signing = 0;
const { subtle } = globalThis.crypto;
const realSign = subtle.sign.bind(subtle);
subtle.sign = async (...args: Parameters<typeof realSign>) => {
  signing += 1;
  try {
    return await realSign(...args);
  } finally {
    signing -= 1;
  }
};

/** One deterministic run: the same seed, the same events. */
export class World {
  now = 0;
  /** Rows written since somebody looked: whose, and what is on disk now. */
  readonly written: [id: string, text: string][] = [];
  /** What happened, oldest first; kept only where somebody wants to read it. */
  readonly trace: string[] = [];
  /** Lines of the trace that are kept; 0 keeps none. */
  traceLength = 0;
  /** States, by their ids, that their homes will never take. */
  readonly disliked = new Set<unknown>();
  readonly random: Random;
  faults: Faults = { ...NO_FAULTS };
  readonly counts: Record<keyof Faults, number> = { ...NO_FAULTS };
  readonly #heap: Event[] = [];
  #order = 0;

  constructor(seed: string) {
    this.random = fastRandom(seed);
  }

  /** Whether a fault of this kind happens now; counted when it does. */
  strikes(kind: keyof Faults): boolean {
    if (this.faults[kind] === 0 || this.random.fraction() >= this.faults[kind]) return false;
    this.counts[kind] += 1;
    return true;
  }

  /** A number from `low` to `high`. */
  between(low: number, high: number): number {
    return low + this.random.fraction() * (high - low);
  }

  pick<T>(list: readonly T[]): T {
    const item = list[Math.floor(this.random.fraction() * list.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  schedule(milliseconds: number, run: () => void): Event {
    const event: Event = {
      at: this.now + Math.max(0, milliseconds),
      order: this.#order++,
      run,
      cancelled: false,
    };
    push(this.#heap, event);
    return event;
  }

  /** Adds a line to the trace. */
  note(what: () => string): void {
    if (this.traceLength === 0) return;
    this.trace.push(`${(this.now / 1000).toFixed(3).padStart(9)}  ${what()}`);
    // In one go now and then: taking off one line costs as much as taking off many.
    if (this.trace.length >= 2 * this.traceLength) this.trace.splice(0, this.traceLength);
  }

  sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.schedule(milliseconds, resolve));
  }

  /** Runs events one by one until `done` or `until`; `after` looks at the world in between. */
  async run(until: number, done: () => boolean, after: () => void): Promise<void> {
    await settle();
    while (this.now < until && !done()) {
      const event = pop(this.#heap);
      if (event === undefined) return;
      if (event.cancelled) continue;
      this.now = Math.max(this.now, event.at);
      event.run();
      await settle();
      after();
    }
  }
}

/** Lets all that is ready run, signatures included. */
async function settle(): Promise<void> {
  do {
    await new Promise<void>((resolve) => setImmediate(resolve));
  } while (signing > 0);
}

/** Unix milliseconds at which a simulation begins. */
export const EPOCH = 1_767_225_600_000;

/** One life of a server, as its ports know it. */
export interface Process {
  /** Whether it goes on. */
  readonly alive: () => boolean;
  /** Until then it stands still. */
  readonly hungUntil: () => number;
}

/** A server's clock: its own offset and rate, and dead with its process. */
export class DriftingClock implements Clock {
  readonly #world: World;
  readonly #process: Process;
  readonly #rate: number;
  readonly #offset: number;
  readonly #startedAt: number;

  constructor(world: World, process: Process, rate: number, offset: number) {
    this.#world = world;
    this.#process = process;
    this.#rate = rate;
    this.#offset = offset;
    this.#startedAt = world.now;
  }

  /** Set right by NTP again and again: off by a little, never by more and more. */
  now(): number {
    return EPOCH + this.#world.now + this.#offset;
  }

  monotonic(): number {
    return (this.#world.now - this.#startedAt) * this.#rate;
  }

  setTimeout(callback: () => void, milliseconds: number): TimerHandle {
    const fire = (): void => {
      if (!this.#process.alive() || event.cancelled) return;
      const left = this.#process.hungUntil() - this.#world.now;
      // What is due while the process stands still comes when it goes on, in the order it was due.
      if (left > 0) this.#world.schedule(left, fire);
      else callback();
    };
    const event = this.#world.schedule(milliseconds / this.#rate, fire);
    return event;
  }

  clearTimeout(handle: TimerHandle): void {
    (handle as Event).cancelled = true;
  }
}

/** What survives a crash. */
export type Disk = Map<string, { value: string; expires: number }>;

/** A row of a table on the disk. */
export type DiskRow = Pick<TableRow, "version" | "values">;

/** A store whose process may die at any durable write: before it, or after it and before it is told. */
export class CrashingStore implements Store {
  readonly #world: World;
  readonly #disk: Disk;
  readonly #process: Process;
  readonly #crash: () => void;
  readonly #name: string;
  #awayUntil = 0;

  constructor(world: World, name: string, disk: Disk, process: Process, crash: () => void) {
    this.#world = world;
    this.#name = name;
    this.#disk = disk;
    this.#process = process;
    this.#crash = crash;
  }

  /** When the store's last outage ends, or ended. */
  get awayUntil(): number {
    return this.#awayUntil;
  }

  /** Whether nothing can be read or written at the moment. */
  get away(): boolean {
    return this.#world.now < this.#awayUntil;
  }

  async get(key: string): Promise<string | undefined> {
    await this.#turn();
    if (this.#world.strikes("fail")) throw unavailable();
    return this.#read(key);
  }

  async set(key: string, value: string, ttlMilliseconds?: number): Promise<void> {
    await this.#write(key, () => {
      this.#disk.set(key, { value, expires: this.#expiry(ttlMilliseconds) });
      return true;
    });
  }

  async delete(key: string): Promise<void> {
    await this.#write(key, () => this.#disk.delete(key));
  }

  async compareAndSet(
    key: string,
    expected: string | undefined,
    next: string | undefined,
    ttlMilliseconds?: number,
  ): Promise<boolean> {
    return this.#write(key, () => {
      if (this.#read(key) !== expected) return false;
      if (next === undefined) this.#disk.delete(key);
      else this.#disk.set(key, { value: next, expires: this.#expiry(ttlMilliseconds) });
      return true;
    });
  }

  async *entries(prefix: string): AsyncGenerator<readonly [key: string, value: string]> {
    await this.#turn();
    for (const key of [...this.#disk.keys()].filter((each) => each.startsWith(prefix)).sort()) {
      const value = this.#read(key);
      if (value !== undefined) yield [key, value];
    }
  }

  /** Rows are on the same disk, at `<name>/<key>`, and written with the same faults. */
  table({ name, listed }: TableSpec): Table {
    const read = (key: string): TableRow | undefined => {
      const text = this.#read(`${name}/${key}`);
      return text === undefined ? undefined : { key, ...(JSON.parse(text) as DiskRow) };
    };
    const write = (
      key: string,
      expected: number | undefined,
      next: (row: TableRow | undefined) => DiskRow | undefined,
    ): Promise<boolean> =>
      this.#write(`${name}/${key}`, () => {
        const row = read(key);
        if (row?.version !== expected) return false;
        const value = next(row);
        if (value === undefined) this.#disk.delete(`${name}/${key}`);
        else this.#disk.set(`${name}/${key}`, { value: JSON.stringify(value), expires: Infinity });
        return true;
      });
    const rows = async function* (
      store: CrashingStore,
      prefix: string,
      wanted: (row: TableRow) => boolean,
    ): AsyncGenerator<TableRow> {
      for await (const [key] of store.entries(`${name}/${prefix}`)) {
        const row = read(key.slice(name.length + 1));
        if (row !== undefined && wanted(row)) yield row;
      }
    };
    return {
      get: async (key) => {
        await this.#turn();
        if (this.#world.strikes("fail")) throw unavailable();
        return read(key);
      },
      insert: (key, version, values) => write(key, undefined, () => ({ version, values })),
      update: (key, version, changes) =>
        write(key, version, (row) => ({
          version: version + 1,
          values: { ...row?.values, ...changes },
        })),
      remove: (key, version) => write(key, version, () => undefined),
      rows: (prefix) => rows(this, prefix, () => true),
      listed: (prefix) => rows(this, prefix, ({ values }) => values[listed] !== undefined),
    };
  }

  async close(): Promise<void> {
    // The disk outlives everybody.
  }

  async #write(key: string, change: () => boolean): Promise<boolean> {
    await this.#turn();
    const dies = this.#world.strikes("crash");
    if (dies && this.#world.random.fraction() < 0.5) {
      this.#crash();
      return never();
    }
    const refused = this.#world.strikes("fail");
    if (refused && this.#world.random.fraction() < 0.5) throw unavailable();
    // Another write may have ended the process in this very moment.
    if (!this.#process.alive()) return never();
    const result = change();
    if (result && (key.startsWith("custody/") || key.startsWith("visitor/"))) {
      this.#world.written.push([`${this.#name} ${key}`, this.#disk.get(key)?.value ?? ""]);
    }
    if (dies) {
      this.#crash();
      return never();
    }
    if (refused) throw unavailable();
    return result;
  }

  async #turn(): Promise<void> {
    const { alive, hungUntil } = this.#process;
    if (!alive()) return never();
    await Promise.resolve();
    if (this.#world.strikes("slow")) await this.#world.sleep(this.#world.between(1, 80));
    while (alive() && this.#world.now < hungUntil()) {
      await this.#world.sleep(hungUntil() - this.#world.now);
    }
    if (!alive()) return never();
    if (this.#world.strikes("outage")) {
      this.#awayUntil = this.#world.now + this.#world.between(200, 20_000);
      this.#world.note(() => `the store of ${this.#name.replace("https://", "")} is away`);
    }
    if (this.away) throw unavailable();
  }

  #read(key: string): string | undefined {
    const entry = this.#disk.get(key);
    return entry === undefined || entry.expires <= this.#world.now ? undefined : entry.value;
  }

  #expiry(ttlMilliseconds: number | undefined): number {
    return ttlMilliseconds === undefined ? Infinity : this.#world.now + ttlMilliseconds;
  }
}

function unavailable(): FederationError {
  return new FederationError("ERR_FED_STORE_UNAVAILABLE");
}

/** What a dead process waits for. */
export function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

/** Seeded, and fast enough for millions of draws (xorshift128). */
export function fastRandom(seed: string): Random {
  const seeds = Buffer.from(seededRandom(seed).bytes(16));
  let [a, b, c, d] = [0, 4, 8, 12].map((at) => seeds.readUInt32LE(at)) as [
    number,
    number,
    number,
    number,
  ];
  const next = (): number => {
    const mixed = a ^ (a << 11);
    [a, b, c] = [b, c, d];
    d = (d ^ (d >>> 19) ^ mixed ^ (mixed >>> 8)) >>> 0;
    return d;
  };
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => next() & 0xff);
  return {
    bytes,
    fraction: () => next() / 2 ** 32,
    uuid: () => {
      const hex = Buffer.from(bytes(16)).toString("hex");
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
    },
  };
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function push(heap: Event[], event: Event): void {
  let at = heap.push(event) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(heap[at]!, heap[parent]!)) break;
    [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
    at = parent;
  }
}

function pop(heap: Event[]): Event | undefined {
  const [first] = heap;
  const last = heap.pop();
  if (last === undefined || first === last) return first;
  heap[0] = last;
  for (let at = 0; ;) {
    const left = 2 * at + 1;
    const right = left + 1;
    let least = at;
    if (left < heap.length && before(heap[left]!, heap[least]!)) least = left;
    if (right < heap.length && before(heap[right]!, heap[least]!)) least = right;
    if (least === at) return first;
    [heap[at], heap[least]] = [heap[least]!, heap[at]!];
    at = least;
  }
}
