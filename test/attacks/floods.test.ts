/** Somebody spends what others need: calls, seats, rooms, crossings. */
import assert from "node:assert/strict";
import { PlayerKey } from "aether-federation/client";
import { Wire } from "../chaos/proxy.ts";
import { assertRefused } from "../support/operator.ts";
import { freePort } from "../../src/testing/test-place.ts";
import { ROOMS, type ServerProcess, Servers } from "../support/processes.ts";
import { ask, portal } from "../support/sdk.ts";
import { Visitor } from "../support/visitor.ts";
import { HostilePeer } from "./support/hostile-peer.ts";

describe("attack: floods from those one trusts", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let hostile: HostilePeer;
  let victim: ServerProcess;
  let honest: ServerProcess;

  before(async () => {
    hostile = await HostilePeer.start();
    const limits = Object.entries({ peer: 60, crossing: 2, travel: 3, seat: 6, room: 3 });
    const flags = ["--peer", hostile.origin];
    [victim, honest] = (await servers.start([
      {
        ...{ name: "victim", script: ROOMS },
        flags: [...flags, ...limits.flatMap(([what, count]) => [`--${what}-limit`, `${count}`])],
      },
      { name: "honest", script: ROOMS, flags },
    ])) as [ServerProcess, ServerProcess];
    await victim.knows(hostile.origin);
  });
  after(async () => {
    await servers.stop();
    await hostile?.stop();
  });

  const preview = (): Promise<{ status: number }> =>
    hostile.call(victim, "/custody/preview", {
      ...{ player: `nobody@${victim.authority}`, epoch: 1, state: {} },
    });

  async function seat(world: string, options?: Record<string, string>) {
    const transferId = crypto.randomUUID();
    const pass = await hostile.pass({
      ...{ sub: crypto.randomUUID().slice(0, 8), aud: victim.origin, xfer: transferId, world },
    });
    return hostile.call(victim, "/reservations", { transferId, pass, world, options });
  }

  it("does not spend what renewals need by asking for previews", async () => {
    let limited = 0;
    for (let count = 0; count < 80; count += 1) {
      if ((await preview()).status === 429) limited += 1;
    }
    assert.ok(limited > 0, "previews have an end");
    const renewed = await hostile.call(victim, "/custody/renew", { players: [] });
    assert.equal(renewed.status, 200, JSON.stringify(renewed.body));
  });

  it("does not open room after room", async () => {
    const opened: number[] = [];
    for (let of = 0; of < 5; of += 1) {
      const { status, body } = await seat("small", { of: String(of) });
      opened.push(status);
      if (status !== 201) assertRefused({ status, body }, 429, "ERR_FED_RATE_LIMITED");
    }
    assert.deepEqual(opened, [201, 201, 201, 429, 429]);
  });

  it("does not have seat after seat kept, and others have theirs", async () => {
    let refused: Awaited<ReturnType<typeof seat>> | undefined;
    for (let count = 0; count < 8 && refused === undefined; count += 1) {
      const answer = await seat("plain");
      if (answer.status !== 201) refused = answer;
    }
    assert.ok(refused !== undefined);
    assertRefused(refused, 429, "ERR_FED_RATE_LIMITED");
    assert.ok(Number(refused.body["retryAfter"]) > 0);
    const visitor = await Visitor.login(honest);
    await visitor.cross(portal(victim));
    await visitor.leave();
  });

  it("does not cross to and fro without end, and plays on", async () => {
    const player = await Visitor.login(victim);
    for (let count = 0; count < 2; count += 1) {
      await player.giveUp(await player.transit(portal(honest)));
    }
    await assert.rejects(player.transit(portal(honest)), /ERR_FED_RATE_LIMITED: .* in \d+ s/u);
    assert.ok((await player.whoAmI()).player !== null);
    const other = await Visitor.login(victim);
    await other.cross(portal(honest));
    await Promise.all([player.leave(), other.leave()]);
  });

  it("does not travel without a room again and again from one address", async () => {
    const travel = async (origin: string): Promise<Response> =>
      fetch(`${origin}/federation/travel`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          authorization: `Bearer ${await PlayerKey.generate().prove(victim.origin, "travel")}`,
        },
        body: JSON.stringify({ to: portal(honest) }),
      });
    const statuses: number[] = [];
    for (let count = 0; count < 4; count += 1) statuses.push((await travel(victim.origin)).status);
    assert.deepEqual(statuses, [200, 200, 200, 429]);
    const refused = await travel(victim.origin);
    assert.ok(Number(refused.headers.get("retry-after")) > 0);
    const port = await freePort();
    const elsewhere = await Wire.openFrom("127.0.0.77", port, victim.spec.port);
    assert.equal((await travel(`http://localhost:${port}`)).status, 200);
    elsewhere.close();
  });

  it("does not have home asked for previews without end", async () => {
    const visitor = await Visitor.login(honest);
    await visitor.cross(portal(victim));
    let unanswered = 0;
    for (let count = 0; count < 40; count += 1) {
      const { losses } = await ask<{ losses: unknown }>(visitor.room, "federation:preview");
      if (losses === null) unanswered += 1;
    }
    assert.ok(unanswered > 0 && unanswered < 20, `${unanswered} of 40`);
    await visitor.leave();
  });
});
