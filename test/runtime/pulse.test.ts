import assert from "node:assert/strict";
import { FederationError } from "../../src/errors.ts";
import { Pulse, readPulse } from "../../src/runtime/pulse.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

describe("runtime/pulse", () => {
  let clock: ManualClock;
  let store: MemoryStore;
  const running = async (): Promise<boolean | undefined> =>
    (await readPulse(store, clock.now()))?.isRunning;

  beforeEach(() => {
    clock = new ManualClock();
    store = new MemoryStore(clock);
  });

  it("says that the server runs for as long as it does", async () => {
    assert.equal(await running(), undefined);
    const pulse = new Pulse({ store, clock, name: "Here" });
    await pulse.start();
    for (let minute = 0; minute < 10; minute += 1) {
      assert.equal(await running(), true);
      await clock.advanceAsync(60_000);
    }
    const { name, startedAt } = (await readPulse(store, clock.now())) ?? {};
    assert.deepEqual([name, clock.now() - (startedAt ?? 0)], ["Here", 600_000]);
    await pulse.stop();
    assert.equal(await running(), false);
    await clock.advanceAsync(60_000);
    assert.equal(await running(), false, "it beats no more");
  });

  it("takes a server that was killed for one that does not run, after 150 s", async () => {
    await new Pulse({ store, clock, name: "Here" }).start();
    const now = clock.now();
    assert.equal((await readPulse(store, now + 150_000))?.isRunning, true);
    assert.equal((await readPulse(store, now + 150_001))?.isRunning, false);
  });

  it("tells how meeting whom the configuration names has failed, of so many at most", async () => {
    const named = Array.from({ length: 300 }, (_, index) => `https://p${index}.example`);
    const cause = new FederationError("ERR_FED_NOT_TRUSTED");
    await new Pulse({
      ...{ store, clock, name: "Here", named },
      attempt: (origin) =>
        origin === named[0] ? undefined : { failures: 1, cause, nextAt: clock.now() + 5 },
    }).start();
    const { attempts = [] } = (await readPulse(store, clock.now())) ?? {};
    assert.equal(attempts.length, 200);
    assert.deepEqual(attempts[0], {
      ...{ origin: named[1], nextAt: clock.now() + 5 },
      cause: { code: "session-refused", refusal: "ERR_FED_NOT_TRUSTED" },
    });
  });

  it("tells of the configuration's routes in their normal form, and of none but their members", async () => {
    const route = { pattern: "aether://ARENA:443/*", server: "https://A.example", note: "mine" };
    await new Pulse({ store, clock, name: "Here", routes: [route] }).start();
    const { routes, routesLeftOut } = (await readPulse(store, clock.now())) ?? {};
    assert.deepEqual(routes, [{ pattern: "aether://arena/*", server: "https://a.example" }]);
    assert.equal(routesLeftOut, 0);
  });

  for (const [what, routes] of [
    [
      "many",
      Array.from({ length: 1_001 }, (_, index) => ({
        pattern: `aether://h${index}/*`,
        server: "",
      })),
    ],
    [
      "long",
      Array.from({ length: 40 }, (_, index) => ({
        ...{ pattern: `aether://h${index}/w/${"x".repeat(1_980)}`, server: "" },
      })),
    ],
  ] as const) {
    it(`leaves routes out where there are too ${what} of them, and says how many`, async () => {
      const server = "https://a.example";
      const given = routes.map((route) => ({ ...route, server }));
      await new Pulse({ store, clock, name: "Here", routes: given }).start();
      const reading = await readPulse(store, clock.now());
      assert.equal(reading?.isRunning, true);
      assert.ok(JSON.stringify(reading.routes).length <= 66_000);
      assert.ok(reading.routesLeftOut > 0);
      assert.equal(reading.routes.length + reading.routesLeftOut, given.length);
    });
  }

  it("keeps nobody from starting where the store does not take it", async () => {
    store.set = () => Promise.reject(new Error("no"));
    const pulse = new Pulse({ store, clock, name: "Here" });
    await pulse.start();
    await pulse.stop();
  });

  for (const text of ["", "{", '{"name":1}']) {
    it(`knows nothing from ${JSON.stringify(text)}`, async () => {
      await store.set("pulse", text);
      assert.equal(await running(), undefined);
    });
  }
});
