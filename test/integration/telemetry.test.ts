import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { WrittenSpan } from "../fixtures/spans.ts";
import { eventually } from "../support/eventually.ts";
import { folderOfSuite } from "../support/folders.ts";
import { playerIn } from "../support/player.ts";
import { type ServerProcess, Servers, WORLD } from "../support/processes.ts";
import { portal } from "../support/sdk.ts";

const SDK = new URL("../fixtures/spans.ts", import.meta.url).href;
const NAMES = ["home", "plaza", "arena"] as const;
type Name = (typeof NAMES)[number];

describe("telemetry of live servers", function () {
  this.timeout(60_000);
  const folder = folderOfSuite();
  const servers = new Servers();
  let at: Record<Name, ServerProcess>;
  /** One without an SDK. */
  let bare: ServerProcess;

  before(async () => {
    const started = await servers.start([
      ...NAMES.map((name) => ({
        ...{ name, script: WORLD },
        env: { NODE_OPTIONS: `--import=${SDK}`, SPANS_FILE: fileOf(name) },
      })),
      { name: "bare", script: WORLD },
    ]);
    bare = started[NAMES.length]!;
    at = Object.fromEntries(NAMES.map((name, index) => [name, started[index]])) as typeof at;
  });
  after(() => servers.stop());

  function fileOf(name: Name): string {
    return join(folder.path, `${name}.spans`);
  }

  function spansOf(name: Name): WrittenSpan[] {
    if (!existsSync(fileOf(name))) return [];
    const lines = readFileSync(fileOf(name), "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as WrittenSpan);
  }

  /** The trace of the crossing that has left `source` last, as each server tells its part. */
  function traceFrom(source: Name): Record<Name, WrittenSpan[]> {
    const crossing = spansOf(source).findLast(({ name }) => name === "aether.crossing");
    assert.ok(crossing !== undefined, "no crossing has ended yet");
    const part = (name: Name): WrittenSpan[] =>
      spansOf(name).filter(({ traceId }) => traceId === crossing.traceId);
    return { home: part("home"), plaza: part("plaza"), arena: part("arena") };
  }

  const namesOf = (spans: readonly WrittenSpan[]): string[] => spans.map(({ name }) => name).sort();

  it("makes one trace of a crossing between three servers", async () => {
    const player = await playerIn(at.home, "Ada");
    await player.cross(portal(at.plaza, "plaza"));
    await player.cross(portal(at.arena, "arena"));
    await eventually(() => {
      const { home, plaza, arena } = traceFrom("plaza");
      assert.deepEqual(namesOf(plaza), [
        ...["aether.answer /custody/departed", "aether.call /custody/depart"],
        ...["aether.call /reservations", "aether.crossing", "aether.crossing.depart"],
        ...["aether.crossing.reserve", "aether.crossing.settle", "aether.crossing.transit"],
      ]);
      assert.deepEqual(namesOf(home), [
        ...["aether.answer /custody/claim", "aether.answer /custody/depart"],
        "aether.call /custody/departed",
      ]);
      assert.deepEqual(namesOf(arena), [
        ...["aether.answer /reservations", "aether.arrival", "aether.call /custody/claim"],
      ]);
      const all = [...home, ...plaza, ...arena];
      const known = new Set(all.map(({ spanId }) => spanId));
      const roots = all.filter(({ parentId }) => parentId === undefined || !known.has(parentId));
      assert.deepEqual(namesOf(roots), ["aether.crossing"]);
    });
    const { plaza, arena, home } = traceFrom("plaza");
    const parentOf = (spans: readonly WrittenSpan[], name: string): string | undefined => {
      const parent = spans.find((span) => span.name === name)?.parentId;
      return [...home, ...plaza, ...arena].find(({ spanId }) => spanId === parent)?.name;
    };
    assert.equal(parentOf(home, "aether.answer /custody/depart"), "aether.call /custody/depart");
    assert.equal(parentOf(arena, "aether.answer /reservations"), "aether.call /reservations");
    assert.equal(parentOf(arena, "aether.arrival"), "aether.answer /reservations");
    assert.equal(parentOf(home, "aether.answer /custody/claim"), "aether.call /custody/claim");
    await player.leave();
  });

  it("has no part of a server that has no SDK, and players cross to it all the same", async () => {
    const player = await playerIn(at.home, "Bob");
    await player.cross(portal(at.plaza, "plaza"));
    await player.cross(portal(bare, "bare"));
    await eventually(() => {
      const { home, plaza } = traceFrom("plaza");
      assert.ok(namesOf(plaza).includes("aether.crossing"));
      // Home is asked by who carries no trace.
      assert.deepEqual(namesOf(home), ["aether.answer /custody/depart"]);
      const asked = spansOf("home").findLast(({ name }) => name === "aether.answer /custody/claim");
      assert.equal(asked?.attributes["aether.peer"], bare.origin);
      assert.equal(asked.parentId, undefined);
    });
    await player.leave();
  });

  it("tells handshakes of both sides in one trace", async () => {
    await eventually(() => {
      const initiated = NAMES.flatMap((name) =>
        spansOf(name)
          .filter(({ attributes }) => attributes["aether.handshake.role"] === "initiator")
          .filter(({ attributes }) => attributes["aether.outcome"] === "ok"),
      );
      assert.ok(initiated.length > 0);
      for (const { traceId, spanId, attributes } of initiated) {
        const answered = NAMES.flatMap((name) => spansOf(name)).filter(
          (span) => span.traceId === traceId && span.kind === 1,
        );
        if (attributes["aether.peer"] === bare.origin) continue;
        assert.deepEqual(namesOf(answered), ["aether.answer /handshake", "aether.handshake"]);
        assert.deepEqual(new Set(answered.map(({ parentId }) => parentId)), new Set([spanId]));
      }
    });
  });

  it("tells how a visitor who leaves is given back", async () => {
    const player = await playerIn(at.home, "Grace");
    await player.cross(portal(at.plaza, "plaza"));
    await player.leave();
    await eventually(() => {
      const returned = spansOf("plaza").filter(({ name }) => name === "aether.return");
      assert.ok(returned.some(({ attributes }) => attributes["aether.outcome"] === "returned"));
    });
  });

  it("names no player in any span", () => {
    const all = NAMES.map((name) => readFileSync(fileOf(name), "utf8")).join("");
    assert.ok(all.includes("aether.transfer.id"));
    assert.doesNotMatch(all, /key-[A-Za-z0-9_-]{43}|guest-|aether:\/\//u);
  });
});
