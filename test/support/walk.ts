/** Players of {@link CustodyServers} on their way. */
import assert from "node:assert/strict";
import type { LoginResult } from "../../src/custody/home/home-sessions.ts";
import type { PlayerSession } from "../../src/custody/shared/player-session.ts";
import type { CrossingOutcome } from "../../src/custody/source/crossings.ts";
import { type CustodyServer, type TestBody, bodyThatCarries } from "./custody-servers.ts";
import { eventually } from "./eventually.ts";

/** Logs players in at home and has them cross. */
export class Walk {
  /** A session at home. */
  async login(home: CustodyServer, localId: string, body: TestBody): Promise<PlayerSession> {
    const known = { name: localId, jkt: undefined, guest: false };
    const result: LoginResult = await home.custody.login(localId, known, body);
    assert.ok(result.ok, JSON.stringify(result));
    return result.session;
  }

  /** Begins a crossing; resolves once its seat is there, or it has ended without one. */
  async leave(
    from: CustodyServer,
    to: CustodyServer,
    player: string,
    body: TestBody,
    transferId?: string,
  ): Promise<{ readonly outcome: Promise<CrossingOutcome> }> {
    const session = from.custody.sessions.get(player);
    assert.ok(session !== undefined, `${player} plays at ${from.origin}`);
    const transits = body.transits.length;
    let over = false;
    const destination = { uri: "aether://x/w", origin: to.origin, world: "w", options: {} };
    const outcome = from.custody.crossings.cross(session, destination, transferId).finally(() => {
      over = true;
    });
    await eventually(() => {
      if (body.transits.length === transits && !over) throw new Error("under way");
    });
    return { outcome };
  }

  /** A whole crossing. Returns the body at the destination. */
  async cross(
    from: CustodyServer,
    to: CustodyServer,
    player: string,
    body: TestBody,
    transferId?: string,
  ): Promise<TestBody> {
    const { outcome } = await this.leave(from, to, player, body, transferId);
    const there = bodyThatCarries(undefined);
    assert.ok((await to.arrive(there)) !== undefined, "home gives the player");
    assert.equal((await outcome).kind, "arrived");
    return there;
  }
}
