/**
 * Players on their way back to their homes, many in one call: a home with one call under way gathers
 * whoever comes meanwhile into the next.
 */
import { FederationError } from "../../errors.ts";
import type { JsonValue } from "../../json.ts";
import { type Home, type HomeAnswer, isStateRefused } from "../shared/home.ts";
import { MAX_RETURNED_PLAYERS } from "../shared/messages.ts";

/** One player to give back. */
export interface Return {
  readonly player: string;
  readonly epoch: number;
  readonly state?: JsonValue;
}

interface Waiting {
  readonly request: Return;
  readonly bytes: number;
  /** Goes in a call of its own. */
  alone: boolean;
  readonly resolve: (answer: HomeAnswer<unknown>) => void;
  readonly reject: (cause: unknown) => void;
}

/** Room for the states in one call, so that its body stays below 64 KiB. */
const MAX_STATE_BYTES = 48 * 1024;
/** Calls at once to a home that takes one player a call. */
const SINGLE_CALLS = 8;

/** The returns of one server, by home. */
export class Returns {
  readonly #homeAt: (origin: string) => Home;
  readonly #queues = new Map<string, Waiting[]>();
  readonly #underWay = new Map<string, number>();
  /** Homes that know no `returns`. */
  readonly #single = new Set<string>();

  constructor(homeAt: (origin: string) => Home) {
    this.#homeAt = homeAt;
  }

  /** Gives a player back. Resolves with home's answer; rejects when there was none. */
  give(home: string, request: Return): Promise<HomeAnswer<unknown>> {
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(home) ?? [];
      this.#queues.set(home, queue);
      const bytes =
        request.state === undefined ? 0 : Buffer.byteLength(JSON.stringify(request.state));
      queue.push({ request, bytes, alone: false, resolve, reject });
      this.#next(home);
    });
  }

  #next(home: string): void {
    const underWay = this.#underWay.get(home) ?? 0;
    const queue = this.#queues.get(home);
    const most = this.#single.has(home) || queue?.[0]?.alone === true ? SINGLE_CALLS : 1;
    if (queue === undefined || queue.length === 0 || underWay >= most) return;
    const batch = this.#single.has(home) ? queue.splice(0, 1) : takeBatch(queue);
    if (queue.length === 0) this.#queues.delete(home);
    this.#underWay.set(home, underWay + 1);
    void this.#send(home, batch).finally(() => {
      const left = (this.#underWay.get(home) ?? 1) - 1;
      if (left === 0) this.#underWay.delete(home);
      else this.#underWay.set(home, left);
      this.#next(home);
    });
    this.#next(home);
  }

  async #send(home: string, batch: readonly Waiting[]): Promise<void> {
    const [first, ...others] = batch;
    if (first === undefined) return;
    try {
      if (others.length === 0) {
        first.resolve(await this.#homeAt(home).giveBack(first.request));
        return;
      }
      const answer = await this.#homeAt(home).giveBackAll({
        players: batch.map(({ request }) => request),
      });
      // Of a home that does not judge each by itself, somebody's state is refused: but whose?
      if (!answer.ok && isStateRefused(answer.code)) for (const each of batch) each.alone = true;
      if (!answer.ok && answer.code === "ERR_FED_NOT_FOUND") this.#single.add(home);
      if (!answer.ok && (isStateRefused(answer.code) || answer.code === "ERR_FED_NOT_FOUND")) {
        this.#queues.set(home, [...batch, ...(this.#queues.get(home) ?? [])]);
        return;
      }
      if (!answer.ok) {
        for (const { resolve } of batch) resolve(answer);
        return;
      }
      const returned = new Set(answer.body.returned.map(nameOf));
      const refused = new Map(answer.body.refused.map((each) => [nameOf(each), each.code]));
      for (const { request, resolve, reject } of batch) {
        const code = refused.get(nameOf(request));
        if (returned.has(nameOf(request))) resolve({ ok: true, body: {} });
        else if (code !== undefined) resolve({ ok: false, code, reason: "home refused" });
        else reject(new FederationError("ERR_FED_BAD_RESPONSE"));
      }
    } catch (cause) {
      for (const { reject } of batch) reject(cause);
    }
  }
}

/** As many as fit one call, at least one. */
function takeBatch(queue: Waiting[]): Waiting[] {
  let bytes = 0;
  let count = 0;
  for (const each of queue) {
    if (each.alone) return queue.splice(0, Math.max(1, count));
    bytes += each.bytes;
    if (count === MAX_RETURNED_PLAYERS || (count > 0 && bytes > MAX_STATE_BYTES)) break;
    count += 1;
  }
  return queue.splice(0, count);
}

function nameOf({ player, epoch }: { readonly player: string; readonly epoch: number }): string {
  return `${player}#${epoch}`;
}
