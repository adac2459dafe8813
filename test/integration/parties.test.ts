import assert from "node:assert/strict";
import type { PartyOutcome } from "aether-federation";
import { type Failure, type PartyProgress, Traveler, onParty } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import { rooms } from "../support/running.ts";
import { nextMessage, portal } from "../support/sdk.ts";

/** One of a party, with all that its client was told. */
class Friend {
  readonly traveler: Traveler;
  readonly failures: Failure[] = [];
  readonly progress: PartyProgress[] = [];

  constructor(home: string, name: string) {
    this.traveler = new Traveler(home, { name, storage: memoryStorage() });
    this.traveler.onFailed((failure) => void this.failures.push(failure));
    onParty(this.traveler, (progress) => void this.progress.push(progress));
  }

  get id(): string {
    return this.traveler.playerId ?? "";
  }
}

describe("parties between live servers", function () {
  this.timeout(60_000);
  const at = rooms("plaza", "arena", "north");
  let friends: Friend[];

  /** Three friends in one room of the plaza; the last one is at home in the north. */
  beforeEach(async () => {
    friends = [
      new Friend(at.plaza.origin, "Ada"),
      new Friend(at.plaza.origin, "Bob"),
      new Friend(at.north.origin, "Cyd"),
    ];
    for (const { traveler } of friends) await traveler.join("plain");
    const guest = friends[2]?.traveler;
    guest?.enter(portal(at.plaza));
    await eventually(() => {
      assert.equal(guest?.origin, at.plaza.origin);
      assert.equal(new Set(friends.map(({ traveler }) => traveler.room?.roomId)).size, 1);
    });
  });
  afterEach(async () => {
    for (const { traveler } of friends) await traveler.leave();
  });

  const ids = (): string[] => friends.map(({ id }) => id);
  const go = (to: string, ifSomeCannot: "nobody" | "others" = "nobody"): void => {
    friends[0]?.traveler.room?.send("party", { to, ids: ids(), ifSomeCannot });
  };
  const whereabouts = (): (string | undefined)[] => friends.map(({ traveler }) => traveler.origin);

  it("arrive together in one room, of different homes, and each has seen all of them come", async () => {
    go(portal(at.arena));
    await eventually(() => {
      assert.deepEqual(
        whereabouts(),
        friends.map(() => at.arena.origin),
      );
    });
    assert.equal(new Set(friends.map(({ traveler }) => traveler.room?.roomId)).size, 1);
    for (const { progress, failures } of friends) {
      assert.deepEqual(failures, []);
      assert.deepEqual(
        progress.at(-1)?.members.map(({ player, name }) => [player, name]),
        ids().map((id, each) => [id, ["Ada", "Bob", "Cyd"][each]]),
      );
      const stages = progress.flatMap(({ members }) => members.map(({ stage }) => stage));
      assert.ok(stages.includes("departing") && stages.includes("reserved"), stages.join());
    }
  });

  it("all stay where the world has no room for all, with the same reason", async () => {
    const room = friends[0]?.traveler.room;
    assert.ok(room);
    const ended = nextMessage<PartyOutcome>(room, "party");
    go(portal(at.arena, "small", { size: "2" }));
    const outcome = await ended;
    assert.deepEqual([outcome.kind, outcome.reason?.code], ["stayed", "ERR_FED_WORLD_FULL"]);
    await eventually(() => {
      for (const { failures } of friends) {
        assert.deepEqual(
          failures.map(({ code, message }) => [code, message]),
          [["ERR_FED_WORLD_FULL", outcome.reason?.message]],
        );
      }
    });
    assert.deepEqual(
      whereabouts(),
      friends.map(() => at.plaza.origin),
    );
  });

  it("all stay where one is not admitted; by choice, the others go", async () => {
    const room = friends[0]?.traveler.room;
    assert.ok(room);
    const ended = nextMessage<PartyOutcome>(room, "party");
    go(portal(at.arena, "plain", { without: "Bob" }));
    const outcome = await ended;
    assert.deepEqual([outcome.kind, outcome.reason?.code], ["stayed", "ERR_FED_ADMISSION_REFUSED"]);
    go(portal(at.arena, "plain", { without: "Bob" }), "others");
    await eventually(() => {
      const [here, there] = [at.plaza.origin, at.arena.origin];
      assert.deepEqual(whereabouts(), [there, here, there]);
    });
  });

  it("all stay where one turns round while the others wait for it", async () => {
    const [, , cyd] = friends;
    assert.ok(cyd);
    cyd.traveler.onDepart(({ transferId }) => {
      cyd.traveler.cancel(transferId);
    });
    go(portal(at.arena, "plain"));
    await eventually(() => {
      for (const { failures, traveler } of friends) {
        assert.equal(failures.length, 1, traveler.playerId);
        assert.equal(traveler.origin, at.plaza.origin);
      }
    });
    const [one, two] = friends.map(({ failures }) => [failures[0]?.code, failures[0]?.message]);
    assert.equal(one?.[0], "ERR_FED_PARTY_BROKEN");
    assert.deepEqual(one, two);
    for (const { traveler } of friends) traveler.room?.send("note", "plays on");
  });
});
