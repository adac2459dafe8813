import assert from "node:assert/strict";
import { createServer } from "node:http";
import { type Arrival, Traveler } from "aether-federation/client";
import { eventually } from "../support/eventually.ts";
import { hangUp, listen } from "../support/loopback.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import { freePort } from "../../src/testing/test-place.ts";
import { ROOMS, type ServerProcess, Servers } from "../support/processes.ts";
import { whoAmI } from "../support/visitor.ts";

describe("a server whose game is on another host than its origin", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let game: ServerProcess;
  let other: ServerProcess;
  /** What the origin itself serves: the descriptor, and nothing else. */
  const door = createServer((request, response) => {
    if (request.url !== "/.well-known/aether-federation") {
      response.writeHead(404).end();
      return;
    }
    fetch(`${game.origin}${request.url}`)
      .then(async (answer) => {
        const type = "application/json";
        response.writeHead(200, { "content-type": type, "access-control-allow-origin": "*" });
        response.end(Buffer.from(await answer.arrayBuffer()));
      })
      .catch(() => response.writeHead(502).end());
  });
  let origin: string;

  before(async () => {
    ({ origin } = await listen(door));
    const port = await freePort();
    other = await servers.launch({ name: "other", script: ROOMS, flags: ["--peer", origin] });
    game = await servers.launch({
      ...{ name: "game", script: ROOMS, port },
      flags: [
        ...["--origin", origin, "--peer", other.origin],
        ...["--endpoint", `http://localhost:${port}/federation`],
      ],
    });
    await Promise.all([game.ready(), other.ready()]);
    await Promise.all([game.knows(other.origin), other.knows(origin)]);
  });
  after(async () => {
    await servers.stop();
    await hangUp(door);
  });

  it("is a home: players log in there, and come back after a reload", async () => {
    const [storage, placeStorage] = [memoryStorage(), memoryStorage()];
    const options = { storage, placeStorage, comesHome: false };
    const traveler = new Traveler(origin, options);
    const room = await traveler.join("dropping");
    assert.equal((await whoAmI(room)).player?.id, `${traveler.playerId}`);
    assert.equal((await whoAmI(room)).player?.home, origin);
    room.reconnection.enabled = false;
    room.connection.close();
    const again = new Traveler(origin, options);
    assert.equal((await again.resume("dropping")).sessionId, room.sessionId);
    await again.leave();
  });

  it("is a destination, and a source", async () => {
    const traveler = new Traveler(other.origin, { comesHome: false });
    const arrivals: Arrival[] = [];
    traveler.onArrive((arrival) => arrivals.push(arrival));
    await traveler.join("plain");
    const authority = new URL(origin).host;
    traveler.enter(`aether://${authority}/plain`);
    await eventually(() => assert.equal(arrivals.at(-1)?.origin, origin));
    traveler.enter(`aether://${authority}/uncaught`);
    await eventually(() => assert.equal(arrivals.at(-1)?.world, "uncaught"));
    traveler.enter(`aether://${other.authority}/plain`);
    await eventually(() => assert.equal(arrivals.at(-1)?.origin, other.origin));
    await traveler.leave();
  });

  it("is travelled from without a room", async () => {
    const traveler = new Traveler(origin, { comesHome: false });
    const room = await traveler.travel(`aether://${other.authority}/plain`);
    assert.equal((await whoAmI(room)).player?.home, origin);
    await traveler.leave();
  });
});
