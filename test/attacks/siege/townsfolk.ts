/** An honest player who goes to and fro, and what it feels. */
import { Traveler } from "aether-federation/client";

const CROSSING_MILLISECONDS = 30_000;
const PAUSE_MILLISECONDS = 600;

/** What honest players felt in one phase. */
export class Feelings {
  readonly crossingMilliseconds: number[] = [];
  /** Codes of crossings that were refused, or that nothing was heard of. */
  readonly refused: string[] = [];
  /** Reasons why somebody was frozen who was not crossing. */
  readonly frozen: string[] = [];
  /** Why somebody lost its place. */
  readonly thrownOut: string[] = [];
}

/** One honest player. */
export class Townsman {
  readonly #traveler: Traveler;
  readonly #places: readonly { readonly origin: string; readonly authority: string }[];
  #feelings: Feelings;
  #arrived: (() => void) | undefined;
  #failed: ((code: string) => void) | undefined;

  constructor(
    name: string,
    places: readonly { readonly origin: string; readonly authority: string }[],
    feelings: Feelings,
  ) {
    this.#places = places;
    this.#feelings = feelings;
    this.#traveler = new Traveler(places[0]!.origin, { name });
    this.#traveler.onArrive(() => this.#arrived?.());
    this.#traveler.onFailed(({ code }) => this.#failed?.(code));
    this.#traveler.onFrozen(({ reason }) => {
      if (reason !== "crossing") this.#feelings.frozen.push(reason);
    });
    this.#traveler.onLeave(({ reason, message }) => {
      this.#feelings.thrownOut.push(reason === "" ? message : reason);
      this.#failed?.("thrown out");
    });
  }

  /** From now on, what it feels is written down there. */
  feel(feelings: Feelings): void {
    this.#feelings = feelings;
  }

  /** Goes to and fro for as long as it may. */
  async live(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      if (this.#traveler.room === undefined) {
        await this.#traveler.join("plain").catch((error: unknown) => {
          this.#feelings.refused.push(`join: ${(error as Error).message}`);
        });
      } else {
        await this.#cross();
      }
      await pause(PAUSE_MILLISECONDS * (0.5 + Math.random()));
    }
  }

  leave(): Promise<void> {
    return this.#traveler.leave();
  }

  async #cross(): Promise<void> {
    const to = this.#places.find(({ origin }) => origin !== this.#traveler.origin);
    if (to === undefined) return;
    const feelings = this.#feelings;
    const startedAt = performance.now();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refusal = await new Promise<string | undefined>((resolve) => {
      this.#arrived = () => resolve(undefined);
      this.#failed = resolve;
      timer = setTimeout(() => resolve("silence"), CROSSING_MILLISECONDS);
      this.#traveler.enter(`aether://${to.authority}/plain`);
    });
    clearTimeout(timer);
    this.#arrived = undefined;
    this.#failed = undefined;
    if (refusal === undefined) feelings.crossingMilliseconds.push(performance.now() - startedAt);
    else feelings.refused.push(refusal);
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
