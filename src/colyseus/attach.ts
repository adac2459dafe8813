/**
 * Attaches a federation to a Colyseus server: composes the host's own `beforeListen`, `express` and
 * shutdown callbacks, so that whatever the host set stays in force, and takes all of it back when the
 * federation stops.
 *
 * Order at `listen()` and `serverless()`: host's `beforeListen` → store, key and settlement of a former
 * run → host's `express` → the port is open → endpoints ahead of everything else on the HTTP server →
 * peers room, handshakes, health checks. Vite's dev server boots a server without either, and again
 * at every reload: the federation of the reloaded code takes the place of the former.
 */
import type { Server as HttpServer } from "node:http";
import { type Server, matchMaker } from "@colyseus/core";
import type { Middleware, Upgrade } from "../http/inbound/middleware.ts";
import type { Logger } from "../ports.ts";
import { type AuthHost, installAuthHooks, isAttached, wrapRoomClasses } from "./auth-hooks.ts";
import { Front } from "./front.ts";
import { holdBackFrozenMessages } from "./frozen-messages.ts";
import {
  type ServerInternals,
  assertInternals,
  bootsItself,
  serverInternals,
  transportOf,
} from "./internals.ts";
import { type JoinHost, installJoinHooks } from "./join-hooks.ts";
import { MonitorRooms } from "./monitor-rooms.ts";

import { override, overrideMethod, wrapCallback } from "./overrides.ts";
import type { PeersSource } from "./peers-room.ts";
import type { Worlds } from "./seats.ts";

/** What attaching needs. */
export interface Attachment {
  readonly joinHost: AuthHost & JoinHost;
  readonly peersSource: PeersSource;
  readonly worlds: Worlds;
  readonly logger: Logger;
  /** Paths of the endpoints, at the origin. */
  readonly paths: readonly string[];
  readonly endpoints: Middleware;
  readonly upgrade: Upgrade;
  readonly start: () => Promise<void>;
  readonly goOnline: () => void;
  /** Sends everybody home; resolves once that is done, or took too long. */
  readonly drain: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** How often Vite's dev server is looked at until it is ready. */
const READY_CHECK_MILLISECONDS = 100;

/** The one that is attached. */
let present: AttachedServer | undefined;

/** A federation's hold on a Colyseus server. */
export class AttachedServer {
  readonly #server: Server;
  readonly #internals: ServerInternals;
  readonly #attachment: Attachment;
  readonly #rooms: MonitorRooms;
  readonly #front: Front;
  /** Takes back what was hooked, the last first. */
  readonly #release: (() => void)[] = [];
  /** The federation of the code before a reload. */
  readonly #former: AttachedServer | undefined;
  /** Calls of `listen()` or `serverless()` under way. */
  #listening = 0;
  #started: Promise<void> | undefined;
  #opened: Promise<void> | undefined;
  #drained: Promise<void> | undefined;
  #left: Promise<void> | undefined;
  /** It leaves, or has left: whatever is under way begins nothing more. */
  #over = false;

  /**
   * Attaches to `server`, which must not listen yet.
   *
   * @throws TypeError while another federation is attached, and for a server that listens already.
   * @throws FederationError `ERR_FED_INCOMPATIBLE_COLYSEUS` for a release that lacks what is needed.
   */
  constructor(server: Server, attachment: Attachment) {
    assertInternals();
    this.#server = server;
    this.#internals = serverInternals(server);
    this.#attachment = attachment;
    this.#rooms = new MonitorRooms(attachment.peersSource, attachment.logger);
    this.#front = new Front(server, attachment);
    const { transport, port } = this.#internals;
    if (bootsItself(server) && (port !== undefined || transport?.server?.listening === true)) {
      throw new TypeError(
        "federation.attach: the server listens already: call federation.attach(server) before server.listen()",
      );
    }
    if (isAttached() && !bootsItself(server) && present?.isReloadable === true) {
      this.#former = present;
      present.#releaseAll();
    }
    const { joinHost } = attachment;
    this.#release.push(
      installAuthHooks(joinHost),
      installJoinHooks(joinHost),
      holdBackFrozenMessages(joinHost.sessions),
    );
    this.#hookServer();
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- a process has one matchmaker
    present = this;
  }

  /** Whether the code that attached it may be loaded again in the same process. */
  get isReloadable(): boolean {
    return !bootsItself(this.#server);
  }

  /**
   * Sends everybody home, stops the federation and takes its hooks back. The server goes on without it.
   * Harmless when it was called before.
   */
  leave(): Promise<void> {
    this.#left ??= this.#leave();
    return this.#left;
  }

  async #leave(): Promise<void> {
    this.#over = true;
    await this.#started?.catch(() => undefined);
    // Code that failed after it had attached has never started in the former's place.
    await this.#former?.leave();
    try {
      this.#rooms.hold();
      await this.#drain();
    } finally {
      await this.#stop();
    }
  }

  #drain(): Promise<void> {
    this.#drained ??= this.#attachment.drain();
    return this.#drained;
  }

  async #stop(): Promise<void> {
    this.#over = true;
    // Who is being started is stopped once it has: nothing is left half open.
    await this.#started?.catch(() => undefined);
    try {
      await this.#rooms.close();
      await this.#attachment.stop();
    } finally {
      this.#releaseAll();
    }
  }

  #releaseAll(): void {
    this.#front.close();
    for (const release of this.#release.splice(0).reverse()) release();
    if (present === this) present = undefined;
  }

  #hookServer(): void {
    const server = this.#server;
    const { options } = server;
    const { logger } = this.#attachment;

    const { beforeListen } = options;
    const starting = async (): Promise<void> => {
      await beforeListen?.();
      await this.#start();
    };
    this.#release.push(override(options, "beforeListen", starting));
    this.#release.push(
      overrideMethod(server, "define", (define) => (...args: unknown[]) => {
        const handler = define.apply(server, args);
        wrapRoomClasses();
        return handler;
      }),
      overrideMethod(
        server,
        "listen",
        (listen) =>
          (...args: unknown[]) =>
            this.#bootBy(() => listen.apply(server, args)),
      ),
      overrideMethod(
        server,
        "serverless",
        (serverless) =>
          (...args: unknown[]) =>
            this.#bootBy(() => serverless.apply(server, args)),
      ),
      overrideMethod(server, "prepareServices", (prepare) => async (...args: unknown[]) => {
        const router: unknown = await prepare.apply(server, args);
        if (this.#listening === 0) await this.#bootByDevServer();
        return router;
      }),
    );

    this.#release.push(
      wrapCallback(this.#internals, "onBeforeShutdownCallback", async (host) => {
        try {
          await host();
        } catch (cause) {
          // Colyseus would end here: rooms would not be closed, nor the federation be stopped.
          logger.error(
            "the host's onBeforeShutdown failed; the server shuts down all the same",
            cause,
          );
        }
        this.#rooms.hold();
        // Before Colyseus closes the rooms: a client that hears of it comes home and finds itself there.
        await this.#drain();
      }),
      wrapCallback(this.#internals, "onShutdownCallback", async (host) => {
        try {
          await host();
        } finally {
          await this.#stop();
        }
      }),
    );
    this.#noticeLateAttach();
  }

  /** `listen()` or `serverless()`: Colyseus Cloud calls the first within itself, a dev server ignores it. */
  async #bootBy(boot: () => unknown): Promise<unknown> {
    this.#listening += 1;
    let result: unknown;
    try {
      await this.#front.useExpressWithoutHttp();
      result = await boot();
    } finally {
      this.#listening -= 1;
    }
    if (this.#started !== undefined) await this.#open();
    return result;
  }

  /** Vite's: it never listens, and its rooms are defined after this. */
  async #bootByDevServer(): Promise<void> {
    await this.#start();
    this.#front.open();
    const timer = setInterval(() => {
      const ready = matchMaker.state === matchMaker.MatchMakerState.READY;
      if (!ready) return;
      clearInterval(timer);
      this.#open().catch((cause: unknown) => {
        this.#attachment.logger.error("the federation could not go online", cause);
      });
    }, READY_CHECK_MILLISECONDS);
    timer.unref();
    this.#release.push(() => {
      clearInterval(timer);
    });
  }

  #start(): Promise<void> {
    this.#started ??= this.#startNow().catch((cause: unknown) => {
      this.#started = undefined;
      throw cause;
    });
    return this.#started;
  }

  async #startNow(): Promise<void> {
    if (this.#over) return;
    await this.#former?.leave();
    await this.#front.prepare();
    await this.#attachment.start();
    wrapRoomClasses();
  }

  #open(): Promise<void> {
    this.#opened ??= this.#openNow();
    return this.#opened;
  }

  async #openNow(): Promise<void> {
    if (this.#over) return;
    this.#front.open();
    wrapRoomClasses();
    this.#nameMissingRooms();
    await this.#rooms.open();
    this.#attachment.goOnline();
  }

  #nameMissingRooms(): void {
    const { worlds, logger } = this.#attachment;
    const defined = matchMaker.getAllHandlers();
    for (const [world, room] of Object.entries(worlds)) {
      if (defined[room] !== undefined) continue;
      logger.warn(
        `worlds.${world}: no room "${room}" is defined on this server, so nobody can enter that world. Define it (server.define("${room}", …)), or name another room`,
      );
    }
  }

  /** `listen()` that was called, and not awaited, before attaching runs without any of our hooks. */
  #noticeLateAttach(): void {
    if (this.isReloadable) return;
    const { logger } = this.#attachment;
    const notice = (): void => {
      if (this.#started !== undefined) return;
      logger.error(
        "federation.attach(server) was called after server.listen(): nothing of the federation runs. Attach first",
      );
    };
    let watched: HttpServer | undefined;
    let released = false;
    transportOf(this.#server)
      .then((transport) => {
        if (released) return;
        watched = transport?.server;
        watched?.once("listening", notice);
      })
      // Who listens is told why there is no transport.
      .catch(() => undefined);
    this.#release.push(() => {
      released = true;
      watched?.off("listening", notice);
    });
  }
}
