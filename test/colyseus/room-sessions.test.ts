import assert from "node:assert/strict";
import type { Room } from "@colyseus/core";
import { RoomSessions } from "../../src/colyseus/room-sessions.ts";
import { PlayerSession } from "../../src/custody/shared/player-session.ts";
import { quietLogger } from "../support/loggers.ts";

describe("colyseus/RoomSessions", () => {
  it("takes a player for frozen once its lease has run out, however late the timer is", () => {
    const room = { clients: new Map(), plugins: {}, roomName: "r" } as unknown as Room;
    const sessions = new RoomSessions({} as never, quietLogger());
    const home = "https://h.example";
    const player = {
      ...{ id: "p@h.example", name: "P", home },
      ...{ carried: undefined, from: undefined },
    };
    const entry = sessions.add(room, "s", player, true);
    let over = false;
    entry.session = new PlayerSession({
      ...{ player: player.id, home, atHome: false, name: "P", guest: false, epoch: 1 },
      body: sessions.body(entry),
    });
    entry.session.leaseEnds(() => over);
    assert.equal(sessions.isFrozen(entry), false);
    over = true;
    assert.equal(entry.frozen, false, "nobody has told it");
    assert.equal(sessions.isFrozen(entry), true);
    assert.equal(entry.frozen, true);
  });
});
