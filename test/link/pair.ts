/** Two ends of a link in memory: what one sends waits until the test lets it through. */
import type { KeyObject } from "node:crypto";
import { type Frame, MessageDraft } from "../../src/link/frames.ts";
import { createEphemeralKey, agreeOnKeys } from "../../src/link/keys.ts";
import { Link, type LinkHandler, type LinkOptions } from "../../src/link/link.ts";
import type { LinkEars, LinkSocket } from "../../src/link/socket.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { turn } from "../support/turn.ts";
import { seededRandom } from "../support/seeded-random.ts";

export const A = "https://a.example";
export const B = "https://b.example";

/** One end of a connection. */
export class TestSocket implements LinkSocket {
  bufferedBytes = 0;
  reads = true;
  closedWith: [code: number, reason: string] | undefined;
  /** What was sent and has not been delivered. */
  readonly sent: Buffer[] = [];
  ears: LinkEars | undefined;

  listen(ears: LinkEars): void {
    this.ears = ears;
  }

  send(message: Buffer): void {
    this.sent.push(message);
  }

  read(on: boolean): void {
    this.reads = on;
  }

  close(code: number, reason: string): void {
    this.closedWith ??= [code, reason];
  }
}

/** Keys of a link that A has opened to B; another `seed`, other signatures. */
export function keysOf(seed = "1") {
  const [a, b] = ["a", "b"].map((side) => createEphemeralKey(seededRandom(`${side}${seed}`)));
  if (a === undefined || b === undefined) throw new Error("no keys");
  const random = seededRandom(`signatures${seed}`);
  const transcript = {
    ...{ opener: A, accepter: B },
    ...{ requestSignature: random.bytes(64), answerSignature: random.bytes(64) },
  };
  const [ofA, ofB] = [
    agreeOnKeys(a, b.publicKey, transcript),
    agreeOnKeys(b, a.publicKey, transcript),
  ];
  if (ofA === undefined || ofB === undefined) throw new Error("no agreement");
  return { ofA, ofB };
}

/** A message of these frames. */
export function sealed(
  key: KeyObject,
  counter: number,
  ...frames: readonly (Frame & { readonly created?: number })[]
): Buffer {
  const draft = new MessageDraft();
  for (const frame of frames) if (!draft.add(frame)) throw new Error("no room");
  return draft.seal(key, counter, frames[0]?.created ?? 0);
}

/** A handler that answers by echo, or as `answer` says. */
export function handlerOf(answer?: LinkHandler["answer"]): LinkHandler {
  return {
    answer: answer ?? (async (_peer, { body }) => ({ status: 200, body: body.toString() })),
    refuse: (code) => ({ status: 429, body: JSON.stringify({ code }) }),
    health: () => '{"status":"pass"}',
  };
}

/** A link that A has opened to B, not proven yet. */
export class Pair {
  readonly clock = new ManualClock();
  readonly sockets = { a: new TestSocket(), b: new TestSocket() };
  readonly a: Link;
  readonly b: Link;
  readonly ended: string[] = [];

  constructor(
    handlers: { readonly a?: LinkHandler; readonly b?: LinkHandler } = {},
    { traced = false }: Pick<LinkOptions, "traced"> = {},
  ) {
    const { ofA, ofB } = keysOf();
    const { clock } = this;
    const common = (name: string): Pick<LinkOptions, "clock" | "onEnd" | "traced"> => ({
      clock,
      traced,
      onEnd: (_link, code) => this.ended.push(`${name} ${code ?? "goodbye"}`),
    });
    this.b = new Link({
      ...common("b"),
      socket: this.sockets.b,
      peer: { origin: A, kid: "a", sessionId: "s" },
      openedHere: false,
      keys: { sending: ofB.byAccepter, receiving: ofB.byOpener },
      handler: handlers.b ?? handlerOf(),
    });
    this.a = new Link({
      ...common("a"),
      socket: this.sockets.a,
      peer: { origin: B, kid: "b", sessionId: "s" },
      openedHere: true,
      keys: { sending: ofA.byOpener, receiving: ofA.byAccepter },
      handler: handlers.a ?? handlerOf(),
    });
  }

  /** As it is once the opener's ping is answered. */
  static async proven(
    handlers: ConstructorParameters<typeof Pair>[0] = {},
    options: ConstructorParameters<typeof Pair>[1] = {},
  ): Promise<Pair> {
    const pair = new Pair(handlers, options);
    await pair.settle();
    return pair;
  }

  /** Delivers all that was sent, and what is said to it, until there is no more. */
  async settle(): Promise<void> {
    const { a, b } = this.sockets;
    await turn();
    while (a.sent.length + b.sent.length > 0) {
      for (const message of a.sent.splice(0)) b.ears?.message(message);
      for (const message of b.sent.splice(0)) a.ears?.message(message);
      await turn();
    }
  }
}
