/**
 * Places for the calls by which a holder settles: so many under way to one home, and to all of them together.
 *
 * A restart finds every row that is open at once, and a home that is away keeps a call for seconds. Who waits
 * goes in turn, home by home. Homes whose last call was not answered share half of the places, so that those
 * that answer have the others.
 */
import { FederationError } from "../../errors.ts";
import type { Home } from "../shared/home.ts";

/** Calls under way to one home. */
export const MAX_CALLS_OF_HOME = 8;
/** Calls under way to all homes. */
export const MAX_CALLS = 64;
/** Of them, to homes whose last call was not answered. */
export const MAX_CALLS_UNANSWERED = 32;

interface Waiting {
  readonly start: () => void;
  readonly refuse: (cause: unknown) => void;
}

interface OfHome {
  underWay: number;
  readonly waiting: Waiting[];
}

/** Calls of one holder, bounded by home and in all. */
export class CallPlaces {
  readonly #homes = new Map<string, OfHome>();
  /** Homes with a call that waits and a place for it, who came first in front: those that answer, and the others. */
  readonly #ready = { answering: new Set<string>(), silent: new Set<string>() };
  /** Homes whose last call was not answered. */
  readonly #silent = new Set<string>();
  #underWay = 0;
  #underWayToSilent = 0;
  #stopped = false;

  /** A home whose cancels and returns wait for a place. A place is free again when the call ends, however it does. */
  home(origin: string, home: Home): Home {
    return {
      ...home,
      cancel: (request) => this.#run(origin, () => home.cancel(request)),
      giveBack: (request) => this.#run(origin, () => home.giveBack(request)),
      giveBackAll: (request) => this.#run(origin, () => home.giveBackAll(request)),
    };
  }

  /** Refuses whoever waits, and whoever comes. Calls under way end by themselves. */
  stop(): void {
    this.#stopped = true;
    const waiting = [...this.#homes.values()].flatMap((each) => each.waiting.splice(0));
    this.#ready.answering.clear();
    this.#ready.silent.clear();
    for (const { refuse } of waiting) refuse(stopped());
  }

  #run<Answer>(origin: string, call: () => Promise<Answer>): Promise<Answer> {
    if (this.#stopped) return Promise.reject(stopped());
    const ofHome = this.#homes.get(origin) ?? { underWay: 0, waiting: [] };
    this.#homes.set(origin, ofHome);
    return new Promise((resolve, reject) => {
      const start = (): void => {
        void this.#make(origin, ofHome, call).then(resolve, reject);
      };
      ofHome.waiting.push({ start, refuse: reject });
      this.#offer(origin, ofHome);
      this.#next();
    });
  }

  async #make<Answer>(
    origin: string,
    ofHome: OfHome,
    call: () => Promise<Answer>,
  ): Promise<Answer> {
    const toSilent = this.#silent.has(origin);
    this.#underWay += 1;
    if (toSilent) this.#underWayToSilent += 1;
    ofHome.underWay += 1;
    try {
      const answer = await call();
      this.#silent.delete(origin);
      return answer;
    } catch (cause) {
      this.#silent.add(origin);
      throw cause;
    } finally {
      this.#underWay -= 1;
      if (toSilent) this.#underWayToSilent -= 1;
      ofHome.underWay -= 1;
      if (ofHome.underWay === 0 && ofHome.waiting.length === 0) this.#homes.delete(origin);
      this.#offer(origin, ofHome);
      this.#next();
    }
  }

  /** Puts a home at the end of the row it belongs to, unless it stands there or has no place. */
  #offer(origin: string, { underWay, waiting }: OfHome): void {
    const { answering, silent } = this.#ready;
    const [mine, other] = this.#silent.has(origin) ? [silent, answering] : [answering, silent];
    other.delete(origin);
    if (waiting.length > 0 && underWay < MAX_CALLS_OF_HOME) mine.add(origin);
    else mine.delete(origin);
  }

  #next(): void {
    while (this.#underWay < MAX_CALLS) {
      const origin = this.#takeFirst();
      if (origin === undefined) return;
      const ofHome = this.#homes.get(origin);
      ofHome?.waiting.shift()?.start();
      if (ofHome !== undefined) this.#offer(origin, ofHome);
    }
  }

  #takeFirst(): string | undefined {
    const { answering, silent } = this.#ready;
    for (const ready of [silent, answering]) {
      if (ready === silent && this.#underWayToSilent >= MAX_CALLS_UNANSWERED) continue;
      const [first] = ready;
      if (first === undefined) continue;
      ready.delete(first);
      return first;
    }
    return undefined;
  }
}

function stopped(): FederationError {
  return new FederationError("ERR_FED_UNAVAILABLE", "This server does not settle any more.");
}
