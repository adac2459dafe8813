import assert from "node:assert/strict";
import { inventoryOf } from "../../../src/custody/home/trade-items.ts";
import type { PlayerSession } from "../../../src/custody/shared/player-session.ts";
import { tradePurpose } from "../../../src/identity/trade.ts";
import type { JsonValue } from "../../../src/json.ts";
import {
  type CustodyServer,
  CustodyServers,
  type TestBody,
  bodyThatCarries,
} from "../../support/custody-servers.ts";
import { eventually } from "../../support/eventually.ts";
import { playerKey, proofBy } from "../../support/player-proofs.ts";

const [HOME, FAR, ARENA] = ["https://home.example", "https://far.example", "https://arena.example"];
const ADA = "ada@home.example";
const CAP = { id: "cap" };
const RING = { id: "ring" };

describe("custody/home/answers: a claim by home that is repeated, as its answer was lost", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let far: CustodyServer;
  let arena: CustodyServer;
  const key = playerKey("bob");

  beforeEach(() => {
    servers = new CustodyServers();
    [home, far, arena] = [servers.add(HOME), servers.add(FAR), servers.add(ARENA)];
  });
  afterEach(() => {
    for (const { custody } of servers.servers.values()) custody.stop();
  });

  async function play(at: CustodyServer, id: string, body: TestBody, jkt?: string) {
    const login = await at.custody.login(id, { name: id, jkt, guest: false }, body);
    assert.ok(login.ok, JSON.stringify(login));
    if (login.state !== undefined) body.carried = login.state;
    return login.session;
  }

  /** Ada goes from one to the other. Answers the transfer, too. */
  async function crosses(from: CustodyServer, session: PlayerSession, to: CustodyServer) {
    const { transits } = session.body as TestBody;
    const destination = { uri: "aether://x/w", origin: to.origin, world: "w", options: {} };
    const outcome = from.custody.crossings.cross(session, destination);
    await eventually(() => {
      assert.equal(transits.length, 1);
    });
    const arrived = await to.arrive(bodyThatCarries(undefined));
    assert.ok(arrived !== undefined);
    assert.equal((await outcome).kind, "arrived");
    return { arrived, transferId: transits[0]!.transferId };
  }

  /** Bob gives Ada his ring. */
  async function given(): Promise<void> {
    const bob = await play(far, "bob", bodyThatCarries({ inventory: [RING] }), key.kid);
    const tradeId = "00000000-0000-4000-8000-000000000001";
    const gift = { tradeId, item: "ring", to: ADA };
    const use = { use: "trade", purpose: tradePurpose(gift) };
    const proof = await proofBy(key, FAR, use, servers.clock.now());
    const outcome = await far.custody.give(bob, { ...gift, toHome: HOME, proof });
    assert.equal(outcome.kind, "given");
  }

  it("hands nothing over that has come since: the room would not know of it, and undo it", async () => {
    const there = await crosses(
      home,
      await play(home, "ada", bodyThatCarries({ inventory: [CAP] })),
      arena,
    );
    const { arrived, transferId } = await crosses(arena, there.arrived, home);
    await given();
    const again = await home.custody.answer(HOME, "claim", { transferId }, 0);
    assert.ok(again.ok, JSON.stringify(again));
    assert.deepEqual((again.body as { state?: JsonValue }).state, { inventory: [CAP] });
    await home.custody.leave(arrived);
    const body = bodyThatCarries(undefined);
    await play(home, "ada", body);
    assert.deepEqual(inventoryOf(body.carried as JsonValue), [CAP, RING]);
  });
});
