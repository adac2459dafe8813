import assert from "node:assert/strict";
import { encode, schema, t } from "@colyseus/schema";
import { InputEncoder } from "@colyseus/schema/input";
import { eventually } from "../support/eventually.ts";
import { fetchJson } from "../support/fetch-json.ts";
import { rooms } from "../support/running.ts";
import { portal } from "../support/sdk.ts";
import { ledgerRow } from "../support/stored.ts";
import { type Transit, Visitor } from "../support/visitor.ts";
import { FRAME, sendRaw } from "./support/hostile-player.ts";

const Steering = schema({ left: t.boolean(), speed: t.uint8() }, "Steering");
/** `{a: 1}`, as MessagePack says it. */
const PAYLOAD = [0x81, 0xa1, 0x61, 0x01];

/** A frame of a type that is a string as Colyseus reads it, in any of its lengths. */
function typed(
  code: number,
  type: string,
  prefix: "short" | "8" | "16" | "32" = "short",
): number[] {
  const text = [...Buffer.from(type)];
  const { length } = text;
  const head = {
    short: [0xa0 | length],
    "8": [0xd9, length],
    "16": [0xda, length, 0],
    "32": [0xdb, length, 0, 0, 0],
  }[prefix];
  return [code, ...head, ...text];
}

function numbered(code: number, value: number): number[] {
  const bytes: number[] = [];
  encode.number(bytes, value, { offset: 0 });
  return [code, ...bytes];
}

/** What a client may send that changes something, by how it is said. */
const FRAMES: readonly (readonly [what: string, frame: readonly number[]])[] = [
  ["a message", typed(FRAME.data, "say")],
  ["a message with a payload", [...typed(FRAME.data, "say"), ...PAYLOAD]],
  ["a message with a number for its type", numbered(FRAME.data, 7)],
  ["a type that nobody but * hears", typed(FRAME.data, "shout")],
  ["a number that nobody but * hears", numbered(FRAME.data, 70_000)],
  ["a type that begins as the federation's do", typed(FRAME.data, "federation:x")],
  ["the same, said longer than it need be", typed(FRAME.data, "federation:x", "8")],
  ["the same, longer still", typed(FRAME.data, "federation:x", "16")],
  ["the same, as long as can be", typed(FRAME.data, "federation:x", "32")],
  ["one of the federation's and a NUL", typed(FRAME.data, "federation:cancel\0")],
  ["a type whose second byte is the prefix", [FRAME.data, 0xd9, ...Buffer.from("federation:")]],
  ["bytes", [...typed(FRAME.bytes, "drop"), 1, 2, 3]],
  ["bytes of a type that nobody but * hears", typed(FRAME.bytes, "throw")],
  ["bytes of one of the federation's types", typed(FRAME.bytes, "federation:cancel")],
  ["bytes of a type that begins so", typed(FRAME.bytes, "federation:drop")],
  ["a request", [FRAME.request, 1, ...typed(0, "say").slice(1)]],
  ["a request with a long id", [FRAME.request, 0xcd, 1, 1, ...typed(0, "say").slice(1)]],
  [
    "a request whose id is spelt as the federation's prefix",
    [FRAME.request, 0xa0, ...Buffer.from("federation:")],
  ],
  ["a message under a modifier", [FRAME.data | 0x20, ...typed(0, "say").slice(1)]],
  ["a message under all modifiers", [FRAME.data | 0xe0, ...typed(0, "say").slice(1)]],
];

describe("attack: a frozen player that will not be silent", function () {
  this.timeout(60_000);
  const at = rooms("home", "away");

  for (const [what, frame] of FRAMES) {
    it(`says ${what}`, async () => {
      const { visitor, transit } = await frozen();
      sendRaw(visitor.room, Uint8Array.from(frame));
      assert.deepEqual(await heardAfter(visitor), [], "the room hears nothing of it");
      await thaws(visitor, transit);
      await visitor.leave();
    });
  }

  it("steers by input frames, and has what it pressed and let go of right afterwards", async () => {
    const visitor = await Visitor.login(at.home, { world: "hearing" });
    const input = new Steering();
    const encoder = new InputEncoder(input);
    const steer = (left: boolean, speed: number): void => {
      Object.assign(input, { left, speed });
      sendRaw(visitor.room, Uint8Array.from([FRAME.inputReliable, ...encoder.encode()]));
    };
    steer(true, 1);
    await eventually(async () => {
      assert.deepEqual(await heard(visitor), ["steered true 1"]);
    });
    const transit = await visitor.transit(portal(at.away));
    const unreliable = new InputEncoder(new Steering(), { mode: "unreliable" });
    Object.assign(unreliable.instance, { left: true, speed: 9 });
    sendRaw(visitor.room, Uint8Array.from([FRAME.inputUnreliable, ...unreliable.encode()]));
    steer(false, 2);
    assert.deepEqual(await heardAfter(visitor), ["steered true 1"]);
    await visitor.giveUp(transit);
    // Only what changed is said: that `left` was let go of meanwhile must not be lost.
    steer(false, 3);
    await eventually(async () => {
      assert.deepEqual(await heard(visitor), ["steered true 1", "steered false 3"]);
    });
    await visitor.leave();
  });

  it("drops what it carries, so that it lies here and is carried there, too", async () => {
    const { visitor, transit } = await frozen();
    const player = `key-${await visitor.key!.thumbprint()}@${at.home.authority}`;
    sendRaw(
      visitor.room,
      Uint8Array.from([...typed(FRAME.data, "note"), 0xa4, ...Buffer.from("more")]),
    );
    await visitor.arrive(transit);
    await visitor.whoAmI();
    const row = ledgerRow(at.home, player);
    assert.equal(row?.holder, at.away.origin);
    assert.equal((row.state as { note?: string } | undefined)?.note, undefined);
    await visitor.leave();
  });

  it("is still counted: a flood of dropped frames ends the connection as any flood does", async () => {
    const visitor = await Visitor.login(at.home, { world: "hearing", options: { perSecond: 20 } });
    await visitor.transit(portal(at.away));
    for (let sent = 0; sent < 60; sent += 1) {
      sendRaw(visitor.room, Uint8Array.from(typed(FRAME.data, "say")));
    }
    await eventually(() => {
      assert.equal(visitor.leaves.length, 1);
    });
    assert.deepEqual(await heard(visitor), []);
  });

  /** A player whose crossing is open: nobody may simulate it. */
  async function frozen(): Promise<{ visitor: Visitor; transit: Transit }> {
    const visitor = await Visitor.login(at.home, { world: "hearing" });
    return { visitor, transit: await visitor.transit(portal(at.away)) };
  }

  async function heard({ room }: Visitor): Promise<unknown[]> {
    const status = await fetchJson<{ heard: Record<string, unknown[]> }>(
      `${at.home.origin}/status`,
    );
    return status.heard[room.sessionId] ?? [];
  }

  /** What the room has heard once everything sent so far has been read, and a few ticks have passed. */
  async function heardAfter(visitor: Visitor): Promise<unknown[]> {
    const answered = new Promise((resolve) => {
      visitor.room.onMessage("federation:receipt", resolve);
    });
    visitor.room.send("federation:receipt");
    await answered;
    for (let times = 0; times < 5; times += 1) await heard(visitor);
    return heard(visitor);
  }

  async function thaws(visitor: Visitor, transit: Transit): Promise<void> {
    await visitor.giveUp(transit);
    visitor.room.send("say", "hello");
    await eventually(async () => {
      assert.deepEqual(await heard(visitor), ["say hello"]);
    });
  }
});
