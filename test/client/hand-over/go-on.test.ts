import assert from "node:assert/strict";
import { Emitter } from "../../../src/client/emitter.ts";
import type { HandOver } from "../../../src/client/events.ts";
import { parseFragment } from "../../../src/client/hand-over/fragments.ts";
import { type Onward, goOn } from "../../../src/client/hand-over/go-on.ts";
import { Identity } from "../../../src/client/identity.ts";
import { KIT } from "../../../src/client/kit.ts";
import { use } from "../../../src/client/later/kit.ts";
import { PlayerKey } from "../../../src/client/player-key.ts";
import type { Visit } from "../../../src/client/visit.ts";
import { Whereabouts } from "../../../src/client/whereabouts.ts";
import { eventually } from "../../support/eventually.ts";
import { memoryStorage } from "../../support/memory-storage.ts";

use(KIT);
const HOME = "https://home.example";
const RACE = "https://race.example";
const QUIZ = "https://quiz.example";
const OPEN = "open page goes on";

/** Which page goes on with a player. */
describe("client/hand-over/go-on", () => {
  afterEach(() => {
    Reflect.deleteProperty(globalThis, "location");
  });

  /** As if a browser showed that page. */
  function show(url: string): void {
    Object.defineProperty(globalThis, "location", { configurable: true, value: new URL(url) });
  }

  const pages: Record<string, string | undefined> = {
    [HOME]: `${HOME}/play`,
    [RACE]: `${RACE}/play`,
    [QUIZ]: undefined,
  };
  const whereabouts = (said = pages): Whereabouts =>
    Object.assign(new Whereabouts(() => Promise.reject(new Error("unused"))), {
      pageOf: (origin: string) => Promise.resolve(said[origin]),
    });
  const visit: Visit = {
    ...{ key: PlayerKey.generate(), server: RACE },
    beside: () => undefined,
    goHome: () => new Promise<never>(() => undefined),
  };

  /** Where a crossing goes on: the page, or {@link OPEN}. */
  async function pageFor(origin: string, changes: Partial<Onward> = {}): Promise<string> {
    const listener = new Emitter<HandOver>();
    const opened: HandOver[] = [];
    listener.on((event) => opened.push(event));
    const abort = new AbortController();
    const onward: Onward = {
      transit: {
        ...{ transferId: "t", to: `aether://${new URL(origin).host}/w`, origin, world: "w" },
        reservation: { sessionId: "s", roomId: "r", processId: "p", name: "w" },
        expiresAt: Math.floor(Date.now() / 1000) + 30,
      },
      ...{ page: pages[origin], signal: abort.signal, confirm: "never", isOnward: false },
      identity: new Identity(HOME, { storage: memoryStorage() }),
      ...{ whereabouts: whereabouts(), visit: undefined, from: HOME, room: undefined },
      ...{ plays: undefined, listener, left: () => undefined },
      ...changes,
    };
    let isOpen = false;
    const going = goOn(onward).then(() => {
      isOpen = true;
    });
    const failed = going.then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    await Promise.race([failed, eventually(() => assert.ok(opened.length > 0))]);
    if (isOpen) return OPEN;
    const [handOver] = opened;
    if (handOver === undefined) throw (await failed) ?? new Error("nobody goes on");
    abort.abort(new Error("the page is gone"));
    await failed;
    const { hash } = new URL(handOver.url);
    const said = parseFragment(hash);
    assert.ok(said?.kind === "coming" && said.home === HOME && said.transit.transferId === "t");
    assert.equal(said.isMove, origin === onward.from);
    return handOver.url.slice(0, -hash.length);
  }

  it("is the destination's, from the page of home that has the key", async () => {
    show(`${HOME}/play`);
    assert.equal(await pageFor(RACE), `${RACE}/play`);
  });

  it("is the open one, where the destination has none, or that very one", async () => {
    show(`${HOME}/play`);
    assert.equal(await pageFor(QUIZ), OPEN);
    show(`${RACE}/play?room=1`);
    assert.equal(await pageFor(RACE), OPEN);
  });

  it("is the open one where it plays that world itself", async () => {
    show(`${HOME}/play`);
    const seen: object[] = [];
    const plays = (world: object): boolean => seen.push(world) > 0;
    assert.equal(await pageFor(RACE, { plays }), OPEN);
    assert.deepEqual(seen, [{ origin: RACE, world: "w", client: `${RACE}/play` }]);
  });

  it("is the open one where home has no page that could be asked, or one without the key", async () => {
    show(`${HOME}/play`);
    const silent = whereabouts({ ...pages, [HOME]: undefined });
    assert.equal(await pageFor(RACE, { whereabouts: silent }), OPEN);
    show("https://mirror.example/play");
    assert.equal(await pageFor(RACE), OPEN);
  });

  it("is the destination's, from a visited page, or home's where it has none", async () => {
    show(`${RACE}/play`);
    const there = { visit, from: RACE };
    assert.equal(await pageFor(HOME, there), `${HOME}/play`);
    assert.equal(await pageFor(QUIZ, there), `${HOME}/play`);
    show(`${QUIZ}/play`);
    const quiz = { ...pages, [QUIZ]: `${QUIZ}/play` };
    const from = { visit, from: QUIZ, whereabouts: whereabouts(quiz) };
    assert.equal(await pageFor(RACE, from), `${RACE}/play`);
  });

  it("is a visited page itself within its server, unless another one of the same origin plays that world", async () => {
    show(`${RACE}/play`);
    const there = { visit, from: RACE };
    assert.equal(await pageFor(RACE, there), OPEN);
    assert.equal(await pageFor(RACE, { ...there, page: `${RACE}/cup` }), `${RACE}/cup`);
    assert.equal(await pageFor(RACE, { ...there, page: "https://cup.example/" }), OPEN);
  });

  it("is nobody's for a player whose key no other page has", async () => {
    show(`${HOME}/play`);
    for (const identity of [new Identity(HOME, { storage: null }), new Identity(HOME, {})]) {
      await assert.rejects(pageFor(RACE, { identity }), /ERR_FED_HAND_OVER_FAILED/u);
    }
  });

  it("is where a program opens it that is no browser, and listens", async () => {
    assert.equal(await pageFor(RACE), `${RACE}/play`);
    assert.equal(await pageFor(RACE, { listener: new Emitter() }), OPEN);
  });

  describe("asks the player first", () => {
    const asked: unknown[] = [];
    const answering =
      (answer: boolean): Onward["confirm"] =>
      ({ from, to, page }) => {
        asked.push([from, to, page]);
        return answer;
      };
    beforeEach(() => {
      asked.length = 0;
      show(`${HOME}/play`);
    });

    it("by a function, about every crossing to another server", async () => {
      assert.equal(await pageFor(QUIZ, { confirm: answering(true) }), OPEN);
      assert.equal(await pageFor(RACE, { confirm: answering(true) }), `${RACE}/play`);
      assert.deepEqual(asked, [
        [HOME, QUIZ, undefined],
        [HOME, RACE, `${RACE}/play`],
      ]);
    });

    it("and keeps it here when it says no", async () => {
      for (const origin of [QUIZ, RACE]) {
        await assert.rejects(
          pageFor(origin, { confirm: answering(false) }),
          /ERR_FED_CROSSING_ABANDONED/u,
        );
      }
    });

    it("but not within one server", async () => {
      assert.equal(await pageFor(HOME, { confirm: answering(false), page: undefined }), OPEN);
      assert.deepEqual(asked, []);
    });

    it("and does not go when it answers too late", async () => {
      for (const origin of [QUIZ, RACE]) {
        const abort = new AbortController();
        const confirm = (): boolean => {
          abort.abort(new Error("the seat has lapsed"));
          return true;
        };
        await assert.rejects(pageFor(origin, { confirm, signal: abort.signal }), /lapsed/u);
      }
    });
  });
});
