import assert from "node:assert/strict";
import { PlayerKey } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import { ledgerRow } from "../support/stored.ts";
import { Visitor } from "../support/visitor.ts";

describe("a room of home that lacks the plugin", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let home: ServerProcess;
  let away: ServerProcess;

  before(async () => {
    [home, away] = (await servers.rooms("home", "away")) as [ServerProcess, ServerProcess];
  });
  after(() => servers.stop());

  it("lets a key in, and ends that session when the player logs in elsewhere and crosses", async () => {
    const key = PlayerKey.generate();
    const bare = await Visitor.login(home, { key, world: "bare" });
    assert.match(String((await bare.whoAmI()).auth?.["id"]), /^key-[\w-]{43}@/u);
    const other = await Visitor.login(home, { key });
    await eventually(() => assert.match(bare.leaves[0] ?? "", /ERR_FED_SUPERSEDED/u));
    await other.cross(`aether://${away.authority}/plain`);
    assert.equal(ledgerRow(home, await other.id())?.holder, away.origin);
    assert.equal(bare.room.connection.isOpen, false);
    await other.room.leave();
  });

  it("ends the session abroad when a key logs in to it, and keeps what the player carries", async () => {
    const key = PlayerKey.generate();
    const visitor = await Visitor.login(home, { key });
    await visitor.cross(`aether://${away.authority}/plain`);
    await visitor.note("souvenir");
    const bare = await Visitor.login(home, { key, world: "bare" });
    await eventually(() => assert.match(visitor.leaves.at(-1) ?? "", /ERR_FED_SUPERSEDED/u));
    await bare.room.leave();
    const again = await Visitor.login(home, { key });
    assert.equal((await again.whoAmI()).player?.carried?.["note"], "souvenir");
    await again.room.leave();
  });

  it("is no business of the federation for whoever proves no key", async () => {
    const guest = await Visitor.login(home, { key: null, world: "bare" });
    assert.deepEqual((await guest.whoAmI()).auth, null);
    await guest.room.leave();
  });
});
