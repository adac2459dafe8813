import assert from "node:assert/strict";
import type { Room } from "@colyseus/sdk";
import { Traveler } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { fetchJson } from "../support/fetch-json.ts";
import { goodClaims, operatorKey, passOf } from "../support/operator.ts";
import { type Player, playerIn } from "../support/player.ts";
import { ROOMS, WORLD } from "../support/processes.ts";
import { running } from "../support/running.ts";
import { portal, sdkClient } from "../support/sdk.ts";
import { whoAmI } from "../support/visitor.ts";

/** How a local player gets into each kind of room, and what it must not get in without. */
const KINDS = [
  { kind: "plain", token: undefined, options: {}, open: true },
  { kind: "instance", token: undefined, options: { password: "sesame" }, open: false },
  { kind: "static", token: "host-token", options: {}, open: false },
  { kind: "uncaught", token: undefined, options: {}, open: true },
  { kind: "late", token: "host-token", options: {}, open: false },
] as const;

describe("every kind of room", function () {
  this.timeout(60_000);
  const at = running({ plaza: { script: WORLD }, rooms: { script: ROOMS } });

  for (const { kind, token, options, open } of KINDS) {
    describe(kind, () => {
      it("lets a local player in by the host's own rules", async () => {
        const client = sdkClient(at.rooms, token);
        const room = await client.joinOrCreate(kind, { ...options, name: "Local" });
        const { auth, player } = await whoAmI(room);
        if (open) assert.match(player?.id ?? "", /^guest-/u);
        else {
          assert.match(String(auth?.["id"]), /^account-\d$/u);
          assert.equal(player?.id, `${String(auth?.["id"])}@${at.rooms.authority}`);
        }
        assert.equal(player?.home, at.rooms.origin);
        await room.leave();
      });

      it("lets a federated player in, with client.auth as its FederatedPlayer", async () => {
        const visitor = await playerIn(at.plaza, "Visitor");
        const { id } = visitor.at.me;
        const room = await crossTo(visitor, portal(at.rooms, kind));
        const { auth, player } = await whoAmI(room);
        assert.equal(auth?.["id"], id);
        assert.equal(auth?.["name"], "Visitor");
        assert.equal(auth?.["home"], at.plaza.origin);
        assert.equal(auth?.["from"], at.plaza.origin);
        assert.ok(Array.isArray((auth?.["carried"] as { coins?: unknown } | undefined)?.coins));
        assert.deepEqual(player, auth);
        await room.leave();
      });

      it("refuses a bad pass with a coded error", async () => {
        const client = sdkClient(
          at.rooms,
          await pass({ world: kind, aud: "http://elsewhere.example" }),
        );
        await assert.rejects(client.joinOrCreate(kind, options), /ERR_FED_PASS_AUDIENCE/u);
      });

      it(open ? "lets a guest in without a token" : "refuses without a token", async () => {
        const join = sdkClient(at.rooms).joinOrCreate(kind, { name: "Nobody" });
        if (open) await (await join).leave();
        else await assert.rejects(join, /onAuth failed/u);
      });
    });
  }

  it("logs a key-holding player in at a room without auth of its own", async () => {
    const traveler = new Traveler(at.rooms.origin, { name: "Key" });
    const room = await traveler.join("plain");
    const { auth, player } = await whoAmI(room);
    assert.equal(player?.id, traveler.playerId);
    assert.deepEqual(auth, player);
    await traveler.leave();
  });

  it("never lets a key log in where the host has auth of its own", async () => {
    for (const kind of ["static", "late", "instance"]) {
      await assert.rejects(
        new Traveler(at.rooms.origin, { name: "Key" }).join(kind),
        /onAuth failed/u,
      );
    }
  });

  it("keeps everybody out of the room that shows the peers", async () => {
    const aud = at.rooms.origin;
    const client = sdkClient(at.rooms, await pass({ world: "federation", aud }));
    await assert.rejects(client.joinOrCreate("federation"));
    await assert.rejects(sdkClient(at.rooms).joinOrCreate("federation"));
  });

  it("shows its peers at a glance in the Colyseus monitor", async () => {
    const listed = await fetchJson<{ rooms: { name: string; roomId: string }[] }>(
      `${at.plaza.origin}/monitor/api`,
    );
    const room = listed.rooms.find(({ name }) => name === "federation");
    assert.ok(room !== undefined);
    await eventually(async () => {
      const url = `${at.plaza.origin}/monitor/api/room?roomId=${room.roomId}`;
      const { state } = await fetchJson<{
        state: { summary: string; peers: string[]; at: string };
      }>(url);
      assert.match(state.summary, /\b\d+ up · \d+ visitors · \d+ abroad$/u);
      const line = state.peers.find((each) => each.includes(at.rooms.authority)) ?? "";
      assert.match(line, /^up · localhost:\d+ · for \d+ \w+ · \d+ ms · 100\.0 % of the day$/u);
      assert.match(state.at, /^\d{4}-.*Z$/u);
    });
  });

  it("has that room back when somebody disposes it in the monitor", async () => {
    const monitor = `${at.plaza.origin}/monitor/api`;
    const find = async (): Promise<string | undefined> => {
      const { rooms } = await fetchJson<{ rooms: { name: string; roomId: string }[] }>(monitor);
      return rooms.find(({ name }) => name === "federation")?.roomId;
    };
    const first = await find();
    assert.ok(first !== undefined);
    await fetch(`${monitor}/room/call?roomId=${first}&method=disconnect&args=[]`);
    await eventually(async () => {
      const second = await find();
      assert.ok(second !== undefined && second !== first);
    });
  });

  it("honours the admission policy, with its reason", async () => {
    const mallory = await playerIn(at.plaza, "Mallory");
    mallory.traveler.enter(portal(at.rooms));
    const failure = await mallory.failure();
    assert.equal(failure.code, "ERR_FED_ADMISSION_REFUSED");
    assert.match(failure.message, /not welcome/u);
    await mallory.at.pickUpCoin();
    await mallory.leave();
  });

  async function pass(claims: { world: string; aud: string }): Promise<string> {
    const good = goodClaims(at.plaza, at.rooms, claims.world);
    return passOf({ ...good, ...claims }, await operatorKey(at.plaza));
  }
});

async function crossTo(player: Player, uri: string): Promise<Room> {
  const count = player.arrivals.length;
  player.traveler.enter(uri);
  const arrival = await eventually(
    () => {
      const failure = player.failures.at(-1);
      if (failure !== undefined) return failure;
      const latest = player.arrivals[count];
      if (latest === undefined) throw new Error("on the way");
      return latest;
    },
    { what: "the crossing has ended" },
  );
  assert.ok("room" in arrival, `stayed: ${JSON.stringify(arrival)}`);
  return arrival.room;
}
