import assert from "node:assert/strict";
import { TrustState } from "../../src/registry/federated-server.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { signMove } from "../../src/identity/move.ts";
import { tellOfPeers } from "../../src/runtime/peer-notices.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { ringOf, verifiedDescriptorOf } from "../support/parties.ts";

const OWN = "https://own.example";
const A = "https://a.example";

describe("runtime/peer-notices", () => {
  let clock: ManualClock;
  let registry: ServerRegistry;
  let lines: string[];
  let fields: unknown[];
  const say = (message: string, about?: unknown): void => {
    lines.push(message);
    fields.push(about);
  };
  const ring = ringOf("own");
  const meet = async (origin: string, trust: TrustState): Promise<void> => {
    const { descriptor } = await verifiedDescriptorOf(origin, ringOf(origin), clock.now());
    await registry.register(descriptor, { trust });
  };

  beforeEach(() => {
    clock = new ManualClock();
    [lines, fields] = [[], []];
    registry = new ServerRegistry({ store: new MemoryStore(clock), clock, maxPeers: 100 });
    const logger = { debug: say, info: say, warn: say, error: say };
    tellOfPeers({ origin: OWN, registry, keys: { ring }, clock, logger });
  });

  it("tells of who waits with the command, and of a flood in one line now and then", async () => {
    for (let index = 0; index < 20; index += 1) {
      await meet(`https://s${index}.example`, TrustState.Pending);
      clock.advance(1_000);
    }
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? "", /^https:\/\/s0\.example .*peers approve https:\/\/s0\.example$/u);
    assert.match(lines[1] ?? "", /^https:\/\/s10\.example .*and 9 more/u);
  });

  it("tells of a quarantine with the keys that came, and nothing of who is trusted", async () => {
    await meet(A, TrustState.Trusted);
    assert.deepEqual(lines, []);
    const thief = ringOf("thief");
    await registry.applyDescriptor(await verifiedDescriptorOf(A, thief, clock.now()));
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? "", new RegExp(`${thief.current.kid}.*peers approve ${A}$`, "u"));
  });

  it("tells of a move once it has followed, and of one in doubt with the command", async () => {
    await meet(A, TrustState.Trusted);
    const [to, key] = ["https://moved.example", ringOf(A)];
    const statement = { from: A, to, keys: [key.current.kid], iat: Math.floor(clock.now() / 1000) };
    const moves = [await signMove(statement, key.current)];
    const read = await verifiedDescriptorOf(to, key, clock.now(), { moves });
    await registry.followMove(read, "denies", 60);
    await registry.followMove(read, "denies", 60);
    assert.equal(lines.length, 1);
    const command = `peers approve ${to} --key ${key.current.kid}$`;
    assert.match(
      lines[0] ?? "",
      new RegExp(`^${A} is said to have moved to ${to}.*${command}`, "u"),
    );
    await registry.followMove(read, "confirms", 60);
    assert.match(lines[1] ?? "", new RegExp(`^${A} has moved to ${to}`, "u"));
    assert.equal(lines.length, 2);
  });

  it("tells what a peer waits for that doubts this server's move", async () => {
    await meet(A, TrustState.Trusted);
    await registry.noteRefusal(A, "ERR_FED_MOVE_DOUBTED");
    assert.match(lines[0] ?? "", /moved-to\.json.*peers approve https:\/\/own\.example/u);
  });

  it("tells once why a peer refuses this server, with what mends it", async () => {
    await meet(A, TrustState.Trusted);
    for (let round = 0; round < 3; round += 1) {
      await registry.noteRefusal(A, "ERR_FED_NOT_TRUSTED");
      await registry.noteRefusal(A, "ERR_FED_BLOCKED");
    }
    assert.equal(lines.length, 1, "however often it says something else");
    assert.deepEqual(fields, [{ peer: A, code: "ERR_FED_NOT_TRUSTED" }]);
    const command = `peers approve ${OWN} --key ${ring.current.kid}$`;
    assert.match(lines[0] ?? "", new RegExp(`^${A} refuses.*ERR_FED_NOT_TRUSTED.*${command}`, "u"));
    clock.advance(60_000);
    await registry.noteRefusal(A, "ERR_FED_BLOCKED");
    assert.match(lines[1] ?? "", /peers unblock https:\/\/own\.example$/u);
    await registry.noteRefusal(A, undefined);
    assert.equal(registry.get(A)?.refusal, undefined);
    await registry.noteRefusal("https://unknown.example", "ERR_FED_BLOCKED");
    assert.equal(lines.length, 2);
  });

  it("tells once on which side trust goes one way only, with what mends it there", async () => {
    await meet(A, TrustState.Trusted);
    await registry.noteTheirTrust(A, { inbound: true, outbound: true });
    assert.deepEqual(lines, []);
    clock.advance(60_000);
    await registry.noteTheirTrust(A, { inbound: false, outbound: true });
    clock.advance(60_000);
    await registry.noteTheirTrust(A, { inbound: false, outbound: true }, ["key"]);
    assert.equal(lines.length, 1);
    assert.match(
      lines[0] ?? "",
      /lets none of this server's players in.*peers approve https:\/\/own/u,
    );
    clock.advance(60_000);
    await registry.noteTheirTrust(A, { inbound: true, outbound: true });
    await registry.setTrust(A, TrustState.Trusted, { roles: { inbound: false, outbound: true } });
    assert.equal(lines.length, 2);
    assert.match(lines[1] ?? "", /none is let in here.*peers approve https:\/\/a\.example$/u);
  });

  it("tells of a block what ends it, and of many in one line", async () => {
    for (let index = 0; index < 20; index += 1) {
      await meet(`https://s${index}.example`, TrustState.Trusted);
    }
    await registry.block("*.example");
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? "", /^https:\/\/s0\.example is blocked.*peers unblock/u);
  });
});
