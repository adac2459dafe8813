/**
 * Attaches a federation to a Colyseus server: composes the host's own `express`, `beforeListen` and
 * shutdown callbacks, so that whatever the host set stays in force.
 *
 * Order at `listen()`: host's `beforeListen` → store, key and settlement of a former run → endpoints
 * ahead of the host's Express routes → host's `express` → the port is open → peers room, handshakes,
 * health checks.
 */
import { type Server, matchMaker } from "@colyseus/core";
import type { Middleware } from "../http/inbound/middleware.ts";
import { type AuthHost, installAuthHooks, wrapRoomClasses } from "./auth-hooks.ts";
import { exemptRoomClass } from "./exempt-rooms.ts";
import { holdBackFrozenMessages } from "./frozen-messages.ts";
import { assertInternals } from "./internals.ts";
import { type JoinHost, installJoinHooks } from "./join-hooks.ts";
import { PEERS_PER_PAGE, type PeersSource, definePeersRoom } from "./peers-room.ts";

/** Name of the room that shows the peers in the Colyseus monitor. */
export const PEERS_ROOM = "federation";

/** What attaching needs. */
export interface Attachment {
  readonly joinHost: AuthHost & JoinHost;
  readonly peersSource: PeersSource;
  /** Paths the endpoints are mounted at. */
  readonly paths: readonly string[];
  /** The endpoints; asked for once the runtime has started. */
  readonly endpoints: () => Middleware;
  readonly start: () => Promise<void>;
  readonly goOnline: () => void;
  /** Sends everybody home; resolves once that is done, or took too long. */
  readonly drain: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

const PAGES_CHECK_MILLISECONDS = 10_000;

/** Members of a Colyseus server that are composed. */
interface ServerInternals {
  onBeforeShutdownCallback: () => unknown;
  onShutdownCallback: () => unknown;
}

/**
 * Attaches to `server`, which must not listen yet.
 *
 * @throws TypeError when a federation is attached to this process already.
 * @throws FederationError `ERR_FED_INCOMPATIBLE_COLYSEUS` for a release that lacks what is needed.
 */
export function attachToServer(server: Server, attachment: Attachment): void {
  assertInternals();
  installAuthHooks(attachment.joinHost);
  installJoinHooks(attachment.joinHost);
  holdBackFrozenMessages(attachment.joinHost.sessions);
  const { options } = server;

  const hostBeforeListen = options.beforeListen;
  options.beforeListen = async () => {
    await hostBeforeListen?.();
    await attachment.start();
    wrapRoomClasses();
  };

  const hostExpress = options.express;
  options.express = async (app) => {
    const endpoints = attachment.endpoints();
    for (const path of attachment.paths) app.use(path, endpoints as never);
    await hostExpress?.(app);
    wrapRoomClasses();
  };

  const define = server.define.bind(server) as (...args: unknown[]) => unknown;
  server.define = ((...args: unknown[]) => {
    const handler = define(...args);
    wrapRoomClasses();
    return handler;
  }) as typeof server.define;

  const listen = server.listen.bind(server);
  let pages: NodeJS.Timeout | undefined;
  server.listen = async (...args: Parameters<typeof listen>) => {
    await listen(...args);
    wrapRoomClasses();
    pages = await openPeersRooms(attachment.peersSource);
    attachment.goOnline();
  };

  composeCallback(server as unknown as ServerInternals, "onBeforeShutdownCallback", async () => {
    clearInterval(pages);
    // Before Colyseus closes the rooms: a client that hears of it comes home and finds itself there.
    await attachment.drain();
  });
  composeCallback(server as unknown as ServerInternals, "onShutdownCallback", () =>
    attachment.stop(),
  );
}

/** Runs ours after the host's, also when that fails, or the host sets its own later. */
function composeCallback(
  server: ServerInternals,
  name: keyof ServerInternals,
  ours: () => unknown,
): void {
  let host = server[name];
  Object.defineProperty(server, name, {
    configurable: true,
    get: () => async () => {
      try {
        await host.call(server);
      } finally {
        await ours();
      }
    },
    set: (value: () => unknown) => {
      host = value;
    },
  });
}

/** One room for every page of peers, more as peers come. */
async function openPeersRooms(source: PeersSource): Promise<NodeJS.Timeout> {
  const PeersRoom = definePeersRoom(source);
  exemptRoomClass(PeersRoom);
  matchMaker.defineRoomType(PEERS_ROOM, PeersRoom);
  let open = 0;
  const openMissing = async (): Promise<void> => {
    const needed = Math.max(1, Math.ceil(source.list().length / PEERS_PER_PAGE));
    while (open < needed) await matchMaker.handleCreateRoom(PEERS_ROOM, { page: open++ });
  };
  await openMissing();
  const timer = setInterval(
    () => void openMissing().catch(() => undefined),
    PAGES_CHECK_MILLISECONDS,
  );
  timer.unref();
  return timer;
}
