/** Several processes that are one server: this one's life, and what the others ask of it. */
import type { Custody } from "../custody/custody.ts";
import { ProcessRegister } from "../custody/shared/process-register.ts";
import type { Siblings } from "../custody/shared/siblings.ts";
import type { JsonValue } from "../json.ts";
import type { Clock, Logger, Random, Store } from "../ports.ts";
import type { Part } from "./part.ts";
import type { ProcessRequest, SharedProbing } from "./shared-probing.ts";

/** What the host offers where several processes are one server. */
export interface ProcessLink {
  /** The store they share, when no other was named. */
  readonly engine: () => unknown;
  listen(life: string, handle: (request: ProcessRequest) => Promise<JsonValue>): Promise<void>;
  ask(from: string, life: string, request: ProcessRequest): Promise<JsonValue | undefined>;
}

/** Options of {@link SiblingProcesses}. */
export interface SiblingProcessesOptions {
  readonly link: ProcessLink;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** This process among those that are the same server. */
export class SiblingProcesses implements Siblings, Part {
  readonly #link: ProcessLink;
  readonly #logger: Logger;
  readonly #register: ProcessRegister;
  #custody: Custody | undefined;
  #probing: SharedProbing | undefined;

  constructor({ link, store, clock, random, logger }: SiblingProcessesOptions) {
    this.#link = link;
    this.#logger = logger;
    this.#register = new ProcessRegister({ store, clock, random, logger });
  }

  get life(): string {
    return this.#register.life;
  }

  isAlive(life: string): Promise<boolean> {
    return this.#register.isAlive(life);
  }

  ask(life: string, request: ProcessRequest): Promise<JsonValue | undefined> {
    return this.#link.ask(this.life, life, request);
  }

  /** Whose players are frozen, ended and handed over as this process's life goes. Before the start. */
  serve(custody: Custody): void {
    this.#custody = custody;
    this.#register.watchedBy({
      onLapse: () => {
        custody.freezeAll();
      },
      onReborn: (formerLife) => {
        custody.endAll(formerLife);
        this.#listen().catch((cause: unknown) => {
          this.#logger.error("this process cannot be asked by its siblings", cause);
        });
        this.#settle(custody);
      },
      onDeaths: () => {
        this.#settle(custody);
      },
    });
  }

  /** Who answers about peers. Before the start. */
  probeBy(probing: SharedProbing): void {
    this.#probing = probing;
  }

  /** Rejects when the store does not take this life, or nobody can be heard. */
  async start(): Promise<void> {
    await this.#register.start();
    await this.#listen();
  }

  stop(): Promise<void> {
    return this.#register.stop();
  }

  async #listen(): Promise<void> {
    await this.#link.listen(this.life, async (request) => {
      if (request.kind === "findings" || request.kind === "look") {
        return this.#probing?.answer(request) ?? null;
      }
      return this.#custody === undefined ? null : this.#custody.answerSibling(request);
    });
  }

  #settle(custody: Custody): void {
    custody.settleEnded().catch((cause: unknown) => {
      this.#logger.error("what ended processes held could not be settled yet", cause);
    });
  }
}
