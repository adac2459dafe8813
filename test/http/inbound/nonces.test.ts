import assert from "node:assert/strict";
import { BegunSessions } from "../../../src/handshake/begun-sessions.ts";
import { Nonces } from "../../../src/http/inbound/nonces.ts";
import { MemoryStore } from "../../../src/storage/memory-store.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";

const A = "https://a.example";
const B = "https://b.example";
const MINUTE = 60_000;

describe("http/inbound/nonces", () => {
  let clock: ManualClock;
  let store: MemoryStore;
  let sessions: BegunSessions;
  let nonces: Nonces;
  const said = (nonce: string, session?: string, origin = A) => ({
    ...{ origin, kid: `key of ${origin}`, nonce },
    session,
  });
  beforeEach(() => {
    clock = new ManualClock();
    store = new MemoryStore(clock);
    sessions = new BegunSessions(clock);
    nonces = new Nonces({ store, clock, sessions });
    sessions.add(A, "s", clock.now() / 1000 + 3600);
  });

  it("writes nothing down of what is said in a session that this run has begun", async () => {
    assert.equal(await nonces.use(said("n", "s"), MINUTE), undefined);
    assert.equal(store.size, 0);
  });

  it("takes a nonce once in a session", async () => {
    await nonces.use(said("n", "s"), MINUTE);
    assert.equal(await nonces.use(said("n", "s"), MINUTE), "ERR_FED_REPLAYED");
  });

  it("takes a nonce once in whichever session it is said", async () => {
    sessions.add(A, "t", clock.now() / 1000 + 3600);
    await nonces.use(said("n", "s"), MINUTE);
    assert.equal(await nonces.use(said("n", "t"), MINUTE), "ERR_FED_REPLAYED");
  });

  it("remembers a nonce until its time is over", async () => {
    await nonces.use(said("n", "s"), MINUTE);
    clock.advance(MINUTE - 1);
    assert.equal(await nonces.use(said("n", "s"), MINUTE), "ERR_FED_REPLAYED");
  });

  it("forgets a nonce once its time is over", async () => {
    await nonces.use(said("n", "s"), MINUTE);
    clock.advance(MINUTE);
    assert.equal(await nonces.use(said("n", "s"), MINUTE), undefined);
  });

  it("refuses what was said in a session of a former run", async () => {
    assert.equal(await nonces.use(said("n", "former"), MINUTE), "ERR_FED_HANDSHAKE_REQUIRED");
  });

  it("refuses what was said in somebody else's session", async () => {
    assert.equal(await nonces.use(said("n", "s", B), MINUTE), "ERR_FED_HANDSHAKE_REQUIRED");
  });

  it("has a restart remember what was said in no session", async () => {
    await nonces.use(said("n"), MINUTE);
    const restarted = new Nonces({ store, clock, sessions: new BegunSessions(clock) });
    assert.equal(await restarted.use(said("n"), MINUTE), "ERR_FED_REPLAYED");
  });

  it("has every process of a server remember what was said to one of them", async () => {
    const [one, other] = [new Nonces({ store, clock }), new Nonces({ store, clock })];
    await one.use(said("n", "s"), MINUTE);
    assert.equal(await other.use(said("n", "s"), MINUTE), "ERR_FED_REPLAYED");
  });

  it("takes no nonce again that it has forgotten when the clock is set back", async () => {
    await nonces.use(said("n", "s"), MINUTE);
    clock.advance(2 * MINUTE);
    await nonces.use(said("m", "s"), MINUTE);
    clock.jumpWall(-2 * MINUTE);
    assert.equal(await nonces.use(said("n", "s"), MINUTE), "ERR_FED_HANDSHAKE_REQUIRED");
  });

  it("hears as many calls as ever after the clock was set back", async () => {
    for (let each = 0; each < 32_768; each += 1) await nonces.use(said(`${each}`, "s"), MINUTE);
    clock.jumpWall(-60 * MINUTE);
    sessions.add(A, "t", clock.now() / 1000 + 3600);
    clock.advance(MINUTE);
    assert.equal(await nonces.use(said("n", "t"), MINUTE), undefined);
  });

  it("rejects while the store does not answer", async () => {
    store.failing = true;
    await assert.rejects(nonces.use(said("n"), MINUTE), { code: "ERR_FED_STORE_UNAVAILABLE" });
  });

  it("refuses a peer that says more than can be remembered, and nobody else", async () => {
    sessions.add(B, "s", clock.now() / 1000 + 3600);
    for (let each = 0; each < 32_768; each += 1) await nonces.use(said(`${each}`, "s"), MINUTE);
    assert.equal(await nonces.use(said("n", "s"), MINUTE), "ERR_FED_RATE_LIMITED");
    assert.equal(await nonces.use(said("n", "s", B), MINUTE), undefined);
  });
});
