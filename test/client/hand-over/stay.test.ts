import assert from "node:assert/strict";
import { type Stay, StayKeeper } from "../../../src/client/hand-over/stay.ts";
import { KIT } from "../../../src/client/kit.ts";
import { use } from "../../../src/client/later/kit.ts";
import { memoryStorage } from "../../support/memory-storage.ts";

use(KIT);
const SERVER = "https://race.example";
const STAY: Stay = {
  ...{ server: SERVER, key: { id: "k" }, state: "s".repeat(22), asked: 1, isHere: false },
  coming: {
    ...{ kind: "coming", home: "https://home.example", isMove: false },
    transit: {
      ...{ transferId: "t", to: "aether://race.example/race", origin: SERVER },
      reservation: { sessionId: "s", roomId: "r", processId: "p", name: "race" },
      expiresAt: 1_790_000_000,
    },
  },
};

describe("client/hand-over/stay", () => {
  it("is read as it was kept, for the same server alone", () => {
    const storage = memoryStorage();
    for (const stay of [STAY, { ...STAY, isHere: true, key: { seed: "x" } }]) {
      assert.equal(new StayKeeper(SERVER, storage).keep(stay), true);
      assert.deepEqual(new StayKeeper(SERVER, storage).read(), stay);
    }
    assert.equal(new StayKeeper("https://quiz.example", storage).read(), undefined);
    new StayKeeper(SERVER, storage).keep(undefined);
    assert.equal(new StayKeeper(SERVER, storage).read(), undefined);
  });

  for (const [what, stay] of Object.entries({
    "no JSON": "{",
    "nothing that is known": "7",
    "a stay without a key": JSON.stringify({ ...STAY, key: {} }),
    "a stay without an end": JSON.stringify({ ...STAY, coming: {} }),
    "a stay that counts badly": JSON.stringify({ ...STAY, asked: -1 }),
  })) {
    it(`reads nothing of ${what}`, () => {
      const storage = memoryStorage();
      storage.setItem("aether-federation:stay", stay);
      assert.equal(new StayKeeper(SERVER, storage).read(), undefined);
    });
  }

  it("says where nothing can be kept", () => {
    const full = {
      getItem: () => null,
      setItem: () => {
        throw new Error("full");
      },
    };
    assert.equal(new StayKeeper(SERVER, full).keep(STAY), false);
    assert.equal(new StayKeeper(SERVER, null).keep(STAY), false);
  });

  it("lets a page send the browser home three times in a minute, and no more", () => {
    const storage = memoryStorage();
    const may = (): boolean => new StayKeeper(SERVER, storage).mayGoHome();
    assert.deepEqual([may(), may(), may(), may()], [true, true, true, false]);
  });
});
