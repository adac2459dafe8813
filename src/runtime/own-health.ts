/**
 * How this server itself is: what `GET /health` and links say of it (PROTOCOL 10), in the form of
 * draft-inadarei-api-health-check.
 *
 * The store is asked every 5 s by one read, whoever looks or does not: an answer costs no read, waits for
 * nothing, and is at most 8 s old.
 */
import type { Clock, Store, TimerHandle } from "../ports.ts";
import type { Part } from "./part.ts";

/** `pass`: well; `warn`: works, but an operator should look; `fail`: of no use to anybody now. */
export type OwnStatus = "pass" | "warn" | "fail";

/** One check. */
export interface OwnCheck {
  readonly componentType: "datastore" | "component";
  readonly status: OwnStatus;
  /** When it was made, RFC 3339. */
  readonly time: string;
  /** Milliseconds, of `store:responseTime` where the store answered. */
  readonly observedValue?: number;
  readonly observedUnit?: "ms";
  /** What is wrong, in fixed words; left out where nothing is. */
  readonly output?: string;
}

/** What is said of this server. Nothing in it is of its players or peers. */
export interface OwnHealthReport {
  readonly status: OwnStatus;
  /** By `component:measurement`; each has one entry. */
  readonly checks: Readonly<Record<string, readonly OwnCheck[]>>;
}

/** Options of {@link OwnHealth}. */
export interface OwnHealthOptions {
  readonly store: Pick<Store, "get">;
  readonly clock: Clock;
  /** Whether players are being sent home, and nobody is let in. */
  readonly isDraining: () => boolean;
}

/** Never written: whether the store answers is all that is asked. */
const KEY = "own-health";
const EVERY_MILLISECONDS = 5_000;
const TIMEOUT_MILLISECONDS = 3_000;
const SLOW_MILLISECONDS = 1_000;

/** Looks after the store from its start to its stop. */
export class OwnHealth implements Part {
  readonly #options: OwnHealthOptions;
  #store: OwnCheck;
  #timer: TimerHandle | undefined;
  #stopped = false;
  /** A read that has no answer yet, late or not: no other is begun. */
  #reading = false;

  constructor(options: OwnHealthOptions) {
    this.#options = options;
    // It has been opened.
    this.#store = { componentType: "datastore", status: "pass", time: this.#now() };
  }

  start(): void {
    this.#look();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
  }

  /** How it is. */
  report(): OwnHealthReport {
    const { isDraining } = this.#options;
    const component = (wrong: string | undefined): OwnCheck => ({
      componentType: "component",
      status: wrong === undefined ? "pass" : "warn",
      time: this.#now(),
      ...(wrong === undefined ? {} : { output: wrong }),
    });
    const checks = {
      "store:responseTime": this.#store,
      "players:admission": component(isDraining() ? "closing: nobody is let in" : undefined),
    };
    const found = Object.values(checks).map(({ status }) => status);
    const status = found.includes("fail") ? "fail" : found.includes("warn") ? "warn" : "pass";
    return {
      status,
      checks: Object.fromEntries(Object.entries(checks).map(([name, check]) => [name, [check]])),
    };
  }

  #look(): void {
    if (this.#stopped) return;
    const { clock, store } = this.#options;
    this.#timer = clock.setTimeout(() => {
      this.#look();
    }, EVERY_MILLISECONDS);
    if (this.#reading) return;
    this.#reading = true;
    const begun = clock.monotonic();
    const late = clock.setTimeout(() => {
      this.#found(undefined);
    }, TIMEOUT_MILLISECONDS);
    const settle = (answered: boolean): void => {
      clock.clearTimeout(late);
      this.#reading = false;
      this.#found(answered ? Math.round(clock.monotonic() - begun) : undefined);
    };
    store.get(KEY).then(
      () => {
        settle(true);
      },
      () => {
        settle(false);
      },
    );
  }

  /** The store has answered after so many milliseconds; undefined: it has not. */
  #found(milliseconds: number | undefined): void {
    const time = this.#now();
    if (milliseconds === undefined) {
      const output = "the store does not answer";
      this.#store = { componentType: "datastore", status: "fail", time, output };
      return;
    }
    const slow = milliseconds > SLOW_MILLISECONDS;
    this.#store = {
      componentType: "datastore",
      status: slow ? "warn" : "pass",
      time,
      observedValue: milliseconds,
      observedUnit: "ms",
      ...(slow ? { output: "the store answers slowly" } : {}),
    };
  }

  #now(): string {
    return new Date(this.#options.clock.now()).toISOString();
  }
}
