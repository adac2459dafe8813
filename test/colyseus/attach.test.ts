import assert from "node:assert/strict";
import { createServer } from "node:http";
import { type AuthContext, Room, type Server, defineServer, matchMaker } from "@colyseus/core";
import { WebSocketTransport } from "@colyseus/ws-transport";
import { type Federation, createFederation } from "../../src/federation/federation.ts";
import type { Logger } from "../../src/ports.ts";
import { quietServer } from "../fixtures/quiet-server.ts";
import { folderOfTest } from "../support/folders.ts";
import { quietLogger, recordingLogger } from "../support/loggers.ts";
import { freePort } from "../../src/testing/test-place.ts";
import { leave, sdkClient } from "../support/sdk.ts";

class Hall extends Room {}

class Club extends Room {
  static readonly password = "sesame";
  static override async onAuth(token: string, _options: unknown, _context: AuthContext) {
    return token === Club.password;
  }
}

describe("colyseus/attach", () => {
  const folder = folderOfTest();
  const servers = new Set<Server>();
  const federations = new Set<Federation>();

  function federation(port = 1, logger: Logger = quietLogger()): Federation {
    const made = createFederation({
      origin: `http://localhost:${port}`,
      worlds: { hall: "hall" },
      dataDirectory: folder.path,
      allowInsecure: true,
      logger,
    });
    federations.add(made);
    return made;
  }

  function serverOf(options: Parameters<typeof quietServer>[0] = {}): Server {
    const server = quietServer({ gracefullyShutdown: false, ...options });
    server.define("hall", Hall);
    server.define("club", Club);
    servers.add(server);
    return server;
  }

  async function shutDown(server: Server): Promise<void> {
    servers.delete(server);
    await server.gracefullyShutdown(false);
  }

  afterEach(async () => {
    for (const server of [...servers]) await shutDown(server);
    for (const each of federations) await each.detach();
    federations.clear();
  });

  /** All that attaching puts a hand on, for all servers of the process. */
  const hooked = (): unknown[] => [
    Object.getOwnPropertyDescriptor(Room, "onAuth")?.value,
    Object.getOwnPropertyDescriptor(Club, "onAuth")?.value,
    Reflect.get(Room.prototype, "_onJoin"),
    Reflect.get(Room.prototype, "_onMessage"),
  ];

  const isServed = async (port: number): Promise<boolean> =>
    (await fetch(`http://localhost:${port}/federation/health`)).ok;

  it("gives back all hooks when the server has shut down", async () => {
    const before = hooked();
    const port = await freePort();
    const server = serverOf();
    const members = (): unknown[] => [Reflect.get(server, "define"), Reflect.get(server, "listen")];
    const [define, listen] = members();
    const { options } = server;
    federation(port).attach(server);
    await server.listen(port);
    assert.ok(await isServed(port));
    for (const [index, hook] of hooked().entries()) assert.notEqual(hook, before[index]);
    await shutDown(server);
    assert.deepEqual(hooked(), before);
    assert.deepEqual(members(), [define, listen]);
    assert.deepEqual([options.express, options.beforeListen], [undefined, undefined]);
  });

  it("takes one server after another, of the same federation and of another", async () => {
    const [first, second] = [federation(await freePort()), federation(await freePort())];
    for (const each of [first, second, first]) {
      const port = Number(new URL(each.origin).port);
      const server = each.attach(serverOf());
      await server.listen(port);
      assert.ok(await isServed(port));
      const room = await sdkClient(each).joinOrCreate("hall");
      await room.leave();
      await shutDown(server);
    }
  });

  it("refuses a second one at the same time, which changes nothing", async () => {
    const port = await freePort();
    const server = federation(port).attach(serverOf());
    const attached = hooked();
    const another = { name: "TypeError", message: /another federation is attached/u };
    assert.throws(() => federation().attach(server), another);
    assert.deepEqual(hooked(), attached);
    await server.listen(port);
    assert.ok(await isServed(port));
  });

  it("refuses a server that listens already, by name", async () => {
    const port = await freePort();
    const server = serverOf();
    await server.listen(port);
    const before = hooked();
    assert.throws(() => federation(port).attach(server), {
      name: "TypeError",
      message: /before server\.listen\(\)/u,
    });
    assert.deepEqual(hooked(), before);
  });

  it("refuses what is no server", () => {
    for (const wrong of [undefined, {}, createServer()]) {
      assert.throws(() => federation().attach(wrong as never), {
        name: "TypeError",
        message: /federation\.attach: expected a Server/u,
      });
    }
  });

  it("detaches from a server that goes on without it", async () => {
    const before = hooked();
    const port = await freePort();
    const one = federation(port);
    const server = one.attach(serverOf());
    await server.listen(port);
    await one.detach();
    assert.deepEqual(hooked(), before);
    assert.equal(await isServed(port), false);
    assert.equal(matchMaker.getAllHandlers()["federation"], undefined);
    assert.deepEqual(await matchMaker.query({ name: "federation" }), []);
    const room = await sdkClient(one).joinOrCreate("hall");
    await room.leave();
    await one.detach();
  });

  it("detaches before the server listens", async () => {
    const port = await freePort();
    const one = federation(port);
    const server = one.attach(serverOf());
    await one.detach();
    await server.listen(port);
    assert.equal(one.runtime.started, false);
    assert.equal(await isServed(port), false);
  });

  it("lets those who are in a room go on in it when it is detached", async () => {
    const port = await freePort();
    const one = federation(port);
    const server = one.attach(serverOf());
    await server.listen(port);
    const room = await sdkClient(one).joinOrCreate("hall");
    await one.detach();
    const another = await sdkClient(one).joinById(room.roomId);
    assert.equal(matchMaker.getLocalRoomById(room.roomId).clients.length, 2);
    await leave(room, another);
  });

  it("keeps what the host has put around a hook meanwhile", async () => {
    const one = federation();
    one.attach(serverOf());
    const inner = Reflect.get(Club, "onAuth") as (...args: unknown[]) => unknown;
    let asked = 0;
    const mine = (...args: unknown[]): unknown => {
      asked += 1;
      return inner(...args);
    };
    Reflect.set(Club, "onAuth", mine);
    await one.detach();
    assert.equal(Reflect.get(Club, "onAuth"), mine);
    await Club.onAuth("sesame", {}, {} as AuthContext);
    assert.equal(asked, 1);
    Club.onAuth = async (token: string) => token === Club.password;
  });

  it("keeps the callbacks that the host sets after attaching, before and after it stops", async () => {
    const port = await freePort();
    const calls: string[] = [];
    const server = federation(port).attach(
      serverOf({ beforeListen: () => void calls.push("boot") }),
    );
    server.onBeforeShutdown(() => void calls.push("before"));
    server.onShutdown(() => void calls.push("after"));
    await server.listen(port);
    await shutDown(server);
    assert.deepEqual(calls, ["boot", "before", "after"]);
  });

  it("stops where a callback of the host's fails, and says which", async () => {
    const before = hooked();
    const port = await freePort();
    const logger = recordingLogger();
    const one = federation(port, logger);
    const server = one.attach(serverOf());
    const fail = (): never => {
      throw new Error("the host's own");
    };
    server.onBeforeShutdown(fail);
    server.onShutdown(fail);
    await server.listen(port);
    await shutDown(server);
    assert.equal(one.runtime.started, false);
    assert.deepEqual(hooked(), before);
    assert.ok(
      logger.lines.some((line) => line.includes("error: the host's onBeforeShutdown failed")),
    );
  });

  it("leaves nothing open where it is detached while it starts", async () => {
    const before = hooked();
    const port = await freePort();
    const one = federation(port);
    const server = one.attach(serverOf());
    const listening = server.listen(port);
    await one.detach();
    await listening;
    assert.deepEqual(hooked(), before);
    assert.equal(one.runtime.started, false);
    assert.equal(await isServed(port), false);
  });

  it("can be listened with again when its port was taken", async () => {
    const [port, taken] = [await freePort(), await freePort()];
    const other = createServer().listen(taken);
    const one = federation(port);
    const server = one.attach(
      defineServer({
        rooms: {},
        greet: false,
        gracefullyShutdown: false,
        transport: new WebSocketTransport({ server: createServer() }),
        logger: quietLogger(),
      }),
    );
    servers.add(server);
    try {
      await assert.rejects(
        Promise.race([
          server.listen(taken),
          // Colyseus tells of a taken port by an event of the HTTP server alone.
          new Promise((_, reject) => server.transport.server?.once("error", reject)),
        ]),
        /EADDRINUSE/u,
      );
    } finally {
      other.close();
      // Colyseus begins another at each attempt and ends the last one only.
      matchMaker.stats.clearAutoPersistInterval();
    }
    await server.listen(port);
    assert.ok(await isServed(port));
  });

  it("says which world has no room, and in one line who is federated with whom", async () => {
    const port = await freePort();
    const logger = recordingLogger();
    const one = federation(port, logger);
    const server = one.attach(serverOf());
    server.removeRoomType("hall");
    await server.listen(port);
    const said = logger.lines.filter((line) => /federated as|worlds\.hall/u.test(line));
    assert.equal(said.length, 2);
    assert.match(said[0] ?? "", /^warn: worlds\.hall: no room "hall" is defined/u);
    const { kid } = one.runtime.signingKey();
    assert.ok(said[1]?.includes(`worlds hall; peers none; key ${kid}`), said[1]);
  });
});
