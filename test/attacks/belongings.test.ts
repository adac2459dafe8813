import assert from "node:assert/strict";
import {
  type Imported,
  importFrom,
  importFromHome,
  previewOf,
} from "../../src/custody/home/import-policy.ts";
import type { JsonValue } from "../../src/json.ts";
import { CustodyServers, bodyThatCarries } from "../support/custody-servers.ts";
import { Walk } from "../support/walk.ts";

const HOME = "https://home.example";
const GALLERY = "https://gallery.example";
const MALLORY = "https://mallory.example";

/** What home keeps after each server has sent what it sends. */
function after(...sent: readonly (readonly [by: string, state: JsonValue])[]): Imported {
  let kept: Imported = { state: undefined, brought: undefined };
  for (const [by, state] of sent) {
    kept = by === HOME ? importFromHome(kept, state, HOME) : importFrom(kept, state, by, undefined);
  }
  return kept;
}

describe("a hostile peer and what a player carries", () => {
  it("rewrites what a third server brought into a list of home's: it stays", () => {
    const brought = [
      [HOME, { bag: [] }],
      [GALLERY, { bag: { gem: { level: 1 } } }],
    ] as const;
    for (const first of [null, [], {}, "x", { gem: null }, { gem: [] }]) {
      const { state } = after(
        ...brought,
        [MALLORY, { bag: first }],
        [MALLORY, { bag: { gem: { level: 666 } } }],
      );
      assert.deepEqual(state, { bag: { gem: { level: 1 } } }, JSON.stringify(first));
    }
  });

  it("takes a member of home's away and brings it again: it is home's all the same", () => {
    for (const value of [9, { own: 1 }, []]) {
      const taken = after(
        [HOME, { gold: 1, hat: "red" }],
        [MALLORY, { gold: null }],
        [HOME, { hat: "blue" }],
        [MALLORY, { gold: value }],
      );
      assert.equal(taken.brought, undefined);
      assert.equal(taken.within, undefined);
      const later = importFrom(taken, { gold: 5 }, GALLERY, undefined);
      assert.deepEqual(later.state, {
        hat: "blue",
        gold: Array.isArray(value) || value === 9 ? 5 : value,
      });
    }
  });

  it("takes more away than home remembers: what it could not remember stays", () => {
    const own = Object.fromEntries([...Array(100).keys()].map((each) => [`m${each}`, each]));
    const gone = Object.fromEntries(Object.keys(own).map((name) => [name, null]));
    const { state, brought } = after([HOME, own], [MALLORY, gone], [MALLORY, own]);
    assert.deepEqual(Object.keys(state as object).length, 100);
    assert.equal(brought, undefined);
  });

  it("renews with thousands of names, others each time: home's row stays small", () => {
    const mallory = `https://${"m".repeat(240)}.example`;
    let kept = after([HOME, { gold: 1 }]);
    for (let round = 0; round < 5; round += 1) {
      const names = [...Array(2_300).keys()];
      const state = {
        ...Object.fromEntries(names.map((each) => [`a${round}b${each}`, 0])),
        ...Object.fromEntries(names.slice(0, 200).map((each) => [`a${round - 1}b${each}`, null])),
      };
      kept = importFrom(kept, state, mallory, undefined);
      assert.ok(JSON.stringify(kept).length < 150_000, `${JSON.stringify(kept).length}`);
    }
  });

  it("has losses told below a name of 16 KiB: each is told in a line", () => {
    const name = "n".repeat(16_000);
    const now = {
      [name]: Object.fromEntries([...Array(1_500).keys()].map((each) => [`a${each}`, 1])),
    };
    const { losses } = previewOf(now, { [name]: {} });
    assert.ok(JSON.stringify(losses).length < 1024 * 1024);
    assert.ok(losses.length > 0);
  });

  it("sends one player many times in one call: it is judged once", async () => {
    const servers = new CustodyServers();
    let asked = 0;
    servers.accept = (_before, sent) => {
      asked += 1;
      return sent;
    };
    const [home, mallory] = [servers.add(HOME), servers.add(MALLORY)];
    const walk = new Walk();
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, mallory, "ada@home.example", body);
    mallory.custody.stop();
    const entry = { player: "ada@home.example", epoch: 1, state: { gold: 9 } };
    for (const call of ["renew", "returns"]) {
      asked = 0;
      const players = Array.from({ length: 200 }, (_, each) => ({
        ...entry,
        epoch: 1 + (each % 2),
      }));
      assert.ok((await home.custody.answer(MALLORY, call, { players }, 0)).ok);
      assert.equal(asked, 1, call);
    }
  });

  it("sends a state for a player that it does not hold: home makes nothing of it", async () => {
    const servers = new CustodyServers();
    const asked: string[] = [];
    servers.accept = (_before, sent, from) => {
      asked.push(from);
      return sent;
    };
    const home = servers.add(HOME);
    await home.custody.ledger.admit("ada", { name: "Ada", jkt: undefined });
    const entry = { player: "ada@home.example", epoch: 0, state: { gold: 9 } };
    const transferId = crypto.randomUUID();
    await home.custody.answer(MALLORY, "return", entry, 0);
    await home.custody.answer(MALLORY, "returns", { players: [entry] }, 0);
    await home.custody.answer(MALLORY, "renew", { players: [entry] }, 0);
    const depart = { ...entry, transferId, to: GALLERY, world: "w" };
    await home.custody.answer(MALLORY, "depart", depart, 0);
    assert.deepEqual(asked, []);
  });
});
