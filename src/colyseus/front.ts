/** Where a server's endpoints are put: in front of its HTTP server, or into its Express app. */
import type { Server as HttpServer } from "node:http";
import type { Server } from "@colyseus/core";
import type { Middleware, Upgrade } from "../http/inbound/middleware.ts";
import type { Logger } from "../ports.ts";
import { bootsItself, transportOf } from "./internals.ts";
import { expressAppOf, mount, mountUpgrade } from "./mount.ts";
import { override } from "./overrides.ts";

/** The endpoints of one attached server. */
export class Front {
  readonly #server: Server;
  readonly #endpoints: Middleware;
  readonly #upgrade: Upgrade;
  readonly #paths: readonly string[];
  readonly #logger: Logger;
  #http: HttpServer | undefined;
  #app: ReturnType<typeof expressAppOf>;
  /** Set where the endpoints are in place. */
  #release: (() => void) | undefined;

  constructor(
    server: Server,
    options: {
      readonly endpoints: Middleware;
      readonly upgrade: Upgrade;
      readonly paths: readonly string[];
      readonly logger: Logger;
    },
  ) {
    this.#server = server;
    this.#endpoints = options.endpoints;
    this.#upgrade = options.upgrade;
    this.#paths = options.paths;
    this.#logger = options.logger;
  }

  /** Looks for the app whose `trust proxy` says where callers come from, while it still listens. */
  async prepare(): Promise<void> {
    const transport = await transportOf(this.#server);
    this.#http = transport?.server;
    if (this.#http === undefined) return;
    const own = expressAppOf(this.#http);
    this.#app = own;
    // Vite's dev server makes the app of the `express` option by itself.
    if (this.#server.options.express === undefined || !bootsItself(this.#server)) return;
    this.#app = (await transport?.getExpressApp?.()) as typeof own;
    if (own !== undefined && own !== this.#app) {
      this.#logger.error(
        "this server has an Express app on its HTTP server and an `express` option beside it: Colyseus answers every request by both, which breaks them. Move what the option does to the app",
      );
    }
  }

  /** Puts the endpoints in front of the HTTP server, with all that Colyseus and the host have on it. */
  open(): void {
    if (this.#http === undefined || this.#release !== undefined) return;
    const releases = [
      mount(this.#http, this.#endpoints, { paths: this.#paths, app: this.#app }),
      mountUpgrade(this.#http, this.#upgrade, this.#app),
    ];
    this.#release = () => {
      for (const release of releases) release();
    };
  }

  /** A transport that is no HTTP server of Node's (uWebSockets.js) has routes by an Express app alone. */
  async useExpressWithoutHttp(): Promise<void> {
    const transport = await transportOf(this.#server);
    if (this.#release !== undefined || transport === undefined || transport.server !== undefined) {
      return;
    }
    if (transport.getExpressApp === undefined) {
      this.#release = () => undefined;
      this.#logger.error(
        "the federation's endpoints cannot be mounted on this transport: mount federation.middleware() on an HTTP server of your own, and name its URL as `endpoint`",
      );
      return;
    }
    const { options } = this.#server;
    const { express } = options;
    const ahead: typeof express = async (app) => {
      app.use(this.#endpoints as never);
      await express?.(app);
    };
    this.#release = override(options, "express", ahead);
  }

  /** Takes the endpoints away. */
  close(): void {
    this.#release?.();
    this.#release = undefined;
  }
}
