import assert from "node:assert/strict";
import type { Custody } from "../../../src/custody/custody.ts";
import type { Siblings } from "../../../src/custody/shared/siblings.ts";
import { CustodyServers, bodyThatCarries } from "../../support/custody-servers.ts";

const HOME = "https://home.example";
const PLAYER = "ada@home.example";
const KNOWN = { name: "Ada", jkt: undefined, guest: false };
/** More than a login takes here. */
const MOST_TURNS = 80;

describe("custody/home/home-sessions, of several processes", () => {
  /** Two processes of one server, which hear each other. */
  function twoProcesses(): Custody[] {
    const servers = new CustodyServers();
    const lives = new Map<string, Custody>();
    for (const life of ["one", "two"]) {
      const siblings: Siblings = {
        life,
        isAlive: (other) => Promise.resolve(lives.has(other)),
        ask: (other, request) => lives.get(other)!.answerSibling(request),
      };
      lives.set(life, servers.add(HOME, siblings).custody);
    }
    return [...lives.values()];
  }

  for (const order of ["one after", "both before"] as const) {
    it(`plays a player once who logs in at two of them, however far the first login is (${order})`, async () => {
      let seen = 0;
      for (let turns = 0; turns < MOST_TURNS; turns += 1) {
        const processes = twoProcesses();
        const [one, two] = processes as [Custody, Custody];
        if (order === "both before") {
          const former = await one.login("ada", KNOWN, bodyThatCarries({ coins: 1 }));
          assert.ok(former.ok);
        }
        const first = one.login("ada", KNOWN, bodyThatCarries({ coins: 2 }));
        for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
        const second = two.login("ada", KNOWN, bodyThatCarries({ coins: 3 }));
        const results = await Promise.all([first, second]);
        const playing = processes.filter(({ sessions }) => sessions.get(PLAYER) !== undefined);
        assert.equal(playing.length, 1, `after ${turns} turns: ${JSON.stringify(results)}`);
        if (results.every(({ ok }) => ok)) seen += 1;
      }
      assert.ok(seen > 0, "once, both have been let in, one after the other");
    });
  }
});
