import assert from "node:assert/strict";
import { BegunSessions } from "../../src/handshake/begun-sessions.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

const A = "https://a.example";
const B = "https://b.example";

describe("handshake/begun-sessions", () => {
  let clock: ManualClock;
  let sessions: BegunSessions;
  beforeEach(() => {
    clock = new ManualClock();
    sessions = new BegunSessions(clock);
  });
  const inAnHour = (): number => clock.now() / 1000 + 3600;

  it("knows a session by its peer", () => {
    sessions.add(A, "one", inAnHour());
    assert.equal(sessions.has(A, "one"), true);
    assert.equal(sessions.has(B, "one"), false);
  });

  it("forgets a session that has ended", async () => {
    sessions.add(A, "one", clock.now() / 1000 + 5);
    clock.advance(5_000);
    assert.equal(sessions.has(A, "one"), false);
  });

  it("forgets a session that its peer does not know any more", () => {
    sessions.add(A, "one", inAnHour());
    sessions.add(A, "two", inAnHour());
    sessions.end(A, "one");
    assert.deepEqual([sessions.has(A, "one"), sessions.has(A, "two")], [false, true]);
  });

  it("forgets all once the clock is set back, by whichever way it had come there", () => {
    sessions.add(A, "one", inAnHour());
    clock.jumpWall(600_000);
    assert.equal(sessions.has(A, "one"), true);
    clock.jumpWall(-600_000);
    assert.equal(sessions.has(A, "one"), false);
    sessions.add(A, "two", inAnHour());
    clock.advance(300_000);
    clock.jumpWall(-300_000);
    assert.equal(sessions.has(A, "two"), false);
  });

  it("begins sessions again after the clock was set back", () => {
    sessions.add(A, "one", inAnHour());
    clock.jumpWall(-600_000);
    sessions.add(A, "two", inAnHour());
    assert.deepEqual([sessions.has(A, "one"), sessions.has(A, "two")], [false, true]);
  });

  it("keeps them while the clock is set by less than a nonce outlives its signature", () => {
    sessions.add(A, "one", inAnHour());
    clock.jumpWall(-400);
    assert.equal(sessions.has(A, "one"), true);
  });

  it("does not add small steps back up to nothing", () => {
    sessions.add(A, "one", inAnHour());
    clock.jumpWall(-400);
    sessions.has(A, "one");
    clock.jumpWall(-400);
    assert.equal(sessions.has(A, "one"), false);
  });

  it("remembers the last eight of a peer", () => {
    for (let each = 0; each < 9; each += 1) sessions.add(A, String(each), inAnHour());
    assert.equal(sessions.has(A, "0"), false);
    assert.equal(sessions.has(A, "1"), true);
  });

  it("remembers so many peers, and of them those that came last", () => {
    for (let each = 0; each <= 16_384; each += 1) {
      sessions.add(`https://${each}.example`, "one", inAnHour());
    }
    assert.equal(sessions.has("https://0.example", "one"), false);
    assert.equal(sessions.has("https://1.example", "one"), true);
  });
});
