import assert from "node:assert/strict";
import type { Room } from "@colyseus/sdk";
import { watchPulse } from "../../src/client/pulse.ts";
import { eventually } from "../support/eventually.ts";

const SILENCE_MILLISECONDS = 30;

/** A room's pings, as the SDK has them: one callback at a time. */
class Pinged {
  answers = true;
  sent = 0;
  readonly connection = { isOpen: true };
  #leave: (() => void)[] = [];

  ping(callback: (milliseconds: number) => void): void {
    this.sent += 1;
    if (this.answers) queueMicrotask(() => callback(1));
  }

  onLeave(listener: () => void): void {
    this.#leave.push(listener);
  }

  leave(): void {
    for (const listener of this.#leave) listener();
  }
}

describe("the pulse of a room", () => {
  let room: Pinged;
  let silences: number;

  beforeEach(() => {
    room = new Pinged();
    silences = 0;
    watchPulse(room as unknown as Room, SILENCE_MILLISECONDS, () => (silences += 1));
  });
  afterEach(() => {
    room.leave();
  });

  const pings = (more: number): Promise<void> => {
    const enough = room.sent + more;
    return eventually(() => assert.ok(room.sent >= enough));
  };

  it("beats for as long as it answers", async () => {
    await pings(8);
    assert.equal(silences, 0);
  });

  it("stops once when nothing is answered", async () => {
    room.answers = false;
    await eventually(() => assert.equal(silences, 1));
    const { sent } = room;
    await new Promise((resolve) => setTimeout(resolve, 2 * SILENCE_MILLISECONDS));
    assert.deepEqual([silences, room.sent], [1, sent]);
  });

  it("is not missed while the SDK reconnects", async () => {
    room.connection.isOpen = false;
    room.answers = false;
    await new Promise((resolve) => setTimeout(resolve, 3 * SILENCE_MILLISECONDS));
    assert.equal(silences, 0);
  });

  it("leaves the game its own pings", async () => {
    let answered = 0;
    room.ping(() => (answered += 1));
    room.ping(() => (answered += 1));
    await eventually(() => assert.equal(answered, 2));
  });
});
