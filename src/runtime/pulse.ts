/**
 * That this server runs, and under which name, written into its store every minute: for an operator who looks at
 * the store only. Nothing is decided by it.
 */
import { z } from "zod";
import type { MeetingAttempt } from "../handshake/session-keeper.ts";
import { type HealthCause, causeOf, causeSchema } from "../health/health-cause.ts";
import type { Clock, Store } from "../ports.ts";
import { normalRoute, routeSchema } from "../routing/kept-routes.ts";
import type { PortalRoute } from "../routing/targets.ts";
import type { Part } from "./part.ts";
import { Repeating } from "./repeating.ts";

const KEY = "pulse";
const BEAT_MILLISECONDS = 60_000;
/** Two beats may be missed by a store that is slow. */
const OVER_MILLISECONDS = 150_000;
/** So many named origins are told of. */
const MAX_NAMED = 1_000;
/** So many are told of that could not be met. */
const MAX_ATTEMPTS = 200;
/** So many routes, and of such a length as JSON in all. */
const MAX_ROUTES = 1_000;
const MAX_ROUTES_LENGTH = 65_536;

/** Options of {@link Pulse}. */
export interface PulseOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Of the server. */
  readonly name: string;
  /** Origins that the configuration names. Default: none. */
  readonly named?: readonly string[];
  /** How meeting a server has failed; undefined: it has not. Default: it is not known. */
  readonly attempt?: (origin: string) => MeetingAttempt | undefined;
  /** That the configuration has. Default: none. */
  readonly routes?: readonly PortalRoute[];
}

const pulseSchema = z.strictObject({
  name: z.string().max(256),
  /** Unix milliseconds. */
  startedAt: z.number().min(0),
  /** Unix milliseconds. */
  at: z.number().min(0),
  /** It has stopped, and said so. */
  isOver: z.boolean(),
  /** Origins that its configuration names. */
  named: z.array(z.string().max(300)).max(MAX_NAMED).default([]),
  /** How meeting some of them has failed. */
  attempts: z
    .array(
      z.strictObject({
        origin: z.string().max(300),
        cause: causeSchema,
        /** Unix milliseconds. */
        nextAt: z.number().min(0).optional(),
      }),
    )
    .max(MAX_ATTEMPTS)
    .default([]),
  /** Routes that its configuration has. */
  routes: z.array(routeSchema).max(MAX_ROUTES).default([]),
  /** How many more there are. */
  routesLeftOut: z.int().min(0).default(0),
});

/** Writes it. */
export class Pulse implements Part {
  readonly #options: PulseOptions;
  readonly #repeating: Repeating;
  readonly #routes: readonly PortalRoute[];
  #startedAt: number | undefined;

  constructor(options: PulseOptions) {
    this.#options = options;
    this.#routes = toldOf(options.routes ?? []);
    this.#repeating = new Repeating({
      work: () => this.#beat(false),
      everyMilliseconds: BEAT_MILLISECONDS,
      // The store's own failures are reported by whoever needs it.
      onFailure: () => undefined,
      clock: options.clock,
    });
  }

  async start(): Promise<void> {
    this.#startedAt = this.#options.clock.now();
    this.#repeating.start();
    await this.#beat(false).catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#repeating.stop();
    if (this.#startedAt !== undefined) await this.#beat(true).catch(() => undefined);
  }

  async #beat(isOver: boolean): Promise<void> {
    const { store, clock, name, named = [], routes = [] } = this.#options;
    const startedAt = this.#startedAt ?? clock.now();
    const told: z.infer<typeof pulseSchema> = {
      ...{ name, startedAt, at: clock.now(), isOver, named: named.slice(0, MAX_NAMED) },
      attempts: this.#attempts(),
      ...{ routes: [...this.#routes], routesLeftOut: routes.length - this.#routes.length },
    };
    await store.set(KEY, JSON.stringify(told));
  }

  #attempts(): z.infer<typeof pulseSchema>["attempts"] {
    const { named = [], attempt } = this.#options;
    return named
      .flatMap((origin) => {
        const { cause, nextAt } = attempt?.(origin) ?? {};
        return cause === undefined ? [] : [{ origin, cause: causeOf(cause), nextAt }];
      })
      .slice(0, MAX_ATTEMPTS);
  }
}

/** The first routes, as many as are told of. */
function toldOf(routes: readonly PortalRoute[]): PortalRoute[] {
  const told: PortalRoute[] = [];
  let length = 0;
  for (const given of routes) {
    const route = normalRoute(given);
    length += JSON.stringify(route).length;
    if (told.length >= MAX_ROUTES || length > MAX_ROUTES_LENGTH) break;
    if (routeSchema.safeParse(route).success) told.push(route);
  }
  return told;
}

/** What a server's store says of it. */
export interface PulseReading {
  readonly name: string;
  /** Whether it runs; where it was killed, that is noticed within 150 s. */
  readonly isRunning: boolean;
  /** Of the run that wrote last, Unix milliseconds. */
  readonly startedAt: number;
  /** When it was seen last, Unix milliseconds. */
  readonly at: number;
  /** Origins that its configuration names, at most 1000 of them. */
  readonly named: readonly string[];
  /** How meeting them has failed, of at most 200 of them, and when it is tried again, Unix milliseconds. */
  readonly attempts: readonly {
    readonly origin: string;
    readonly cause: HealthCause;
    readonly nextAt?: number | undefined;
  }[];
  /** Routes that its configuration has, at most 1000 of them, and 64 KiB. */
  readonly routes: readonly PortalRoute[];
  /** How many more it has. */
  readonly routesLeftOut: number;
}

/** Reads it; undefined: no run of the server has written any. `now`: Unix milliseconds. */
export async function readPulse(
  store: Pick<Store, "get">,
  now: number,
): Promise<PulseReading | undefined> {
  const text = await store.get(KEY);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { success, data } = pulseSchema.safeParse(value);
  if (!success) return undefined;
  const { isOver, ...told } = data;
  return { ...told, isRunning: !isOver && now - told.at <= OVER_MILLISECONDS };
}
