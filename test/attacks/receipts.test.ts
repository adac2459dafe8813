import assert from "node:assert/strict";
import { peekPayload } from "../../src/identity/jws.ts";
import { type CustodyServer, CustodyServers, bodyThatCarries } from "../support/custody-servers.ts";
import { Walk } from "../support/walk.ts";
import { eventually } from "../support/eventually.ts";

const HOME = "https://home.example";
const ARENA = "https://arena.example";
const MALLORY = "https://mallory.example";
const GALLERY = "https://gallery.example";
const TRANSFER = "11111111-2222-4333-8444-555555555555";

describe("a hostile peer and others' receipts", () => {
  let servers: CustodyServers;
  let home: CustodyServer;
  let arena: CustodyServer;
  let mallory: CustodyServer;
  let walk: Walk;

  beforeEach(() => {
    servers = new CustodyServers();
    [home, arena, mallory] = [servers.add(HOME), servers.add(ARENA), servers.add(MALLORY)];
    servers.add(GALLERY);
    walk = new Walk();
  });

  const filed = async (at: CustodyServer) =>
    [await at.custody.history.ofTransfer(TRANSFER)].flat().filter((each) => each !== undefined);

  it("chooses the transfer id of another's crossing: its record stays, beside its own", async () => {
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, arena, "ada@home.example", body, TRANSFER);
    await eventually(async () => {
      assert.equal((await filed(arena))[0]?.from, HOME);
    });
    const evil = bodyThatCarries({ gold: 666 });
    await walk.login(mallory, "eve", evil);
    await walk.cross(mallory, arena, "eve@mallory.example", evil, TRANSFER.toUpperCase());
    await eventually(async () => {
      const issuers = (await filed(arena)).map(({ receipt }) => peekPayload(receipt)?.["iss"]);
      assert.deepEqual(issuers.toSorted(), [HOME, MALLORY]);
    });
  });

  it("claims again after a renewal: the receipt of what it was given is not written over", async () => {
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, mallory, "ada@home.example", body, TRANSFER);
    const issued = async (): Promise<string | undefined> => (await filed(home))[0]?.receipt;
    const first = await issued();
    assert.ok(first !== undefined);
    const renewal = { players: [{ player: "ada@home.example", epoch: 1, state: { gold: 0 } }] };
    assert.ok((await home.custody.answer(MALLORY, "renew", renewal, 1)).ok);
    const again = await home.custody.answer(MALLORY, "claim", { transferId: TRANSFER }, 2);
    assert.ok(again.ok);
    assert.equal((again.body as { receipt: string }).receipt, first);
    assert.equal(await issued(), first);
  });

  for (const [what, forge] of [
    ["rubbish", () => "a.b.c"],
    ["a receipt of another crossing", (other: string) => other],
    ["a receipt whose digest it has changed", (_: string, own: string) => `${own.slice(0, -2)}AA`],
  ] as const) {
    it(`answers a claim with ${what}: it is not filed, and the player plays`, async () => {
      const body = bodyThatCarries({ gold: 1 });
      await walk.login(mallory, "bob", body);
      await walk.cross(mallory, arena, "bob@mallory.example", body);
      const former = servers.calls.length;
      assert.ok(former > 0);
      const other = await mallory.custody.history.of("bob");
      const evil = bodyThatCarries({ gold: 1 });
      await walk.login(mallory, "eve", evil);
      servers.tamper = (path, answer) =>
        path === "/custody/claim"
          ? {
              ...(answer as object),
              receipt: forge(other[0]?.receipt ?? "", (answer as { receipt: string }).receipt),
            }
          : path === "/custody/receipt"
            ? undefined
            : answer;
      await walk.cross(mallory, arena, "eve@mallory.example", evil, TRANSFER);
      assert.ok(arena.custody.sessions.get("eve@mallory.example") !== undefined);
      // It is looked at when records are written, and not while the player arrives.
      await new Promise(setImmediate);
      assert.doesNotMatch(arena.said.join("\n"), /does not verify/u);
      await eventually(() => {
        servers.clock.advance(100);
        assert.match(arena.said.join("\n"), /receipt .*mallory\.example.* does not verify/u);
      });
      assert.deepEqual(await filed(arena), []);
    });
  }
});
